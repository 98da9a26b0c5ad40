"""What commands print: small tables on a terminal, tab-separated lines elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from pipeline.job import Summary


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
    """Print one line on a finished directory: shards, rows, bad rows by reason."""
    line = f"{directory}: {summary.rows:,} {what}, {summary.shards:,} shards"
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in summary.bad.most_common())
    if summary.counts["excluded"]:
        line += f"; left out: {summary.counts['excluded']:,} excluded"
    typer.echo(f"{line}; set aside: {reasons} (bad/*.jsonl)" if reasons else line)
