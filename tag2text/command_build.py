"""``tag2text vocab build`` and ``vocab diff``: the vocabulary, and what changed in it."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from tag2text.options import Json, Project
from tag2text.output import table, warning
from vocab.errors import InputError, UsageError

if TYPE_CHECKING:
    from vocab.build import Build


Policy = Literal["keep", "drop", "fail"]
Output = Annotated[
    Path | None,
    typer.Option(help="Directory of the vocabulary; by default that of the project."),
]
Table = Annotated[Path | None, typer.Option(help="Without a project: the table under review.")]
Logs = Annotated[
    list[Path] | None,
    typer.Option(
        help="Without a project: decision log (.jsonl) or a directory of them; repeatable."
    ),
]
Undecided = Annotated[
    Policy | None, typer.Option(help="Tags nobody decided on (project.toml; else keep).")
]
Unresolved = Annotated[
    Policy | None, typer.Option(help="Tags people disagree on (project.toml; else fail).")
]
OtherCandidates = Annotated[
    bool, typer.Option("--accept-other-candidates", help="Use decisions on another table.")
]
Mined = Annotated[
    list[str] | None,
    typer.Option(help="Output of `tag2text mine`: counts merged tags' images; repeatable."),
]


def build(
    output: Output = None,
    project: Project = Path("annotations"),
    candidates: Table = None,
    log: Logs = None,
    undecided: Undecided = None,
    unresolved: Unresolved = None,
    accept_other_candidates: OtherCandidates = False,
    mined: Mined = None,
) -> None:
    """Make the vocabulary from candidates and decisions.

    The same input gives the same bytes.
    """
    if candidates is None:
        review = _project(project, log)
    else:
        review = _without_project(candidates, log or (), output, mined or ())
    made = _build(
        review,
        undecided=undecided or review.undecided,
        unresolved=unresolved or review.unresolved,
        accept_other_candidates=accept_other_candidates,
        mined=mined or (),
    )
    target = output or project
    made.vocabulary.save(target)
    for line in made.summary():
        typer.echo(line)
    wanted = f" of {review.target:,} wanted" if review.target else ""
    typer.echo(
        f"{target}: {len(made.vocabulary):,}{wanted}, "
        f"fingerprint {made.vocabulary.fingerprint[:12]}"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Review:
    """What a build reads; ``target`` is 0 where none is set."""

    candidates: Path
    logs: Sequence[Path]
    weights: dict[str, float]
    undecided: Policy = "keep"
    unresolved: Policy = "fail"
    target: int = 0


def _project(root: Path, log: object) -> _Review:
    from vocab.project import load_project

    if log:
        raise UsageError("--log goes with --candidates; a project has its logs itself")
    found = load_project(root)
    return _Review(
        candidates=found.candidates,
        logs=found.logs,
        weights=dict(found.weights),
        undecided=found.undecided,
        unresolved=found.unresolved,
        target=found.target,
    )


def _without_project(
    candidates: Path, log: Iterable[Path], output: Path | None, mined: Sequence[str]
) -> _Review:
    if output is None:
        raise UsageError("--candidates needs an --output; only a project has a place of its own")
    if mined:
        raise UsageError("--mined needs a project, whose [weights] the candidates were made with")
    return _Review(candidates=candidates, logs=log_files(log), weights={})


def _build(
    review: _Review,
    *,
    undecided: Policy,
    unresolved: Policy,
    accept_other_candidates: bool,
    mined: Sequence[str],
) -> Build:
    from vocab.build import build as run
    from vocab.candidates import read_candidates
    from vocab.decisions import read_log, replay, resolve

    table = read_candidates(review.candidates)
    events, problems = read_log(review.logs)
    for problem in problems:
        warning(f"{problem.file}:{problem.line}: {problem.reason}; line left out")
    decisions = resolve(replay(events))
    settings: dict[str, Any] = {
        "undecided": undecided,
        "unresolved": unresolved,
        "accept_other_candidates": accept_other_candidates,
        "provenance": {"log_sha256": _digest(review.logs)},
    }
    made = run(table, decisions, **settings)
    if not mined:
        return made
    from pipeline.union import count_unions

    merged = made.merged()
    unions = count_unions(mined, merged, table, review.weights)
    return run(table, decisions, count_union=lambda tags: unions[frozenset(tags)], **settings)


def log_files(paths: Iterable[Path]) -> list[Path]:
    """Return the log files among ``paths``; a directory stands for its ``*.jsonl``."""
    files: list[Path] = []
    for path in paths:
        if not path.exists():
            raise InputError(f"--log {path}: no such file or directory")
        files += sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    return files


def _digest(files: Iterable[Path]) -> str:
    """Return one digest over the log files, so that a vocabulary names what it was built from."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def diff(
    old: Annotated[Path | None, typer.Argument(help="Directory of a vocabulary.")] = None,
    new: Annotated[Path | None, typer.Argument(help="Directory of a later one.")] = None,
    project: Project = Path("annotations"),
    at: Annotated[
        str | None, typer.Option(help="Instead of two directories: a time, 2026-03-31T14:05.")
    ] = None,
    to: Annotated[str | None, typer.Option(help="A later time; by default now.")] = None,
    as_json: Json = False,
) -> None:
    """Show what changed between two vocabularies, or two moments."""
    from vocab.diff import compare, summary
    from vocab.vocabulary import Vocabulary

    if at is not None and old is None:
        first, second = _moments(project, at, to)
    elif old is not None and new is not None and at is None and to is None:
        first, second = Vocabulary.load(old), Vocabulary.load(new)
    else:
        raise UsageError("give two directories of vocabularies, or --at TIME [--to TIME]")
    difference = compare(first, second)
    if as_json:
        typer.echo(json.dumps(difference.to_json(), indent=2, ensure_ascii=False))
        return
    if difference.changes:
        table(("change", "tag", "was", "is"), [c.cells() for c in difference.changes])
    for line in summary(difference):
        typer.echo(line, err=not sys.stdout.isatty())


def _moments(root: Path, at: str, to: str | None) -> tuple[Any, Any]:
    from vocab.candidates import read_candidates
    from vocab.decisions import read_log
    from vocab.diff import parse_moment, vocabulary_at
    from vocab.project import load_project

    first, second = parse_moment(at), parse_moment(to) if to else None
    if second and second < first:
        raise UsageError(f"--to {to} is before --at {at}")
    project = load_project(root)
    candidates = read_candidates(project.candidates)
    events, _ = read_log(project.logs)
    return tuple(vocabulary_at(candidates, events, moment) for moment in (first, second))  # type: ignore[return-value]
