"""What lies before the annotator: the current tag, the queue, the clues, how far one is.

The screen and the prompt call the same methods; each returns a line for the annotator, and raises
:class:`InputError` with one when nothing was done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from vocab.decisions import Event, Problem
from vocab.errors import InputError
from vocab.graph import KINDS, Tag
from vocab.review.evidence import Clues, Evidence
from vocab.review.parts import Line, Model
from vocab.review.session import Choice, Session

STANDINGS: Final = ("undecided", "skipped", "flagged", "kept", "dropped", "merged")
REFINED: Final = 24  # scores brought up to date in one spare moment: 2 to 5 ms
PAST: Final = {
    "keep": "kept", "drop": "dropped", "merge": "merged", "retype": "retyped",
    "rename": "renamed", "skip": "skipped", "flag": "flagged", "note": "noted",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Filter:
    """Which tags are shown: by kind, by a source that holds them, by how they stand.

    ``standing`` is one of ``undecided``, ``skipped``, ``flagged``, ``kept``, ``dropped``,
    ``merged``; ``kept`` covers renamed and retyped tags.
    """

    kind: str | None = None
    source: str | None = None
    standing: str = "undecided"

    def __str__(self) -> str:
        return " ".join(part for part in (self.standing, self.kind, self.source) if part)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the annotator is; ``rate`` is decisions an hour, ``coverage`` a share."""

    decided: int
    total: int
    kept: int
    target: int
    rate: float | None = None
    coverage: float | None = None

    @property
    def hours_left(self) -> float | None:
        """How long the rest takes at this rate."""
        return (self.total - self.decided) / self.rate if self.rate else None


class Desk:
    """A session with its queue, its model and its clues."""

    def __init__(
        self,
        session: Session,
        queue: Line,
        evidence: Evidence,
        *,
        model: Model | None = None,
        target: int = 0,
        reasons: Mapping[str, str] | None = None,
        order: str = "effect",
        total: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.session, self.queue, self.evidence, self.model = session, queue, evidence, model
        self.target, self.reasons = target, dict(reasons or {})
        self.total = len(session.rows) if total is None else total
        self.order, self.filter = order, Filter()
        self._clock = clock
        self._focus: Tag | None = None
        self._cursor = self._page = 0
        self._shown: tuple[Tag | None, float] = (None, clock())
        self._clues: dict[tuple[Tag, int], Clues] = {}
        self.greeting = ""

    # What there is to see

    @property
    def current(self) -> Tag | None:
        """The tag that a key decides on; None at the end of the queue."""
        if self._focus is not None:
            return self._focus
        ahead = self.queue.upcoming(self._cursor + 1)
        self._cursor = min(self._cursor, max(0, len(ahead) - 1))
        return ahead[self._cursor] if ahead else None

    def show(self) -> Tag | None:
        """Return the current tag and begin to take the time, unless it was shown already."""
        tag = self.current
        if tag != self._shown[0]:
            self._shown = (tag, self._clock())
            self._page = 0
        return tag

    def clues(self, tag: Tag) -> Clues:
        """Return the clues of a tag, from memory where they were asked before."""
        key = (tag, self._page)
        if key not in self._clues:
            if len(self._clues) > 256:
                self._clues.clear()
            self._clues[key] = self.evidence.clues(tag, page=self._page)
        return self._clues[key]

    def forget_clues(self) -> None:
        """Ask for clues anew: more of them are there now."""
        self._clues.clear()

    def recount(self) -> None:
        """Bring a coverage that has just come in line with all decisions."""
        if self.evidence.coverage is not None:
            for event in self.session.decisions():
                self.evidence.coverage.set(event.tag, event.act != "drop")

    def prepare(self) -> None:
        """Use a moment in which nobody waits, some milliseconds: scores, the next cards' clues."""
        self.queue.refine(REFINED)
        for tag in self.queue.upcoming(self._cursor + 3):
            if (tag, 0) not in self._clues:
                self._clues[tag, 0] = self.evidence.clues(tag)
                return

    def predicted(self, tag: Tag) -> float | None:
        """Return the probability that the tag is kept."""
        return self.model.predict(tag) if self.model else None

    def other_kinds(self, tag: Tag) -> list[Tag]:
        """Return the candidates of the same string under other kinds."""
        others = (Tag(kind, tag.tag) for kind in KINDS if kind != tag.kind)
        return [other for other in others if other in self.session.rows]

    def progress(self) -> Progress:
        """Return how far the annotator is."""
        session, coverage = self.session, self.evidence.coverage
        # Rulings alone cover nothing: where there is no model, disagreements are settled.
        share = coverage.share if coverage is not None and self.model is not None else None
        return Progress(
            session.decided, self.total, session.kept, self.target, session.rate(), share
        )

    def catch_up(self) -> str:
        """Take in what something else wrote into the log, such as ``git pull``; say what it was."""
        try:
            moved, problems = self.session.refresh()
        except InputError as error:
            return str(error)
        for tag in moved:
            self._settle(tag)
        if moved:
            self.queue.reorder(self.order)
        told = f"the log was changed from outside (tags: {len(moved):,})" if moved else ""
        return "; ".join(filter(None, (told, left_out(problems))))

    # Decisions

    def decide(self, act: str, to: str | None = None, why: str | None = None) -> str:
        """Decide on the current tag and move on; return what was done."""
        tag = self._tag()
        choice = self.session.choose(tag, act, to)
        choice = Choice(tag, choice.act, choice.to, why, p=self.predicted(tag))
        (event,) = self.session.record(choice, ms=self._elapsed())
        self._settle(tag)
        self._focus = None
        done = describe(event)
        if event.act == "drop" and (joined := self.session.joined(tag)):
            done += f"; merged into it, so to change too: {joined}"
        return done

    def merge_into(self, number: int) -> str:
        """Merge the current tag into the suggestion of that number, from 1."""
        merges = self.clues(self._tag()).merges
        if not 1 <= number <= len(merges):
            raise InputError(f"there is no suggestion {number} on this card")
        suggestion = merges[number - 1].tag
        return self.decide("merge", f"{suggestion.kind}:{suggestion.tag}")

    def skip(self) -> str:
        """Put the current tag off to the end of the queue."""
        tag = self._tag()
        if self.session.decision(tag) is None:
            self.session.record(Choice(tag, "skip"), ms=self._elapsed())
            self.queue.defer(tag)
            self._focus = None
            return f"skipped {tag.tag}; it comes again at the end"
        self.move(1)
        return f"{tag.tag} stays as it is"

    def note(self, text: str) -> str:
        """Write a note on the current tag."""
        tag = self._tag()
        if not text.strip():
            raise InputError("the note is empty; nothing was written")
        self.session.record(Choice(tag, "note", note=text.strip()))
        return f"noted on {tag.tag}"

    def flag(self) -> str:
        """Flag the current tag, or take the flag away."""
        tag = self._tag()
        if self.session.flagged(tag):
            self.session.unflag(tag)
            return f"{tag.tag} is no longer flagged"
        self.session.record(Choice(tag, "flag"))
        return f"flagged {tag.tag}"

    def accept(self, choices: Sequence[tuple[Tag, str]]) -> str:
        """Write a sheet's decisions as one step."""
        if not choices:
            raise InputError("nothing on this sheet is decided; nothing was written")
        ms = self._elapsed() // len(choices)
        made = [Choice(tag, act, p=self.predicted(tag)) for tag, act in choices]
        self.session.record(*made, ms=ms, sheet=True)
        for tag, _ in choices:
            self._settle(tag)
        self.restart_clock()
        kept = sum(act == "keep" for _, act in choices)
        return f"kept {kept}, dropped {len(choices) - kept}"

    def undo(self) -> str:
        """Take back the last step and go to its tag."""
        step = self.session.history.to_undo()
        tags = self.session.undo()
        return self._went_back(tags, f"undone: {_summary(step)}", "nothing is left to undo")

    def redo(self) -> str:
        """Bring back what was undone last."""
        undos = self.session.history.to_redo()
        step = [self.session.history.original(undo) for undo in undos]
        tags = self.session.redo()
        message = self._went_back(tags, f"redone: {_summary(step)}", "nothing is left to redo")
        self._focus = None
        return message

    # Moving about

    def jump(self, tag: Tag) -> str:
        """Go to any candidate, decided or not."""
        if tag not in self.session.rows:
            raise InputError(f"{tag.kind}:{tag.tag} is no candidate")
        self._focus = tag
        return ""

    def move(self, by: int) -> str:
        """Look at the next tag of the queue, or at the one before, without a decision."""
        if self._focus is not None:
            self._focus = None
        else:
            self._cursor = max(0, self._cursor + by)
        return ""

    def turn_captions(self) -> str:
        """Show the next captions of the current tag, after the last the first again."""
        tag = self._tag()
        self._page += 1
        if not self.clues(tag).captions:
            self._page = 0
            return self.evidence.missing or "these are all the captions at hand"
        return ""

    def set_order(self, order: str) -> str:
        """Order the queue another way."""
        self.queue.reorder(order)
        self.order, self._cursor, self._focus = order, 0, None
        return f"order: {order}"

    def set_filter(self, wanted: Filter) -> str:
        """Show only the tags that match."""
        decided = wanted.standing in ("kept", "dropped", "merged")
        self.queue.keep_only(self._predicate(wanted), decided=decided)
        self.filter, self._cursor, self._focus = wanted, 0, None
        return f"showing: {wanted} ({len(self.queue):,})"

    def _predicate(self, wanted: Filter) -> Callable[[Tag], bool] | None:
        if wanted == Filter():
            return None
        session, rows = self.session, self.session.rows
        flagged, standing = wanted.standing == "flagged", wanted.standing

        def matches(tag: Tag) -> bool:
            return (
                (wanted.kind is None or tag.kind == wanted.kind)
                and (wanted.source is None or rows[tag].sources[wanted.source] > 0)
                and (
                    standing == "undecided"
                    or (session.flagged(tag) if flagged else session.standing(tag) == standing)
                )
            )

        return matches

    def restart_clock(self) -> None:
        """Take the time to decide from now on."""
        self._shown = (self._shown[0], self._clock())

    def _tag(self) -> Tag:
        tag = self.current
        if tag is None:
            raise InputError("no tag is left here; undo, search, or change the filter")
        return tag

    def _elapsed(self) -> int:
        return max(0, round(1000 * (self._clock() - self._shown[1])))

    def _went_back(self, tags: Sequence[Tag], done: str, nothing: str) -> str:
        if not tags:
            raise InputError(nothing)
        known = [tag for tag in tags if tag in self.session.rows]  # of other candidates before
        for tag in known:
            self._settle(tag)
        if len(known) > 1:  # a single one comes first; a sheet falls into line
            self.queue.reorder(self.order)
        self._focus = known[0] if len(known) == 1 else None
        self._cursor = 0
        return done

    def _settle(self, tag: Tag) -> None:
        """Bring model, queue and coverage in line with what now stands about the tag."""
        decision, standing = self.session.decision(tag), self.session.standing(tag)
        if self.model is not None:
            if decision is None:
                self.model.unlearn(tag)
            else:
                self.model.learn(tag, decision.act != "drop")
                self.model.catch_up(10)  # also where nobody pauses, as in the plain prompt
        if decision is not None:
            self.queue.done(tag, refine=0)  # that is for `prepare`, once the card is shown
        elif standing == "skipped":
            self.queue.defer(tag)
        else:
            self.queue.again(tag)
        if self.evidence.coverage is not None:
            self.evidence.coverage.set(tag, decision is not None and decision.act != "drop")


def describe(event: Event) -> str:
    """Return a decision as a person says it: "merged grey into object:gray"."""
    tag = event.tag
    text = f"{PAST[event.act]} {tag.kind}:{tag.tag}"
    if event.to:
        text += f" {'into' if event.act == 'merge' else 'as'} {event.to}"
    return text + (f" ({event.why})" if event.why else "")


def left_out(problems: Sequence[Problem]) -> str:
    """Return a line about the lines of a log that are no events; nothing when all are."""
    if not problems:
        return ""
    first = problems[0]
    more = f", {len(problems):,} such lines" if len(problems) > 1 else ""
    return f"{first.file}:{first.line}: {first.reason}; left out{more} (see tag2text vocab check)"


def _summary(step: Sequence[Event]) -> str:
    if len(step) < 2:
        return "".join(map(describe, step))
    return f"{'an import' if step[0].via == 'import' else 'a sheet'} of {len(step):,}"
