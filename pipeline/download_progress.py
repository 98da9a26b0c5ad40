"""How fast a download is: images, successes and bytes, read off the output directory.

Finished shards say it in their stats, on every runner; those at work on this machine in a small
file that they renew each second.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, NamedTuple

from pipeline import storage
from pipeline.progress import beside, poll_seconds
from pipeline.reasons import SUCCESS
from pipeline.shard import STATS

_LIVE = ".live"
_LIVE_SECONDS = 1.0


class Tally(NamedTuple):
    """Images asked for, images that came, and their bytes as sent."""

    images: int = 0
    successes: int = 0
    bytes: int = 0

    def plus(self, other: Tally) -> Tally:
        """Return the sum."""
        return Tally(*(a + b for a, b in zip(self, other, strict=True)))

    def minus(self, other: Tally) -> Tally:
        """Return the difference."""
        return Tally(*(a - b for a, b in zip(self, other, strict=True)))

    def describe(self, seconds: float) -> str:
        """Return rates over ``seconds`` as a person reads them."""
        seconds = max(seconds, 1e-3)
        success = self.successes / self.images if self.images else 0.0
        return (
            f"{self.images / seconds:,.0f} images/s, {success:.1%} succeed, "
            f"{self.bytes / seconds / 1e6:.1f} MB/s"
        )


class LiveCounts:
    """Tells :func:`watch_download` each second how far a shard is; nothing on object stores."""

    def __init__(self, directory: str, stem: str) -> None:
        remote = storage.is_remote(directory)
        self._file = None if remote else Path(directory, storage.TEMPORARY, stem + _LIVE)
        self._tally, self._written = Tally(), time.monotonic()

    def add(self, row: Mapping[str, Any]) -> None:
        """Count one row of the table."""
        success = row["reason"] == SUCCESS
        self._tally = self._tally.plus(Tally(1, success, row["bytes"] if success else 0))
        if self._file is not None and time.monotonic() - self._written > _LIVE_SECONDS:
            new = self._file.with_suffix(".next")
            new.write_text(json.dumps(self._tally))
            new.replace(self._file)
            self._written = time.monotonic()

    def __enter__(self) -> LiveCounts:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._file is not None:
            self._file.unlink(missing_ok=True)


class Meter:
    """Adds up what the shards of a run have done since it began; ``rows`` are those to fetch."""

    def __init__(self, directory: str, rows: Mapping[str, int]) -> None:
        self._directory, self._rows = directory, rows
        self.poll_seconds = poll_seconds(directory)
        self._before = {stem: self._stats(stem) for stem in rows}
        self.finished: dict[str, dict[str, Any]] = {}

    def finish(self) -> list[str]:
        """Return the shards that have been finished since the last call."""
        with contextlib.suppress(OSError):  # a store that hiccups must not end the job
            names = set(storage.list_names(self._directory))
            open_stems = [s for s in self._rows if s not in self.finished and s + STATS in names]
            new = {stem: self._stats(stem) for stem in open_stems}
            new = {stem: stats for stem, stats in new.items() if stats != self._before[stem]}
            self.finished.update(new)
            return list(new)
        return []

    def of(self, stem: str) -> Tally:
        """Return what this run did for a finished shard, without what was there before."""
        done = _tally(self.finished[stem]).minus(_tally(self._before[stem]))
        return done._replace(images=self._rows[stem])

    def seconds(self, stem: str) -> float:
        """Return how long a finished shard took."""
        return float(self.finished[stem].get("duration", 0.0))

    def total(self) -> Tally:
        """Return the sum over finished shards and those at work."""
        total = Tally()
        for stem in self._rows:
            total = total.plus(self.of(stem) if stem in self.finished else self._live(stem))
        return total

    def _live(self, stem: str) -> Tally:
        with contextlib.suppress(OSError, ValueError, TypeError):
            file = Path(self._directory, storage.TEMPORARY, stem + _LIVE)
            return Tally(*json.loads(file.read_text()))
        return Tally()

    def _stats(self, stem: str) -> dict[str, Any]:
        with contextlib.suppress(OSError, ValueError):
            path = storage.join(self._directory, stem + STATS)
            return dict(json.loads(storage.read_bytes(path)))
        return {}


def _tally(stats: Mapping[str, Any]) -> Tally:
    counts = stats.get("counts", {})
    return Tally(stats.get("rows_in", 0), stats.get("rows", 0), counts.get("bytes", 0))


@contextlib.contextmanager
def watch_download(directory: str, rows: Mapping[str, int]) -> Iterator[None]:
    """Show a bar on a terminal, a line a finished shard elsewhere, while the block runs.

    ``rows`` gives the rows to fetch of each shard. All goes to standard error.
    """
    show = _bar if sys.stderr.isatty() else _lines
    meter = Meter(directory, rows)
    with (
        _own_stderr() as stderr,
        beside(functools.partial(show, meter, sum(rows.values()), stderr)),
    ):
        yield


@contextlib.contextmanager
def _own_stderr() -> Iterator[IO[str]]:
    """Give a stream of our own: the resizer redirects the process's now and then."""
    try:
        handle = os.dup(sys.stderr.fileno())
    except OSError:  # not a real file, as in some notebooks
        yield sys.stderr
        return
    with os.fdopen(handle, "w") as stream:
        yield stream


def _bar(meter: Meter, total: int, stderr: IO[str], stop: threading.Event) -> None:
    from rich.console import Console  # only a terminal pays for it
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.progress import TimeRemainingColumn as Remaining

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), Remaining())
    begin = time.monotonic()
    with Progress(*columns, console=Console(file=stderr, force_terminal=True)) as progress:
        task = progress.add_task("", total=total)
        ended = False
        while not ended:
            ended = stop.wait(meter.poll_seconds)
            meter.finish()
            done = meter.total()
            text = done.describe(time.monotonic() - begin)
            progress.update(task, completed=done.images, description=text)


def _lines(meter: Meter, total: int, stderr: IO[str], stop: threading.Event) -> None:
    begin, ended, shards = time.monotonic(), False, 0
    while not ended:
        ended = stop.wait(meter.poll_seconds)
        for stem in meter.finish():
            shards += 1
            done, whole = meter.of(stem), meter.total()
            seconds = time.monotonic() - begin
            left = seconds * (total / max(whole.images, 1) - 1)
            line = f"{stem}: {done.images:,} images, {done.describe(meter.seconds(stem))}"
            stderr.write(f"{line}; {whole.images:,} of {total:,}, about {left:.0f} s left\n")
            stderr.flush()
