"""The jobs on an object store: a real S3 server on loopback, the same bytes as on a disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import storage
from pipeline.count import CountConfig, count
from pipeline.job import LOCK, Job, open_output
from pipeline.manifest import ManifestConfig, write_manifest
from pipeline.mine import MineConfig, mine
from vocab.errors import InputError

moto_server = pytest.importorskip("moto.server", reason="the dev extra brings moto")

ROWS = "image\tcaption\n" + "".join(f"{i}.jpg\ta dog runs on the beach\n" for i in range(9))


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        import boto3
        from moto.moto_api._internal import moto_api_backend

        moto_api_backend.reset()  # servers in one process share what they store
        boto3.client("s3").create_bucket(Bucket="pairs")
        yield "s3://pairs"
    server.stop()


def run_jobs(base: str, table: str) -> None:
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


def test_jobs_on_a_store_give_the_bytes_of_jobs_on_a_disk(bucket: str, tmp_path: Path) -> None:
    (tmp_path / "pairs.tsv").write_text(ROWS)
    storage.write_bytes(f"{bucket}/pairs.tsv", ROWS.encode())
    run_jobs(str(tmp_path), str(tmp_path / "pairs.tsv"))
    run_jobs(bucket, f"{bucket}/pairs.tsv")
    for stage in ("manifest", "mined", "counts"):
        local = [n for n in storage.list_names(str(tmp_path / stage)) if n != ".lock"]
        assert storage.list_names(f"{bucket}/{stage}") == local
        for name in local:
            here, there = tmp_path / stage / name, storage.read_bytes(f"{bucket}/{stage}/{name}")
            assert here.read_bytes() == there, name


def test_files_of_a_store(bucket: str) -> None:
    path = f"{bucket}/folder/a.bin"
    assert storage.size(path) is None
    assert storage.list_names(f"{bucket}/folder") == []
    storage.write_bytes(path, b"abc")
    assert (storage.size(path), storage.read_bytes(path)) == (3, b"abc")
    assert storage.list_names(f"{bucket}/folder") == ["a.bin"]
    storage.remove(path)
    storage.remove(path)
    with pytest.raises(FileNotFoundError):
        storage.read_bytes(path)


def test_a_lock_on_a_store_needs_its_owner_or_the_flag(bucket: str) -> None:
    output = f"{bucket}/locked"
    job = Job("mine", output, {}, {})
    with open_output(job):
        with pytest.raises(InputError, match="locked by host"), open_output(job):
            pass
    with open_output(job):
        pass
    storage.write_bytes(f"{output}/{LOCK}", b"{}")
    with pytest.raises(InputError, match="--take-over"), open_output(job):
        pass
    with open_output(Job("mine", output, {}, {}, take_over=True)):
        pass
