"""The rows of manifest and mined shards, and their Parquet form."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import storage
from vocab.errors import InputError

SOURCE: Final = re.compile(r"[a-z0-9_]{1,32}")
PARQUET: Final = ".parquet"

MANIFEST_SCHEMA: Final = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("image", pa.string(), nullable=False),
        pa.field("captions", pa.list_(pa.string()), nullable=False),
    ]
)
_ENTITY = pa.struct(
    [("head", pa.string()), ("modifiers", pa.list_(pa.string())), ("kind", pa.string())]
)
_RELATION = pa.struct([("subject", pa.int32()), ("predicate", pa.string()), ("object", pa.int32())])
_GRAPH = pa.struct([("entities", pa.list_(_ENTITY)), ("relations", pa.list_(_RELATION))])
_TAG = pa.struct([("kind", pa.string()), ("tag", pa.string())])

# One row a caption; the rows of an image are consecutive, so distinct images can be counted
# within a shard without a shuffle.
MINED_SCHEMA: Final = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("image", pa.string(), nullable=False),
        pa.field("caption_index", pa.int32(), nullable=False),
        pa.field("caption", pa.string(), nullable=False),
        pa.field("graph", _GRAPH, nullable=False),
        pa.field("tags", pa.list_(_TAG), nullable=False),
    ]
)


@dataclass(frozen=True, slots=True)
class ManifestRow:
    """One image (URL or path) and its captions; ``key`` is ``<source>-<9 digits>``."""

    key: str
    source: str
    image: str
    captions: tuple[str, ...]


def sample_key(source: str, position: int) -> str:
    """Return the key of the row at ``position`` (from 0) of a source's official file."""
    return f"{source}-{position:09d}"


class RowWriter:
    """Writes rows (dictionaries) to a Parquet file in groups, so that memory stays small."""

    def __init__(self, path: Path, schema: pa.Schema, *, group_rows: int = 4096) -> None:
        # zstd, and no dictionary surprises: the same rows give the same bytes.
        self._writer = pq.ParquetWriter(path, schema, compression="zstd")
        self._schema, self._group_rows = schema, group_rows
        self._rows: list[dict[str, Any]] = []

    def write(self, row: dict[str, Any]) -> None:
        """Add one row."""
        self._rows.append(row)
        if len(self._rows) >= self._group_rows:
            self._flush()

    def __enter__(self) -> RowWriter:
        return self

    def __exit__(self, *exception: object) -> None:
        try:
            if exception[0] is None:
                self._flush()
        finally:
            self._writer.close()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, schema=self._schema))
            self._rows = []


def read_table(
    stream: Any, columns: Sequence[str] | None = None, schema: pa.Schema | None = None
) -> pa.Table:
    """Return the table of an open Parquet file, whose columns are as ``schema`` has them.

    Without Arrow's own threads, here and in the other readers: one that still holds a Python file
    when the interpreter ends takes the process with it (SIGABRT, arrow issues 34314 and 50482).
    """
    table = pq.read_table(stream, columns=columns, use_threads=False, pre_buffer=False)
    for batch in table.to_batches():
        _check(batch, schema)
    return table


def read_batches(
    path: str,
    columns: list[str] | None = None,
    *,
    batch_rows: int = 1024,
    schema: pa.Schema | None = None,
) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a Parquet file, a batch in memory at a time.

    With a ``schema`` the columns are of its types, and hold no nulls where it allows none.

    Raises:
        InputError: the file is no Parquet file, lacks a column, or is of another schema.
    """
    try:
        with storage.open_input(path) as stream, pq.ParquetFile(stream) as file:
            missing = set(columns or ()) - set(file.schema_arrow.names)
            if missing:  # Arrow would leave them out without a word
                raise pa.ArrowKeyError(f"no column {min(missing)}")
            rows = 0
            for batch in file.iter_batches(batch_rows, columns=columns, use_threads=False):
                _check(batch, schema)
                rows += batch.num_rows
                yield batch
            if rows != file.metadata.num_rows:  # of a broken footer Arrow may read less
                raise pa.ArrowInvalid(f"{rows} rows where {file.metadata.num_rows} should be")
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        if isinstance(error, FileNotFoundError):
            raise InputError(f"{path}: no such file; make its directory anew") from error
        raise InputError(f"{path}: not readable as Parquet ({error}); make it anew") from error


def _check(batch: pa.RecordBatch, schema: pa.Schema | None) -> None:
    batch.validate(full=True)  # Arrow reads text that is not UTF-8 without a word
    if schema is None:
        return
    for found in batch.schema:
        wanted, column = schema.field(found.name), batch.column(found.name)
        if found.type != wanted.type and not (wanted.nullable and pa.types.is_null(found.type)):
            raise pa.ArrowTypeError(f"column {found.name} is {found.type}, not {wanted.type}")
        if not wanted.nullable and _has_null(column):
            raise pa.ArrowInvalid(f"column {found.name} holds nulls")


def _has_null(column: pa.Array) -> bool:
    if column.null_count:
        return True
    inner = column.flatten() if pa.types.is_nested(column.type) else ()
    return any(map(_has_null, [inner] if isinstance(inner, pa.Array) else inner))


def read_rows(
    path: str,
    columns: list[str] | None = None,
    *,
    batch_rows: int = 1024,
    schema: pa.Schema | None = None,
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a Parquet file as dictionaries; errors as :func:`read_batches`."""
    for batch in read_batches(path, columns, batch_rows=batch_rows, schema=schema):
        yield from batch.to_pylist()


def read_manifest(path: str) -> Iterator[ManifestRow]:
    """Yield the rows of one manifest shard."""
    for row in read_rows(path, MANIFEST_SCHEMA.names, schema=MANIFEST_SCHEMA):
        yield ManifestRow(row["key"], row["source"], row["image"], tuple(row["captions"]))
