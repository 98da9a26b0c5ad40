"""``tag2text vocab report``: the page on a review."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from vocab.candidates import Candidates
    from vocab.examples import CoverageRow
    from vocab.overlap import ClassList


def report(
    output: Annotated[Path, typer.Option(help="The HTML file to write.")],
    project: Annotated[Path, typer.Option(help="Directory of the review.")] = Path("annotations"),
    mined: Annotated[
        list[Path] | None, typer.Option(help="Mined directory: coverage of its captions.")
    ] = None,
    class_list: Annotated[
        list[str] | None,
        typer.Option(metavar="[NAME=]PATH", help="Classes to compare with, one a line."),
    ] = None,
    class_lists: Annotated[
        Path | None, typer.Option(help="Directory of such lists (*.txt).")
    ] = None,
) -> None:
    """Write one HTML page on the review: figures, charts, agreement, overlap, inconsistencies."""
    from vocab.project import load_project
    from vocab.report import read_review, write_report
    from vocab.wordnet import MISSING, load_senses

    loaded = load_project(project)
    senses = load_senses()
    if senses is None:
        typer.echo(f"without synonyms: {MISSING}", err=True)
    lists = read_lists(class_list or (), class_lists)
    review = read_review(loaded, senses=senses, lists=lists)
    if mined:
        review = review.with_captions(_sample(mined, review.candidates))
    write_report(output, review)
    decided = sum(fate.side != "undecided" for fate in review.fates)
    typer.echo(f"{output}: {decided:,} of {len(review.fates):,} candidates decided")


def read_lists(named: list[str] | tuple[()], directory: Path | None) -> list[ClassList]:
    """Return the lists of a directory, then those named one by one (``NAME=PATH`` or ``PATH``)."""
    from vocab.errors import InputError
    from vocab.overlap import read_class_list

    found = sorted(directory.glob("*.txt")) if directory else []
    if directory and not found:
        raise InputError(f"--class-lists {directory}: holds no *.txt; name a directory of lists")
    lists = [read_class_list(path) for path in found]
    for entry in named:
        name, sign, path = entry.partition("=")
        lists.append(read_class_list(Path(path), name) if sign else read_class_list(Path(entry)))
    return lists


def _sample(mined: list[Path], candidates: Candidates) -> list[CoverageRow]:
    """Return sampled captions; gathering them takes a while once, and is remembered."""
    from vocab.examples import build_examples, cache_path, open_examples

    path = cache_path(candidates, mined)
    if not path.exists():
        typer.echo("gathering captions (once)", err=True)
    build_examples(mined, candidates, path)
    examples = open_examples(path)
    try:
        return list(examples.coverage_rows())
    finally:
        examples.close()
