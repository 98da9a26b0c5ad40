"""Captions a second and core: our parsers against ``sng_parser.parse`` one by one.

    python -m benchmarks.parser_speed [--data DIRECTORY] [--captions 20000] [--runs 3]

The parsers take turns on chunks of the same captions, so that a busy machine slows all alike;
time is the process's own (CPU seconds), on one thread.
"""

from __future__ import annotations

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")  # before numpy is loaded

import argparse
import itertools
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from sng_parser import Parser

from benchmarks.data import DEFAULT, mixed
from benchmarks.tables import print_table
from vocab.model import MODEL
from vocab.parser import load_parser

Run = Callable[[Sequence[str]], object]
TARGET = 6.0
_SHARE = 5  # the peer gets one caption in five: it is the slow one


def parsers() -> dict[str, Run]:
    """Return what is measured, by name; the first is the peer."""
    alone = Parser("spacy", model=MODEL)
    return {
        "sng_parser.parse one by one": lambda texts: [alone.parse(text) for text in texts],
        "sng, in batches": _in_batches("sng"),
        "rules": _in_batches("rules"),
    }


def _in_batches(name: str) -> Run:
    parser = load_parser(name)  # type: ignore[arg-type]
    return lambda texts: list(parser.parse(texts))


def speed(run: Run, texts: Sequence[str]) -> float:
    """Return captions a CPU second."""
    start = time.process_time()
    run(texts)
    return len(texts) / (time.process_time() - start)


def measure(texts: Sequence[str], runs: int) -> dict[str, list[float]]:
    """Return each parser's speeds on ``runs`` chunks, all parsers in turn on every chunk."""
    contest = parsers()
    peer = next(iter(contest))
    speeds: dict[str, list[float]] = {name: [] for name in contest}
    size = len(texts) // runs
    for start, (name, run) in itertools.product(range(0, size * runs, size), contest.items()):
        chunk = texts[start : start + (size // _SHARE if name == peer else size)]
        run(chunk[:200])  # warm the caches of this parser
        speeds[name].append(speed(run, chunk))
    return speeds


def main() -> None:
    """Parse the flags and print the table."""
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--data", type=Path, default=DEFAULT)
    flags.add_argument("--captions", type=int, default=20_000)
    flags.add_argument("--runs", type=int, default=5)
    given = flags.parse_args()
    speeds = measure(mixed(given.data, given.captions), given.runs)
    peer = next(iter(speeds.values()))
    rows = []
    for name, found in speeds.items():
        ratios = [own / other for own, other in zip(found, peer, strict=True)]
        middle, low, high = statistics.median(ratios), min(ratios), max(ratios)
        rows.append(
            (name, f"{statistics.median(found):,.0f}", f"{middle:.2f}", f"{low:.2f}-{high:.2f}")
        )
    print_table(
        f"Parsing speed, one core, {given.captions:,} mixed captions (target: {TARGET:g}x)",
        ("parser", "captions/s", "ratio, median", "range"),
        rows,
    )


if __name__ == "__main__":
    main()
