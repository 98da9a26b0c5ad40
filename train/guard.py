"""Watching the losses: what is not finite, what leaps, and which batch it came from.

Steps leave their figures on the device; they are looked at together, every so many steps. A
gradient that is not finite has moved nothing (:func:`train.optim.clip_and_step`), so it is enough
to hear of it later.
"""

from __future__ import annotations

import math
import statistics
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from train.samples import Batch
from vocab.errors import InputError

LEAP: Final = 3.0  # times the median of the recent losses
RECENT: Final = 100
FEW: Final = 20  # recent losses below which their median says nothing
PATIENCE: Final = 10  # steps in a row without a finite gradient


class Origin(NamedTuple):
    """Which batch of this process a step was of; several with ``--accumulate``."""

    epoch: int
    number: int
    keys: tuple[str, ...]

    def __str__(self) -> str:
        shown = ", ".join(self.keys[:4]) + (", ..." if self.keys[4:] else "")
        return f"epoch {self.epoch}, batch {self.number} ({shown})"


class Step(NamedTuple):
    """One step: its number, loss, gradient's length, and what it was of."""

    step: int
    loss: float
    length: float
    origins: tuple[Origin, ...]


class Finding(NamedTuple):
    """Something odd about a step: ``skipped`` or ``spike``, and a line that says so."""

    step: Step
    event: str
    text: str


def origin(batch: Batch) -> Origin:
    """Return where a batch is from."""
    return Origin(batch.epoch, batch.number, batch.keys)


class Guard:
    """Compares each loss with those before it; ``recent`` is what it remembers."""

    def __init__(self, recent: Iterable[float] = ()) -> None:
        self._recent = deque(recent, RECENT)
        self._broken = 0  # in a row

    @property
    def recent(self) -> tuple[float, ...]:
        """The last losses, the oldest first."""
        return tuple(self._recent)

    def watch(self, steps: Sequence[Step]) -> list[Finding]:
        """Return what is odd; :class:`InputError` when steps go on and on without a gradient."""
        return [finding for step in steps if (finding := self._judge(step))]

    def _judge(self, step: Step) -> Finding | None:
        where = "; ".join(map(str, step.origins))
        if not (math.isfinite(step.loss) and math.isfinite(step.length)):
            self._broken += 1
            if self._broken >= PATIENCE:
                raise InputError(
                    f"{PATIENCE} steps in a row had no finite gradient, the last step {step.step}: "
                    f"{where}; lower --lr, lengthen --warmup or try --precision float32"
                )
            text = f"step {step.step} was skipped, its gradient is not finite: {where}"
            return Finding(step, "skipped", text)
        self._broken = 0
        usual = statistics.median(self._recent) if len(self._recent) >= FEW else math.inf
        self._recent.append(step.loss)
        if step.loss > LEAP * usual:
            text = f"step {step.step}: loss {step.loss:.3g}, usual are {usual:.3g}: {where}"
            return Finding(step, "spike", text)
        return None
