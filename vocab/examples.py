"""Captions that show a candidate in use, a sample for the coverage, and contexts: one SQLite file.

The file is gathered once from mined directories (``python -m vocab.examples CANDIDATES OUTPUT
MINED...``, some 20 s for 800,000 captions) and then read in a millisecond a tag. It is a cache:
named by a digest of what it was made from, published whole, and made anew when it is damaged.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from vocab.candidates import Candidates, read_candidates
from vocab.errors import InputError
from vocab.graph import Tag

FORMAT: Final = 1
PER_TAG: Final = 40
COVERAGE_SAMPLE: Final = 20_000
SCHEMA: Final = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE tag (id INTEGER PRIMARY KEY, kind TEXT, tag TEXT, UNIQUE (kind, tag));
CREATE TABLE example (tag INTEGER, place INTEGER, source TEXT, key TEXT, text TEXT,
                      PRIMARY KEY (tag, place)) WITHOUT ROWID;
CREATE TABLE context (tag INTEGER, other INTEGER, weight REAL,
                      PRIMARY KEY (tag, other)) WITHOUT ROWID;
CREATE TABLE coverage (tags TEXT, others INTEGER);
"""
_SIMILAR: Final = """
SELECT tag.kind, tag.tag, SUM(mine.weight * theirs.weight) AS likeness
FROM context AS mine JOIN context AS theirs ON theirs.other = mine.other
JOIN tag ON tag.id = theirs.tag
WHERE mine.tag = ? AND theirs.tag <> mine.tag
GROUP BY theirs.tag ORDER BY likeness DESC, theirs.tag LIMIT ?
"""


class Example(NamedTuple):
    """A caption as one clean line, the source it comes from, and the sample's key."""

    text: str
    source: str
    key: str


class CoverageRow(NamedTuple):
    """One sampled caption: the candidates that it mentions, and how many other tags."""

    tags: tuple[Tag, ...]
    others: int


def cache_path(candidates: Candidates, mined: Sequence[Path]) -> Path:
    """Return where the examples of these candidates from these directories belong.

    The name holds a digest of the candidates and of each shard's path, size and time of change;
    the place is ``$XDG_CACHE_HOME/tag2text``, without that variable ``~/.cache/tag2text``.
    """
    digest = hashlib.sha256(f"{FORMAT} {candidates.sha256}".encode())
    for shard in mined_shards(mined):
        facts = shard.stat()
        digest.update(f"\n{shard.resolve()} {facts.st_size} {facts.st_mtime_ns}".encode())
    return _cache_home() / "tag2text" / f"examples-{digest.hexdigest()[:24]}.sqlite"


def _cache_home() -> Path:
    if named := os.environ.get("XDG_CACHE_HOME"):
        return Path(named)
    try:
        return Path.home() / ".cache"
    except RuntimeError as error:  # a user without an entry, as containers have
        raise InputError("no home directory to cache captions in; set XDG_CACHE_HOME") from error


def mined_shards(mined: Sequence[Path]) -> list[Path]:
    """Return the shards of the directories in order; :class:`InputError` where there is none."""
    shards: dict[Path, None] = {}
    for directory in mined:
        found = sorted(directory.glob("[0-9]*.parquet"))
        if not found:
            raise InputError(
                f"{directory}: holds no mined shards (00000.parquet); give a directory that "
                "tag2text mine wrote"
            )
        shards.update(dict.fromkeys(found))
    return list(shards)


def build_examples(
    mined: Sequence[Path],
    candidates: Candidates,
    output: Path,
    *,
    per_tag: int = PER_TAG,
    coverage_sample: int = COVERAGE_SAMPLE,
) -> None:
    """Gather the examples from mined directories into ``output``; nothing to do if it is whole.

    A tag's captions are spread over its sources (as the square root of its images there), no two
    of one image, those that are short enough to read first. The same input gives the same file.
    One process at a time builds it, others wait; :class:`InputError` when a shard is unreadable.
    """
    from filelock import FileLock

    output.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(output.with_name(f"{output.name}.lock")):
        if output.exists() and _is_whole(output):
            return
        from vocab.gather import gather

        temporary = output.with_name(f".{output.name}.tmp")
        temporary.unlink(missing_ok=True)
        try:
            shards = mined_shards(mined)
            gather(shards, candidates, temporary, per_tag=per_tag, sample=coverage_sample)
            temporary.replace(output)
        except sqlite3.Error as error:
            raise InputError(f"{output}: cannot be written ({error}); free some space") from error
        finally:
            temporary.unlink(missing_ok=True)


def _is_whole(path: Path) -> bool:
    try:
        open_examples(path).close()
    except InputError:
        return False
    return True


def open_examples(path: Path) -> Examples:
    """Open the file at ``path`` for reading; :class:`InputError` when it is none of ours."""
    again = "remove it, and it will be made anew"
    if not path.is_file():
        raise InputError(f"{path}: no such file; gather the examples first")
    try:
        examples = Examples(path)
        if examples.format != str(FORMAT):
            examples.close()
            raise InputError(f"{path}: examples of another format; {again}")
    except sqlite3.Error as error:
        raise InputError(f"{path}: not a file of examples ({error}); {again}") from error
    return examples


class Examples:
    """A file of examples, open for reading; tags that it does not know have none.

    A file that turns out damaged when it is read has nothing to show, rather than end a review.
    """

    def __init__(self, path: Path) -> None:
        uri = f"{path.resolve().as_uri()}?mode=ro&immutable=1"
        self._database = sqlite3.connect(uri, uri=True)
        try:
            rows = self._database.execute("SELECT value FROM meta WHERE name = 'format'")
            self.format = str(next(rows, ("",))[0])
        except sqlite3.Error:
            self._database.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def captions(self, tag: Tag, limit: int, offset: int = 0) -> list[Example]:
        """Return captions in which the tag was found, the best to look at first."""
        select = (
            "SELECT text, source, key FROM example WHERE tag = ? ORDER BY place LIMIT ? OFFSET ?"
        )
        return [Example(*row) for row in self._rows(select, self._id(tag), limit, offset)]

    def similar(self, tag: Tag, limit: int = 50) -> list[tuple[Tag, float]]:
        """Return the tags said in the most similar contexts, with their likeness from 0 to 1.

        The likeness is the cosine between the tags' strongest co-occurring tags.
        """
        rows = self._rows(_SIMILAR, self._id(tag), limit)
        return [(Tag(kind, text), likeness) for kind, text, likeness in rows]

    def coverage_rows(self) -> Iterator[CoverageRow]:
        """Yield the sampled captions; see :class:`vocab.coverage.Coverage`."""
        tags = {i: Tag(kind, tag) for i, kind, tag in self._rows("SELECT id, kind, tag FROM tag")}
        for ids, others in self._rows("SELECT tags, others FROM coverage"):
            known = (tags.get(int(i)) for i in ids.split())
            yield CoverageRow(tuple(tag for tag in known if tag), others)

    def _id(self, tag: Tag) -> int:
        rows = self._rows("SELECT id FROM tag WHERE kind = ? AND tag = ?", *tag)
        return rows[0][0] if rows else -1

    def _rows(self, select: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            return self._database.execute(select, values).fetchall()
        except sqlite3.DatabaseError:
            return []


def main(arguments: Sequence[str]) -> int:
    """Gather examples: ``CANDIDATES OUTPUT MINED...``; return the exit code."""
    if len(arguments) < 3:
        sys.stderr.write("usage: python -m vocab.examples CANDIDATES OUTPUT MINED...\n")
        return 2
    os.nice(10)  # somebody reviews meanwhile
    table, output, *mined = map(Path, arguments)
    try:
        build_examples(mined, read_candidates(table), output)
    except (InputError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
