"""``tag2text vocab report``: the page on a review."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tag2text.options import Mined, Project
from tag2text.output import warning
from vocab.errors import InputError

if TYPE_CHECKING:
    from vocab.candidates import Candidates
    from vocab.examples import CoverageRow
    from vocab.overlap import ClassList


def report(
    output: Annotated[Path, typer.Option(help="The HTML file to write.")],
    project: Project = Path("annotations"),
    mined: Mined = None,
    class_list: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]PATH",
            help="Classes to compare with, one a line; or a directory of such *.txt; repeatable.",
        ),
    ] = None,
) -> None:
    """Write one HTML page on the review.

    It shows figures, charts, agreement, overlap with class lists, and inconsistencies.
    """
    from vocab.project import load_project
    from vocab.report import read_review, write_report
    from vocab.wordnet import MISSING, load_senses

    loaded = load_project(project)
    senses = load_senses()
    if senses is None:
        warning(f"without synonyms: {MISSING}")
    lists = read_lists(class_list or ())
    review = read_review(loaded, senses=senses, lists=lists)
    if mined:
        review = review.with_captions(_sample(mined, review.candidates))
    write_report(output, review)
    decided = sum(fate.side != "undecided" for fate in review.fates)
    typer.echo(f"{output}: {decided:,} of {len(review.fates):,} candidates decided")


def read_lists(named: Iterable[str]) -> list[ClassList]:
    """Return the lists named: ``NAME=PATH``, ``PATH``, or a directory of them."""
    from vocab.overlap import read_class_list

    lists: list[ClassList] = []
    for entry in named:
        name, sign, path = entry.partition("=")
        if sign:
            lists.append(read_class_list(Path(path), name))
        else:
            lists += map(read_class_list, _files(Path(entry)))
    return lists


def _files(path: Path) -> list[Path]:
    found = sorted(path.glob("*.txt")) if path.is_dir() else [path]
    if not found:
        raise InputError(f"--class-list {path}: holds no *.txt; name a directory of lists")
    return found


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
