"""``tag2text vocab start``: a review project, from what `tag2text count` made."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from tag2text.output import warning
from vocab.errors import InputError


def start(
    counts: Annotated[Path, typer.Argument(help="Directory of `tag2text count`, or its TSV.")],
    output: Annotated[Path, typer.Option(help="Directory of the project; made where missing.")],
    target: Annotated[int, typer.Option(min=1, help="How many classes are wanted.")],
) -> None:
    """Begin a review: candidates and settings in one directory.

    What is there already stays as it is.
    """
    from vocab.project import FILE, ROOT
    from vocab.start import TABLE, start_project

    table = counts / TABLE if counts.is_dir() else counts
    made = start_project(table, output, target=target, weights=_weights(table.parent))
    rows = len(made.rows)
    typer.echo(f"{output / FILE}: {rows:,} candidates, {target:,} classes wanted")
    if rows < target:
        warning(f"only {rows:,} candidates for --target {target}; count with a larger --top")
    place = "" if output == ROOT else f" --project {shlex.quote(str(output))}"
    typer.echo(f"next: tag2text vocab review{place} --annotator NAME (--mined DIR shows captions)")


def _weights(directory: Path) -> dict[str, float]:
    """Return what `count` was told of the sources; nothing where it did not make the table."""
    from pipeline.job import INFO, read_info

    if not (directory / INFO).exists():
        return {}
    weights = read_info(str(directory))["config"].get("weights")
    try:
        return {str(source): float(weight) for source, weight in dict(weights or {}).items()}
    except (TypeError, ValueError) as error:
        raise InputError(f"{directory / INFO}: not what a job writes; count anew") from error
