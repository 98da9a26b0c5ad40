import pytest

from vocab.decisions import Event, replay
from vocab.graph import Tag
from vocab.keys import tag_of
from vocab.status import PAUSE, rate, standing, work

TAGS = [tag_of(f"object:{name}") for name in ("dog", "cat", "cow", "thing", "lot", "photo")]


def event(n, key, act="keep", by="ann", ts=None, **more):
    return Event(id=str(n), ts=n if ts is None else ts, by=by, key=f"object:{key}", act=act, **more)


EVENTS = [
    event(1, "dog", ms=1500),
    event(2, "cat", "rename", to="kitten", ms=500),
    event(3, "cow", "merge", to="object:dog"),
    event(4, "thing", "drop"),
    event(5, "thing", "keep", by="bob"),
    event(6, "dog", "drop", by="bob"),
    event(7, "dog", "undo", by="bob", to="6"),
    event(8, "lot", "drop", by="bob"),
    event(9, "lot", "skip", by="cyd"),
    event(10, "lot", "keep", by="cyd", via="adjudicate"),
    event(11, "other", by="cyd"),
]


def test_what_all_decisions_make_of_the_candidates():
    found = standing(replay(EVENTS), TAGS)
    assert (found.candidates, found.kept, found.merged, found.dropped) == (6, 3, 1, 0)
    assert found.ruled == 1
    assert found.unresolved == (Tag("object", "thing"),)
    assert found.undecided == (Tag("object", "photo"),)


def test_work_of_each_annotator():
    ann, bob, cyd = work(EVENTS, TAGS)
    assert (ann.by, ann.decided, ann.seconds, ann.last) == ("ann", 4, 2, 4)
    assert ann.acts == {"keep": 1, "rename": 1, "merge": 1, "drop": 1}
    assert (bob.by, bob.decided, bob.acts, bob.last) == ("bob", 2, {"keep": 1, "drop": 1}, 8)
    assert (cyd.by, cyd.decided, cyd.rulings) == ("cyd", 0, 1)  # "other" is no candidate


def test_a_card_left_open_over_night_is_a_pause():
    (ann,) = work([event(1, "dog", ms=10 * 3_600_000)], TAGS)
    assert ann.seconds == PAUSE / 1000


def test_who_took_everything_back_is_still_there():
    (ann,) = work([event(1, "dog"), event(2, "dog", "undo", to="1")], TAGS)
    assert (ann.decided, ann.per_hour, ann.last) == (0, None, 2)


def test_five_minutes_without_an_event_are_a_pause():
    assert PAUSE == 5 * 60_000
    assert rate([event(1, "dog", ts=0), event(2, "cat", ts=PAUSE)]) == 12
    assert rate([event(1, "dog", ts=0), event(2, "cat", ts=PAUSE + 1)]) is None


def test_the_rate_counts_hours_of_work_only():
    minute = 60_000
    times = [0, minute, 2 * minute, 2 * minute + PAUSE + 1, 3 * minute + PAUSE + 1]
    made = [event(n, "dog", ts=ts) for n, ts in enumerate(times)]
    assert rate(made) == 60
    at_once = [event(9 + n, "dog", ts=9 * PAUSE + n, via="import") for n in range(500)]
    assert rate(made + at_once) == 60
    by_script = [event(9 + n, "dog", ts=99 * PAUSE + n, ms=1) for n in range(500)]
    assert rate(made + by_script) == 60
    assert rate(by_script) is None
    sheet = [event(9 + n, "dog", ts=made[-1].ts + minute, ms=1, via="sheet") for n in range(4)]
    assert rate(made + sheet) == pytest.approx(60 * 7 / 4)
    assert rate(made[:1]) is rate([]) is rate([made[0], made[0]]) is None
