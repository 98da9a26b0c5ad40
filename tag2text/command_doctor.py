"""``tag2text doctor``: what is installed, and what each command still lacks."""

from __future__ import annotations

import json
import platform
import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final

import typer

from tag2text.options import Json
from tag2text.output import style
from vocab.errors import InputError
from vocab.version import __version__

if TYPE_CHECKING:
    from tag2text.doctor import Part

_NAME: Final = 15  # columns of the names at the left


def doctor(
    imports: Annotated[
        bool, typer.Option("--imports", help="Import every package, too; takes a minute.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Say what is installed, and what each command still lacks.

    The exit code is 1 where what every command needs is not there.
    """
    from tag2text.doctor import import_all, machine, parts

    found = import_all(parts()) if imports else parts()
    has = machine()
    if as_json:
        typer.echo(json.dumps(_to_json(found, has), indent=2, ensure_ascii=False))
    else:
        for line in _lines(found, has):
            typer.echo(line)
    base = found[0]
    if base.wrong:
        names = ", ".join(package.name for package in base.wrong)
        raise InputError(f"the base lacks {names}: {base.hint}")


def _to_json(found: list[Part], has: Mapping[str, str]) -> dict[str, object]:
    return {
        "tag2text": __version__,
        "python": platform.python_version(),
        "executable": sys.executable,
        "platform": platform.platform(),
        "parts": {
            part.name: {
                "ready": not part.wrong,
                "uses": part.uses,
                "install": part.hint,
                "packages": [asdict(package) for package in part.packages],
            }
            for part in found
        },
        "machine": has,
    }


def _lines(found: list[Part], has: Mapping[str, str]) -> Iterator[str]:
    python = f"Python {platform.python_version()} ({sys.executable})"
    yield f"tag2text {__version__}, {python}"
    for part in found:
        yield from _part_lines(part)
    yield ""
    for name, text in has.items():
        yield from _entry(name, text)


def _part_lines(part: Part) -> Iterator[str]:
    yield ""
    word = style("lacks", fg="red") if part.wrong else style("ready", fg="green")
    first, *more = _entry("", f"{word}: {', '.join(part.uses)}")
    yield style(f"{part.name:<{_NAME}}", bold=True) + first[_NAME:]
    yield from more
    if part.wrong:
        yield from _entry("", f"needs {', '.join(map(str, part.wrong))}: {part.hint}")
    if len(part.wrong) < len(part.packages):
        yield from _entry("", ", ".join(str(p) for p in part.packages if p.state == "ok"))


def _entry(name: str, text: str) -> list[str]:
    """Return text beside a name, wrapped at the terminal's width."""
    width = max(shutil.get_terminal_size((100, 24)).columns, 40)
    return textwrap.wrap(
        text,
        width=width,
        initial_indent=f"{name:<{_NAME}}",
        subsequent_indent=" " * _NAME,
        break_long_words=False,
        break_on_hyphens=False,
    )
