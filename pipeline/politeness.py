"""The order in which the URLs of a shard are asked for: few at once a host, none that rests.

Hosts take turns, so a slow or dead one holds at most ``per_host`` threads while the others go on.
A row that is redirected to another host waits for its turn there; one that may be tried again
waits; a host that asks to be left alone (``Retry-After``) is left alone; one that keeps failing
is given up for the rest of the shard.
"""

from __future__ import annotations

import heapq
import itertools
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from pipeline.connections import FetchError
from vocab.errors import InputError

_CHANCES_UNKNOWN = 2
# Failures that speak of the host and not of one URL; what they cost grows with its other rows.
_OF_HOST: Final = re.compile(
    "timeout|refused|unreachable|connection_lost|tls|bad_answer|http_(408|429|5..)"
)
_MAY_ASK: Final = ("http_429", "http_503")  # with these `Retry-After` counts (RFC 9110, 10.2.3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Politeness:
    """How hosts are treated.

    At most ``per_host`` requests at a time go to a host, two until it has answered once. A row
    is tried ``retries`` times more, ``pause`` seconds later and twice as long after each. A host
    rests as long as it asks, up to ``max_wait`` seconds; ``failures`` in a row (two where it has
    never answered), or a longer rest, and it is given up.
    """

    per_host: int = 4
    retries: int = 1
    failures: int = 10
    pause: float = 1.0
    max_wait: float = 60.0

    def __post_init__(self) -> None:
        if self.per_host < 1:
            raise InputError(f"--per-host {self.per_host}: at least one request at a time")
        if self.retries < 0:
            raise InputError(f"--retries {self.retries}: 0 or more")


@dataclass(frozen=True, slots=True)
class Step:
    """A URL on the way to an image, and how many redirects led to it."""

    url: str
    redirects: int = 0


@dataclass(slots=True, eq=False)
class _Host:
    waiting: deque[Task] = field(default_factory=deque)
    active: int = 0
    answered: bool = False
    failures: int = 0
    rests_until: float = 0.0
    queued: bool = False
    given_up: str = ""


@dataclass(slots=True, eq=False)
class Task:
    """One row that is to be fetched; ``tries`` counts those that failed."""

    index: int
    step: Step
    host: _Host
    tries: int = 0


class Turns:
    """Hands out the rows of a shard to threads; all methods may be called from any of them."""

    def __init__(
        self,
        urls: Iterable[str],
        politeness: Politeness,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._politeness, self._clock = politeness, clock
        self._changed = threading.Condition()
        self._ready: deque[_Host] = deque()
        self._later: list[tuple[float, int, Task | None, _Host]] = []
        self._numbers = itertools.count()
        self._open = 0
        self._stopped = False
        self._hosts: dict[str, _Host] = {}
        for index, url in enumerate(urls):
            host = self._hosts.setdefault(host_of(url), _Host())
            host.waiting.append(Task(index, Step(url.strip()), host))
            self._open += 1
        with self._changed:
            for host in self._hosts.values():
                self._offer(host)

    def take(self, *, wait: bool = True) -> Task | None:
        """Return the next row once there is one whose host is free; ``None`` when all are done.

        With ``wait=False`` also when there is none just now.
        """
        with self._changed:
            while self._open and not self._stopped:
                seconds = self._wake()
                if self._ready:
                    return self._start(self._ready.popleft())
                if not wait:
                    break
                self._changed.wait(seconds)
            return None

    def refusal(self, task: Task) -> FetchError | None:
        """Return why a row is not to be tried at all: its host was given up."""
        if not task.host.given_up:
            return None
        return FetchError("host_given_up", task.host.given_up)

    def done(self, task: Task, failure: FetchError | None) -> bool:
        """Take note of how a try went; return whether that is the last word on the row.

        The thread that calls this is expected to call :meth:`take` next: it wakes no other one.
        """
        with self._changed:
            task.host.active -= 1
            again = self._judge(task, failure)
            self._open -= not again
            self._offer(task.host)
            if not self._open:
                self._changed.notify_all()
            return not again

    def move(self, task: Task, step: Step) -> None:
        """Let a row that its host leads elsewhere wait for that other host's turn."""
        with self._changed:
            task.host.active -= 1
            self._judge(task, None)
            self._offer(task.host)
            task.step, task.host = step, self._hosts.setdefault(host_of(step.url), _Host())
            task.host.waiting.append(task)
            self._offer(task.host)

    def stop(self) -> None:
        """Give no more rows out."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def _start(self, host: _Host) -> Task:
        host.queued = False
        host.active += 1
        task = host.waiting.popleft()
        self._offer(host)
        if self._ready:
            self._changed.notify()  # one thread is enough: it calls the next
        return task

    def _offer(self, host: _Host) -> None:
        """Put a host in the line unless it is there, rests, is busy or has nothing left."""
        free = bool(host.given_up) or host.active < self._at_once(host)
        if host.waiting and free and not host.queued and host.rests_until <= self._clock():
            host.queued = True
            self._ready.append(host)

    def _at_once(self, host: _Host) -> int:
        """Return how many requests a host may have now: when it fails, no more than it may fail."""
        most = self._politeness.per_host
        if host.answered and not host.failures:
            return most
        return min(most, self._chances(host) - host.failures)

    def _chances(self, host: _Host) -> int:
        return self._politeness.failures if host.answered else _CHANCES_UNKNOWN

    def _judge(self, task: Task, failure: FetchError | None) -> bool:
        """Take what the try says of its host; return whether the row is to be tried again."""
        host = task.host
        if host.given_up:
            return False
        if failure is None or not _speaks_of_host(failure.reason):
            host.failures, host.answered = 0, True
            return False
        host.answered = host.answered or failure.reason.startswith("http_")
        if not self._rest(host, failure):
            self._count(host)
        if host.given_up or task.tries >= self._politeness.retries:
            return False
        return self._try_again(task, failure.reason)

    def _rest(self, host: _Host, failure: FetchError) -> bool:
        """Leave a host alone as long as it asks; return whether it is at rest already."""
        seconds, now = failure.retry_after or 0.0, self._clock()
        if failure.reason not in _MAY_ASK or not seconds:
            return False
        if seconds > self._politeness.max_wait:
            _give_up(host, "it asked for a longer rest than is waited for")
            return True
        resting = host.rests_until > now
        host.rests_until = max(host.rests_until, now + seconds)
        if host.queued:
            host.queued = False
            self._ready.remove(host)
        self._at(seconds, None, host)
        return resting

    def _count(self, host: _Host) -> None:
        host.failures += 1
        if host.failures >= self._chances(host):
            _give_up(host, f"after {host.failures} failures in a row")

    def _try_again(self, task: Task, reason: str) -> bool:
        if reason == "timeout":  # it has had all its time
            return False
        self._at(self._politeness.pause * 2**task.tries, task, task.host)
        task.tries += 1
        return True

    def _at(self, seconds: float, task: Task | None, host: _Host) -> None:
        due = self._clock() + seconds
        heapq.heappush(self._later, (due, next(self._numbers), task, host))
        self._changed.notify()  # that somebody wakes up in time

    def _wake(self) -> float | None:
        """Bring back what is due; return the seconds until the next is, ``None`` for never."""
        while self._later:
            due, _, task, host = self._later[0]
            left = due - self._clock()
            if left > 0:
                return left
            heapq.heappop(self._later)
            if task is not None:
                host.waiting.append(task)
            self._offer(host)
        return None


def host_of(url: str) -> str:
    """Return the host, with the port it names, that a request would go to; empty for none."""
    try:
        parts = parse_url(url.strip())  # as the request itself does: other parsers see other hosts
    except LocationParseError:
        return ""
    return parts.netloc or "" if parts.scheme in ("http", "https") else ""


def _give_up(host: _Host, why: str) -> None:
    host.given_up, host.rests_until = why, 0.0  # its rows need not wait for their refusal


def _speaks_of_host(reason: str) -> bool:
    return _OF_HOST.fullmatch(reason) is not None
