"""What commands print: the same on a terminal and elsewhere, each in the form that suits it.

Results go to standard output; progress, warnings and errors to standard error.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

import typer

from vocab.errors import printable
from vocab.wording import counted

if TYPE_CHECKING:
    from pipeline.job import Summary

COLOURS: Final = {"object": "cyan", "scene": "green", "attribute": "yellow", "action": "magenta"}
_LINE_SECONDS: Final = 30.0

Advance = Callable[[int], None]


def style(text: str, *, fg: str | None = None, bold: bool = False, dim: bool = False) -> str:
    """Return text with a colour, unless NO_COLOR forbids it; off a terminal it is taken away."""
    if os.environ.get("NO_COLOR"):
        return text
    return typer.style(text, fg=fg, bold=bold or None, dim=dim or None)


def error(text: object) -> None:
    """Print one line on what failed, on standard error."""
    typer.echo(f"error: {printable(str(text))}", err=True)


def warning(text: object) -> None:
    """Print one line on what a person should know though the work goes on."""
    typer.echo(f"warning: {printable(str(text))}", err=True)


@contextlib.contextmanager
def progress(total: int, what: str, *, unit: str = "images") -> Iterator[Advance]:
    """Show how far the work is, on standard error.

    A bar on a terminal, elsewhere a line now and then; the block says how many more are done.
    """
    if not sys.stderr.isatty():
        yield _lines(total, what, unit)
    else:
        with _bar(total, what, unit) as advance:
            yield advance


@contextlib.contextmanager
def _bar(total: int, what: str, unit: str) -> Iterator[Advance]:
    from rich.console import Console  # only a terminal pays for it
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    names = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn(unit))
    times = (TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*names, *times, console=Console(stderr=True), redirect_stdout=False) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.advance(task, done)


def _lines(total: int, what: str, unit: str) -> Advance:
    begin = last = time.monotonic()
    count = 0

    def advance(done: int) -> None:
        nonlocal last, count
        count += done
        now = time.monotonic()
        if now - last >= _LINE_SECONDS:
            line = f"{what}: {count:,} of {total:,} {unit}, {now - begin:.0f} s"
            typer.echo(line, err=True)
            last = now

    return advance


def table(header: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "") -> None:
    """Print rows under a header; numbers align right on a terminal."""
    if not sys.stdout.isatty():
        typer.echo("\t".join(header))
        for row in rows:
            typer.echo("\t".join(str(cell) for cell in row))
        return
    _rich_table(header, [list(row) for row in rows], title)


def _rich_table(header: Sequence[str], rows: list[list[object]], title: str) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(title=title or None, title_justify="left")
    for index, name in enumerate(header):
        numeric = all(isinstance(row[index], int | float) for row in rows)
        grid.add_column(name, justify="right" if numeric else "left")
    for row in rows:
        # Text, not markup: a caption may hold square brackets.
        grid.add_row(*(Text(f"{c:,}" if isinstance(c, int | float) else str(c)) for c in row))
    Console().print(grid)


def say_done(directory: str, summary: Summary, what: str) -> None:
    """Print one line on a finished directory: rows (of `what`), shards, bad rows by reason."""
    line = f"{directory}: {counted(summary.rows, what)}, {counted(summary.shards, 'shard')}"
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in summary.bad.most_common())
    if summary.counts["excluded"]:
        line += f"; left out: {summary.counts['excluded']:,} excluded"
    typer.echo(f"{line}; set aside: {reasons} (bad/*.jsonl)" if reasons else line)
