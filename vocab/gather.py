"""Gathers the examples of :mod:`vocab.examples` from mined shards: two passes, memory bounded.

The first pass sees every mention of a candidate and keeps, per tag, the numbers of the captions
worth showing; the second fetches those captions' texts, and counts which tags occur together in
them. Only the columns that are needed are read.
"""

from __future__ import annotations

import re
import sqlite3
import unicodedata
import zlib
from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from vocab.candidates import Candidates
from vocab.errors import InputError
from vocab.examples import FORMAT, SCHEMA
from vocab.keys import key_of

COLUMNS: Final = ["key", "source", "caption", "tags"]
BATCH_ROWS: Final = 8192
LONGEST: Final = 600  # characters of a caption that are stored
READABLE: Final = ((20, 90), (12, 140), (6, 220))  # lengths of captions, the best first
CONTEXTS: Final = 24  # co-occurring tags that describe a tag
PAIRS: Final = 1 << 21  # co-occurrences in memory before they are added up
OTHER: Final = -1  # a mention of a tag that is no candidate
_ESCAPES: Final = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|\x1b[@-_]?"
)
_JOINERS: Final = "\u200c\u200d"  # of emoji and of scripts that need them

Ints = npt.NDArray[np.int64]


class Batch(NamedTuple):
    """Captions ``first``, ``first + 1``...; ``ids`` of their tags, and each tag's caption."""

    first: int
    keys: list[str]
    sources: list[str]
    captions: list[str]
    ids: list[int]
    rows: list[int]


class Pick(NamedTuple):
    """A caption of a tag; sorts by what is read first, then as at random but always the same."""

    length: int
    image: int
    source: str
    row: int


def gather(
    shards: Sequence[Path], candidates: Candidates, output: Path, *, per_tag: int, sample: int
) -> None:
    """Write the examples of the candidates to a new SQLite file."""
    keys = pa.array([key_of(row.key) for row in candidates.rows])
    chosen, sampled = _choose(shards, candidates, keys, per_tag=per_tag, sample=sample)
    places: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for tag, picks in enumerate(chosen):
        for place, pick in enumerate(picks):
            places[pick.row].append((tag, place))
    database = sqlite3.connect(output)
    with database:
        database.executescript(f"PRAGMA journal_mode = OFF;{SCHEMA}")
        tags = ((place, *row.key) for place, row in enumerate(candidates.rows))
        database.executemany("INSERT INTO tag VALUES (?, ?, ?)", tags)
        together = _Together(len(candidates.rows))
        for batch in _batches(shards, keys):
            _store(database, batch, places, sampled, together)
        database.executemany("INSERT INTO context VALUES (?, ?, ?)", together.strongest())
        database.execute("CREATE INDEX by_other ON context (other, tag, weight)")
        database.execute("INSERT INTO meta VALUES ('format', ?)", (str(FORMAT),))
    database.close()


def _batches(shards: Sequence[Path], keys: pa.Array) -> Iterator[Batch]:
    first = 0
    for shard in shards:
        try:
            with pq.ParquetFile(shard) as file:
                if missing := set(COLUMNS) - set(file.schema_arrow.names):
                    raise pa.ArrowKeyError(f"no column {min(missing)}")
                for batch in file.iter_batches(BATCH_ROWS, columns=COLUMNS, use_threads=False):
                    yield _batch(batch, keys, first)
                    first += len(batch)
        except (pa.ArrowException, OSError) as error:
            raise InputError(
                f"{shard}: not readable as a mined shard ({error}); mine it anew"
            ) from error


def _batch(batch: pa.RecordBatch, keys: pa.Array, first: int) -> Batch:
    tags = batch.column("tags")
    flat = pc.list_flatten(tags)
    names = pc.binary_join_element_wise(
        pc.struct_field(flat, "kind"), pc.struct_field(flat, "tag"), ":"
    )
    ids = pc.fill_null(pc.index_in(names, value_set=keys), OTHER)
    samples, sources, captions = (batch.column(name).to_pylist() for name in COLUMNS[:3])
    rows = pc.list_parent_indices(tags).to_pylist()
    return Batch(first, samples, sources, captions, ids.to_pylist(), rows)


def _choose(
    shards: Sequence[Path], candidates: Candidates, keys: pa.Array, *, per_tag: int, sample: int
) -> tuple[list[list[Pick]], set[int]]:
    """Return each tag's picks, in the order to show them, and the captions of the sample."""
    pools: list[list[Pick]] = [[] for _ in candidates.rows]
    sampled: list[tuple[int, int]] = []
    for batch in _batches(shards, keys):
        picks = [
            *map(_pick, batch.keys, batch.sources, batch.captions, range(batch.first, 1 << 62))
        ]
        for row, tag in zip(batch.rows, batch.ids, strict=True):
            if tag != OTHER:
                pool = pools[tag]
                pool.append(picks[row])
                if len(pool) > 3 * per_tag:
                    pools[tag] = _best(pool, candidates.rows[tag].sources, per_tag)
        sampled += [(zlib.crc32(b"%d" % pick.image, pick.row), pick.row) for pick in picks]
        sampled = sorted(sampled)[:sample]
    best = [
        _best(pool, row.sources, per_tag) for pool, row in zip(pools, candidates.rows, strict=True)
    ]
    return best, {row for _, row in sampled}


def _pick(key: str, source: str, caption: str, row: int) -> Pick:
    length = len(caption)
    fits = (i for i, (least, most) in enumerate(READABLE) if least <= length <= most)
    return Pick(next(fits, len(READABLE)), zlib.crc32(key.encode()), source, row)


def _best(pool: Sequence[Pick], images: Mapping[str, int], limit: int) -> list[Pick]:
    """Return at most ``limit`` picks, no two of an image, spread over the sources.

    The n-th pick of a source stands at (n + 1/2) / sqrt(the tag's images there). That never
    grows when picks are taken away, so cutting a pool midway loses none that would be chosen.
    """
    taken: dict[str, set[int]] = defaultdict(set)
    ranked = []
    for pick in sorted(pool):
        seen = taken[pick.source]
        if pick.image not in seen:
            ranked.append(((len(seen) + 0.5) / max(1, images.get(pick.source, 1)) ** 0.5, pick))
            seen.add(pick.image)
    return [pick for _, pick in sorted(ranked)[:limit]]


def _store(
    database: sqlite3.Connection,
    batch: Batch,
    places: Mapping[int, Sequence[tuple[int, int]]],
    sampled: set[int],
    together: _Together,
) -> None:
    ids: dict[int, list[int]] = defaultdict(list)
    for row, tag in zip(batch.rows, batch.ids, strict=True):
        ids[row].append(tag)
    examples = []
    for i, (key, source, caption) in enumerate(
        zip(batch.keys, batch.sources, batch.captions, strict=True)
    ):
        row = batch.first + i
        known = [tag for tag in ids[i] if tag != OTHER]
        if row in sampled:
            others = len(ids[i]) - len(known)
            line = " ".join(map(str, known))
            database.execute("INSERT INTO coverage VALUES (?, ?)", (line, others))
        if row in places:
            together.add(known)
            text = clean_line(caption)
            examples += [(tag, place, source, key, text) for tag, place in places[row]]
    database.executemany("INSERT INTO example VALUES (?, ?, ?, ?, ?)", examples)


def clean_line(text: str) -> str:
    """Return ``text`` as one line that a terminal can show: no control or bidi characters."""
    if not text.isprintable():
        text = "".join(map(_printable, _ESCAPES.sub("", text)))
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _printable(character: str) -> str:
    if character.isprintable() or character in _JOINERS:
        return character
    return " " if character.isspace() or unicodedata.category(character) == "Cc" else ""


class _Together:
    """Counts which tags occur together; the strongest of each describe its contexts."""

    def __init__(self, tags: int) -> None:
        self._tags = tags
        self._pairs = array("q")
        self._codes: Ints = np.empty(0, np.int64)
        self._counts: Ints = np.empty(0, np.int64)

    def add(self, tags: Sequence[int]) -> None:
        distinct = set(tags)
        self._pairs.extend(a * self._tags + b for a in distinct for b in distinct if a != b)
        if len(self._pairs) > PAIRS:
            self._add_up()

    def _add_up(self) -> None:
        codes = np.concatenate([self._codes, np.array(self._pairs, np.int64)])
        counts = np.concatenate([self._counts, np.ones(len(self._pairs), np.int64)])
        self._codes, inverse = np.unique(codes, return_inverse=True)
        self._counts = np.bincount(inverse, counts, len(self._codes)).astype(np.int64)
        self._pairs = array("q")

    def strongest(self) -> Iterator[tuple[int, int, float]]:
        """Yield ``(tag, other, weight)`` by positive pointwise mutual information, unit length."""
        self._add_up()
        tags, others = np.divmod(self._codes, self._tags)
        totals = np.bincount(tags, self._counts, self._tags)
        expected = totals[tags] * totals[others] / max(1, self._counts.sum())
        weights = np.maximum(0, np.log(self._counts / expected)) * np.log1p(self._counts)
        for start, stop in _spans(tags):
            best = start + np.argsort(-weights[start:stop], kind="stable")[:CONTEXTS]
            best = best[weights[best] > 0]
            norm = float(np.linalg.norm(weights[best]))
            for index in best:
                yield int(tags[index]), int(others[index]), round(float(weights[index]) / norm, 4)


def _spans(tags: Ints) -> Iterator[tuple[Any, Any]]:
    """Yield where the runs of equal values begin and end."""
    edges = np.flatnonzero(np.diff(tags)) + 1
    if len(tags):
        yield from zip([0, *edges], [*edges, len(tags)], strict=True)
