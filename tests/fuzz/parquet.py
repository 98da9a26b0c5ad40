"""Parquet files: whole ones, ones with columns of other types, and broken ones."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from tests.fuzz.hostile import broken, texts


def as_parquet(columns: dict[str, list[Any]], schema: pa.Schema | None = None) -> bytes:
    """Return a table as a Parquet file; text may be given as bytes that are not UTF-8."""
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns, schema), buffer)
    return buffer.getvalue()


def _unchecked(values: list[bytes]) -> pa.Array:
    """Return a column of text without a look whether the bytes are UTF-8."""
    return pa.array(values, pa.binary()).view(pa.string())


def columns(rows: int) -> SearchStrategy[Any]:
    """Return Arrow columns of many types, of text above all."""
    sized = {"min_size": rows, "max_size": rows}
    fit = texts().map(lambda text: text.encode("utf-8", "replace").decode())
    plain = st.one_of(
        st.lists(fit | st.none(), **sized),
        st.lists(st.lists(fit | st.none(), max_size=3) | st.none(), **sized),
        st.lists(st.integers(-(2**63), 2**63 - 1) | st.none(), **sized),
        st.lists(st.floats() | st.none(), **sized),
        st.lists(st.binary(max_size=20), **sized),
        st.lists(st.fixed_dictionaries({"kind": fit}) | st.none(), **sized),
        st.lists(st.none(), **sized),
    ).map(pa.array)
    return plain | st.lists(st.binary(max_size=20), **sized).map(_unchecked)


@st.composite
def tables(draw: DrawFn, seed: bytes) -> bytes:
    """Return Parquet files: whole tables with columns of other types, and broken bytes."""
    if draw(st.booleans()):
        return draw(broken((seed,)))
    table = pq.read_table(io.BytesIO(seed))
    for name in draw(st.lists(st.sampled_from(table.column_names), max_size=2, unique=True)):
        place = table.column_names.index(name)
        if draw(st.integers(0, 6)) == 0:
            table = table.drop_columns([name])
        else:
            table = table.set_column(place, name, draw(columns(table.num_rows)))
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    return buffer.getvalue()


def with_byte(content: bytes, at: int, byte: int) -> bytes:
    """Return a file with one byte changed; ``at`` counts from its end, where a footer stands."""
    return content[:at] + bytes((byte,)) + content[at + 1 :]
