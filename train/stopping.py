"""Being asked to stop: a signal is heard at once, and acted on when a step is over."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Final

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class Asked:
    """Whether a signal asked to stop; a second Ctrl-C stops at once."""

    def __init__(self) -> None:
        self.signals: list[int] = []

    def __bool__(self) -> bool:
        return bool(self.signals)

    @property
    def by_key(self) -> bool:
        """Whether it was a person who pressed Ctrl-C."""
        return signal.SIGINT in self.signals

    def __enter__(self) -> Asked:
        self._before = {number: signal.getsignal(number) for number in _SIGNALS}
        for number in _SIGNALS:
            signal.signal(number, self._hear)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, number: int, _: FrameType | None) -> None:
        self.signals.append(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)
