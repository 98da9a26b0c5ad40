"""What the Beam job costs over the bare parsing loop, what a second worker gives, how it grows.

    python -m benchmarks.mining_job
    python -m benchmarks.mining_job --growth 10000 100000 500000

Every run is a process of its own; CPU seconds are those of the process and its children, memory
is the largest resident size of any one process.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.data import DEFAULT, mixed
from benchmarks.tables import print_table
from pipeline.manifest import ManifestConfig, write_manifest

_BARE = """
import sys
import pyarrow.parquet as pq
from pathlib import Path
from vocab.parser import load_parser
parser = load_parser("rules")
for path in sorted(Path(sys.argv[1]).glob("*.parquet")):
    captions = [c for cs in pq.read_table(path)["captions"].to_pylist() for c in cs]
    for graph in parser.parse(captions):
        pass
"""
_MEASURE = """
import json, os, resource, subprocess, sys, time
begin = time.monotonic()
code = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps({"code": code, "wall": time.monotonic() - begin,
                  "cpu": used.ru_utime + used.ru_stime, "mb": used.ru_maxrss / 1024}))
"""


def measure(command: Sequence[str]) -> dict[str, float]:
    """Run a command; return its wall and CPU seconds and its largest process in MB."""
    line = [sys.executable, "-c", _MEASURE, *command]
    done = subprocess.run(line, check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(done.stdout)
    if result["code"]:
        raise SystemExit(f"{command[:4]} failed: {done.stderr.strip().splitlines()[-1:]}")
    return result


def make_manifest(captions: Sequence[str], folder: Path, *, shard_rows: int) -> Path:
    """Write a manifest of captions, one an image."""
    table = folder / "captions.jsonl"
    rows = (json.dumps({"image": f"{i}.jpg", "caption": c}) for i, c in enumerate(captions))
    table.write_text("\n".join(rows) + "\n", encoding="utf-8")
    config = ManifestConfig(
        inputs=(str(table),),
        output=str(folder / "manifest"),
        format="jsonl",
        source="bench",
        shard_rows=shard_rows,
        max_bad_ratio=1.0,
    )
    write_manifest(config)
    return folder / "manifest"


def mine(manifest: Path, *, workers: int) -> dict[str, float]:
    """Measure one run of `tag2text mine` into a fresh directory."""
    with tempfile.TemporaryDirectory() as output:
        command = [sys.executable, "-m", "tag2text.cli", "mine", "--manifest", str(manifest)]
        command += ["--output", f"{output}/mined", "--workers", str(workers)]
        return measure([*command, "--max-bad-ratio", "1"])


def compare(data: Path, count: int, runs: int) -> None:
    """Print the cost of the job over the bare loop, and of two workers against one."""
    with tempfile.TemporaryDirectory() as folder:
        manifest = make_manifest(mixed(data, count), Path(folder), shard_rows=count // 20)
        bare, one, two = [], [], []
        for _ in range(runs):  # interleaved: what disturbs one run disturbs its neighbours too
            bare.append(measure([sys.executable, "-c", _BARE, str(manifest)]))
            one.append(mine(manifest, workers=1))
            two.append(mine(manifest, workers=2))
    cost = [job["cpu"] / loop["cpu"] for job, loop in zip(one, bare, strict=True)]
    gain = [a["wall"] / b["wall"] for a, b in zip(one, two, strict=True)]
    print_table(
        f"The Beam job, {count:,} captions in 20 shards, {runs} runs",
        ("what", "median", "lowest", "highest", "target"),
        [
            ("CPU of the job / bare loop", *_spread(cost), "<= 1.15"),
            ("wall time, 1 worker / 2 workers", *_spread(gain), ">= 1.7"),
            ("captions/s, 1 worker", *_spread([count / r["wall"] for r in one]), ""),
            ("captions/s, 2 workers", *_spread([count / r["wall"] for r in two]), ""),
        ],
    )


def _spread(values: Sequence[float]) -> tuple[str, str, str]:
    figures = statistics.median(values), min(values), max(values)
    low, middle, high = (
        f"{v:.2f}" if v < 100 else f"{v:,.0f}" for v in (figures[1], figures[0], figures[2])
    )
    return middle, low, high


def grow(data: Path, sizes: Sequence[int], workers: int) -> None:
    """Print time and memory over sizes; the captions of a smaller run begin those of a larger."""
    captions = mixed(data, max(sizes))
    rows, before, cpu = [], 0, 0.0
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            manifest = make_manifest(captions[:size], Path(folder), shard_rows=10_000)
            run = mine(manifest, workers=workers)
        # What each further caption costs: the start of the processes is paid once.
        marginal = 1000 * (run["cpu"] - cpu) / (size - before)
        before, cpu = size, run["cpu"]
        rows.append((f"{size:,}", f"{run['wall']:.0f}", f"{marginal:.3f}", f"{run['mb']:.0f}"))
    header = ("captions", "seconds", "CPU ms a further caption", "largest process, MB")
    print_table(f"Growth of `mine`, {workers} worker(s)", header, rows)


def main() -> None:
    """Parse the flags and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DEFAULT)
    parser.add_argument("--captions", type=int, default=20_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--growth", type=int, nargs="*", metavar="CAPTIONS")
    parser.add_argument("--workers", type=int, default=1, help="for --growth")
    flags = parser.parse_args()
    if flags.growth:
        grow(flags.data, flags.growth, flags.workers)
    else:
        compare(flags.data, flags.captions, flags.runs)


if __name__ == "__main__":
    main()
