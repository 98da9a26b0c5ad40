"""Files appear whole under their final name, or not at all; on disks and in object stores."""

from __future__ import annotations

import datetime
import errno
import hashlib
from pathlib import Path

import pytest

from pipeline import storage
from vocab.errors import InputError


def test_join_keeps_uris_apart_from_paths(tmp_path: Path) -> None:
    assert storage.join("gs://bucket/a/", "b", "c.tar") == "gs://bucket/a/b/c.tar"
    assert storage.join(str(tmp_path), "b", "c.tar") == str(tmp_path / "b" / "c.tar")


def test_write_read_list_remove(tmp_path: Path) -> None:
    path = storage.join(str(tmp_path), "a.json")
    storage.write_bytes(path, b"abc")
    assert storage.read_bytes(path) == b"abc"
    assert storage.size(path) == 3
    assert storage.sha256(path) == hashlib.sha256(b"abc").hexdigest()
    assert storage.list_names(str(tmp_path)) == ["a.json"]
    storage.remove(path)
    storage.remove(path)
    assert storage.size(path) is None


def test_publish_replaces_an_older_file_and_leaves_no_temporary(tmp_path: Path) -> None:
    path = str(tmp_path / "a.bin")
    storage.write_bytes(path, b"old")
    storage.write_bytes(path, b"new")
    assert storage.read_bytes(path) == b"new"
    assert list((tmp_path / storage.TEMPORARY).iterdir()) == []


def test_listing_a_directory_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert storage.list_names(str(tmp_path / "nowhere")) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_one_clear_line(number: int) -> None:
    with pytest.raises(storage.DiskFullError, match="no space left"):
        with storage.disk_errors("out/00001"):
            raise OSError(number, "full")


def test_other_disk_errors_stay_what_they_are() -> None:
    with pytest.raises(BlockingIOError), storage.disk_errors("out"):
        raise BlockingIOError(errno.EAGAIN, "later")


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOTDIR])
def test_a_place_that_cannot_be_written_is_one_clear_line(number: int) -> None:
    with pytest.raises(InputError, match="out: cannot be written"):
        with storage.disk_errors("out"):
            raise OSError(number, "no")


def test_an_unknown_store_is_refused_in_one_line() -> None:
    with pytest.raises(InputError, match="nostore://bucket/x"):
        storage.read_bytes("nostore://bucket/x")


def test_cloud_storage_is_not_waited_for_as_long_as_its_client_would() -> None:
    # Not the cached one: a test with an emulator in this process would get it.
    store, bucket = storage._store.__wrapped__("gs://bucket/", None)
    assert bucket == "bucket"
    assert store.__reduce__()[1][0]["retry_time_limit"] == datetime.timedelta(seconds=60)
