"""What changed between two vocabularies: classes that came, went, got another name or company."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from vocab.build import build
from vocab.candidates import Candidates
from vocab.decisions import Event, replay, resolve
from vocab.errors import InputError, UsageError
from vocab.graph import Tag
from vocab.keys import key_of
from vocab.vocabulary import Vocabulary

WHAT: Final = ("added", "removed", "renamed", "retyped", "merged", "parted")


@dataclass(frozen=True, slots=True)
class Change:
    """A tag meant the class ``before`` and means the class ``after``; ``None``: nothing.

    ``what``: ``added`` and ``removed`` classes; ``renamed``, ``retyped`` (the name after is new);
    ``merged`` (it joined a class, or another than before); ``parted`` (a class of its own again).
    """

    what: str
    tag: Tag
    before: Tag | None
    after: Tag | None

    def cells(self) -> tuple[str, str, str, str]:
        """Return what, the tag, the class before and the class after, as texts."""
        before, after = (key_of(tag) if tag else "" for tag in (self.before, self.after))
        return self.what, key_of(self.tag), before, after


@dataclass(frozen=True, slots=True)
class Difference:
    """The changes from one vocabulary to another, by kind of change, then tag."""

    changes: tuple[Change, ...]
    fingerprints: tuple[str, str]
    sizes: tuple[int, int]

    def to_json(self) -> dict[str, Any]:
        """Return plain lists and dictionaries."""
        names = ("what", "tag", "before", "after")
        return {
            "fingerprints": list(self.fingerprints),
            "sizes": list(self.sizes),
            "changes": [dict(zip(names, c.cells(), strict=True)) for c in self.changes],
        }


def compare(old: Vocabulary, new: Vocabulary) -> Difference:
    """Return what changed from the old vocabulary to the new one."""
    found = set(_changes(_meanings(old), _meanings(new)))
    return Difference(
        tuple(sorted(found, key=lambda change: (WHAT.index(change.what), change.tag))),
        (old.fingerprint, new.fingerprint),
        (len(old), len(new)),
    )


Meanings = Mapping[Tag, Tag | None]


def _meanings(vocabulary: Vocabulary) -> Meanings:
    """Return the class that each known tag means; a dropped one means none."""
    found: dict[Tag, Tag | None] = dict.fromkeys(vocabulary.dropped)
    for entry in vocabulary.entries:
        found |= dict.fromkeys((entry.tag, *entry.aliases), entry.tag)
    return found


def _changes(old: Meanings, new: Meanings) -> Iterator[Change]:
    told = _told_by_members(old, new) | _told_by_members(new, old)
    for tag in {*old, *new} - told:
        before, after = old.get(tag), new.get(tag)
        if before == after or _went_along(tag, before, after, new):
            continue
        subject = _subject(tag, before, after, old, new)
        yield Change(_what(subject, before, after, old), subject, before, after)


def _subject(tag: Tag, before: Tag | None, after: Tag | None, old: Meanings, new: Meanings) -> Tag:
    """Return whom to tell the change of: a class that lost or got its name, else the tag."""
    if before is not None and before not in new and _all_are(before, after, old, new):
        return before
    return after if before is None and after is not None and after not in old else tag


def _all_are(before: Tag, after: Tag | None, old: Meanings, new: Meanings) -> bool:
    """Say whether all that meant one class means another one now."""
    return all(new[tag] == after for tag, cls in old.items() if cls == before and tag in new)


def _told_by_members(one: Meanings, other: Meanings) -> set[Tag]:
    """Return classes whose name only ``one`` knows, and whose members mean one in ``other``."""
    return {cls for tag, cls in one.items() if cls and cls not in other and other.get(tag)}


def _went_along(tag: Tag, before: Tag | None, after: Tag | None, new: Meanings) -> bool:
    """Say whether an alias merely followed its class, which has a change of its own."""
    return before is not None and before != tag and before in new and new[before] == after


def _what(tag: Tag, before: Tag | None, after: Tag | None, old: Meanings) -> str:
    if after is None:
        return "removed"
    if before is None:
        return "added" if tag == after else "merged"
    if after not in old or old[after] == before == tag:
        return "retyped" if after.tag == before.tag else "renamed"
    return "parted" if tag == after else "merged"


def vocabulary_at(
    candidates: Candidates, events: Iterable[Event], moment: datetime | None
) -> Vocabulary:
    """Return the vocabulary that the events up to a moment make (``None``: all).

    What was not settled then stays. :class:`InputError` when what was decided by then could not
    be carried out.
    """
    limit = None if moment is None else moment.timestamp() * 1000
    made = [event for event in events if limit is None or event.ts <= limit]
    try:
        return build(
            candidates,
            resolve(replay(made)),
            unresolved="keep",
            accept_other_candidates=True,
        ).vocabulary
    except InputError as error:
        when = "now" if moment is None else moment.isoformat(sep=" ", timespec="minutes")
        raise InputError(f"no vocabulary could be built {when}: {error}") from error


def parse_moment(text: str) -> datetime:
    """Return an ISO time; local time unless it names a zone. :class:`UsageError` otherwise."""
    try:
        return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone()
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"{text!r} is no time; write it as 2026-03-31, 2026-03-31T14:05 or with a zone, "
            "2026-03-31T14:05+02:00"
        ) from error


def summary(difference: Difference) -> list[str]:
    """Return lines for a person: sizes, fingerprints, how many changes of which kind."""
    (old, new), (first, second) = difference.sizes, difference.fingerprints
    counts = {what: sum(c.what == what for c in difference.changes) for what in WHAT}
    parts = [f"{count:,} {what}" for what, count in counts.items() if count]
    same = " (the same classes)" if first == second else ""
    return [
        f"{old:,} classes, now {new:,}; fingerprint {first[:12]}, now {second[:12]}{same}",
        ", ".join(parts) or "nothing changed",
    ]
