"""Bring the rows of an image together in files where they stand apart (Multi30k, for one)."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Iterable, Iterator

from pipeline.source_rows import BadRow, Row, SourceRow
from vocab.errors import InputError

# Rows without an image are each on their own; an image stands where it stood first.
_ORDERED = """
    SELECT position, image, captions, MIN(position) OVER same AS first FROM rows
    WINDOW same AS (PARTITION BY CASE image WHEN '' THEN position ELSE image END)
    ORDER BY first, position
"""


@contextlib.contextmanager
def temporary_database(path: str) -> Iterator[sqlite3.Connection]:
    """Yield a database that lives on disk beyond 64 MiB and is gone afterwards.

    Raises:
        InputError: the temporary directory is full.
    """
    try:
        with contextlib.closing(sqlite3.connect("")) as database:
            database.execute("PRAGMA journal_mode = OFF")
            database.execute("PRAGMA cache_size = -65536")  # KiB
            yield database
    except sqlite3.OperationalError as error:
        raise InputError(
            f"{path}: grouping its captions failed ({error}); "
            "free space in the temporary directory, or set TMPDIR to another one"
        ) from error


def gathered(rows: Iterable[Row], path: str) -> Iterator[Row]:
    """Yield the bad rows as they come, then the others ordered so that an image's are consecutive.

    Memory stays bounded: the rows wait in a temporary database, and SQLite sorts on disk.
    """
    with temporary_database(path) as database:
        database.execute("CREATE TABLE rows (position INTEGER, image TEXT, captions TEXT)")
        for row in rows:
            if isinstance(row, BadRow):
                yield row
                continue
            values = row.position, row.image, json.dumps(row.captions)
            database.execute("INSERT INTO rows VALUES (?, ?, ?)", values)
        for position, image, captions, _ in database.execute(_ORDERED):
            yield SourceRow(position, image, tuple(json.loads(captions)))
