"""How quick and how safe the review is, measured through a pseudo-terminal, as a person has it.

    python -m benchmarks.review [--keys 300] [--starts 5] [--kills 50]

The real command is started at 80x24 over 5,000 and 50,000 candidates. A key's latency ends when the
next card is on the screen, which it is only after the decision's fsync; what a bare write and fsync
takes in the same moments stands beside it, as it is the disk's part. Then the command is killed
(SIGKILL) while keys are typed, and what was shown is compared with what the log holds.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path

from benchmarks.tables import print_table
from tests.terminal import Seen, Terminal
from vocab.candidates import Candidate, read_candidates, write_candidates
from vocab.decisions import DECIDING, read_log

CANDIDATES = Path("annotations/candidates.tsv")
PREFIXES = "red old big soft new wild odd raw dry wet hot cold".split()
COUNT = re.compile(r"([\d,]+)/[\d,]+ decided")
FILE = 'candidates = "candidates.tsv"\nsha256 = "{}"\ntarget = 3429\n[reasons]\nvague = "vague"\n'


def grown(rows: Sequence[Candidate], size: int) -> list[Candidate]:
    """Return ``size`` candidates: the rows, then as many made-up compounds of them as needed."""
    made = list(rows[:size])
    for n, prefix in enumerate(PREFIXES, 2):
        for row in rows[: size - len(made)]:
            images = max(1, row.images // n)
            tag = f"{prefix} {row.tag}x"
            made.append(Candidate(0, row.kind, tag, images, row.captions, row.sources))
    return made


def make_project(directory: Path, size: int) -> Path:
    """Write a project of ``size`` candidates."""
    directory.mkdir(parents=True)
    table = directory / "candidates.tsv"
    write_candidates(table, grown(read_candidates(CANDIDATES).rows, size))
    digest = sha256(table.read_bytes()).hexdigest()
    (directory / "project.toml").write_text(FILE.format(digest))
    return directory


def start(project: Path, annotator: str = "bench", *flags: str) -> Terminal:
    """Start the command that a user types."""
    command = [str(Path(sys.executable).with_name("tag2text")), "vocab", "review"]
    command += ["--project", str(project), "--annotator", annotator, *flags]
    return Terminal(command, env={"XDG_CACHE_HOME": str(project / "cache")})


def decided(lines: Sequence[str]) -> int | None:
    """Return the number of decisions that the top line shows; None when there is no card."""
    match = COUNT.search(lines[0]) if lines else None
    return int(match[1].replace(",", "")) if match and lines[2] else None


def first_card(terminal: Terminal) -> Seen:
    """Return when the first card was on the screen."""
    return terminal.wait(lambda lines: decided(lines) is not None and "rank" in lines[3])


def latencies(terminal: Terminal, keys: int, scratch: Path) -> Iterator[tuple[float, float]]:
    """Yield, in milliseconds, how long each key takes to the next card, and a bare fsync."""
    draw = random.Random(0)
    for _ in range(keys):
        pause = draw.uniform(0.1, 0.4)
        while terminal.read(pause) is not None:  # a person looks at the card first
            pass
        sent, seen = press(terminal, draw.choice("kkkd"))
        yield 1000 * (seen - sent), 1000 * bare_fsync(scratch)


def bare_fsync(path: Path) -> float:
    """Return how long it takes to append a line to ``path`` and to have it on the disk."""
    begin = time.perf_counter()
    with path.open("ab", buffering=0) as file:
        file.write(b"x" * 250 + b"\n")
        os.fsync(file.fileno())
    return time.perf_counter() - begin


def press(terminal: Terminal, key: str) -> tuple[float, float]:
    """Press a key that decides; return when, and when the next card was on the screen."""
    wanted = (decided(terminal.lines) or 0) + 1
    sent = terminal.send(key)
    return sent, terminal.wait(lambda lines: decided(lines) == wanted).at


def speed(project: Path, starts: int, keys: int, flags: Sequence[str]) -> list[object]:
    """Return the figures of one size: CPU to the first card, then the latencies."""
    cpus = []
    for n in range(starts):
        terminal = start(project, f"start{n}", *flags)
        cpus.append(first_card(terminal).cpu)
        terminal.close()
    terminal = start(project, "bench", *flags)
    first_card(terminal)
    pairs = list(latencies(terminal, keys, project / "scratch"))
    terminal.close()
    times = [f(sorted(taken)) for taken in zip(*pairs, strict=True) for f in (median, p95)]
    cpu = f"{statistics.median(cpus):.2f} s (most {max(cpus):.2f})"
    return [cpu, *times, len(pairs)]


def median(taken: Sequence[float]) -> str:
    """Return the middle one of sorted times."""
    return f"{statistics.median(taken):.1f} ms"


def p95(taken: Sequence[float]) -> str:
    """Return the time that 95 of 100 of the sorted ones are within."""
    return f"{taken[int(0.95 * (len(taken) - 1))]:.1f} ms"


def kills(project: Path, times: int) -> tuple[int, int, int]:
    """Kill ``times`` while keys are typed; return decisions, shown but lost, unreadable lines."""
    draw = random.Random(1)
    log = project / "log" / "killed.jsonl"
    lost = 0
    for _ in range(times):
        terminal = start(project, "killed")
        first_card(terminal)
        end = draw.uniform(0.0, 0.8)
        while end > 0:
            terminal.send(draw.choice("kkkds"))
            pause = draw.uniform(0.005, 0.05)
            end -= pause
            terminal.read(pause)
        terminal.kill()
        terminal.drain()
        shown = decided(terminal.lines) or 0
        terminal.close()
        lost += max(0, shown - written(log))
    _, problems = read_log([log])
    return written(log), lost, len(problems)


def written(log: Path) -> int:
    """Return how many decisions the log holds."""
    events, _ = read_log([log]) if log.exists() else ([], [])
    return sum(event.act in DECIDING for event in events)


def together(project: Path) -> tuple[int, str]:
    """Let two annotate at once, and one of them twice; return bad lines and the refusal."""
    first, second = start(project, "anna"), start(project, "ben")
    for terminal in (first, second):
        first_card(terminal)
    third = start(project, "anna")
    third.wait_for("is open in")
    refusal = "".join(third.screen.display).strip()
    for _ in range(50):
        for terminal in (first, second):
            press(terminal, "k")
    for terminal in (first, second, third):
        terminal.close()
    logs = [project / "log" / f"{name}.jsonl" for name in ("anna", "ben")]
    events, problems = read_log(logs)
    return len(problems) + 100 - len(events), refusal


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=7)
    parser.add_argument("--keys", type=int, default=300)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--mined", action="append", default=[], help="as of `vocab review`")
    flags = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="review-"))
    mined = [word for path in flags.mined for word in ("--mined", path)]
    try:
        rows = []
        for size in (5_000, 50_000):
            project = make_project(folder / str(size), size)
            rows.append([f"{size:,}", *speed(project, flags.starts, flags.keys, mined)])
        header = ("candidates", "CPU to first card", "key, median", "key, p95",
                  "fsync alone, median", "p95", "keys")  # fmt: skip
        print_table("Review through a pseudo-terminal, 80x24, fsync included", header, rows)
        made, lost, bad = kills(folder / "5000", flags.kills)
        torn, refusal = together(folder / "5000")
        print_table(
            "Review: what is shown is on the disk",
            ("what", "found"),
            [
                (f"`kill -9` {flags.kills} times while typing: decisions", f"{made:,}"),
                ("shown but lost", lost),
                ("unreadable lines", bad),
                ("two annotators at once: events missing or unreadable", torn),
                ("one annotator twice", refusal),
            ],
        )
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
