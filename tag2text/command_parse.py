"""``tag2text parse``: look at the scene graph and the tags of a caption."""

from __future__ import annotations

import json
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tag2text.options import JsonLines, Parser
from tag2text.output import COLOURS, style
from vocab.errors import InputError, UsageError
from vocab.graph import KINDS

if TYPE_CHECKING:
    from vocab.graph import Entity, Relation, SceneGraph
    from vocab.parser import CaptionParser


def parse(
    captions: Annotated[list[str] | None, typer.Argument(help="Captions, each in quotes.")] = None,
    input: Annotated[
        Path | None, typer.Option("--input", help="File of captions, one a line; - is stdin.")
    ] = None,
    as_json: JsonLines = False,
    parser: Parser = "rules",
) -> None:
    """Show the scene graph and the tags of captions."""
    if bool(captions) == (input is not None):
        raise UsageError('give captions (tag2text parse "a dog runs"), or --input FILE')
    lines = iter(captions or ()) if input is None else _lines(input)
    from vocab.parser import load_parser

    show = _json_line if as_json else _for_a_person
    for caption, graph in _with_graphs(lines, load_parser(parser)):
        typer.echo(show(caption, graph))


def _lines(path: Path) -> Iterator[str]:
    """Yield the lines of a file; bytes that are no UTF-8 become U+FFFD, so no line is lost."""
    try:
        source = sys.stdin.fileno() if str(path) == "-" else path
        with open(source, encoding="utf-8", errors="replace", newline="\n") as file:  # noqa: PTH123
            for line in file:
                yield line.rstrip("\r\n")
    except OSError as error:
        raise InputError(f"--input {path}: cannot be read ({error.strerror})") from error


def _with_graphs(
    captions: Iterator[str], parser: CaptionParser
) -> Iterator[tuple[str, SceneGraph]]:
    pending: deque[str] = deque()

    def remember() -> Iterator[str]:
        for caption in captions:
            pending.append(caption)
            yield caption

    for graph in parser.parse(remember()):
        yield pending.popleft(), graph


def _json_line(caption: str, graph: SceneGraph) -> str:
    return json.dumps({"caption": caption, **graph.to_json()}, ensure_ascii=False)


def _for_a_person(caption: str, graph: SceneGraph) -> str:
    lines = [style(caption, bold=True)]
    lines += _section("entities", (_entity(e) for e in graph.entities))
    lines += _section("relations", (_relation(r, graph.entities) for r in graph.relations))
    lines += _section("tags", _tags(graph))
    return "\n".join([*lines, ""])


def _section(name: str, rows: Iterable[str]) -> list[str]:
    rows = list(rows)
    return [f"  {name}", *(f"    {row}" for row in rows)] if rows else []


def _entity(entity: Entity) -> str:
    said = f" ({', '.join(entity.modifiers)})" if entity.modifiers else ""
    return style(entity.head, fg=COLOURS[entity.kind]) + said


def _relation(relation: Relation, entities: tuple[Entity, ...]) -> str:
    subject = "?" if relation.subject is None else entities[relation.subject].head
    middle = f"{subject} -- {relation.predicate}"
    return middle if relation.object is None else f"{middle} -> {entities[relation.object].head}"


def _tags(graph: SceneGraph) -> Iterator[str]:
    for kind in KINDS:
        found = [tag.tag for tag in graph.tags if tag.kind == kind]
        if found:
            yield f"{style(f'{kind:<10}', fg=COLOURS[kind])}{', '.join(found)}"
