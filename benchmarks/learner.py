"""How well the keep-model predicts, what it and the queue cost a card, how captions are gathered.

    python -m benchmarks.learner [--project annotations] [--mined DIR...]

The decisions are the first votes in the project's logs, played again in each order of the queue:
every tag is predicted, then learnt. Costs are CPU time of one thread.
"""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from benchmarks.tables import print_table
from vocab.candidates import Candidate, Candidates, read_candidates
from vocab.decisions import effective, read_log
from vocab.figures import first_votes
from vocab.graph import Tag
from vocab.learner import KeepModel
from vocab.prequential import Prediction, auc, calibration, prequential, simulate
from vocab.project import load_project
from vocab.queue import ORDERS, Queue
from vocab.wordnet import load_senses

T = TypeVar("T")
TARGET = 0.85
AFTER = 500  # decisions that the model learns from before it is scored
CARDS = 1000  # decisions that are timed


def first_decisions(log: Path, candidates: Candidates) -> list[tuple[Tag, bool]]:
    """Return the first vote on each candidate, in the order they were made: kept or not."""
    events, _ = read_log(sorted(log.glob("*.jsonl")))
    known = {row.key for row in candidates.rows}
    votes = first_votes(effective(events))
    return [(vote.tag, vote.act != "drop") for vote in votes if vote.tag in known]


def quality(candidates: Candidates, decisions: Sequence[tuple[Tag, bool]]) -> None:
    """Print AUC by order, with and without WordNet, and how calibrated the predictions are."""
    senses, votes, rows = load_senses(), dict(decisions), []
    played: list[Prediction] = []
    for order in ORDERS:
        bare = simulate(candidates, votes, order=order)
        full = simulate(candidates, votes, order=order, senses=senses)
        played = full if order == "effect" else played
        rows.append((order, *map(_auc, (full[:AFTER], full[AFTER:], bare[AFTER:]))))
    made = prequential(candidates, decisions, senses=senses)
    rows.append(("as they were made", _auc(made[:AFTER]), _auc(made[AFTER:]), ""))
    header = ("order", f"first {AFTER}", f"after (target: {TARGET})", "after, without WordNet")
    kept = sum(votes.values()) / len(votes)
    print_table(f"Prequential AUC: {len(votes):,} decisions, {kept:.0%} kept", header, rows)
    bins = [(b.n, f"{b.p:.2f}", f"{b.kept:.2f}") for b in calibration(played[AFTER:])]
    header = ("predictions", "mean prediction", "really kept")
    print_table("Calibration in the default order", header, bins)


def _auc(predictions: Sequence[Prediction]) -> str:
    area = auc(predictions)
    return "" if area is None else f"{area:.3f}"


def grown(candidates: Candidates, size: int) -> Candidates:
    """Return a table of ``size`` rows: the given ones, then invented compounds of their words."""
    draw, rows = random.Random(0), list(candidates.rows[:size])
    seen = {row.key for row in rows}
    words = [row.tag for row in rows if " " not in row.tag]
    while len(rows) < size:
        like = draw.choice(candidates.rows)
        tag = Tag(like.kind, f"{draw.choice(words)} {draw.choice(words)}")
        if tag not in seen:
            seen.add(tag)
            images = max(1, candidates.rows[-1].images - len(rows) // 100)
            rows.append(Candidate(len(rows) + 1, *tag, images, images, like.sources))
    return Candidates(tuple(rows), candidates.sources, candidates.sha256)


def costs(candidates: Candidates, sizes: Sequence[int]) -> None:
    """Print what a start and each call take."""
    rows = []
    for size in sizes:
        table = grown(candidates, size)
        start, (model, queue) = _timed(_start, table)
        calls: dict[str, list[float]] = {"upcoming(30)": [], "predict": [], "learn": [], "done": []}
        for _ in range(CARDS):
            spent, ahead = _timed(queue.upcoming, 30)
            tag = ahead[0]
            calls["upcoming(30)"].append(spent)
            calls["predict"].append(_timed(model.predict, tag)[0])
            calls["learn"].append(_timed(model.learn, tag, len(tag.tag) % 3 > 0)[0])
            calls["done"].append(_timed(queue.done, tag)[0])
        times = [f"{1e3 * statistics.median(x):.2f} / {1e3 * _p95(x):.2f}" for x in calls.values()]
        rows.append((f"{size:,}", f"{1e3 * start:.0f}", *times))
    header = ("candidates", "start, with the first cards", *calls)
    print_table("CPU of the model and the queue, ms (median / 95th percentile)", header, rows)


def _start(table: Candidates) -> tuple[KeepModel, Queue]:
    model = KeepModel(table, load_senses())
    queue = Queue(table, model)
    queue.upcoming(30)
    return model, queue


def _timed(call: Callable[..., T], *arguments: object) -> tuple[float, T]:
    begin = time.thread_time()
    value = call(*arguments)
    return time.thread_time() - begin, value


def _p95(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]


def gathering(candidates: Path, mined: Sequence[Path]) -> None:
    """Print what gathering the captions takes, in a process of its own."""
    with tempfile.TemporaryDirectory() as directory:
        output = Path(directory) / "examples.sqlite"
        command = [sys.executable, "-m", "vocab.examples", str(candidates), str(output)]
        begin = time.perf_counter()
        subprocess.run([*command, *map(str, mined)], check=True)
        seconds = time.perf_counter() - begin
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        cells = (
            f"{seconds:.0f}", f"{used.ru_utime + used.ru_stime:.0f}",
            f"{used.ru_maxrss / 1024:.0f}", f"{output.stat().st_size / 2**20:.0f}",
        )  # fmt: skip
    header = ("seconds", "CPU seconds", "peak MiB", "file, MiB")
    print_table(f"Gathering captions from {len(mined)} mined directories", header, [cells])


def main() -> None:
    """Parse the flags and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--project", type=Path, default=Path("annotations"))
    parser.add_argument("--mined", type=Path, nargs="*", default=[])
    flags = parser.parse_args()
    project = load_project(flags.project)
    candidates = read_candidates(project.candidates)
    costs(candidates, (5_000, 50_000))
    decisions = first_decisions(project.log, candidates)
    if len(decisions) > AFTER:
        quality(candidates, decisions)
    else:
        print(f"\n{len(decisions)} decisions in {project.log}: too few to score the model")
    if flags.mined:
        gathering(project.candidates, flags.mined)


if __name__ == "__main__":
    main()
