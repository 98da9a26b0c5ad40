"""Names are looked up once, judged, and nobody waits for ever."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline.addresses import AddressGuard
from pipeline.connections import FetchError, Resolver
from pipeline.reasons import is_reason

LOCAL = AddressGuard(allow=("127.0.0.1/32",))


def test_a_host_with_a_forbidden_address_is_asked_on_the_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answers = [(socket.AF_INET, 1, 6, "", (a, 80)) for a in ("127.0.0.2", "127.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)
    assert Resolver(LOCAL, 9.0).addresses("both.test", 80) == ["127.0.0.1"]


def test_a_name_server_that_is_silent_costs_its_time_and_is_heard_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer, asked = threading.Event(), []

    def slow(host: str, *_: object, **__: object) -> object:
        asked.append(host)
        answer.wait(30)
        return [(socket.AF_INET, 1, 6, "", ("127.0.0.1", 80))]

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    resolver = Resolver(LOCAL, 0.05)
    begin = time.monotonic()
    with ThreadPoolExecutor(4) as threads:
        waiting = [threads.submit(resolver.addresses, "slow.test", 80) for _ in range(4)]
        failures = [future.exception() for future in waiting]
    assert time.monotonic() - begin < 10
    for failed in failures:
        assert isinstance(failed, FetchError)
        assert failed.reason == "dns_unavailable"
        assert is_reason(failed.reason)
    answer.set()
    assert eventually(lambda: resolver.addresses("slow.test", 80)) == ["127.0.0.1"]
    assert asked == ["slow.test"]


def eventually(addresses: Callable[[], list[str]]) -> list[str]:
    """Ask until there is an answer, which a busy machine may give late."""
    for _ in range(200):
        with contextlib.suppress(FetchError):
            return addresses()
    return []
