"""CPU seconds to read and replay a decision log of 100,000 events by four annotators.

    python -m benchmarks.decisions [--events 100000] [--runs 5]

Invented decisions about our candidates. The event count is what a review of 5,000 candidates by
four people reaches after five changes of mind about each.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from benchmarks.tables import print_table
from vocab.candidates import read_candidates
from vocab.decisions import Event, format_event, read_log, replay, resolve
from vocab.graph import Tag
from vocab.log import new_event

T = TypeVar("T")
TARGET = 1.0
CANDIDATES = Path(__file__).parents[1] / "annotations" / "candidates.tsv"
ACTS = {"keep": 60, "drop": 25, "merge": 5, "rename": 2, "note": 3, "undo": 5}


def write_logs(directory: Path, events: int, annotators: Sequence[str] = "abcd") -> list[Path]:
    """Write invented logs that share ``events`` evenly; return their paths."""
    found = read_candidates(CANDIDATES)
    tags = [row.key for row in found.rows]
    paths = []
    for name in annotators:
        chance = random.Random(name)
        made: list[Event] = []
        for _ in range(events // len(annotators)):
            made.append(_event(name, tags, found.sha256, made, chance))
        paths.append(directory / f"{name}.jsonl")
        paths[-1].write_text("".join(map(format_event, made)))
    return paths


def _event(
    by: str, tags: Sequence[Tag], cand: str, made: Sequence[Event], chance: random.Random
) -> Event:
    act = chance.choices(list(ACTS), list(ACTS.values()))[0]
    if act == "undo" and not made:
        act = "keep"
    to = {"merge": "scene:elsewhere", "rename": "another name"}.get(act)
    return new_event(
        by,
        chance.choice(tags),
        act,
        to=made[-1].id if act == "undo" else to,
        why="vague" if act == "drop" else None,
        ms=chance.randint(300, 5000),
        p=round(chance.random(), 4),
        cand=cand,
    )


def timed(run: Callable[[], T]) -> tuple[float, T]:
    """Return the CPU seconds that ``run`` takes, and its result."""
    start = time.process_time()
    result = run()
    return time.process_time() - start, result


def measure(paths: Sequence[Path]) -> tuple[float, float, float]:
    """Return the seconds to read, to replay and to resolve the logs."""
    read, (events, _) = timed(lambda: read_log(paths))
    again, state = timed(lambda: replay(events))
    resolved, _ = timed(lambda: resolve(state))
    return read, again, resolved


def main() -> None:
    """Parse the flags and print the table."""
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--events", type=int, default=100_000)
    flags.add_argument("--runs", type=int, default=5)
    given = flags.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        paths = write_logs(Path(directory), given.events)
        size = sum(path.stat().st_size for path in paths)
        runs = [measure(paths) for _ in range(given.runs)]
    columns = [*zip(*runs, strict=True), [sum(run[:2]) for run in runs]]
    names = ("read, every line checked", "replay", "resolve", "read and replay")
    rows = [
        (name, f"{statistics.median(column):.2f}", f"{min(column):.2f} to {max(column):.2f}", goal)
        for name, column, goal in zip(names, columns, ("", "", "", f"under {TARGET}"), strict=True)
    ]
    title = f"Decision log, {given.events:,} events, {size / 1e6:.0f} MB"
    print_table(title, ("step", "CPU seconds, median", "range", "target"), rows)


if __name__ == "__main__":
    main()
