"""``tag2text vocab status``, ``agreement`` and ``check``: where a review stands."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tag2text.options import Project
from tag2text.output import table
from vocab.errors import InputError, UsageError
from vocab.keys import key_of

if TYPE_CHECKING:
    from vocab.agreement import Agreement, Disagreement
    from vocab.decisions import Event, Problem
    from vocab.status import Standing, Work

_SHOWN = 10  # bad lines; `vocab check` lists all


def status(project: Project = Path("annotations")) -> None:
    """Show how far everybody is, and how far the vocabulary."""
    from vocab.candidates import read_candidates
    from vocab.decisions import read_log, replay
    from vocab.project import load_project
    from vocab.status import standing, work

    found = load_project(project)
    tags = [row.key for row in read_candidates(found.candidates).rows]
    events, problems = read_log(found.logs)
    if events:
        table(_WORK, [_work_row(one) for one in work(events, tags)])
    for line in _standing_lines(standing(replay(events), tags), found.target):
        typer.echo(line)
    _say_bad_lines(problems)


_WORK = ("annotator", "decided", "keep", "drop", "merge", "/hour", "hours", "last")


def _work_row(one: Work) -> list[object]:
    kept = sum(one.acts.get(act, 0) for act in ("keep", "retype", "rename"))
    return [
        one.by,
        one.decided,
        kept,
        one.acts.get("drop", 0),
        one.acts.get("merge", 0),
        "" if one.per_hour is None else round(one.per_hour),
        round(one.seconds / 3600, 1) if one.seconds else "",
        datetime.fromtimestamp(one.last / 1000).strftime("%m-%d %H:%M"),
    ]


def _standing_lines(found: Standing, target: int) -> list[str]:
    decided = found.candidates - len(found.undecided)
    parts = [f"{decided:,} of {found.candidates:,} candidates are decided"]
    parts.append(f"{found.kept:,} of {target:,} classes wanted")
    parts.append(f"{found.merged:,} merged, {found.dropped:,} dropped")
    lines = [": ".join((parts[0], ", ".join(parts[1:])))]
    if found.ruled:
        lines.append(f"{found.ruled:,} of them by a ruling")
    if found.unresolved:
        lines.append(f"{len(found.unresolved):,} wait for a ruling: tag2text vocab adjudicate")
    if found.undecided:
        lines.append(f"{len(found.undecided):,} wait for a decision: tag2text vocab review")
    return lines


def _say_bad_lines(problems: Sequence[Problem]) -> None:
    files = len({problem.file for problem in problems})
    if problems:
        typer.echo(
            f"{len(problems):,} bad lines in {files:,} logs are left out "
            "(tag2text vocab check lists all):",
            err=True,
        )
    for problem in problems[:_SHOWN]:
        typer.echo(f"  {problem.file}:{problem.line}: {problem.reason}", err=True)


def check(project: Project = Path("annotations")) -> None:
    """List all that keeps the project from being built, at once.

    The exit code is 1 if there is any.
    """
    from vocab.check import check as run
    from vocab.project import read_project

    found = run(read_project(project))
    for line in found:
        typer.echo(line)
    if found:
        things = "thing is" if len(found) == 1 else "things are"
        raise InputError(f"{project}: {len(found):,} {things} in the way of a build")
    typer.echo(f"{project}: nothing is in the way of a build")


def agreement(
    project: Project = Path("annotations"),
    annotator: Annotated[
        list[str] | None, typer.Option(help="Only these annotators; give it twice or more.")
    ] = None,
    listed: Annotated[bool, typer.Option("--list", help="List the tags they differ on.")] = False,
) -> None:
    """Show how far annotators agree on tags that several decided."""
    from vocab.agreement import agreements, disagreements
    from vocab.decisions import read_log, replay
    from vocab.project import load_project

    events, _ = read_log(load_project(project).logs)
    votes = replay(events).votes
    _refuse_unknown(annotator or (), {by for by, _ in votes})
    if listed:
        names = sorted(set(annotator or {by for by, _ in votes}))
        rows = [_disagreement_row(one, names) for one in disagreements(votes, annotator)]
        table(("tag", *names), rows)
        return
    found = agreements(votes, annotator)
    if not found:
        raise InputError("no tag has votes of two annotators; let a second one review some")
    table(_FIGURES, [_agreement_row(name, one) for name, one in found.items()])
    if not _on_terminal():
        return
    typer.echo(
        "raw: pairs of votes on the same side, keep (in any way) or drop; exact: on the very same\n"
        "decision. Where nearly all is kept, read AC1: kappa and alpha sink there of themselves."
    )


_FIGURES = (
    "kind", "tags", "raw", "exact", "kappa", "alpha", "AC1", "AC1 95%", "on keep", "on drop",
)  # fmt: skip


def _agreement_row(name: str, found: Agreement) -> list[object]:
    interval = found.ac1_interval
    span = f"{interval.low:.2f} to {interval.high:.2f}" if interval else "-"
    return [
        name,
        found.n,
        *map(_share, (found.raw, found.exact, found.kappa, found.alpha, found.ac1)),
        span,
        *map(_share, (found.positive, found.negative)),
    ]


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _disagreement_row(found: Disagreement, names: Sequence[str]) -> list[object]:
    votes = {event.by: _vote(event) for event in found.votes}
    return [key_of(found.tag), *(votes.get(name, "") for name in names)]


def _vote(event: Event) -> str:
    said = event.act if event.to is None else f"{event.act} {event.to}"
    return f"{said} ({event.why})" if event.why else said


def _refuse_unknown(given: Sequence[str], known: set[str]) -> None:
    if len(set(given)) == 1:
        raise UsageError("--annotator: give two or more, or none for all")
    if unknown := sorted(set(given) - known):
        raise UsageError(
            f"--annotator {unknown[0]}: has no votes (there are {', '.join(sorted(known))})"
        )


def _on_terminal() -> bool:
    return sys.stdout.isatty()
