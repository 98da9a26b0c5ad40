"""The jobs on an object store: a real S3 server on loopback, the same bytes as on a disk."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline import storage
from pipeline.job import LOCK, Job, open_output
from tests.e2e import stores
from vocab.errors import InputError

moto_server = pytest.importorskip("moto.server", reason="the dev extra brings moto")


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


def test_jobs_on_a_store_give_the_bytes_of_jobs_on_a_disk(bucket: str, tmp_path: Path) -> None:
    stores.assert_jobs_give_the_bytes_of_a_disk(bucket, tmp_path)


def test_files_of_a_store(bucket: str) -> None:
    stores.assert_files_come_and_go(bucket)


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
