"""The candidates for a vocabulary: the most frequent tags, and the table that holds them.

``candidates.tsv`` has one line a candidate, tab-separated, LF line ends, a header always::

    rank  kind  tag  images  captions  <one column a source: its distinct images, unweighted>

in the order of ``images`` (most first; ties by kind, then tag). The same candidates give the same
bytes, so the file's sha256 names the snapshot that people review.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import defaultdict
from collections.abc import ItemsView, Iterable, Iterator, Mapping, Sequence, ValuesView
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import Final

from vocab.errors import InputError
from vocab.files import parse_count, read_lines, write_whole
from vocab.graph import KINDS, Tag
from vocab.keys import checked

COLUMNS: Final = ("rank", "kind", "tag", "images", "captions")
_ROW: Final = re.compile(
    rf"(\d{{1,18}})\t({'|'.join(KINDS)})\t([^\t]+)\t(\d{{1,18}})\t(\d{{1,18}})((?:\t\d{{1,18}})*)",
    re.ASCII,
)
SLACK: Final = 4096  # rows that a pool may hold beyond its limit before it is cut


@dataclass(frozen=True, slots=True)
class Candidate:
    """A tag with its counts: weighted ``images`` and ``captions``, plain images per source."""

    rank: int
    kind: str
    tag: str
    images: int
    captions: int
    sources: Mapping[str, int] = field(default_factory=dict)

    @property
    def key(self) -> Tag:
        """The ``(kind, tag)`` pair that names the candidate."""
        return Tag(self.kind, self.tag)


@dataclass(frozen=True, slots=True)
class Candidates:
    """A candidates file: rows by rank, the names of its source columns, the file's sha256."""

    rows: tuple[Candidate, ...]
    sources: tuple[str, ...]
    sha256: str


def select(
    counts: Iterable[tuple[Tag, Mapping[str, tuple[int, int]]]],
    *,
    top: int,
    quotas: Mapping[str, int] | None = None,
    weights: Mapping[str, float] | None = None,
    min_images: int = 1,
) -> list[Candidate]:
    """Return at most ``top`` candidates, best first (paper, Section 3.2: the 5,000 most frequent).

    ``counts`` gives each tag once, with ``{source: (images, captions)}``; it is read as a stream
    and only what may be chosen is kept. A source weighs 1 unless ``weights`` says otherwise; a
    tag whose weighted images round to 0 is left out, and so is one that fewer than ``min_images``
    images hold, unweighted: a source of 8,000 images that stands for millions must not make a
    candidate of every word that it says once. A quota sets places aside for the best of
    its kind (``object`` covers scenes unless ``scene`` has its own); places that remain go to the
    kinds without a quota. Unknown kinds and sources raise :class:`InputError`.
    """
    quotas, weights = quotas or {}, weights or {}
    _refuse_unknown("kind", quotas, KINDS)
    pools: dict[str, list[Candidate]] = defaultdict(list)
    known: set[str] = set()
    for tag, per_source in counts:
        known.update(per_source)
        candidate = _weigh(tag, per_source, weights)
        if candidate.images and sum(candidate.sources.values()) >= min_images:
            group = _group(tag.kind, quotas)
            _offer(pools[group], candidate, limit=quotas.get(group, top))
    _refuse_unknown("source", weights, sorted(known))
    chosen = _fill(pools, top=top, quotas=quotas)
    blank = dict.fromkeys(sorted(known), 0)
    return _ranked(replace(c, sources={**blank, **c.sources}) for c in chosen)


def _weigh(
    tag: Tag, per_source: Mapping[str, tuple[int, int]], weights: Mapping[str, float]
) -> Candidate:
    plain = {source: n[0] for source, n in per_source.items()}
    captions = {source: n[1] for source, n in per_source.items()}
    return Candidate(
        0, tag.kind, tag.tag, weighted(plain, weights), weighted(captions, weights), plain
    )


def weighted(counts: Mapping[str, int], weights: Mapping[str, float]) -> int:
    """Return the sum of counts per source, each times its weight (1 unless given), rounded."""
    # fsum is exact, so the result does not depend on the order of the sources.
    return round(math.fsum(weights.get(source, 1.0) * n for source, n in counts.items()))


def _group(kind: str, quotas: Mapping[str, int]) -> str:
    if kind == "scene" and "scene" not in quotas:
        kind = "object"
    return kind if kind in quotas else ""


def _offer(pool: list[Candidate], candidate: Candidate, *, limit: int) -> None:
    pool.append(candidate)
    if len(pool) > 2 * limit + SLACK:
        pool.sort(key=_order)
        del pool[limit:]


def _fill(
    pools: Mapping[str, Sequence[Candidate]], *, top: int, quotas: Mapping[str, int]
) -> list[Candidate]:
    reserved = [
        candidate
        for group, places in quotas.items()
        for candidate in sorted(pools.get(group, ()), key=_order)[:places]
    ]
    rest = sorted(pools.get("", ()), key=_order)[: max(0, top - len(reserved))]
    return sorted(reserved + rest, key=_order)[:top]


def _order(candidate: Candidate) -> tuple[int, str, str]:
    return -candidate.images, candidate.kind, candidate.tag


def _ranked(candidates: Iterable[Candidate]) -> list[Candidate]:
    ordered = sorted(candidates, key=_order)
    return [replace(candidate, rank=rank) for rank, candidate in enumerate(ordered, 1)]


def format_candidates(candidates: Iterable[Candidate]) -> str:
    """Return the table as text, ordered and ranked anew; sources are columns in sorted order."""
    rows = _ranked(candidates)
    sources = sorted({source for row in rows for source in row.sources})
    lines = [COLUMNS + tuple(sources)]
    for row in rows:
        counts = (row.images, row.captions, *(row.sources.get(source, 0) for source in sources))
        lines.append((str(row.rank), *_cells(row), *map(str, counts)))
    return "".join("\t".join(line) + "\n" for line in lines)


def _cells(row: Candidate) -> Tag:
    try:
        return checked(row.key)
    except ValueError as error:
        raise InputError(f"candidate {row.rank}: {error}; mend what made the tag") from error


def write_candidates(path: Path, candidates: Iterable[Candidate]) -> None:
    """Write :func:`format_candidates` to ``path``, whole or not at all."""
    write_whole(path, format_candidates(candidates))


def read_candidates(path: Path) -> Candidates:
    """Return the table at ``path``; :class:`InputError` names the file and the line at fault."""
    lines = read_lines(path)
    if not lines:
        raise InputError(f"{path}: is empty; make it with tag2text count")
    header = lines[0].split("\t")
    sources = tuple(header[len(COLUMNS) :])
    if tuple(header[: len(COLUMNS)]) != COLUMNS or len(set(header)) != len(header):
        expected = " ".join(COLUMNS)
        raise InputError(f"{path}:1: the columns must be {expected}, then one a source, each once")
    rows: dict[Tag, Candidate] = {}
    for number, line in enumerate(lines[1:], 2):
        try:
            row = _parse_row(line, sources=sources, rank=number - 1)
            if row.key in rows:
                first = rows[row.key].rank + 1
                raise ValueError(f"{row.kind} {row.tag!r} stands on line {first} too; remove one")
        except ValueError as error:
            raise InputError(f"{path}:{number}: {error}") from error
        rows[row.key] = row
    digest = hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()
    return Candidates(tuple(rows.values()), sources, digest)


class _Counts(Mapping[str, int]):
    """The cells of a row's sources, read as numbers when one asks: few rows are ever asked."""

    __slots__ = ("_cells", "_sources")

    def __init__(self, sources: Sequence[str], cells: str) -> None:
        self._sources, self._cells = sources, cells

    def _numbers(self) -> dict[str, int]:
        return dict(zip(self._sources, map(int, self._cells.split("\t")[1:]), strict=True))

    def __getitem__(self, source: str) -> int:
        if source not in self._sources:
            raise KeyError(source)
        return int(self._cells.split("\t")[1 + self._sources.index(source)])

    def __iter__(self) -> Iterator[str]:
        return iter(self._sources)

    def __len__(self) -> int:
        return len(self._sources)

    def __repr__(self) -> str:
        return repr(self._numbers())

    def items(self) -> ItemsView[str, int]:
        return self._numbers().items()

    def values(self) -> ValuesView[int]:
        return self._numbers().values()


def _parse_row(line: str, *, sources: Sequence[str], rank: int) -> Candidate:
    match = _ROW.fullmatch(line)
    if match is None or match[6].count("\t") != len(sources) or match[3] != match[3].strip():
        raise ValueError(_fault(line.split("\t"), columns=len(COLUMNS) + len(sources)))
    found, kind, tag, images, captions, per_source = match.groups()
    if int(found) != rank:
        raise ValueError(f"has rank {found} where rank {rank} is due; the lines are not in order")
    plain = _Counts(sources, per_source)
    return Candidate(rank, kind, tag, int(images), int(captions), plain)


def _fault(cells: Sequence[str], *, columns: int) -> str:
    """Say what is wrong with a row that does not have the form of one."""
    if len(cells) != columns:
        return f"has {len(cells)} columns, the header has {columns}"
    try:
        checked(Tag(*cells[1:3]))
        for cell in (cells[0], *cells[3:]):
            parse_count(cell)
    except ValueError as error:
        return str(error)
    return "has not the form of a candidate; write the file again with tag2text vocab candidates"


def parse_quota(text: str) -> dict[str, int]:
    """Read ``"object=4000,action=400"``; :class:`InputError` says what is wrong with it."""
    quotas: dict[str, int] = {}
    for kind, value in _pairs("quota", text.split(","), example="object=4000,action=400"):
        try:
            quotas[kind] = parse_count(value)
        except ValueError as error:
            raise InputError(f"quota of {kind}: {error}; write it as {kind}=400") from error
    _refuse_unknown("kind", quotas, KINDS)
    return quotas


def parse_weights(texts: Iterable[str]) -> dict[str, float]:
    """Read ``["coco=1.5", "sbu=849000/6500"]``; the sources are checked where they are known."""
    weights: dict[str, float] = {}
    for source, value in _pairs("weight", texts, example="coco=1.5 or coco=113000/32509"):
        try:
            weights[source] = float(Fraction(value))
        except (ValueError, ZeroDivisionError, OverflowError):
            weights[source] = math.nan
        if not 0 <= weights[source] < math.inf:
            raise InputError(f"weight {source}={value}: {value!r} is not a number of 0 or more")
    return weights


def _pairs(flag: str, texts: Iterable[str], *, example: str) -> list[tuple[str, str]]:
    pairs: dict[str, str] = {}
    for text in texts:
        name, sign, value = (part.strip() for part in text.partition("="))
        if not (name and sign):
            raise InputError(f"{flag} {text!r}: write it as {example}")
        if name in pairs:
            raise InputError(f"{flag} {text!r}: {name} is given twice")
        pairs[name] = value
    return list(pairs.items())


def refuse_unknown_weights(weights: Mapping[str, float], sources: Iterable[str]) -> None:
    """Raise :class:`InputError` when a weight names none of the sources."""
    _refuse_unknown("source", weights, sorted(sources))


def _refuse_unknown(what: str, given: Iterable[str], known: Sequence[str]) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise InputError(f"unknown {what} {', '.join(unknown)} (known: {', '.join(known)})")
