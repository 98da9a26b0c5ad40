"""How far annotators agree: statistics over tags that two or more of them decided on.

The two classes are keep and drop; merge, retype and rename are ways to keep. Several figures,
because any one misleads: where 95% is kept and 90% of the votes agree, Krippendorff's alpha is
-0.05, Gwet's AC1 0.89.

A statistic is ``None`` where it is not defined (0 divided by 0: a class that nobody chose).
"""

from __future__ import annotations

import itertools
import math
from collections import Counter, defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from vocab.decisions import Event
from vocab.graph import KINDS, Tag

Unit = Sequence[Hashable]  # what each annotator of one tag chose, in any order
Votes = Mapping[tuple[str, Tag], Event]  # as in vocab.decisions.State
KEEP: Final = "keep"
DROP: Final = "drop"
CLASSES: Final = (KEEP, DROP)
ALL: Final = "all"
_Z95: Final = 1.959964  # 95% of a normal distribution lie within so many deviations


class Interval(NamedTuple):
    """A 95% confidence interval."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Figures over ``n`` tags that two or more annotators decided on.

    ``raw`` is the share of pairs of votes on the same class, ``exact`` of those on the very same
    decision (the way to keep, and its target, too). ``kappa`` is Cohen's, for two annotators
    only. ``positive`` is the agreement on what is kept, ``negative`` on what is dropped.
    """

    n: int
    raw: float
    exact: float
    kappa: float | None
    alpha: float | None
    ac1: float | None
    ac1_interval: Interval | None
    positive: float | None
    negative: float | None


class Disagreement(NamedTuple):
    """A tag with votes that differ; ``on_keeping``: some keep it, some drop it."""

    tag: Tag
    votes: tuple[Event, ...]
    on_keeping: bool


def agreements(votes: Votes, annotators: Collection[str] | None = None) -> dict[str, Agreement]:
    """Return the figures per kind, in the order of the kinds, and over ``"all"``, which is last.

    ``annotators``: only their votes. Kinds without a tag that two decided on are left out.
    """
    shared = shared_votes(votes, annotators)
    groups = {kind: [e for tag, e in shared.items() if tag.kind == kind] for kind in KINDS}
    groups[ALL] = list(shared.values())
    return {name: _agreement(units) for name, units in groups.items() if units}


def pairwise(votes: Votes) -> dict[tuple[str, str], Agreement]:
    """Return the figures over all kinds for each two annotators that share a tag."""
    names = sorted({by for by, _ in votes})
    found = {pair: agreements(votes, pair) for pair in itertools.combinations(names, 2)}
    return {pair: figures[ALL] for pair, figures in found.items() if figures}


def disagreements(votes: Votes, annotators: Collection[str] | None = None) -> list[Disagreement]:
    """Return the tags on which votes differ in anything, in the order of the tags."""
    return [
        Disagreement(tag, events, len({side(event) for event in events}) > 1)
        for tag, events in sorted(shared_votes(votes, annotators).items())
        if len({decision(event) for event in events}) > 1
    ]


def shared_votes(
    votes: Votes, annotators: Collection[str] | None = None
) -> dict[Tag, tuple[Event, ...]]:
    """Return the votes on each tag that two or more decided on, in the order of their names."""
    found: dict[Tag, list[Event]] = defaultdict(list)
    for (by, tag), event in votes.items():
        if annotators is None or by in annotators:
            found[tag].append(event)
    return {
        tag: tuple(sorted(events, key=lambda event: event.by))
        for tag, events in found.items()
        if len(events) > 1
    }


def side(event: Event) -> str:
    """Return the class that a vote falls in: ``keep`` (in whatever way) or ``drop``."""
    return DROP if event.act == "drop" else KEEP


def decision(event: Event) -> tuple[str, str | None]:
    """Return all of a decision: the act and what it points at."""
    return event.act, event.to


def _agreement(tags: Sequence[Sequence[Event]]) -> Agreement:
    units = [[side(event) for event in events] for events in tags]
    raw = observed(units)
    exact = observed([[decision(event) for event in events] for events in tags])
    ac1, interval = gwet_ac1(units, CLASSES)
    return Agreement(
        n=len(units),
        raw=raw if raw is not None else math.nan,
        exact=exact if exact is not None else math.nan,
        kappa=_kappa_of_two(tags),
        alpha=krippendorff_alpha(units),
        ac1=ac1,
        ac1_interval=interval,
        positive=specific(units, KEEP),
        negative=specific(units, DROP),
    )


def _kappa_of_two(tags: Sequence[Sequence[Event]]) -> float | None:
    if len({event.by for events in tags for event in events}) != 2:
        return None
    return cohen_kappa([(side(first), side(second)) for first, second in tags])


def observed(units: Iterable[Unit]) -> float | None:
    """Return the raw agreement: the mean, over units of two or more votes, of agreeing pairs."""
    shares = [_pairs_alike(unit) for unit in units if len(unit) > 1]
    return math.fsum(shares) / len(shares) if shares else None


def _pairs_alike(unit: Unit) -> float:
    return sum(n * (n - 1) for n in Counter(unit).values()) / (len(unit) * (len(unit) - 1))


def specific(units: Iterable[Unit], label: Hashable) -> float | None:
    """Return the agreement on one label: given one vote for it, the share of the others' votes.

    For two annotators 2a / (2a + b + c) (Spitzer and Fleiss, 1974).
    """
    alike = total = 0.0
    for unit in units:
        if len(unit) > 1:
            n = sum(vote == label for vote in unit)
            alike += n * (n - 1) / (len(unit) - 1)
            total += n
    return alike / total if total else None


def cohen_kappa(pairs: Sequence[tuple[Hashable, Hashable]]) -> float | None:
    """Return Cohen's kappa (1960) of two annotators' labels of the same units."""
    if not pairs:
        return None
    n = len(pairs)
    agreed = sum(a == b for a, b in pairs) / n
    first, second = Counter(a for a, _ in pairs), Counter(b for _, b in pairs)
    by_chance = sum(count * second[label] for label, count in first.items()) / n**2
    return _beyond(agreed, by_chance)


def krippendorff_alpha(units: Iterable[Unit]) -> float | None:
    """Return Krippendorff's alpha for nominal labels (2011); units may have any number of votes.

    Units with a single vote are left out, as they pair with nothing.
    """
    paired = [unit for unit in units if len(unit) > 1]
    totals = Counter(label for unit in paired for label in unit)
    n = sum(totals.values())
    if n < 2:
        return None
    agreed = math.fsum(_pairs_alike(unit) * len(unit) for unit in paired) / n
    by_chance = sum(count * (count - 1) for count in totals.values()) / (n * (n - 1))
    return _beyond(agreed, by_chance)


def gwet_ac1(
    units: Sequence[Unit], labels: Collection[Hashable]
) -> tuple[float | None, Interval | None]:
    """Return Gwet's AC1 and its 95% interval (2008; several annotators and gaps: 2014, 2.4, 5.3).

    ``labels`` are all that could be chosen, two or more; ``units`` may have any number of votes,
    and those with one still tell how common a label is.
    """
    rated = [unit for unit in units if unit]
    agreed = observed(rated)
    if agreed is None:
        return None, None
    shares = [{label: n / len(unit) for label, n in Counter(unit).items()} for unit in rated]
    common = {
        label: math.fsum(share.get(label, 0.0) for share in shares) / len(rated) for label in labels
    }
    others = len(labels) - 1
    by_chance = math.fsum(p * (1 - p) for p in common.values()) / others
    ac1 = (agreed - by_chance) / (1 - by_chance)
    chances = [
        sum(s * (1 - common[label]) for label, s in share.items()) / others for share in shares
    ]
    return ac1, _interval(rated, ac1, by_chance, chances)


def _interval(
    units: Sequence[Unit], ac1: float, by_chance: float, chances: Sequence[float]
) -> Interval | None:
    """Linearise AC1 around each unit; the spread of these values is its variance (2014, 5.3)."""
    n = len(units)
    if n < 2:
        return None
    scale = n / sum(len(unit) > 1 for unit in units)
    squares = []
    for unit, chance in zip(units, chances, strict=True):
        own = scale * (_pairs_alike(unit) - by_chance) if len(unit) > 1 else 0.0
        value = (own - 2 * (1 - ac1) * (chance - by_chance)) / (1 - by_chance)
        squares.append((value - ac1) ** 2)
    reach = _Z95 * math.sqrt(math.fsum(squares) / (n * (n - 1)))
    return Interval(max(-1.0, ac1 - reach), min(1.0, ac1 + reach))


def _beyond(agreed: float, by_chance: float) -> float | None:
    """Return the part of what chance leaves open that was reached."""
    return (agreed - by_chance) / (1 - by_chance) if by_chance < 1 else None
