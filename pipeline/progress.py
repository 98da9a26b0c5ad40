"""Progress of a job, read off its output directory, so that every runner shows the same."""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from pipeline import storage

_LINE_SECONDS = 30.0
_TICK_ROWS = 4096

Row = TypeVar("Row")


@contextlib.contextmanager
def watch(directory: str, names: Sequence[str]) -> Iterator[None]:
    """Show how many of the files ``names`` stand in ``directory`` while the block runs.

    A bar on a terminal, a plain line now and then elsewhere, on standard error.
    """
    show = _bar if sys.stderr.isatty() else _lines
    with beside(functools.partial(show, directory, set(names))):
        yield


@contextlib.contextmanager
def beside(show: Callable[[threading.Event], None]) -> Iterator[None]:
    """Run ``show`` in a thread while the block runs; its event is set when that ends."""
    stop = threading.Event()
    thread = threading.Thread(target=show, args=(stop,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def poll_seconds(directory: str) -> float:
    """Return how long to wait between two looks: listing an object store takes time and money."""
    return 10.0 if storage.is_remote(directory) else 0.5


def _done(directory: str, names: set[str]) -> int:
    with contextlib.suppress(OSError):  # a store that hiccups must not end the job
        return len(names.intersection(storage.list_names(directory)))
    return 0


def _bar(directory: str, names: set[str], stop: threading.Event) -> None:
    from rich.console import Console  # only a terminal pays for it
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("shards"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(directory.rstrip("/").rsplit("/", 1)[-1], total=len(names))
        while not stop.wait(poll_seconds(directory)):
            progress.update(task, completed=_done(directory, names))
        progress.update(task, completed=_done(directory, names))


def _lines(directory: str, names: set[str], stop: threading.Event) -> None:
    begin, last = time.monotonic(), -1
    while not stop.wait(_LINE_SECONDS):
        done = _done(directory, names)
        if done != last:
            seconds = time.monotonic() - begin
            print(f"{directory}: {done} of {len(names)} shards, {seconds:.0f} s", file=sys.stderr)  # noqa: T201
            last = done


@contextlib.contextmanager
def track(rows: Iterable[Row], name: str) -> Iterator[Iterator[Row]]:
    """Give ``rows`` and show how many of them have been taken while the block runs.

    For streams whose length nobody knows: a count and not a bar, on standard error.
    """
    with _count_bar(name) if sys.stderr.isatty() else _count_lines(name) as show:
        yield _counted(rows, show)


def _counted(rows: Iterable[Row], show: Callable[[int], None]) -> Iterator[Row]:
    count = 0
    for count, row in enumerate(rows, 1):
        yield row
        if count % _TICK_ROWS == 0:
            show(count)
    show(count)


@contextlib.contextmanager
def _count_bar(name: str) -> Iterator[Callable[[int], None]]:
    from rich.console import Console  # only a terminal pays for it
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description} {task.completed:,.0f} rows"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(name, total=None)
        yield lambda count: progress.update(task, completed=count)


@contextlib.contextmanager
def _count_lines(name: str) -> Iterator[Callable[[int], None]]:
    begin = last = time.monotonic()

    def show(count: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _LINE_SECONDS:
            print(f"{name}: {count:,} rows, {now - begin:.0f} s", file=sys.stderr)  # noqa: T201
            last = now

    yield show
