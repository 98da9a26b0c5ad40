"""Decisions as a spreadsheet: out, and back in with a look at what would change.

The ``key`` column says which candidate a row is about; ``decision`` is ``keep``, ``drop``,
``merge object:dog``, ``retype scene`` or ``rename puppy``; ``why`` a reason code, ``note`` free.
The other columns only inform. Coming back, columns and rows may stand in any order, be added or
be missing: a row without a decision, or no row at all, changes nothing.
"""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from vocab.candidates import Candidate, Candidates
from vocab.decisions import Event
from vocab.graph import KINDS, Tag
from vocab.keys import check_text, key_of, tag_of
from vocab.sheets import Row

COLUMNS: Final = (
    "key", "decision", "why", "note", "kind", "tag", "rank", "images", "captions", "example",
)  # fmt: skip
WIDTHS: Final = (28, 28, 14, 28, 10, 24, 8, 10, 10, 80)
EDITED: Final = ("key", "decision", "why", "note")
LONGEST_NOTE: Final = 2000
_HEADER_WITHIN: Final = 10  # rows: a title may stand above the header
_VERBS: Final = {
    word: act
    for act, words in {
        "keep": "keep k a kept keeps yes y",
        "drop": "drop d x dropped drops no n",
        "merge": "merge merged",
        "retype": "retype t retyped",
        "rename": "rename r renamed",
    }.items()
    for word in words.split()
}


class Choice(NamedTuple):
    """A decision as a table holds it."""

    act: str
    to: str | None = None
    why: str | None = None
    note: str | None = None

    def __str__(self) -> str:
        said = self.act if self.to is None else f"{self.act} {self.to}"
        return f"{said} ({self.why})" if self.why else said


class Change(NamedTuple):
    """A decision that differs from the one that stands (``None``: none stands)."""

    tag: Tag
    old: Choice | None
    new: Choice


@dataclass(frozen=True, slots=True)
class Reading:
    """What a table would do; nothing is to be applied when there are ``errors``.

    ``same`` rows repeat what stands; ``withdrawn`` are tags whose decision stands although their
    row has none; ``lost`` are ``(tag, target)`` pairs of merges into a tag that is dropped then,
    where the one or the other is a change.
    """

    changes: tuple[Change, ...] = ()
    errors: tuple[str, ...] = ()
    same: int = 0
    withdrawn: tuple[Tag, ...] = ()
    lost: tuple[tuple[Tag, Tag], ...] = ()


def choice_of(event: Event) -> Choice:
    """Return the part of a vote that a table holds; white space in a note is folded."""
    return Choice(
        event.act, event.to, _spaced(event.why or "") or None, _spaced(event.note or "") or None
    )


def table_rows(
    candidates: Iterable[Candidate],
    choices: Mapping[Tag, Choice],
    example: Callable[[Tag], str] | None = None,
) -> Iterator[list[str | int]]:
    """Yield the cells of each candidate's row, in the order of ``COLUMNS``."""
    for row in candidates:
        choice = choices.get(row.key)
        said = str(choice._replace(why=None)) if choice else ""
        yield [
            key_of(row.key),
            said,
            (choice and choice.why) or "",
            (choice and choice.note) or "",
            row.kind,
            row.tag,
            row.rank,
            row.images,
            row.captions,
            example(row.key) if example else "",
        ]


def read_table(
    rows: Sequence[Row],
    candidates: Candidates,
    standing: Mapping[Tag, Choice],
    reasons: Iterable[str] = (),
) -> Reading:
    """Return what the rows of a table change of the decisions that stand.

    ``reasons``: the codes that ``why`` may hold; without any, all texts. Every error is found.
    """
    start, columns, errors = _header(rows)
    if errors:
        return Reading(errors=tuple(errors))
    reader = _Reader(candidates, frozenset(reasons), columns)
    found: dict[Tag, tuple[int, Choice]] = {}
    empty: set[Tag] = set()
    for row in rows[start + 1 :]:
        try:
            tag, choice = reader.read(row, standing)
            if tag and not choice:
                empty.add(tag)
            elif tag and choice and found.setdefault(tag, (row.number, choice))[1] != choice:
                raise ValueError(f"{key_of(tag)} stands in row {found[tag][0]} too, otherwise")
        except ValueError as error:
            errors.append(f"row {row.number}: {error}")
    chosen = {tag: choice for tag, (_, choice) in found.items()}
    changed = [Change(t, standing.get(t), c) for t, c in chosen.items() if standing.get(t) != c]
    return Reading(
        changes=tuple(sorted(changed)),
        errors=tuple(errors),
        same=len(chosen) - len(changed),
        withdrawn=tuple(sorted((empty - set(chosen)) & set(standing))),
        lost=tuple(_lost({**standing, **chosen}, {change.tag for change in changed})),
    )


def _lost(choices: Mapping[Tag, Choice], changed: Container[Tag]) -> Iterator[tuple[Tag, Tag]]:
    for tag, choice in sorted(choices.items()):
        if choice.act != "merge":
            continue
        target = tag_of(str(choice.to))
        new = tag in changed or target in changed
        if new and target in choices and choices[target].act == "drop":
            yield tag, target


def _header(rows: Sequence[Row]) -> tuple[int, dict[str, int], list[str]]:
    """Return which row is the header, where it has each column, and what is wrong with it."""
    for index, row in enumerate(rows[:_HEADER_WITHIN]):
        names = [cell.casefold() for cell in row.cells]
        if "key" in names and "decision" in names:
            twice = [name for name in EDITED if names.count(name) > 1]
            errors = [f"row {row.number}: two columns are called {name}" for name in twice]
            return index, {n: names.index(n) for n in EDITED if n in names}, errors
    return 0, {}, ["no header with the columns key and decision; start from `vocab export`"]


class _Reader:
    """Reads single rows; ``ValueError`` says what is wrong with one."""

    def __init__(
        self, candidates: Candidates, reasons: frozenset[str], columns: Mapping[str, int]
    ) -> None:
        tags = [row.key for row in candidates.rows]
        self._folded = {_spaced(key_of(tag)).casefold(): tag for tag in tags}
        self._tags = {_spaced(key_of(tag)): tag for tag in tags}
        self._reasons = reasons
        self._columns = columns

    def read(self, row: Row, standing: Mapping[Tag, Choice]) -> tuple[Tag | None, Choice | None]:
        """Return the row's tag and decision; no tag for a row of remarks, no decision for none."""
        key, said, why, note = (self._cell(row, name) for name in EDITED)
        if not key and not said:
            return None, None
        tag = self._find(key)
        if tag is None:
            raise ValueError(self._no_candidate(row, key))
        if not said:
            return tag, None
        act, to = self._decision(tag, said)
        old = standing.get(tag)
        kept = old if old and (old.act, old.to) == (act, to) else Choice(act, to)
        if "why" in self._columns:
            kept = kept._replace(why=self._reason(why))
        if "note" in self._columns:
            kept = kept._replace(note=_note(note))
        return tag, kept

    def _cell(self, row: Row, name: str) -> str:
        index = self._columns.get(name, len(row.cells))
        if index in row.formulas:
            raise ValueError(f"{name} is a formula; write the text itself")
        return row.cells[index] if index < len(row.cells) else ""

    def _find(self, key: str) -> Tag | None:
        """Return the candidate of a key, also when a spreadsheet made capitals of its letters."""
        key = _spaced(key)
        return self._tags.get(key) or self._folded.get(key.casefold())

    def _no_candidate(self, row: Row, key: str) -> str:
        """Say so, and which row it probably was by its other columns."""
        cells = [cell for n, cell in enumerate(row.cells) if n not in self._columns.values()]
        keys = (f"{kind}:{tag}" for kind in cells if kind in KINDS for tag in cells)
        likely = next(filter(None, map(self._find, keys)), None)
        hint = f"; it was probably {key_of(likely)}" if likely else ""
        return f"key {key[:60]!r} is no candidate{hint}; copy the key column from an export"

    def _decision(self, tag: Tag, said: str) -> tuple[str, str | None]:
        verb, _, rest = said.partition(" ")
        act = _VERBS.get(verb.casefold().rstrip(".:,"))
        if act is None:
            raise ValueError(
                f"{said[:60]!r} is no decision; write keep, drop, merge KIND:TAG, retype KIND or "
                "rename TAG"
            )
        if act in ("keep", "drop"):
            if rest:
                raise ValueError(
                    f"{said[:60]!r}: {act} stands alone; put reasons under why or note"
                )
            return act, None
        to = {"merge": self._target, "retype": _kind, "rename": _new_name}[act](tag, rest)
        return act, to

    def _target(self, tag: Tag, text: str) -> str:
        target = self._find(text) or self._find(f"{tag.kind}:{text}")
        if target is None:
            wanted = _spaced(text).casefold()
            wanted = wanted if ":" in wanted else f"{tag.kind}:{wanted}"
            start = wanted[: wanted.index(":") + 2]
            like = [key for key in self._folded if key.startswith(start)]
            close = difflib.get_close_matches(wanted, like, n=1, cutoff=0.7)
            hint = f", perhaps {close[0]}" if close else ""
            raise ValueError(f"merge into {text[:60]!r}: no candidate{hint}; write merge KIND:TAG")
        if target == tag:
            raise ValueError(f"{key_of(tag)} is merged into itself")
        return key_of(target)

    def _reason(self, text: str) -> str | None:
        if not text:
            return None
        code = text.casefold()
        if self._reasons and code not in self._reasons:
            known = ", ".join(sorted(self._reasons))
            raise ValueError(f"why {text[:40]!r} is no reason of project.toml (known: {known})")
        return code if self._reasons else text


def _kind(tag: Tag, text: str) -> str:
    kind = text.casefold()
    if kind not in KINDS:
        raise ValueError(f"retype to {text[:40]!r}: write one of {', '.join(KINDS)}")
    if kind == tag.kind:
        raise ValueError(f"{key_of(tag)} is retyped to what it is")
    return kind


def _new_name(tag: Tag, text: str) -> str:
    if not text:
        raise ValueError("rename to nothing; write rename TAG")
    check_text(text)
    if text == tag.tag:
        raise ValueError(f"{key_of(tag)} is renamed to what it is")
    return text


def _note(text: str) -> str | None:
    if len(text) > LONGEST_NOTE:
        raise ValueError(f"the note has {len(text):,} characters; {LONGEST_NOTE:,} are the most")
    return text or None


def _spaced(text: str) -> str:
    """Return a text as cells hold it: single spaces, none around it."""
    return " ".join(text.split())


def summary(reading: Reading, *, shown: int = 20) -> list[str]:
    """Return lines for a person: what a table would do, and which standing decisions it changes."""
    acts = Counter(change.new.act for change in reading.changes)
    parts = [f"{n:,} {act}" for act, n in acts.most_common()]
    lines = [", ".join(parts) if parts else "nothing to change"]
    lines[0] += f"; {reading.same:,} as before" if reading.same else ""
    changed = [change for change in reading.changes if change.old]
    if changed:
        lines.append(f"{len(changed):,} change earlier decisions:")
        lines += [f"  {_step(change)}" for change in changed[:shown]]
        lines += [f"  ... {len(changed) - shown:,} more"] if len(changed) > shown else []
    if reading.withdrawn:
        lines.append(
            f"{len(reading.withdrawn):,} rows have no decision where one stands, as on "
            f"{key_of(reading.withdrawn[0])}; it stays (take it back with u in `vocab review`)"
        )
    if reading.lost:
        tag, target = map(key_of, reading.lost[0])
        lines.append(
            f"{len(reading.lost):,} merged into a tag that is dropped, as {tag} into {target}; "
            "keep the one or drop the other, or `vocab build` fails"
        )
    return lines


def _step(change: Change) -> str:
    step = f"{key_of(change.tag)}: {change.old} -> {change.new}"
    if str(change.old) != str(change.new):
        return step
    return f"{step}, note {change.new.note!r}" if change.new.note else f"{step}, without its note"
