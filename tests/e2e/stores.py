"""What must hold on any store, whichever its kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import storage
from pipeline.count import CountConfig, count
from pipeline.manifest import ManifestConfig, write_manifest
from pipeline.mine import MineConfig, mine

ROWS = "image\tcaption\n" + "".join(f"{i}.jpg\ta dog runs on the beach\n" for i in range(9))


def assert_jobs_give_the_bytes_of_a_disk(bucket: str, tmp_path: Path) -> None:
    """Fail unless jobs on a store write what the same jobs write on a disk."""
    (tmp_path / "pairs.tsv").write_text(ROWS)
    storage.write_bytes(f"{bucket}/pairs.tsv", ROWS.encode())
    _run_jobs(str(tmp_path), str(tmp_path / "pairs.tsv"))
    _run_jobs(bucket, f"{bucket}/pairs.tsv")
    for stage in ("manifest", "mined", "counts"):
        local = [n for n in storage.list_names(str(tmp_path / stage)) if n != ".lock"]
        assert storage.list_names(f"{bucket}/{stage}") == local
        for name in local:
            here, there = tmp_path / stage / name, storage.read_bytes(f"{bucket}/{stage}/{name}")
            assert here.read_bytes() == there, name


def _run_jobs(base: str, table: str) -> None:
    write_manifest(
        ManifestConfig(
            inputs=(table,),
            output=storage.join(base, "manifest"),
            format="tsv",
            source="web",
            shard_rows=4,
        )
    )
    mined = storage.join(base, "mined")
    mine(MineConfig(manifest=storage.join(base, "manifest"), output=mined))
    count(CountConfig(mined=(mined,), output=storage.join(base, "counts")))


def assert_files_come_and_go(bucket: str) -> None:
    """Fail unless files can be written, read, listed and removed."""
    path = f"{bucket}/folder/a.bin"
    assert storage.size(path) is None
    assert storage.list_names(f"{bucket}/folder") == []
    storage.write_bytes(path, b"abc")
    assert (storage.size(path), storage.read_bytes(path)) == (3, b"abc")
    assert storage.list_names(f"{bucket}/folder") == ["a.bin"]
    storage.remove(path)
    storage.remove(path)
    assert storage.size(path) is None
    with pytest.raises(FileNotFoundError):
        storage.read_bytes(path)
