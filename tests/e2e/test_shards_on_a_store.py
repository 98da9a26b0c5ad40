"""Labelled shards from an object store to an object store: the same bytes as on a disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import storage
from pipeline.check import check_directory
from pipeline.inspect_page import write_page
from pipeline.shards import ShardsConfig, write_shards
from tests.e2e.test_object_store import bucket  # noqa: F401 (a fixture)
from tests.pictures import picture
from tests.pipeline.test_shards import configured, download, mined_of_urls


@pytest.mark.slow
def test_shards_on_a_store_are_those_on_a_disk(bucket: str, tmp_path: Path) -> None:  # noqa: F811
    mined_of_urls(tmp_path, 2)
    keys = [[f"cc3m-{3 * shard + n:09d}" for n in range(3)] for shard in range(2)]
    shards = {f"{n:05d}": dict.fromkeys(row, picture()) for n, row in enumerate(keys)}
    images = download(tmp_path / "images", shards)
    for folder in ("mined", "vocabulary", "images"):
        for file in (tmp_path / folder).glob("[!.]*"):
            if file.is_file():
                storage.write_bytes(f"{bucket}/{folder}/{file.name}", file.read_bytes())
    there = ShardsConfig(
        mined=f"{bucket}/mined",
        vocabulary=f"{bucket}/vocabulary",
        output=f"{bucket}/out",
        images=f"{bucket}/images",
    )
    here = configured(tmp_path, image_root=None, images=str(images))
    assert write_shards(there) == write_shards(here)
    for folder in ("out", "out/vocabulary"):
        names = storage.list_names(f"{bucket}/{folder}")
        assert names == [n for n in storage.list_names(str(tmp_path / folder)) if n != ".lock"]
        for name in names:
            local = (tmp_path / folder / name).read_bytes()
            assert local == storage.read_bytes(f"{bucket}/{folder}/{name}"), name
    assert check_directory(f"{bucket}/out") == []
    assert write_page(f"{bucket}/out/cc3m-000001.tar", str(tmp_path / "page.html")) == 3
