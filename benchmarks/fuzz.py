"""The readers of outside input under hostile inputs, for minutes: the targets of ``tests/fuzz``.

    python -m benchmarks.fuzz --seconds 600
    python -m benchmarks.fuzz --seconds 120 --target captions-coco --target mined

The table has a line a target: the seconds of CPU it ran, the inputs it was given, how many
different lines of the code refused one with a documented error, and the crashes. Of each crash
the shortest input that was seen is printed; put it among the target's ``found`` once it is mended.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from benchmarks.tables import print_table
from tests.fuzz.law import Target, judge, place_of
from tests.fuzz.targets import TARGETS

ROUND = 200  # inputs between two looks at the clock, and between two seeds


@dataclass(slots=True)
class Tally:
    """What came of a target's inputs: documented errors and crashes by their place in the code."""

    inputs: int = 0
    seconds: float = 0.0
    refused: set[str] = field(default_factory=set)
    crashes: dict[str, str] = field(default_factory=dict)

    def add(self, target: Target, case: Any) -> None:
        """Try a case; a crash is kept, and the run goes on."""
        self.inputs += 1
        try:
            self.refused.add(judge(target, case))
        except Exception as error:
            what = f"{type(error).__name__} at {place_of(error)}: {str(error)[:160]!r}"
            key = what.split(": ", maxsplit=1)[0]
            shown = f"{what}\n    {_shown(case)}"
            if len(shown) < len(self.crashes.get(key, shown + " ")):
                self.crashes[key] = shown


def _shown(case: Any) -> str:
    text = repr(case)
    return text if len(text) <= 1500 else f"{text[:700]} ... {text[-700:]}"


def fuzz(target: Target, seconds: float, first: int) -> Tally:
    """Give a target inputs for so many seconds of CPU, in rounds with seeds from ``first`` on."""
    tally, began = Tally(), time.process_time()
    while tally.seconds < seconds:
        _round(target, tally, first, began + seconds)
        first, tally.seconds = first + 1, time.process_time() - began
    tally.refused.discard("")
    return tally


def _round(target: Target, tally: Tally, number: int, end: float) -> None:
    @seed(number)
    @settings(
        max_examples=ROUND,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(target.cases)
    def one_round(case: Any) -> None:
        if time.process_time() < end:
            tally.add(target, case)

    one_round()


def main() -> None:
    """Run the targets one after the other; the exit code is 1 when one crashed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600, help="of CPU, for each target")
    parser.add_argument("--target", action="append", choices=TARGETS, help="only these")
    parser.add_argument("--seed", type=int, default=0, help="of the first round")
    flags = parser.parse_args()
    found: dict[str, Tally] = {}
    for name in flags.target or TARGETS:
        found[name] = fuzz(TARGETS[name], flags.seconds, flags.seed)
        for crash in found[name].crashes.values():
            print(f"{name}: {crash}", flush=True)
        print(f"{name}: {found[name].inputs:,} inputs", file=sys.stderr, flush=True)
    header = ("target", "seconds of CPU", "inputs", "documented errors", "crashes")
    print_table("Hostile inputs", header, [_row(*item) for item in found.items()])
    raise SystemExit(any(tally.crashes for tally in found.values()))


def _row(name: str, tally: Tally) -> tuple[str, ...]:
    figures = tally.inputs, len(tally.refused), len(tally.crashes)
    return name, f"{tally.seconds:.0f}", *(f"{figure:,}" for figure in figures)


if __name__ == "__main__":
    main()
