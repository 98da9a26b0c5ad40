"""A sitting of one annotator: every transition is written to the log before the state moves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from vocab.candidates import Candidates
from vocab.decisions import Event, Problem
from vocab.errors import InputError
from vocab.graph import KINDS, Tag
from vocab.keys import check_text, key_of, tag_of
from vocab.log import new_event
from vocab.review.history import History
from vocab.status import by_hand

PAUSE: float = 120_000  # ms; a longer look at one card was a pause, and counts as this much
RECENT: int = 200  # timed decisions that say how fast one is
Standing = Literal["undecided", "skipped", "kept", "dropped", "merged"]


class Writer(Protocol):
    """What writes events: returns when they are on the disk, or raises ``InputError``."""

    def append(self, *events: Event) -> None:
        """Write the events, all or none."""

    def news(self) -> tuple[list[Event], list[Problem]] | None:
        """Return what the log holds now if something else wrote it, and its broken lines."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What an annotator wants about a tag: ``act``, ``to``, ``why`` and ``note`` as in an event."""

    tag: Tag
    act: str
    to: str | None = None
    why: str | None = None
    note: str | None = None
    p: float | None = None


class Session:
    """The candidates and one annotator's events about them, with undo and redo without limit.

    A method that writes raises :class:`InputError`, in one line for the annotator, when the choice
    cannot be meant or the log cannot be written; the state has not moved then.
    """

    def __init__(
        self,
        candidates: Candidates,
        writer: Writer,
        *,
        by: str,
        events: Iterable[Event] = (),
        via: Literal["card", "adjudicate"] = "card",
    ) -> None:
        self.candidates = candidates
        self.rows = {row.key: row for row in candidates.rows}
        self.by, self.via = by, via
        self._writer = writer
        self._begin(events)

    def _begin(self, events: Iterable[Event]) -> None:
        own = [event for event in events if event.by == self.by]
        self.history = History(own, rulings=self.via == "adjudicate")
        self._tally: Counter[Standing] = Counter()
        self._joined: Counter[str] = Counter()
        for tag in self.history.tags():
            self._count(tag, 1)
        self._paces = _paces(own)

    # What stands

    def decision(self, tag: Tag) -> Event | None:
        """Return the decision on the tag that stands."""
        return self.history.decision(tag)

    def standing(self, tag: Tag) -> Standing:
        """Return how the tag stands with this annotator; renamed and retyped ones are kept."""
        decision = self.decision(tag)
        if decision is None:
            skipped = any(event.act == "skip" for event in self.history.events(tag))
            return "skipped" if skipped else "undecided"
        return {"drop": "dropped", "merge": "merged"}.get(decision.act, "kept")  # type: ignore[return-value]

    def flagged(self, tag: Tag) -> bool:
        """Say whether a flag stands on the tag."""
        return any(event.act == "flag" for event in self.history.events(tag))

    def notes(self, tag: Tag) -> list[str]:
        """Return the notes on the tag, oldest first."""
        return [event.note for event in self.history.events(tag) if event.note]

    def decisions(self) -> list[Event]:
        """Return the decisions that stand about candidates, in the order they were made."""
        made = (self.decision(tag) for tag in self.history.tags() if tag in self.rows)
        return sorted((e for e in made if e is not None), key=lambda e: (e.ts, e.id))

    def skipped(self) -> list[Tag]:
        """Return the tags that were put off, in that order."""
        tags = [tag for tag in self.history.tags() if self.standing(tag) == "skipped"]
        return sorted(tags, key=lambda tag: self.history.events(tag)[-1].ts)

    def joined(self, tag: Tag) -> int:
        """Return how many tags are merged into this one."""
        return self._joined[key_of(tag)]

    @property
    def decided(self) -> int:
        """How many candidates are decided on."""
        return self._tally["kept"] + self._tally["dropped"] + self._tally["merged"]

    @property
    def kept(self) -> int:
        """How many classes are kept: a merged tag makes none of its own."""
        return self._tally["kept"]

    def rate(self) -> float | None:
        """Return decisions per hour over the last timed ones; long looks count as pauses."""
        paces = self._paces[-RECENT:]
        spent = sum(min(ms, PAUSE) for ms in paces)
        return len(paces) * 3_600_000 / spent if spent else None

    # What changes it

    def refresh(self) -> tuple[list[Tag], list[Problem]]:
        """Take in what something else wrote into the log, such as ``git pull``.

        Return the candidates about which something else stands now, and the log's broken lines.
        """
        news = self._writer.news()
        if news is None:
            return [], []
        events, problems = news
        before = {tag: self.history.events(tag) for tag in self.rows}
        self._begin(events)
        return [tag for tag in self.rows if self.history.events(tag) != before[tag]], problems

    def record(
        self, *choices: Choice, ms: int | None = None, sheet: bool = False
    ) -> Sequence[Event]:
        """Write the choices as one step, and move; ``ms`` is the time taken for each."""
        for choice in choices:
            self._check(choice)
        events = [self._event(choice, ms, sheet=sheet) for choice in choices]
        step = self._write(events)
        self._move(step, self.history.add)
        self._paces += _paces(step)
        return step

    def _event(self, choice: Choice, ms: int | None, *, sheet: bool) -> Event:
        return new_event(
            self.by,
            choice.tag,
            choice.act,
            to=choice.to,
            why=choice.why,
            note=choice.note,
            via="sheet" if sheet else self.via,
            ms=ms,
            cand=self.candidates.sha256,
            p=None if choice.p is None else round(choice.p, 4),
        )

    def undo(self) -> tuple[Tag, ...]:
        """Take back the last step that stands; return its tags, none when nothing is left."""
        step = self.history.to_undo()
        return self._take_back(step, self.history.undo)

    def redo(self) -> tuple[Tag, ...]:
        """Bring back the step taken back last; return its tags, none when there is none."""
        return self._take_back(self.history.to_redo(), self.history.redo)

    def unflag(self, tag: Tag) -> None:
        """Take back the flags on the tag."""
        flags = [event for event in self.history.events(tag) if event.act == "flag"]
        self._take_back(tuple(flags), self.history.undo)

    def _take_back(
        self, step: Sequence[Event], move: Callable[[tuple[Event, ...]], None]
    ) -> tuple[Tag, ...]:
        if not step:
            return ()
        cand = self.candidates.sha256
        undos = self._write(
            [new_event(self.by, e.key, "undo", to=e.id, via=self.via, cand=cand) for e in step]
        )
        self._move(undos, move)
        return tuple(dict.fromkeys(event.tag for event in step))

    def _write(self, events: Sequence[Event]) -> tuple[Event, ...]:
        # One moment for a step, later than all that stands.
        moment = max(events[0].ts, self.history.last_ts + 1)
        step = tuple(replace(event, ts=moment) for event in events)
        self._writer.append(*step)
        return step

    def _move(self, step: tuple[Event, ...], move: Callable[[tuple[Event, ...]], None]) -> None:
        tags = {event.tag for event in step}
        for tag in tags:
            self._count(tag, -1)
        move(step)
        for tag in tags:
            self._count(tag, 1)

    def _count(self, tag: Tag, by: int) -> None:
        if tag not in self.rows:
            return
        self._tally[self.standing(tag)] += by
        decision = self.decision(tag)
        if decision is not None and decision.act == "merge":
            self._joined[decision.to or ""] += by

    # What can be meant

    def choose(self, tag: Tag, act: str, to: str | None = None) -> Choice:
        """Return the choice that is meant: a new name that is taken is a merge into its owner."""
        name = None
        if act == "retype" and to in KINDS:
            name = Tag(to, tag.tag)
        elif act == "rename" and to is not None:
            name = Tag(tag.kind, " ".join(to.split()))
        if name is None:
            return Choice(tag, act, to)
        if name != tag and (owner := self._owner(name)) not in (None, tag):
            return Choice(tag, "merge", key_of(owner))
        return Choice(tag, act, name.kind if act == "retype" else name.tag)

    def _owner(self, name: Tag) -> Tag | None:
        """Return the candidate that has this name, or was given it by a decision."""
        if name in self.rows:
            return name
        for event in self.decisions():
            given = {"retype": (event.to, event.tag.tag), "rename": (event.tag.kind, event.to)}
            if given.get(event.act) == name:
                return event.tag
        return None

    def _check(self, choice: Choice) -> None:
        if choice.tag not in self.rows:
            raise InputError(f"{key_of(choice.tag)} is no candidate; decide on those of the file")
        if choice.act == "merge":
            self._check_merge(choice.tag, choice.to or "")
        elif choice.act == "retype" and choice.to == choice.tag.kind:
            raise InputError(f"{key_of(choice.tag)} is of that kind already; choose another")
        elif choice.act == "rename":
            self._check_name(choice)

    def _check_name(self, choice: Choice) -> None:
        try:
            check_text(choice.to or "")
        except ValueError as error:
            raise InputError(f"{error}; type another name") from error
        if choice.to == choice.tag.tag:
            raise InputError(f"{key_of(choice.tag)} has that name already; type another one")

    def _check_merge(self, tag: Tag, to: str) -> None:
        target = tag_of(to)
        if target == tag:
            raise InputError(f"{to} cannot be merged into itself; choose another tag")
        seen = {tag}
        while (decision := self.decision(target)) is not None and decision.act == "merge":
            if target in seen:
                break
            seen.add(target)
            target = tag_of(decision.to or "")
        if target in seen:
            raise InputError(f"{to} is itself merged into {key_of(tag)}; change that one first")
        if target not in self.rows:
            raise InputError(f"{key_of(target)} is no candidate; merge into one")
        if decision is not None and decision.act == "drop":
            raise InputError(f"you dropped {key_of(target)}; keep it first, then merge into it")


def _paces(events: Iterable[Event]) -> list[int]:
    """Return the times, in milliseconds, that a person took to decide."""
    return [event.ms for event in events if event.ms is not None and by_hand(event)]
