"""What hostile inputs brought to light, and how it is now: more than that the law holds."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.records import MINED_SCHEMA, read_rows
from pipeline.source_rows import INVALID_MARK, INVALID_UTF8, BadRow
from pipeline.sources import SourceConfig, read_source
from pipeline.streams import DEPTH_LIMIT, _Depth, _Marked
from tests.fuzz.captions import MINED
from tests.fuzz.parquet import as_parquet
from vocab import log
from vocab.errors import LONGEST, InputError
from vocab.log import new_event, open_log

_PARTS = (
    *("\\\\", '\\"', "\\u00e9", "\\ud83d\\ude00", "\\ud83d", "\\ude00", "\\uDFFF", "\\n", "\\/"),
    *("a", "u", "ud83d", "🐕", "\\\\ud800", "[", "{"),
)


class _Trickle(io.RawIOBase):
    """A stream that gives a few bytes at a time."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        self._data, self._sizes = io.BytesIO(data), sizes

    def read(self, size: int = -1) -> bytes:
        self._sizes.append(self._sizes.pop(0))
        return self._data.read(self._sizes[-1])


@given(st.lists(st.sampled_from(_PARTS), max_size=12), st.lists(st.integers(1, 9), min_size=1))
def test_half_a_pair_is_marked_wherever_a_block_ends(parts: list[str], sizes: list[int]) -> None:
    raw = f'{{"a": "{"".join(parts)}"}}'
    stream = _Marked(_Trickle(raw.encode(), sizes), _Depth("x"))
    read = b"".join(iter(stream.read, b""))
    wanted = (INVALID_MARK if "\ud800" <= c <= "\udfff" else c for c in json.loads(raw)["a"])
    assert json.loads(read)["a"] == "".join(wanted)


def test_half_a_pair_costs_its_own_caption_only(tmp_path: Path) -> None:
    path = tmp_path / "sbu.json"
    path.write_text('{"image_urls": ["a", "b"], "captions": ["\\ud800", "a dog"]}')
    bad, good = read_source(SourceConfig(inputs=(str(path),), format="sbu"))
    assert isinstance(bad, BadRow)
    assert bad.reason == INVALID_UTF8
    assert not isinstance(good, BadRow)
    assert good.captions == ("a dog",)


def test_brackets_in_strings_are_no_depth() -> None:
    depth = _Depth("x.json")
    for _ in range(DEPTH_LIMIT):
        depth.follow(b'["[[[[{{{{\\"[[", "\\\\", ')
        depth.follow(b"1], ")
    depth.follow(b"[" * DEPTH_LIMIT)
    with pytest.raises(InputError, match=r"x\.json: nested deeper than 200 levels"):
        depth.follow(b"[")


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        ("caption", [1, 2], "column caption is int64, not string"),
        ("key", [None, "s-000000001"], "column key holds nulls"),
        ("tags", [None, []], "column tags is list<"),
        ("caption", pa.array([b"\xff", b"a"]).view(pa.string()), "Invalid UTF8"),
    ],
)
def test_a_foreign_table_is_refused(tmp_path: Path, column: str, values: object, said: str) -> None:
    path = tmp_path / "00000.parquet"
    path.write_bytes(MINED)
    assert len(list(read_rows(str(path), [column], schema=MINED_SCHEMA))) == 2
    path.write_bytes(as_parquet({column: values}))  # type: ignore[dict-item]
    with pytest.raises(InputError, match=said):
        list(read_rows(str(path), [column], schema=MINED_SCHEMA))


def test_what_a_message_quotes_cannot_steer_a_terminal() -> None:
    shown = str(InputError("x: \x1b[2J\n\u202e\ud800 is no tag"))
    assert shown == r"x: \x1b[2J\n\u202e\ud800 is no tag"
    assert len(str(InputError("x" * 10 * LONGEST))) == LONGEST + 3


def test_a_time_of_the_far_future_leaves_time_for_new_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log._clock, "last", 0)
    path = tmp_path / "ann.jsonl"
    path.write_text('{"ts": 253402300799999}\n{"ts": 9000000000000}\n')
    with open_log(path):
        assert new_event("ann", "object:dog", "keep").ts == 9_000_000_000_001
