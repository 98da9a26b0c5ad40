"""Where the images of a shard come from: a folder, or tar shards as img2dataset writes them."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import tarfile
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import IO, Final, Protocol

import pyarrow as pa

from pipeline import storage
from pipeline.images import BYTE_LIMIT, BadImageError
from pipeline.records import PARQUET, read_rows
from vocab.errors import InputError

TAR: Final = ".tar"
_OUTCOME: Final = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        pa.field("error_message", pa.string()),
    ]
)  # of a download, as img2dataset writes it
_EXTENSIONS = frozenset(("jpg", "jpeg", "png", "webp", "gif", "bmp", "tif", "tiff"))
_ABSENT = frozenset(
    (
        *(errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EACCES),
        *(errno.ELOOP, errno.ENXIO),  # a circle of links, a socket
    )
)
# Without O_NONBLOCK the opening of a named pipe would wait forever.
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW


class ImageReader(Protocol):
    """Reads the images of one shard by sample key."""

    def read(self, key: str, image: str) -> bytes:
        """Return the bytes of an image; ``BadImageError`` says why there are none."""

    def known_keys(self) -> list[str]:
        """Return the keys that surely have an image, where that is known beforehand."""


class FolderImages:
    """Images of a folder, at the relative paths that the captions name."""

    def __init__(self, root: str) -> None:
        self._root = os.path.realpath(root)
        # Images share folders: each is resolved once, not once an image.
        self._inside = lru_cache(maxsize=1024)(self._is_inside)

    def read(self, key: str, image: str) -> bytes:
        """Return the bytes of the file ``image`` below the root."""
        path = self._path(image)
        try:
            handle = os.open(path, _FLAGS)
        except OSError as error:
            if error.errno != errno.ELOOP:
                raise _absent(path, error) from error
            handle = self._open_link(path)
        try:
            return _content(handle)
        finally:
            os.close(handle)

    def known_keys(self) -> list[str]:
        """Return nothing: a folder does not say which images have a key."""
        return []

    def _path(self, image: str) -> str:
        if not image or "://" in image or "\0" in image:
            raise BadImageError("no_image", f"{image!r} is no path; download it first")
        folder, _, _ = image.rpartition("/")
        if image.startswith("/") or ".." in image.split("/") or not self._inside(folder):
            raise BadImageError("outside_root", image)
        return f"{self._root}/{image}"

    def _is_inside(self, path: str) -> bool:
        real = os.path.realpath(f"{self._root}/{path}")
        return real == self._root or real.startswith(self._root.rstrip("/") + "/")

    def _open_link(self, path: str) -> int:
        if not self._is_inside(os.path.relpath(path, self._root)):
            raise BadImageError("outside_root", "a link that leaves the folder")
        try:
            return os.open(os.path.realpath(path), _FLAGS)
        except OSError as error:
            raise _absent(path, error) from error


def _content(handle: int) -> bytes:
    """Return what an open file holds; a Python file object would double the cost."""
    status = os.fstat(handle)
    if not stat.S_ISREG(status.st_mode):
        raise BadImageError("no_image", "not a regular file")
    if status.st_size > BYTE_LIMIT:
        raise BadImageError("too_many_bytes", f"{status.st_size} bytes")
    content = os.read(handle, status.st_size)
    while len(content) < status.st_size and (more := os.read(handle, status.st_size)):
        content += more  # network file systems may give less than they were asked for
    return content


def _absent(path: str, error: OSError) -> Exception:
    """Return a bad row for a file that is not there, a failed shard for a disk that fails."""
    if error.errno in _ABSENT:
        return BadImageError("no_image", error.strerror or "")
    return InputError(f"{path}: cannot be read ({error.strerror}); mend that and run again")


def folder_fingerprint(root: str, images: Iterable[str]) -> str:
    """Return a digest of which images of a folder are there, and how large they are.

    Times are left out: a copy of the folder is the same folder. So an image that is replaced by
    another of exactly its size goes unnoticed.
    """
    digest = hashlib.sha256()
    for image in images:
        size = -1
        if image and not image.startswith("/") and ".." not in image and "\0" not in image:
            with contextlib.suppress(OSError):
                size = os.stat(f"{root}/{image}").st_size  # noqa: PTH116 - once an image
        digest.update(f"{image}\t{size}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


class TarImages:
    """Images of one downloaded shard, a tar and a Parquet file that says how each download went.

    Names in the tar are only compared, never used as paths.

    Raises:
        InputError: the tar or the Parquet file is damaged; that shard must be downloaded again.
    """

    def __init__(self, stream: IO[bytes], directory: str, stem: str) -> None:
        self._stream = stream
        self._path = storage.join(directory, stem + TAR)
        self._members = _index(stream, self._path)
        self._failures: dict[str, str] = {}
        path = storage.join(directory, stem + PARQUET)
        for row in read_rows(path, _OUTCOME.names, schema=_OUTCOME):
            if row["status"] != "success":
                self._failures[row["key"]] = f"{row['status']}: {row['error_message'] or ''}"
            elif row["key"] not in self._members:
                raise InputError(
                    f"{self._path}: lacks {row['key']}, which was downloaded; cut short? "
                    "download that shard again"
                )

    def read(self, key: str, image: str) -> bytes:
        """Return the bytes of the member whose name starts with ``key``."""
        if key in self._failures:
            raise BadImageError("download_failed", self._failures[key])
        if key not in self._members:
            raise BadImageError("no_image", "not in the download")
        offset, size = self._members[key]
        if size > BYTE_LIMIT:
            raise BadImageError("too_many_bytes", f"{size} bytes")
        self._stream.seek(offset)
        return self._stream.read(size)

    def known_keys(self) -> list[str]:
        """Return the keys of the images in the tar, sorted."""
        return sorted(self._members)


def _index(stream: IO[bytes], path: str) -> dict[str, tuple[int, int]]:
    """Return offset and size of every image of a tar by its key, from the headers alone."""
    members: dict[str, tuple[int, int]] = {}
    try:
        with tarfile.open(fileobj=stream, mode="r:") as tar:
            for member in tar:
                key, _, extension = member.name.partition(".")
                if member.isreg() and not member.issparse() and extension.lower() in _EXTENSIONS:
                    members[key] = member.offset_data, member.size
    except (tarfile.TarError, ValueError, OverflowError) as error:
        raise InputError(f"{path}: not a whole tar ({error}); download that shard again") from error
    return members


@contextlib.contextmanager
def open_images(*, image_root: str | None, images: str | None, stem: str) -> Iterator[ImageReader]:
    """Open the images of one shard: a folder below ``image_root``, or ``<stem>.tar``.

    Raises:
        InputError: there is no such folder or shard, or it is damaged.
    """
    if images is None:
        if image_root is None or not Path(image_root).is_dir():
            raise InputError(f"{image_root}: no such folder; --image-root names the images' folder")
        yield FolderImages(image_root)
        return
    path = storage.join(images, stem + TAR)
    try:
        stream = storage.open_input(path)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; download that shard first") from None
    with stream:
        yield TarImages(stream, images, stem)
