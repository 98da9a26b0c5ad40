"""A shard is there with its stats, or it is not there."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from pipeline.shard import (
    STATS,
    ShardOutput,
    input_digest,
    is_done,
    list_stems,
    read_stats,
    shard_name,
)
from vocab.errors import InputError

INPUTS = {"manifest": "abc"}
HOLLOW = '{"rows_in": 1, "rows": 1, "bad": {}, "files": {"a": 3}, "inputs": {}, "counts": {}}'


def make(directory: Path, stem: str = "00000", *, content: bytes = b"data") -> None:
    with ShardOutput(str(directory), stem, "mine", INPUTS) as output:
        output.file(".bin").write_bytes(content)
        output.rows_in, output.rows = 2, 1
        output.bad("coco-000000001", "no_url", "x" * 1000)


def files(directory: Path) -> set[str]:
    return {str(p.relative_to(directory)) for p in directory.rglob("*") if p.is_file()}


def test_shard_name_has_five_digits() -> None:
    assert [shard_name(7), shard_name(123456)] == ["00007", "123456"]


def test_a_finished_shard_has_its_files_bad_rows_and_stats(tmp_path: Path) -> None:
    make(tmp_path)
    assert files(tmp_path) == {"00000.bin", "00000_stats.json", "bad/00000.jsonl"}
    stats = read_stats(str(tmp_path), "00000")
    assert stats is not None
    assert (stats.rows_in, stats.rows, stats.bad) == (2, 1, {"no_url": 1})
    assert stats.files["00000.bin"]["bytes"] == 4
    bad = json.loads((tmp_path / "bad/00000.jsonl").read_text())
    assert bad == {
        "key": "coco-000000001",
        "stage": "mine",
        "reason": "no_url",
        "detail": "x" * 200,
    }


def test_an_exception_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError):
        with ShardOutput(str(tmp_path), "00000", "mine", INPUTS) as output:
            output.file(".bin").write_bytes(b"half")
            raise RuntimeError("killed")
    assert files(tmp_path) == set()


def test_done_means_stats_inputs_and_sizes_agree(tmp_path: Path) -> None:
    directory = str(tmp_path)
    assert not is_done(directory, "00000", INPUTS)
    make(tmp_path)
    assert is_done(directory, "00000", INPUTS)
    assert not is_done(directory, "00000", {"manifest": "another"})
    (tmp_path / "00000.bin").write_bytes(b"shorter"[:2])
    assert not is_done(directory, "00000", INPUTS)
    (tmp_path / "00000.bin").unlink()
    assert not is_done(directory, "00000", INPUTS)


def test_the_digest_of_an_input_is_that_of_its_stats(tmp_path: Path) -> None:
    directory = str(tmp_path)
    with pytest.raises(InputError, match="shard 00000 is not finished; run mine again"):
        input_digest(directory, "00000", ".bin", command="mine")
    make(tmp_path, content=b"data")
    expected = hashlib.sha256(b"data").hexdigest()
    assert input_digest(directory, "00000", ".bin", command="mine") == expected
    with pytest.raises(InputError, match="run mine again"):
        input_digest(directory, "00000", ".parquet", command="mine")


def test_a_shard_without_bad_rows_removes_those_of_an_older_input(tmp_path: Path) -> None:
    make(tmp_path)
    with ShardOutput(str(tmp_path), "00000", "mine", INPUTS) as output:
        output.file(".bin").write_bytes(b"data")
    assert not (tmp_path / "bad/00000.jsonl").exists()


def test_list_stems_is_sorted(tmp_path: Path) -> None:
    for stem in ("00002", "00000", "coco-000001"):
        make(tmp_path, stem)
    assert list_stems(str(tmp_path)) == ["00000", "00002", "coco-000001"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"rows": 1}', "\xff", HOLLOW])
def test_broken_stats_are_named(tmp_path: Path, text: str) -> None:
    (tmp_path / f"00000{STATS}").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"00000_stats\.json"):
        read_stats(str(tmp_path), "00000")


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    for directory in (first, second):
        directory.mkdir()
        make(directory)
    for name in files(first):
        assert (first / name).read_bytes() == (second / name).read_bytes()
