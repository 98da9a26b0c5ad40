"""What people decided about candidates: an append-only log, and what follows from it.

A log is UTF-8 text, one JSON object a line, one file an annotator. The fields of an event:

``v``     version of this format: 1
``id``    names the event among its annotator's; the same id twice is the same event
``ts``    when, in milliseconds since 1970 (UTC); events are ordered by ``(ts, id)``
``by``    the annotator
``key``   the candidate decided on, ``kind:tag``
``act``   ``keep``, ``drop``, ``merge``, ``retype``, ``rename``; ``skip``, ``flag``, ``note`` decide
          nothing; ``undo`` takes an event back
``to``    merge: the ``kind:tag`` of the candidate, of any kind, whose class it joins;
          retype: the new kind; rename: the new tag, of the same kind; undo: the ``id`` of the
          event taken back; otherwise absent
``why``   a reason code; ``note``: free text (both optional)
``via``   ``card``, ``sheet``, ``import``, ``rule`` or ``adjudicate``
``ms``    time to decide; ``cand``: sha256 of the candidates file that was shown;
          ``p``: the keep probability predicted at that time (all optional)

Merge, retype and rename are ways to keep a tag.
"""

from __future__ import annotations

import contextlib
import gc
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, fields
from functools import lru_cache
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, NoReturn

from vocab.errors import InputError
from vocab.graph import KINDS, Tag
from vocab.keys import check_text, encodable, has_controls, tag_of

_tag_of = lru_cache(1 << 16)(tag_of)  # a log names the same few thousand candidates again and again

VERSION: Final = 1
ACTS: Final = ("keep", "drop", "merge", "retype", "rename", "skip", "flag", "note", "undo")
DECIDING: Final = frozenset({"keep", "drop", "merge", "retype", "rename"})
_POINTING: Final = frozenset({"merge", "retype", "rename", "undo"})  # these need a ``to``
VIAS: Final = ("card", "sheet", "import", "rule", "adjudicate")
MAX_LINE: Final = 64 * 1024  # bytes; a line of a log is a few hundred
MAX_INTEGER: Final = 2**53  # beyond it, other readers of JSON lose digits
MAX_TIME: Final = 253_402_300_799_999  # ms; the last of the year 9999, which dates can hold
_TEXTS: Final = ("id", "by", "key", "act", "to", "why", "note", "via", "cand")
_OPTIONAL: Final = frozenset({"to", "why", "note", "cand"})
_texts: Final = attrgetter(*_TEXTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of a log; ``ValueError`` says what is wrong with it (fields: see the module)."""

    v: int = VERSION
    id: str
    ts: int
    by: str
    key: str
    act: str
    to: str | None = None
    why: str | None = None
    note: str | None = None
    via: str = "card"
    ms: int | None = None
    cand: str | None = None
    p: float | None = None

    def __post_init__(self) -> None:
        _check_types(self)
        if self.v != VERSION:
            raise ValueError(f"version {self.v} of the format is not known (known: {VERSION})")
        if not (self.id and self.by):
            raise ValueError("id and by must not be empty")
        if has_controls(self.by) or has_controls(self.why or ""):
            raise ValueError("by or why holds a control character")
        _check_choice("act", self.act, ACTS)
        _check_choice("via", self.via, VIAS)
        _check_target(self)

    @property
    def tag(self) -> Tag:
        """The candidate that the event is about."""
        return _tag_of(self.key)


def _check_types(event: Event) -> None:
    for name, value in zip(_TEXTS, _texts(event), strict=True):
        if isinstance(value, str):
            if value.isascii() or encodable(value):
                continue
        elif value is None and name in _OPTIONAL:
            continue
        raise ValueError(f"{name} is not a text")
    for name, number in (("v", event.v), ("ts", event.ts), ("ms", event.ms)):
        if type(number) is int and 0 <= number < MAX_INTEGER:
            continue
        if number is not None or name != "ms":
            raise ValueError(f"{name} is not a whole number of 0 or more")
    if event.ts > MAX_TIME:
        raise ValueError("ts is past the year 9999")
    if event.p is not None and not (type(event.p) in (int, float) and 0 <= event.p <= 1):
        raise ValueError("p is not a probability")


def _check_choice(name: str, value: str, known: Iterable[str]) -> None:
    if value not in known:
        raise ValueError(f"unknown {name} {value!r} (known: {', '.join(known)})")


def _check_target(event: Event) -> None:
    tag = event.tag
    if event.act not in _POINTING:
        if event.to is not None:
            raise ValueError(f"{event.act} takes no 'to'")
        return
    if event.to is None:
        raise ValueError(f"{event.act} needs a 'to'")
    itself = {"merge": event.key, "retype": tag.kind, "rename": tag.tag, "undo": event.id}
    if event.to == itself[event.act]:
        raise ValueError(f"{event.act} to itself")
    if event.act == "merge":
        _tag_of(event.to)
    elif event.act == "retype":
        _check_choice("kind", event.to, KINDS)
    elif event.act == "rename":
        check_text(event.to)


def format_event(event: Event) -> str:
    """Return the event's line with its line end: fields in fixed order, absent ones left out."""
    values = {f.name: getattr(event, f.name) for f in fields(event)}
    present = {name: value for name, value in values.items() if value is not None}
    text = json.dumps(present, ensure_ascii=False, separators=(",", ":"))
    return text + "\n"


def parse_event(line: bytes) -> Event:
    """Return the event of one line; ``ValueError`` says in one line why there is none."""
    if len(line) > MAX_LINE:
        raise ValueError(f"longer than {MAX_LINE} bytes")
    try:
        values, end = _DECODER.raw_decode(text := line.strip().decode())
        if end < len(text):
            raise json.JSONDecodeError("Extra data", text, end)
    except UnicodeDecodeError as error:
        raise ValueError("not UTF-8") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON ({error.msg} at column {error.colno})") from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(values, dict):
        raise ValueError("not a JSON object")
    if not _NEEDED <= values.keys() <= _NAMES:
        _refuse_names(values.keys())
    return Event(**values)


def _refuse_names(names: Set[str]) -> NoReturn:
    if unknown := names - _NAMES:
        raise ValueError(f"unknown field {min(unknown)[:40]!r}")
    raise ValueError(f"lacks {', '.join(sorted(_NEEDED - names))}")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise ValueError("a field stands twice")
    return values


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number of JSON")


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_once, parse_constant=_no_number)
_NAMES: Final = frozenset(f.name for f in fields(Event))
_NEEDED: Final = frozenset({"v", "id", "ts", "by", "key", "act"})


@contextlib.contextmanager
def _collector_paused() -> Iterator[None]:
    """Spare the garbage collector long looks at what is all kept; a sixth of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


class Problem(NamedTuple):
    """A line that is no event: where it stands and why it was left out."""

    file: Path
    line: int
    reason: str


@_collector_paused()
def read_log(paths: Iterable[Path]) -> tuple[list[Event], list[Problem]]:
    """Return the events of the logs, in the order they stand, and the lines that are none.

    No line is fatal: a tail torn by a crash, or rubbish between good lines, becomes a problem.
    An id that comes back with other content, by the same annotator, is one too. A file that cannot
    be read raises :class:`InputError`.
    """
    events: dict[tuple[str, str], Event] = {}
    problems = []
    for path in paths:
        for number, line in _lines(path):
            try:
                event = parse_event(line)
                first = events.setdefault((event.by, event.id), event)
                if first is not event and first != event:
                    raise ValueError(f"id {event.id[:40]!r} was used before, for another event")
            except ValueError as error:
                problems.append(Problem(path, number, str(error)[:200]))
    return list(events.values()), problems


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield numbered lines that are not blank, each cut a little past the longest allowed."""
    limit = MAX_LINE + 2
    try:
        with path.open("rb") as file:
            for number, start in enumerate(iter(lambda: file.readline(limit), b""), 1):
                rest = start
                while len(rest) == limit and not rest.endswith(b"\n"):
                    rest = file.readline(limit)
                if line := start.strip():
                    yield number, line
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from error


class State(NamedTuple):
    """What stands after a replay: each annotator's last decision, and the last ruling, per tag.

    A ruling (``via`` is ``adjudicate``) speaks for all and is no vote, so the adjudicator's own
    earlier vote stays in the figures of agreement.
    """

    votes: dict[tuple[str, Tag], Event]
    rulings: dict[Tag, Event]


@_collector_paused()
def replay(events: Iterable[Event]) -> State:
    """Return the state that the events lead to, whatever their order and however often given."""
    votes: dict[tuple[str, Tag], Event] = {}
    rulings: dict[Tag, Event] = {}
    for event in effective(events):
        if event.act not in DECIDING:
            continue
        if event.via == "adjudicate":
            rulings[event.tag] = event
        else:
            votes[event.by, event.tag] = event
    return State(votes, rulings)


def effective(events: Iterable[Event]) -> list[Event]:
    """Return the events that hold, by ``(ts, id)``: each once, no undo, nothing taken back.

    An undo takes back an event of the same annotator; an undo of an earlier undo brings back
    what that one took.
    """
    once: dict[tuple[str, str], Event] = {}
    for event in sorted(events, key=attrgetter("ts", "id", "by")):
        own = event.by, event.id
        first = once.setdefault(own, event)
        if first.ts == event.ts and first is not event:  # whose line sorts first, in any order
            once[own] = min(first, event, key=format_event)
    undone: set[tuple[str, str | None]] = set()
    standing = []
    for event in reversed(once.values()):  # so that an undo is judged before what it names
        if event.act == "undo" and (event.by, event.id) not in undone:
            undone.add((event.by, event.to))
        elif event.act != "undo":
            standing.append(event)
    return [event for event in reversed(standing) if (event.by, event.id) not in undone]


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided about a tag: ``act`` and ``to`` as in an event, how, by which events."""

    act: str
    to: str | None
    how: Literal["adjudicated", "unanimous", "majority"]
    events: tuple[Event, ...]

    @property
    def why(self) -> str | None:
        """The first reason given by those who decided so."""
        return next((event.why for event in self.events if event.why), None)


@dataclass(frozen=True, slots=True)
class Unresolved:
    """A tag on which the annotators disagree without a majority; ``events`` are their votes."""

    events: tuple[Event, ...]


@_collector_paused()
def resolve(state: State) -> dict[Tag, Decision | Unresolved]:
    """Return the outcome for each tag that was decided on, in the order of the tags.

    A ruling goes before a unanimous vote, that before a majority. A majority is more than half:
    first of keep (in any way) against drop, then, among those who keep, of one way to keep.
    """
    ballots: dict[Tag, list[Event]] = defaultdict(list)
    for (_, tag), event in sorted(state.votes.items()):
        ballots[tag].append(event)
    outcomes: dict[Tag, Decision | Unresolved] = {}
    for tag in sorted({*ballots, *state.rulings}):
        ruling = state.rulings.get(tag)
        if ruling is None:
            outcomes[tag] = _vote(ballots[tag])
        else:
            outcomes[tag] = Decision(ruling.act, ruling.to, "adjudicated", (ruling,))
    return outcomes


def _vote(votes: list[Event]) -> Decision | Unresolved:
    side = _majority(Counter(vote.act == "drop" for vote in votes))
    if side is None:
        return Unresolved(tuple(votes))
    winners = [vote for vote in votes if (vote.act == "drop") is side]
    way = _majority(Counter((vote.act, vote.to) for vote in winners))
    if way is None:
        return Unresolved(tuple(votes))
    backers = tuple(vote for vote in winners if (vote.act, vote.to) == way)
    how: Literal["unanimous", "majority"] = "unanimous" if backers == tuple(votes) else "majority"
    return Decision(backers[0].act, backers[0].to, how, backers)


def _majority(counts: Mapping[Any, int]) -> Any:
    value, most = max(counts.items(), key=lambda item: item[1])
    return value if 2 * most > sum(counts.values()) else None
