"""What annotators disagree on, and the queue of it for the one who settles it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from vocab.decisions import Event, State, Unresolved, effective, resolve
from vocab.graph import Tag


def disputes(state: State, *, majority: bool = False) -> dict[Tag, tuple[Event, ...]]:
    """Return the votes on each tag that needs a ruling and has none, in the order of the tags.

    Those are the tags without a majority; with ``majority`` also the ones that a majority settled
    against somebody's vote, after the others.
    """
    ballots: dict[Tag, list[Event]] = defaultdict(list)
    for (_, tag), vote in sorted(state.votes.items()):
        ballots[tag].append(vote)
    open_tags = {tag: votes for tag, votes in ballots.items() if tag not in state.rulings}
    outcomes = resolve(state)
    stuck = {t: v for t, v in sorted(open_tags.items()) if isinstance(outcomes[t], Unresolved)}
    if majority:
        stuck |= {t: v for t, v in sorted(open_tags.items()) if _differ(v) and t not in stuck}
    return {tag: tuple(votes) for tag, votes in stuck.items()}


def with_notes(
    votes: Mapping[Tag, Sequence[Event]], events: Iterable[Event]
) -> dict[Tag, tuple[Event, ...]]:
    """Return the votes, each with all that its annotator noted on the tag, for showing."""
    notes: dict[tuple[str, Tag], list[str]] = defaultdict(list)
    for event in effective(events):
        if event.note:
            notes[event.by, event.tag].append(event.note)
    return {
        tag: tuple(replace(vote, note="; ".join(notes[vote.by, tag]) or None) for vote in ballots)
        for tag, ballots in votes.items()
    }


def _differ(votes: Sequence[Event]) -> bool:
    return len({(vote.act, vote.to) for vote in votes}) > 1


class Docket:
    """Tags in a fixed order that wait for a ruling (the queue of a :class:`Desk`)."""

    def __init__(self, tags: Iterable[Tag], images: Mapping[Tag, int]) -> None:
        self._places = {tag: place for place, tag in enumerate(tags)}
        self._images = images
        self._waiting = dict.fromkeys(self._places)
        self._deferred: dict[Tag, None] = {}
        self._ruled: dict[Tag, None] = {}
        self._wanted: Callable[[Tag], bool] | None = None
        self._decided = False

    def __len__(self) -> int:
        return len(self._shown())

    def upcoming(self, n: int) -> list[Tag]:
        """Return the next ``n`` tags."""
        return self._shown()[:n]

    def _shown(self) -> list[Tag]:
        tags = [*self._ruled] if self._decided else [*self._waiting, *self._deferred]
        return [tag for tag in tags if self._wanted is None or self._wanted(tag)]

    def done(self, tag: Tag, *, refine: int = 0) -> None:
        """Take out a tag on which a ruling was made."""
        self._drop(tag)
        self._ruled[tag] = None

    def again(self, tag: Tag) -> None:
        """Put a tag first whose ruling was undone."""
        if tag in self._places:
            self._drop(tag)
            self._waiting = {tag: None, **self._waiting}

    def defer(self, tag: Tag) -> None:
        """Put a tag last."""
        if tag in self._places:
            self._drop(tag)
            self._deferred[tag] = None

    def _drop(self, tag: Tag) -> None:
        for tags in (self._waiting, self._deferred, self._ruled):
            tags.pop(tag, None)

    def reorder(self, order: str) -> None:
        """Order by the alphabet, or else by images: no model foresees a ruling."""
        if order == "alphabetical":
            ordered = sorted(self._waiting, key=lambda tag: (tag.tag, tag.kind))
        else:
            ordered = sorted(self._waiting, key=lambda tag: -self._images.get(tag, 0))
        self._waiting = dict.fromkeys(ordered)

    def keep_only(self, predicate: Callable[[Tag], bool] | None, *, decided: bool = False) -> None:
        """Show only tags that match, among those ruled on or those that wait."""
        self._wanted, self._decided = predicate, decided

    def surest(self, kept: bool, n: int) -> list[Tag]:
        """Return none: nothing is predicted here."""
        return []

    def refine(self, n: int) -> None:
        """Do nothing: there are no scores."""
