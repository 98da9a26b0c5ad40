from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vocab.candidates import Candidate, Candidates
from vocab.coverage import Coverage as Meter
from vocab.decisions import Event, effective, replay, resolve
from vocab.examples import CoverageRow
from vocab.figures import (
    SECONDS,
    Fate,
    annotators,
    bands,
    class_of,
    coverage_of_captions,
    coverage_of_counts,
    drop_reasons,
    fates,
    first_votes,
    frequency_curve,
    per_kind,
    spread,
    time_bins,
)
from vocab.graph import Tag


def row(rank: int, key: str, images: int = 10, captions: int = 10) -> Candidate:
    kind, _, tag = key.partition(":")
    return Candidate(rank, kind, tag, images, captions)


def event(number: int, key: str, act: str = "keep", by: str = "ann", **more: object) -> Event:
    return Event(id=f"{by}-{number}", ts=1000 * number, by=by, key=key, act=act, **more)  # type: ignore[arg-type]


KEYS = [
    "object:dog",
    "object:hound",
    "object:thing",
    "scene:park",
    "action:park",
    "object:grey",
    "object:cat",
]
EVENTS = [
    event(1, "object:dog"),
    event(2, "object:hound", "merge", to="object:dog"),
    event(3, "object:thing", "drop", why="vague"),
    event(4, "action:park", "drop"),
    event(5, "object:grey", "retype", to="attribute"),
    event(6, "object:cat", "keep"),
    event(7, "object:cat", "drop", by="bob"),
]


@pytest.fixture
def judged() -> tuple[Fate, ...]:
    rows = tuple(row(n, key) for n, key in enumerate(KEYS, 1))
    return fates(Candidates(rows, (), "sha"), resolve(replay(EVENTS)))


def test_each_candidate_has_a_side(judged: tuple[Fate, ...]) -> None:
    sides = "kept merged dropped undecided dropped changed unresolved".split()
    assert [fate.side for fate in judged] == sides
    assert [fate.row.tag for fate in judged if fate.kept] == ["dog", "hound", "grey"]
    assert [fate.name for fate in judged if fate.is_class] == [
        Tag("object", "dog"),
        Tag("attribute", "grey"),
    ]


def test_sides_per_kind_and_reasons(judged: tuple[Fate, ...]) -> None:
    assert per_kind(judged)["action"] == Counter(dropped=1)
    assert per_kind(judged)["object"].total() == 5
    assert drop_reasons(judged) == Counter({"vague": 1, "": 1})


def test_a_class_is_at_the_end_of_the_merges() -> None:
    made = [
        Fate(row(1, "object:a"), "kept"),
        Fate(row(2, "object:b"), "merged", "object:a"),
        Fate(row(3, "object:c"), "merged", "object:b"),
        Fate(row(4, "object:d"), "merged", "object:e"),
        Fate(row(5, "object:e"), "merged", "object:d"),
        Fate(row(6, "object:f"), "merged", "object:nowhere"),
        Fate(row(7, "object:g"), "changed", "gee"),
        Fate(row(8, "object:h"), "merged", "object:g"),
    ]
    by_tag = {fate.row.key: fate for fate in made}
    ends = [class_of(by_tag, tag) for tag in by_tag]
    a, g = Tag("object", "a"), Tag("object", "gee")
    assert ends == [a, a, a, None, None, None, g, g]


@given(st.integers(1, 500), st.integers(1, 30))
def test_bands_hold_every_rank_once(size: int, number: int) -> None:
    made = [Fate(row(n, f"object:t{n}"), "kept") for n in range(1, size + 1)]
    found = bands(made, number)
    assert len(found) <= number
    ranks = [rank for band in found for rank in range(band.first, band.last + 1)]
    assert ranks == list(range(1, size + 1))
    assert sum(band.sides.total() for band in found) == size


@given(st.lists(st.integers(0, 10**6), max_size=300), st.integers(2, 40))
def test_a_frequency_curve_falls_from_first_to_last(images: list[int], most: int) -> None:
    curve = frequency_curve(images, most)
    held = sorted((n for n in images if n), reverse=True)
    assert len(curve) <= most
    assert [value for _, value in curve] == sorted((v for _, v in curve), reverse=True)
    assert all(held[int(rank) - 1] == value for rank, value in curve)
    if held:
        assert curve[0][1] == held[0]
        assert spread(len(held), most)[-1] == len(held)


def test_coverage_of_counts_is_a_share_of_the_total() -> None:
    rows = [row(1, "object:a", captions=60), row(2, "object:b", captions=20)]
    assert coverage_of_counts(rows, 100) == [(1, 0.6, None), (2, 0.8, None)]
    assert coverage_of_counts([], 100) == []


TAGS = [Tag("object", name) for name in "abcdef"]
captions = st.lists(
    st.builds(
        CoverageRow, st.lists(st.sampled_from(TAGS), unique=True).map(tuple), st.integers(0, 3)
    ),
    min_size=1,
)


@given(captions, st.lists(st.sampled_from(TAGS), unique=True, min_size=1))
def test_the_whole_vocabulary_covers_what_the_live_meter_says(
    rows: list[CoverageRow], kept: list[Tag]
) -> None:
    points = coverage_of_captions(rows, {tag: place for place, tag in enumerate(kept, 1)})
    meter = Meter(rows)
    for point in points:
        for tag in kept[: point.size]:
            meter.set(tag, True)
        assert point.mentions == pytest.approx(meter.share)
        assert point.captions == pytest.approx(meter.captions_share)
    assert points[-1].size == len(kept)


def test_annotators_have_their_standing_votes_and_no_rulings() -> None:
    events = [
        event(1, "object:dog", ms=1000),
        event(2, "object:cat", "drop", ms=3000),
        event(3, "object:cat", "undo", to="ann-2"),
        event(4, "object:cat", "keep", ms=5000),
        event(5, "object:dog", "drop", ms=None),
        event(6, "object:dog", "skip"),
        event(7, "object:dog", "keep", by="cleo", via="adjudicate"),
        event(8, "object:dog", "keep", by="bob"),
    ]
    ann, bob = annotators(effective(events))
    assert (ann.name, bob.name) == ("ann", "bob")
    assert ann.acts == Counter(keep=1, drop=1)
    assert ann.median_seconds == 3
    assert bob.median_seconds is None
    assert ann.progress() == [(1.0, 1.0), (4.0, 2.0), (5.0, 2.0), (5.0, 2.0)]
    assert [vote.id for vote in first_votes(effective(events))] == ["ann-1", "ann-4"]


def test_a_long_progress_is_thinned_to_its_end() -> None:
    (ann,) = annotators(event(n, f"object:t{n}") for n in range(1, 2001))
    points = ann.progress(100)
    assert len(points) <= 101
    assert points[-1] == (2000.0, 2000.0)


def test_times_fall_between_the_edges() -> None:
    assert time_bins([0, 0.49, 0.5, 3.9, 4, 64, 1e6]) == [2, 1, 0, 1, 1, 0, 0, 0, 2]
    assert len(time_bins([])) == len(SECONDS)
