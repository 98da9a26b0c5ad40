"""The URLs of a shard, fetched by threads; the outcomes come in whatever order they end."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Generator, Sequence
from dataclasses import dataclass

from pipeline.connections import FetchError
from pipeline.fetch import Fetcher, FetchSettings
from pipeline.politeness import Politeness, Step, Turns

_AHEAD = 16  # images that wait to be resized


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one row: the bytes of its image, or why there are none."""

    index: int
    content: bytes = b""
    reason: str = ""
    detail: str = ""


def crawl(
    urls: Sequence[str], *, threads: int, settings: FetchSettings, politeness: Politeness
) -> Generator[Outcome, None, None]:
    """Yield an outcome for every URL, each once; few are held in memory at a time.

    Closing the iterator early ends the threads with the fetches they are at.
    """
    turns = Turns(urls, politeness)
    outcomes: queue.Queue[Outcome | Exception] = queue.Queue(maxsize=_AHEAD)
    with Fetcher(settings, hosts=threads, per_host=politeness.per_host) as fetcher:
        workers = [
            threading.Thread(target=_work, args=(turns, fetcher, outcomes), daemon=True)
            for _ in range(min(threads, len(urls)))
        ]
        # Starting a hundred threads takes as long as resizing twenty images.
        starter = threading.Thread(target=_start, args=(workers,), daemon=True)
        starter.start()
        try:
            for _ in urls:
                outcome = outcomes.get()
                if isinstance(outcome, Exception):
                    raise outcome
                yield outcome
        finally:
            turns.stop()
            starter.join()
            _drain(outcomes, workers)


def _start(workers: list[threading.Thread]) -> None:
    for worker in workers:
        worker.start()


def _work(turns: Turns, fetcher: Fetcher, outcomes: queue.Queue[Outcome | Exception]) -> None:
    """Fetch rows until none is left; a fault of ours ends the crawl and not just its thread."""
    try:
        while (task := turns.take()) is not None:
            found: bytes | Step = b""
            failure = turns.refusal(task)
            if failure is None:
                try:
                    found = fetcher.follow(task.step)
                except FetchError as error:
                    failure = error
            if isinstance(found, Step):
                turns.move(task, found)
            elif turns.done(task, failure):
                reason, detail = (failure.reason, failure.detail) if failure else ("", "")
                outcomes.put(Outcome(task.index, found, reason, detail))
    except Exception as error:
        outcomes.put(error)


def _drain(outcomes: queue.Queue[Outcome | Exception], workers: list[threading.Thread]) -> None:
    """Wait for the threads, some of which may wait for room in the queue."""
    for worker in workers:
        while worker.is_alive():
            with contextlib.suppress(queue.Empty):
                while True:
                    outcomes.get_nowait()
            worker.join(0.01)
