"""How far a review is: each annotator's work, and what stands between it and a vocabulary."""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from vocab.decisions import DECIDING, Decision, Event, State, Unresolved, effective, replay, resolve
from vocab.graph import Tag

PAUSE: Final = 5 * 60 * 1000  # ms without an event after which nobody is taken to be at work
BY_HAND: Final = frozenset({"card", "sheet", "adjudicate"})
FASTEST: Final = 50  # ms; who decides on a card in less is a script at the prompt, or a stuck key


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One annotator's standing votes on candidates by act, and the time that they took.

    ``rulings`` are decisions made for all while adjudicating. ``seconds`` is the time to decide
    that the events tell, a long look no more than a pause; ``per_hour`` counts decisions by hand
    in the hours with work, that is without pauses of more than five minutes (``None`` before there
    are two). ``last`` is the time of the last event, in milliseconds since 1970.
    """

    by: str
    acts: Mapping[str, int]
    rulings: int
    seconds: float
    per_hour: float | None
    last: int

    @property
    def decided(self) -> int:
        """Candidates with a vote."""
        return sum(self.acts.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What all decisions together make of the candidates; the five parts add up to all.

    ``kept`` are classes: kept, retyped or renamed; ``merged`` joined one; annotators disagree on
    what is ``unresolved``, and nobody decided on what is ``undecided``. A ruling settled what is
    ``ruled``, a part of the first three.
    """

    candidates: int
    kept: int
    merged: int
    dropped: int
    ruled: int
    unresolved: tuple[Tag, ...]
    undecided: tuple[Tag, ...]


def work(events: Collection[Event], candidates: Collection[Tag]) -> list[Work]:
    """Return every annotator's work on these candidates, by name."""
    known = frozenset(candidates)
    state = replay(events)
    by_name: dict[str, list[Event]] = defaultdict(list)
    for event in effective(events):
        by_name[event.by].append(event)
    for event in events:  # whoever took everything back has worked, too
        by_name.setdefault(event.by, [])
    acts = _acts(state, known)
    rulings = Counter(event.by for tag, event in state.rulings.items() if tag in known)
    last = {event.by: event.ts for event in sorted(events, key=lambda event: event.ts)}
    return [
        Work(
            by=by,
            acts=acts[by],
            rulings=rulings[by],
            seconds=sum(min(event.ms or 0, PAUSE) for event in made) / 1000,
            per_hour=rate(made),
            last=last[by],
        )
        for by, made in sorted(by_name.items())
    ]


def _acts(state: State, known: frozenset[Tag]) -> dict[str, Counter[str]]:
    acts: dict[str, Counter[str]] = defaultdict(Counter)
    for (by, tag), event in state.votes.items():
        if tag in known:
            acts[by][event.act] += 1
    return acts


def rate(events: Iterable[Event]) -> float | None:
    """Return decisions by hand an hour of work, from one annotator's events in order of time."""
    times = [event.ts for event in events if by_hand(event)]
    steps = [b - a for a, b in itertools.pairwise(times) if b - a <= PAUSE]
    return len(steps) / sum(steps) * 3_600_000 if sum(steps) else None


def by_hand(event: Event) -> bool:
    """Say whether a person decided this, one card or one sheet at a time."""
    if event.act not in DECIDING or event.via not in BY_HAND:
        return False
    return event.via == "sheet" or event.ms is None or event.ms >= FASTEST


def standing(state: State, candidates: Collection[Tag]) -> Standing:
    """Return what the decisions make of the candidates."""
    outcomes = resolve(state)
    found = {tag: outcomes.get(tag) for tag in candidates}
    acts = Counter(o.act for o in found.values() if isinstance(o, Decision))
    return Standing(
        candidates=len(found),
        kept=acts["keep"] + acts["retype"] + acts["rename"],
        merged=acts["merge"],
        dropped=acts["drop"],
        ruled=sum(isinstance(o, Decision) and o.how == "adjudicated" for o in found.values()),
        unresolved=tuple(tag for tag, o in found.items() if isinstance(o, Unresolved)),
        undecided=tuple(tag for tag, o in found.items() if o is None),
    )
