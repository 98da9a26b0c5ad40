"""Files on a disk or in an object store, behind a few functions.

A path is a string: local, or a URI such as ``gs://bucket/folder`` or ``s3://bucket/folder``.
Nothing here appends, and nothing relies on renaming a directory, so both kinds mean the same:
a file under its final name is whole.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import hashlib
import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from vocab.errors import InputError

TEMPORARY = ".tmp"
_BLOCK = 1 << 20
# Seconds that Cloud Storage is asked again. The client's own quarter of an hour looks like a hang
# where the network or the credentials are missing.
_PATIENCE = 60


class DiskFullError(InputError):
    """No space left where a job writes: nothing that follows can succeed."""


def is_remote(path: str) -> bool:
    """Say whether ``path`` is a URI of an object store."""
    return "://" in path


def join(directory: str, *names: str) -> str:
    """Return the path of ``names`` under ``directory``, local or remote."""
    if is_remote(directory):
        return "/".join((directory.rstrip("/"), *names))
    return str(Path(directory, *names))


def _filesystem(uri: str) -> tuple[Any, str]:
    """Return the store of a URI and the path within it."""
    scheme, _, rest = uri.partition("://")
    bucket, _, inner = rest.partition("/")
    # An endpoint in the environment is how other stores than Amazon's speak S3.
    named = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    try:
        filesystem, base = _store(f"{scheme}://{bucket}/", named if scheme == "s3" else None)
    except Exception as error:
        raise InputError(f"{uri}: cannot open this store: {error}") from error
    return filesystem, f"{base.rstrip('/')}/{inner}"


@functools.lru_cache(maxsize=16)
def _store(root: str, endpoint: str | None) -> tuple[Any, str]:
    """Open a store once a process: its connections, and its handshakes, serve all calls."""
    from pyarrow import fs  # local paths never pay for this import

    if endpoint:
        scheme = endpoint.split("://", 1)[0]
        return fs.S3FileSystem(endpoint_override=endpoint, scheme=scheme), root[len("s3://") :]
    if root.startswith(("gs://", "gcs://")):
        root += f"?retry_limit_seconds={_PATIENCE}"
    return fs.FileSystem.from_uri(root)  # type: ignore[no-any-return]


def open_input(path: str) -> IO[bytes]:
    """Open ``path`` for reading bytes; the caller closes it.

    Raises:
        FileNotFoundError: there is no such file.
    """
    if not is_remote(path):
        return Path(path).open("rb")
    filesystem, inner = _filesystem(path)
    return filesystem.open_input_file(inner)  # type: ignore[no-any-return]


def read_bytes(path: str) -> bytes:
    """Return the whole content of a small file."""
    with open_input(path) as stream:
        return stream.read()


def size(path: str) -> int | None:
    """Return the size of a file in bytes, ``None`` where there is no such file."""
    if not is_remote(path):
        file = Path(path)
        return file.stat().st_size if file.is_file() else None
    filesystem, inner = _filesystem(path)
    info = filesystem.get_file_info(inner)
    return int(info.size) if info.is_file else None


def list_names(directory: str) -> list[str]:
    """Return the sorted names of the files in a directory, none where it does not exist."""
    if not is_remote(directory):
        folder = Path(directory)
        if not folder.is_dir():
            return []
        return sorted(entry.name for entry in os.scandir(folder) if entry.is_file())
    from pyarrow import fs

    filesystem, inner = _filesystem(directory)
    selector = fs.FileSelector(inner, allow_not_found=True)
    return sorted(i.base_name for i in filesystem.get_file_info(selector) if i.is_file)


def remove(path: str) -> None:
    """Remove a file; one that is not there is no error."""
    if not is_remote(path):
        Path(path).unlink(missing_ok=True)
        return
    filesystem, inner = _filesystem(path)
    with contextlib.suppress(FileNotFoundError):
        filesystem.delete_file(inner)


def sha256(path: str) -> str:
    """Return the hexadecimal SHA-256 of a file's content."""
    digest = hashlib.sha256()
    with open_input(path) as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def temporary(path: str) -> Path:
    """Return a fresh local path to write the future content of ``path`` to.

    A local one lies under ``.tmp`` in the same directory, so that publishing it is one rename.
    """
    if is_remote(path):
        folder = Path(tempfile.gettempdir())
    else:
        folder = Path(path).parent / TEMPORARY
        folder.mkdir(parents=True, exist_ok=True)
    # Not mkstemp: its mode 0600 would hide finished shards from colleagues.
    return folder / f"{Path(path).name}.{uuid.uuid4().hex}"


def sync(local: Path) -> None:
    """Wait until a local file is on its disk."""
    with local.open("rb+") as stream:
        os.fsync(stream.fileno())


def publish(local: Path, path: str) -> None:
    """Move a finished temporary file to its final name, whole and on disk, or not at all."""
    if not is_remote(path):
        sync(local)
        local.replace(path)
        _sync_directory(Path(path).parent)
        return
    filesystem, inner = _filesystem(path)
    # The store shows an object only once it is closed; reading first keeps a failing local
    # disk from closing half of one.
    with local.open("rb") as source, filesystem.open_output_stream(inner) as target:
        while block := source.read(_BLOCK):
            target.write(block)
    local.unlink()


def write_bytes(path: str, content: bytes) -> None:
    """Write a small file atomically."""
    with disk_errors(path):
        local = temporary(path)
        try:
            local.write_bytes(content)
            publish(local, path)
        finally:
            local.unlink(missing_ok=True)


def update_bytes(path: str, content: bytes) -> None:
    """Write a small file atomically, unless it holds just that already."""
    if size(path) != len(content) or read_bytes(path) != content:
        write_bytes(path, content)


@contextlib.contextmanager
def disk_errors(path: str) -> Iterator[None]:
    """Turn a full disk, a spent quota or a forbidden folder into one line with what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFullError(
                f"{path}: no space left on the disk; free some and run the same command again "
                "(finished shards are kept)"
            ) from error
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR):
            raise InputError(
                f"{path}: cannot be written ({error.strerror}); give another --output"
            ) from error
        raise


def _sync_directory(folder: Path) -> None:
    """Make a rename survive a power cut; a no-op where directories cannot be opened."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
