"""The numbers behind the report: what became of each candidate, and who decided how, and when."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final, NamedTuple

from vocab.candidates import Candidate, Candidates
from vocab.decisions import DECIDING, Decision, Event, Unresolved
from vocab.examples import CoverageRow
from vocab.graph import KINDS, Tag
from vocab.keys import tag_of
from vocab.status import PAUSE

SIDES: Final = ("kept", "changed", "merged", "dropped", "unresolved", "undecided")
_SIDE_OF: Final = {
    "keep": "kept",
    "retype": "changed",
    "rename": "changed",
    "merge": "merged",
    "drop": "dropped",
}
SECONDS: Final = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)  # edges of the times to decide
_SIZES: Final = 60  # of the vocabulary, at which its coverage is drawn


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a candidate: its ``side`` of :data:`SIDES`, into what, for what reason.

    ``changed`` is retyped or renamed. A tag that is kept, changed or merged still means something
    (``kept``); kept and changed ones are classes.
    """

    row: Candidate
    side: str
    to: str | None = None
    why: str | None = None

    @property
    def kept(self) -> bool:
        """Say whether the tag still means something."""
        return self.side in ("kept", "changed", "merged")

    @property
    def is_class(self) -> bool:
        """Say whether the tag is a class of its own."""
        return self.side in ("kept", "changed")

    @property
    def name(self) -> Tag:
        """The tag as a class: with its new kind or name."""
        if self.side != "changed" or self.to is None:
            return self.row.key
        return Tag(self.to, self.row.tag) if self.to in KINDS else Tag(self.row.kind, self.to)


def fates(
    candidates: Candidates, outcomes: Mapping[Tag, Decision | Unresolved]
) -> tuple[Fate, ...]:
    """Return what became of each candidate, by rank; nothing is refused, as a build would."""
    return tuple(_fate(row, outcomes.get(row.key)) for row in candidates.rows)


def _fate(row: Candidate, outcome: Decision | Unresolved | None) -> Fate:
    if outcome is None:
        return Fate(row, "undecided")
    if isinstance(outcome, Unresolved):
        return Fate(row, "unresolved")
    return Fate(row, _SIDE_OF[outcome.act], outcome.to, outcome.why)


def class_of(by_tag: Mapping[Tag, Fate], tag: Tag) -> Tag | None:
    """Return the class that a candidate means: its own, or the one at the end of its merges.

    ``None`` when it is dropped or open, when the merges run in a circle, or leave the candidates.
    """
    seen: set[Tag] = set()
    while tag in by_tag and tag not in seen:
        seen.add(tag)
        fate = by_tag[tag]
        if fate.side != "merged":
            return fate.name if fate.is_class else None
        tag = tag_of(str(fate.to))
    return None


def per_kind(all_fates: Iterable[Fate]) -> dict[str, Counter[str]]:
    """Return how many candidates of each kind are on each side."""
    counts: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
    for fate in all_fates:
        counts[fate.row.kind][fate.side] += 1
    return counts


def drop_reasons(all_fates: Iterable[Fate]) -> Counter[str]:
    """Return how many candidates were dropped for each reason code; "" is without one."""
    return Counter(fate.why or "" for fate in all_fates if fate.side == "dropped")


class Band(NamedTuple):
    """Candidates of neighbouring ranks and their sides."""

    first: int
    last: int
    sides: Counter[str]


def bands(all_fates: Sequence[Fate], number: int = 20) -> list[Band]:
    """Return the sides over about ``number`` bands of equal width in rank."""
    width = max(1, math.ceil(len(all_fates) / number))
    parts = (all_fates[start : start + width] for start in range(0, len(all_fates), width))
    return [Band(p[0].row.rank, p[-1].row.rank, Counter(f.side for f in p)) for p in parts]


def frequency_curve(images: Iterable[int], most: int = 120) -> list[tuple[float, float]]:
    """Return (rank, images), most images first, at ranks evenly apart on a log scale."""
    ordered = sorted((count for count in images if count), reverse=True)
    ranks = spread(len(ordered), most)
    return [(float(rank), float(ordered[rank - 1])) for rank in ranks]


def spread(size: int, most: int) -> list[int]:
    """Return up to ``most`` ranks from 1 to ``size``, evenly apart on a log scale."""
    steps = (size ** (n / max(most - 1, 1)) for n in range(most))
    return sorted({min(size, round(step)) for step in steps}) if size else []


class Coverage(NamedTuple):
    """Shares of tag mentions and of captions that the first ``size`` classes cover."""

    size: int
    mentions: float
    captions: float | None = None


def coverage_of_counts(rows: Sequence[Candidate], total: int) -> list[Coverage]:
    """Return how many of ``total`` caption counts the first rows hold, for growing sizes."""
    picks = set(_sizes(len(rows)))
    points, running = [], 0
    for size, row in enumerate(rows, 1):
        running += row.captions
        if size in picks:
            points.append(Coverage(size, running / total if total else 0.0))
    return points


def coverage_of_captions(
    captions: Iterable[CoverageRow], place: Mapping[Tag, int]
) -> list[Coverage]:
    """Return the coverage of real captions by vocabularies of growing size.

    ``place`` is the place of each tag's class, from 1; a class is in the vocabulary when its place
    is within the size. The shares are those of :mod:`vocab.coverage`.
    """
    mentions: Counter[int] = Counter()
    first: Counter[int] = Counter()
    beyond = max(place.values(), default=0) + 1
    for tags, others in captions:
        places = [place.get(tag, beyond) for tag in tags]
        mentions.update([*places, *[beyond] * others])
        first[min(places, default=beyond)] += 1
    return _cumulated(mentions, first, beyond - 1)


def _cumulated(mentions: Mapping[int, int], first: Mapping[int, int], size: int) -> list[Coverage]:
    every, captions = sum(mentions.values()) or 1, sum(first.values()) or 1
    picks, points, covered, reached = set(_sizes(size)), [], 0, 0
    for place in range(1, size + 1):
        covered += mentions.get(place, 0)
        reached += first.get(place, 0)
        if place in picks:
            points.append(Coverage(place, covered / every, reached / captions))
    return points


def _sizes(size: int) -> list[int]:
    """Return sizes up to ``size``: close at the start, where the curve bends, and evenly after."""
    even = {max(1, round(size * n / _SIZES)) for n in range(1, _SIZES + 1)} if size else set()
    return sorted({*spread(size, 12), *even})


@dataclass(frozen=True, slots=True)
class Annotator:
    """What one person decided, by the events that stand, in the order of time."""

    name: str
    events: tuple[Event, ...]

    @property
    def acts(self) -> Counter[str]:
        """How many of the last decisions on each tag are of which act."""
        return Counter({event.key: event.act for event in self.events}.values())

    @property
    def seconds(self) -> list[float]:
        """The times to decide that were recorded; a long look counts no more than a pause."""
        return [min(event.ms, PAUSE) / 1000 for event in self.events if event.ms is not None]

    @property
    def median_seconds(self) -> float | None:
        """The median time to decide."""
        return median(self.seconds) if self.seconds else None

    def progress(self, most: int = 200) -> list[tuple[float, float]]:
        """Return (seconds since 1970, tags decided by then), about ``most`` of them."""
        seen: set[str] = set()
        points = []
        for event in self.events:
            seen.add(event.key)
            points.append((event.ts / 1000, float(len(seen))))
        step = max(1, math.ceil(len(points) / most))
        return points[::step] + points[-1:] if points else []


def annotators(standing: Iterable[Event]) -> list[Annotator]:
    """Return those who decided, by name; ``standing`` are the events that hold, by time."""
    events: dict[str, list[Event]] = defaultdict(list)
    for event in standing:
        if event.act in DECIDING and event.via != "adjudicate":
            events[event.by].append(event)
    return [Annotator(name, tuple(events[name])) for name in sorted(events)]


def time_bins(seconds: Iterable[float]) -> list[int]:
    """Return how many times to decide lie from each edge of :data:`SECONDS` to the next."""
    counts = [0] * len(SECONDS)
    for value in seconds:
        counts[sum(edge <= value for edge in SECONDS[1:])] += 1
    return counts


def first_votes(standing: Iterable[Event]) -> list[Event]:
    """Return the first standing vote on each tag, by time: what the keep-model learns from."""
    votes: dict[str, Event] = {}
    for event in standing:
        if event.act in DECIDING and event.via != "adjudicate":
            votes.setdefault(event.key, event)
    return list(votes.values())
