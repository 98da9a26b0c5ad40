"""One annotator's own events: what stands, what can be undone, what can be redone.

Everything follows from the log, so it is the same after a restart. A *step* is what one key
or one import wrote: one event, or a sheet's many. An undo is an event that names the one taken
back; a redo is an undo of that undo. A step written after undos ends what could be redone.
"""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby

from vocab.decisions import DECIDING, Event, effective
from vocab.graph import Tag

Step = tuple[Event, ...]


def _moment(event: Event) -> tuple[int, str]:
    return event.ts, event.id


class History:
    """The events of one annotator, either the votes or, with ``rulings``, the rulings."""

    def __init__(self, events: Iterable[Event] = (), *, rulings: bool = False) -> None:
        self._rulings = rulings
        self._known: dict[str, Event] = {}
        for event in sorted(events, key=_moment):
            self._known.setdefault(event.id, event)
        mine = [event for event in self._known.values() if self._owns(event)]
        self.last_ts = max((event.ts for event in self._known.values()), default=0)
        self._standing: dict[Tag, list[Event]] = {}
        holding = effective(mine)
        for event in holding:
            self._standing.setdefault(event.tag, []).append(event)
        self._done: list[Step] = _steps(holding)
        self._undone: list[Step] = self._redoable(mine)

    def _owns(self, event: Event) -> bool:
        seen = set()
        while event.act == "undo" and event.to in self._known and event.id not in seen:
            seen.add(event.id)
            event = self._known[event.to]
        return (event.via == "adjudicate") is self._rulings

    def _redoable(self, mine: Sequence[Event]) -> list[Step]:
        active: Counter[str | None] = Counter()
        masked: set[str | None] = set()
        for event in reversed(mine):
            if event.act == "undo" and event.id not in masked:
                masked.add(event.to)
                active[event.to] += 1
        waiting: dict[str, Event] = {}
        for event in mine:
            if event.act != "undo":
                waiting.clear()
            elif event.to in self._known and event.id not in masked and active[event.to] == 1:
                # One that two undos take back, as merged logs can have it, no redo brings back.
                waiting[event.id] = event
        votes = [undo for undo in waiting.values() if self.original(undo).act != "undo"]
        return [tuple(group) for _, group in groupby(votes, key=lambda undo: undo.ts)]

    def to_undo(self) -> Step:
        """Return the last step that stands; empty when there is none."""
        return self._done[-1] if self._done else ()

    def to_redo(self) -> Step:
        """Return the undo events of the step that was taken back last; empty when there is none."""
        return self._undone[-1] if self._undone else ()

    def original(self, undo: Event) -> Event:
        """Return the event that an undo of this history takes back."""
        return self._known[undo.to or ""]

    def events(self, tag: Tag) -> list[Event]:
        """Return what stands about a tag, oldest first."""
        return list(self._standing.get(tag, ()))

    def tags(self) -> list[Tag]:
        """Return the tags about which anything stands."""
        return [tag for tag, events in self._standing.items() if events]

    def decision(self, tag: Tag) -> Event | None:
        """Return the decision on a tag that stands."""
        events = self._standing.get(tag, ())
        return next((event for event in reversed(events) if event.act in DECIDING), None)

    def add(self, step: Step) -> None:
        """Take in a step just written; nothing can be redone any more."""
        self._remember(step)
        for event in step:
            insort(self._standing.setdefault(event.tag, []), event, key=_moment)
        self._done.append(step)
        self._undone.clear()

    def undo(self, undos: Step) -> None:
        """Take in the undo events of one step, or of one event wherever it stands."""
        self._remember(undos)
        gone = {undo.to for undo in undos}
        for tag in {self.original(undo).tag for undo in undos}:
            self._standing[tag] = [e for e in self._standing[tag] if e.id not in gone]
        if {event.id for event in self._done[-1]} == gone:
            self._done.pop()
        else:
            rests = (tuple(e for e in step if e.id not in gone) for step in self._done)
            self._done = [step for step in rests if step]
        self._undone.append(undos)

    def redo(self, redos: Step) -> None:
        """Take in the events that undo the undo events of the step taken back last."""
        self._remember(redos)
        step = tuple(self.original(undo) for undo in self._undone.pop())
        for event in step:
            insort(self._standing.setdefault(event.tag, []), event, key=_moment)
        insort(self._done, step, key=lambda step: _moment(step[0]))

    def _remember(self, step: Step) -> None:
        for event in step:
            self._known[event.id] = event
            self.last_ts = max(self.last_ts, event.ts)


def _steps(events: Iterable[Event]) -> list[Step]:
    def step_of(event: Event) -> object:
        return event.ts if event.via in ("sheet", "import") else event.id

    return [tuple(group) for _, group in groupby(events, key=step_of)]
