"""Whose turn it is: hosts rest, fail, are given up, and never take more than their share."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.addresses import AddressGuard
from pipeline.connections import FetchError
from pipeline.crawl import Outcome, crawl
from pipeline.fetch import FetchSettings
from pipeline.politeness import Politeness, Step, Task, Turns, host_of
from pipeline.reasons import REASONS, is_reason, is_transient
from tests.image_server import ImageServer, dead_hosts, serving
from tests.pictures import picture
from vocab.errors import InputError

LOCAL = FetchSettings(timeout=0.5, guard=AddressGuard(allow=("127.0.0.1/32",)))


class Clock:
    """Time that passes only when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def urls(**hosts: int) -> list[str]:
    """Return so many URLs of each host, one host after the other."""
    return [f"http://{host}/{n}" for host, count in hosts.items() for n in range(count)]


def free(turns: Turns) -> list[Task]:
    """Take all rows that can be had now, without waiting."""
    return list(iter(lambda: turns.take(wait=False), None))


def answered(turns: Turns, task: Task) -> None:
    assert turns.done(task, None)


def failed(turns: Turns, task: Task, reason: str, retry_after: float | None = None) -> bool:
    return turns.done(task, FetchError(reason, retry_after=retry_after))


def test_hosts_take_turns_and_a_new_one_gets_two() -> None:
    turns = Turns(urls(a=9, b=9), Politeness(per_host=4), clock=Clock())
    taken = free(turns)
    assert [t.step.url for t in taken] == ["http://a/0", "http://b/0", "http://a/1", "http://b/1"]
    answered(turns, taken[0])
    assert [t.step.url for t in free(turns)] == ["http://a/2", "http://a/3", "http://a/4"]


def test_a_new_host_gets_no_more_than_any_host() -> None:
    assert len(free(Turns(urls(a=9), Politeness(per_host=1), clock=Clock()))) == 1


def test_a_row_is_tried_again_later_and_later() -> None:
    clock = Clock()
    turns = Turns(urls(a=1), Politeness(retries=2, pause=1.0), clock=clock)
    for pause in (1.0, 2.0):
        (task,) = free(turns)
        assert not failed(turns, task, "http_500")
        clock.now += pause - 0.1
        assert not free(turns)
        clock.now += 0.1
    (task,) = free(turns)
    assert failed(turns, task, "http_500")
    assert turns.take() is None


@pytest.mark.parametrize("reason", ["timeout", "http_404", "dns", "forbidden_address", "opted_out"])
def test_what_will_not_change_is_not_tried_again(reason: str) -> None:
    turns = Turns(urls(a=1), Politeness(retries=5), clock=Clock())
    (task,) = free(turns)
    assert failed(turns, task, reason)
    assert turns.take() is None


def test_a_host_rests_as_long_as_it_asks() -> None:
    clock = Clock()
    turns = Turns(urls(a=4, b=1), Politeness(retries=1), clock=clock)
    first, other, second = free(turns)
    answered(turns, first)
    assert not failed(turns, second, "http_429", retry_after=20)
    assert not free(turns)  # two more rows wait, and the host is free
    answered(turns, other)
    clock.now += 19.9
    assert not free(turns)
    clock.now += 0.2
    assert [t.step.url for t in free(turns)] == [f"http://a/{n}" for n in (2, 3, 1)]


def test_a_rest_that_is_asked_for_by_many_counts_once() -> None:
    clock = Clock()
    turns = Turns(urls(a=8), Politeness(per_host=4, failures=3), clock=clock)
    first, second = free(turns)
    answered(turns, first)
    for task in [second, *free(turns)]:
        assert not failed(turns, task, "http_429", retry_after=5)
    clock.now += 5.1
    assert len(free(turns)) == 2  # as many as may fail before it is given up


def test_a_host_that_asks_for_too_long_a_rest_is_given_up() -> None:
    turns = Turns(urls(a=3), Politeness(max_wait=60), clock=Clock())
    first, _second = free(turns)
    assert failed(turns, first, "http_503", retry_after=3600)
    (third,) = free(turns)
    refusal = turns.refusal(third)
    assert refusal is not None
    assert (refusal.reason, refusal.detail) == (
        "host_given_up",
        "it asked for a longer rest than is waited for",
    )


def test_a_host_that_always_asks_for_a_rest_is_given_up() -> None:
    clock = Clock()
    turns = Turns(urls(a=50), Politeness(per_host=1, failures=3, retries=1), clock=clock)
    reasons = Counter[str]()
    for _ in range(500):
        for task in free(turns):
            refusal = turns.refusal(task)
            failure = refusal or FetchError("http_429", retry_after=1)
            if turns.done(task, failure):
                reasons[failure.reason] += 1
        clock.now += 1.1
    assert reasons.total() == 50
    assert reasons["http_429"] <= 3


def test_a_host_that_never_answered_is_given_up_after_two_failures() -> None:
    turns = Turns(urls(dead=100, alive=1), Politeness(retries=0), clock=Clock())
    one, alive, two = free(turns)
    answered(turns, alive)
    assert turns.refusal(two) is None
    for task in (one, two):
        assert failed(turns, task, "timeout")
    rest = 0
    while (tasks := free(turns)) != []:
        rest += len(tasks)
        for task in tasks:
            refusal = turns.refusal(task)
            assert refusal is not None
            assert refusal.reason == "host_given_up"
            assert turns.done(task, refusal)
    assert rest == 98


def test_a_host_that_answered_has_one_more_chance_and_success_clears_it() -> None:
    turns = Turns(urls(a=20), Politeness(per_host=1, retries=0, failures=3), clock=Clock())
    for failures, good in ((2, True), (2, True), (3, False)):
        (task,) = free(turns)
        answered(turns, task)
        for _ in range(failures):
            (task,) = free(turns)
            failed(turns, task, "connection_lost")
        (task,) = free(turns) if good else (free(turns)[0],)
        assert (turns.refusal(task) is None) == good
        turns.done(task, None)


def test_pages_that_are_gone_say_nothing_about_the_host() -> None:
    turns = Turns(urls(a=50), Politeness(retries=0), clock=Clock())
    count = 0
    while tasks := free(turns):
        for task in tasks:
            assert turns.refusal(task) is None
            assert failed(turns, task, "http_404")
            count += 1
    assert count == 50


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.lists(
        st.sampled_from(["http_500", "http_404", "timeout", "http_429", "refused"]), max_size=4)),
        max_size=30),
    st.integers(1, 3), st.integers(0, 2), st.integers(1, 4),
)  # fmt: skip
def test_every_row_gets_exactly_one_last_word(
    rows: list[tuple[str, list[str]]], per_host: int, retries: int, failures: int
) -> None:
    clock = Clock()
    politeness = Politeness(per_host=per_host, retries=retries, failures=failures)
    turns = Turns([f"http://{host}/" for host, _ in rows], politeness, clock=clock)
    last: Counter[int] = Counter()
    tries: Counter[int] = Counter()
    for _ in range(20 * len(rows) + 1):
        tasks = free(turns)
        at_once = Counter(task.step.url for task in tasks if turns.refusal(task) is None)
        assert all(count <= per_host for count in at_once.values())
        for task in tasks:
            failure = turns.refusal(task)
            plan = rows[task.index][1]
            if failure is None and tries[task.index] < len(plan):
                reason = plan[tries[task.index]]
                failure = FetchError(reason, retry_after=1 if reason == "http_429" else None)
            tries[task.index] += 1
            last[task.index] += turns.done(task, failure)
        clock.now += 10
    assert last == Counter(range(len(rows)))
    assert all(count <= retries + 1 for count in tries.values())
    assert turns.take() is None


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://Example.org/a", "example.org"),
        ("https://me:secret@example.org:8080/a?b", "example.org:8080"),
        ("  http://example.org\n", "example.org"),
        ("http://127.0.0.1:1\\@example.org/", "127.0.0.1:1"),
        ("http://[2001:DB8::1]:80/", "[2001:db8::1]:80"),
        ("ftp://example.org/", ""),
        ("nonsense", ""),
        ("http://[::1/a", ""),
    ],
)
def test_the_host_of_a_url(url: str, host: str) -> None:
    assert host_of(url) == host


def test_settings_that_make_no_sense() -> None:
    with pytest.raises(InputError, match="--per-host 0"):
        Politeness(per_host=0)
    with pytest.raises(InputError, match="--retries -1"):
        Politeness(retries=-1)


def test_the_reasons_are_a_closed_set() -> None:
    assert all(map(is_reason, REASONS.keys() - {"http_<status>"}))
    assert is_reason("http_404")
    assert not is_reason("http_99")
    assert not is_reason("oops")
    passing = {reason for reason in REASONS if is_transient(reason)}
    assert passing == {
        *("timeout", "refused", "unreachable", "dns_unavailable", "connection_lost"),
        *("host_given_up", "forbidden_address"),
    }
    assert [s for s in (403, 404, 410, 429, 500, 503) if is_transient(f"http_{s}")] == [
        429,
        500,
        503,
    ]


def collect(paths: list[str], *, threads: int = 16, **politeness: float) -> list[Outcome]:
    polite = Politeness(pause=0.05, **politeness)  # type: ignore[arg-type]
    found = crawl(paths, threads=threads, settings=LOCAL, politeness=polite)
    return sorted(found, key=lambda outcome: outcome.index)


def test_a_crawl_gives_every_row_its_outcome() -> None:
    with serving(ImageServer()) as server:
        paths = ["ok/1", "status/404", "recovers/1", "recovers/2", "busy/1", "ok/2"]
        outcomes = collect([server.url(path) for path in paths])
    assert [o.reason for o in outcomes] == ["", "http_404", "", "", "", ""]
    assert [o.content for o in outcomes if not o.reason] == [picture()] * 5


def test_retry_after_is_waited_for() -> None:
    with serving(ImageServer()) as server:
        begin = time.monotonic()
        (outcome,) = collect([server.url("busy/1")])
        assert time.monotonic() - begin >= 1.0
        assert outcome.content == picture()
        assert server.requests["/busy/1"] == 2


def test_a_host_that_fails_all_the_time_is_left_alone() -> None:
    with serving(ImageServer()) as server:
        outcomes = collect([server.url(f"status/503/{n}") for n in range(60)], failures=5)
        assert server.requests.total() <= 5 + 4
    reasons = Counter(o.reason for o in outcomes)
    assert reasons.keys() == {"http_503", "host_given_up"}
    assert reasons["host_given_up"] > 50


def test_dead_hosts_cost_one_timeout_together() -> None:
    with serving(ImageServer()) as server, dead_hosts(4) as dead:
        mixed = [f"{host}/{n}" for host, n in itertools.product(dead, range(10))]
        mixed += [server.url(f"ok/{n}") for n in range(40)]
        begin = time.monotonic()
        outcomes = collect(mixed)
        assert time.monotonic() - begin < 2 * LOCAL.timeout
    assert Counter(o.reason for o in outcomes) == {"": 40, "timeout": 8, "host_given_up": 32}


def test_a_row_that_is_led_elsewhere_waits_for_its_turn_there() -> None:
    turns = Turns(urls(a=5, b=1), Politeness(per_host=2), clock=Clock())
    first, other, second = free(turns)
    answered(turns, other)
    for number, task in enumerate((first, second)):
        turns.move(task, Step(f"http://b/{number}", 1))
    moved = [t.step.url for t in free(turns)]
    assert sorted(moved) == ["http://a/2", "http://a/3", "http://b/0", "http://b/1"]


def test_a_dead_host_that_others_lead_to_is_given_up_too() -> None:
    with serving(ImageServer()) as server, dead_hosts(1) as (dead,):
        outcomes = collect(
            [server.url(f"to/{dead.removeprefix('http://')}/{n}") for n in range(30)]
        )
    assert Counter(o.reason for o in outcomes) == {"timeout": 2, "host_given_up": 28}


def test_no_host_is_asked_by_more_than_its_share_at_once() -> None:
    most, now, lock = Counter[str](), Counter[str](), threading.Lock()

    class Counting(ImageServer):
        def finish_request(self, *args: object) -> None:
            port = str(self.server_address[1])
            with lock:
                now[port] += 1
                most[port] = max(most[port], now[port])
            super().finish_request(*args)  # type: ignore[arg-type]
            with lock:
                now[port] -= 1

    with serving(Counting()) as one, serving(Counting()) as two:
        paths = [server.url(f"ok/{n}") for n in range(60) for server in (one, two)]
        paths += [one.url(f"to/127.0.0.1:{two.server_address[1]}/{n}") for n in range(60)]
        assert all(not o.reason for o in collect(paths, threads=32, per_host=3))
        assert max(most.values()) <= 3
        assert len(most) == 2


def test_a_crawl_that_nobody_reads_to_its_end_stops() -> None:
    with serving(ImageServer()) as server:
        before = threading.active_count()
        found = crawl(
            [server.url(f"ok/{n}") for n in range(500)],
            threads=8, settings=LOCAL, politeness=Politeness(),
        )  # fmt: skip
        next(found)
        found.close()
        asked = server.requests.total()
        time.sleep(0.3)
        assert asked < 100
        assert server.requests.total() == asked
        assert threading.active_count() <= before + 4  # connections of the server that linger


def test_a_fault_of_ours_is_raised_and_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> bytes:
        raise RuntimeError("a bug")

    monkeypatch.setattr("pipeline.fetch.Fetcher.follow", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        collect(["http://127.0.0.1/"])


def test_no_urls_no_outcomes() -> None:
    assert collect([]) == []


def test_the_longest_rest_is_waited_for() -> None:
    clock = Clock()
    turns = Turns(urls(a=1), Politeness(max_wait=60), clock=clock)
    (task,) = free(turns)
    assert not failed(turns, task, "http_503", retry_after=60)
    clock.now += 60
    assert free(turns) == [task]


def test_a_host_that_has_answered_is_given_up_after_ten_failures() -> None:
    turns = Turns(urls(a=20), Politeness(per_host=1, retries=0), clock=Clock())
    (task,) = free(turns)
    answered(turns, task)
    failures = 0
    while turns.refusal(task := free(turns)[0]) is None:
        failed(turns, task, "refused")
        failures += 1
    assert failures == 10
