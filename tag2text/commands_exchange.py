"""``tag2text vocab export`` and ``vocab import``: decisions through a spreadsheet."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tag2text.options import Mined, Project
from vocab.errors import InputError

if TYPE_CHECKING:
    from vocab.candidates import Candidates
    from vocab.decisions import Event
    from vocab.graph import Tag
    from vocab.table import Change, Choice, Reading

_SHOWN = 20  # errors; the rest is counted


Only = Literal["all", "undecided", "decided", "kept", "dropped", "merged", "retyped", "renamed"]
_ACT = {"kept": "keep", "dropped": "drop", "merged": "merge", "retyped": "retype",
        "renamed": "rename"}  # fmt: skip


def export(
    output: Annotated[Path, typer.Option(help="The file to write: .tsv or .xlsx.")],
    project: Project = Path("annotations"),
    annotator: Annotated[
        str | None, typer.Option(help="Whose decisions; by default what all agree on.")
    ] = None,
    only: Annotated[Only, typer.Option(help="Which candidates.")] = "all",
    mined: Mined = None,
) -> None:
    """Write candidates and decisions as a spreadsheet.

    With --mined, a caption of each stands beside it.
    """
    from vocab.candidates import read_candidates
    from vocab.decisions import read_log
    from vocab.project import load_project
    from vocab.sheets import write_sheet
    from vocab.table import COLUMNS, WIDTHS, table_rows

    found = load_project(project)
    candidates = read_candidates(found.candidates)
    events, _ = read_log(found.logs)
    choices = _choices(events, annotator)
    rows = [row for row in candidates.rows if _wanted(choices.get(row.key), only)]
    example = _examples(candidates, mined) if mined else None
    write_sheet(output, COLUMNS, table_rows(rows, choices, example), WIDTHS)
    typer.echo(f"{output}: {len(rows):,} candidates")


def _choices(events: list[Event], annotator: str | None, *, new: bool = False) -> dict[Tag, Choice]:
    from vocab.decisions import Decision, replay, resolve
    from vocab.table import choice_of

    state = replay(events)
    if annotator is None:
        outcomes = resolve(state).items()
        # The first of those who decided so speaks for all: the reasons and notes are that one's.
        return {tag: choice_of(o.events[0]) for tag, o in outcomes if isinstance(o, Decision)}
    found = {tag: choice_of(e) for (by, tag), e in state.votes.items() if by == annotator}
    known = sorted({event.by for event in events})
    if annotator not in known and not new:
        raise InputError(f"no decisions by {annotator} (there are {', '.join(known) or 'none'})")
    return found


def _wanted(choice: Choice | None, only: Only) -> bool:
    if only == "all":
        return True
    if only in ("undecided", "decided"):
        return (choice is not None) is (only == "decided")
    return choice is not None and choice.act == _ACT[only]


def _examples(candidates: Candidates, mined: list[Path]) -> Callable[[Tag], str]:
    from vocab.examples import build_examples, cache_path, open_examples

    path = cache_path(candidates, mined)
    build_examples(mined, candidates, path)
    examples = open_examples(path)

    def first(tag: Tag) -> str:
        return next((example.text for example in examples.captions(tag, 1)), "")

    return first


def import_(
    file: Annotated[Path, typer.Argument(help="A spreadsheet: .xlsx, .tsv or .csv.")],
    annotator: Annotated[
        str, typer.Option(envvar="TAG2TEXT_ANNOTATOR", help="Under whose name to decide.")
    ],
    project: Project = Path("annotations"),
    yes: Annotated[bool, typer.Option("--yes", help="Apply without asking.")] = False,
) -> None:
    """Read decisions from a spreadsheet.

    First it shows what they would change, then it asks.
    """
    from vocab.candidates import read_candidates
    from vocab.decisions import read_log
    from vocab.log import log_path, open_log
    from vocab.project import load_project
    from vocab.sheets import read_sheet
    from vocab.table import read_table, summary

    found = load_project(project)
    candidates = read_candidates(found.candidates)
    rows = read_sheet(file)
    with open_log(log_path(found.log, annotator)) as writer:
        # Read under the lock: nobody else changes these decisions before the answer.
        standing = _choices(read_log(found.logs)[0], annotator, new=True)
        reading = read_table(rows, candidates, standing, found.reasons)
        _refuse_errors(file, reading)
        for line in summary(reading):
            typer.echo(line)
        if reading.changes and _confirmed(yes):
            writer.append(*_events(annotator, reading.changes, candidates.sha256))
            typer.echo(f"{writer.path}: {len(reading.changes):,} decisions written")


def _refuse_errors(file: Path, reading: Reading) -> None:
    if not reading.errors:
        return
    for error in reading.errors[:_SHOWN]:
        typer.echo(f"{file}: {error}", err=True)
    more = len(reading.errors) - _SHOWN
    if more > 0:
        typer.echo(f"... {more:,} more", err=True)
    what = "error" if len(reading.errors) == 1 else "errors"
    raise InputError(
        f"{file}: {len(reading.errors):,} {what}, so nothing is written; mend the file"
    )


def _confirmed(yes: bool) -> bool:
    if yes:
        return True
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise InputError("nothing is written yet; add --yes to write it")
    if not typer.confirm("Write these decisions?"):
        typer.echo("nothing is written")
        raise typer.Exit(1)
    return True


def _events(annotator: str, changes: Iterable[Change], cand: str) -> list[Event]:
    """Return the changes as events of one moment, so that one undo takes them all back."""
    from vocab.log import new_event

    events = [
        new_event(annotator, tag, new.act, to=new.to, why=new.why, note=new.note, via="import",
                  cand=cand)
        for tag, _, new in changes
    ]  # fmt: skip
    return [replace(event, ts=events[-1].ts) for event in events]
