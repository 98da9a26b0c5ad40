"""All that keeps a project from being built into a vocabulary, listed at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

from vocab.build import find_problems
from vocab.candidates import read_candidates
from vocab.decisions import Problem, read_log, replay, resolve
from vocab.errors import InputError
from vocab.project import Project


def check(project: Project) -> list[str]:
    """Return a line for each thing that is wrong: in the candidates, the logs, the decisions.

    Lines of a log that are no event come first: `vocab build` leaves them out, but what was
    decided there is lost until somebody mends or deletes them.
    """
    found = []
    try:
        project.check_candidates()
    except InputError as error:
        found.append(str(error))
    events, bad = read_log(project.logs)
    found += bad_lines(bad)
    found += _strangers(project.logs)
    try:
        candidates = read_candidates(project.candidates)
    except InputError as error:
        return [*found, str(error)]
    return found + find_problems(
        candidates,
        resolve(replay(events)),
        undecided=project.undecided,
        unresolved=project.unresolved,
    )


def _strangers(logs: Iterable[Path]) -> Iterator[str]:
    """Yield a line for each log that holds events by somebody else: a copy, or a forgery."""
    for path in logs:
        events, _ = read_log([path])
        others = Counter(event.by for event in events if event.by != path.stem)
        for name, number in sorted(others.items()):
            yield (
                f"{path}: {number:,} events are by {name}; move them to {name}.jsonl, where "
                "alone their annotator can undo them"
            )


def bad_lines(problems: Iterable[Problem]) -> list[str]:
    """Return a line for each line of a log that was left out."""
    return [f"{p.file}:{p.line}: {p.reason}; mend the line or delete it" for p in problems]
