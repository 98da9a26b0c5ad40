"""Lists of images to leave out, so that evaluation images do not leak into training."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from pipeline.source_rows import SourceRow
from pipeline.streams import read_lines
from vocab.errors import InputError

# Ids end below 600,000; the six zeros keep other twelve-digit names, such as dates, apart.
_COCO: Final = re.compile(r"(?:.*/)?(?:COCO_[a-z]+\d{4}_)?(000000\d{6})(?:\.\w+)?")


@dataclass(frozen=True, slots=True)
class Exclusions:
    """Names of images to leave out: sample keys, images as the source writes them, or ids.

    A name fits an image when they are equal, or when one is the tail of the other at a slash:
    ``b/1.jpg`` fits ``http://a/b/1.jpg`` and ``1.jpg``, but not ``c/1.jpg``. All forms of a COCO
    file name fit: ``COCO_val2014_000000000042.jpg``, ``000000000042.jpg``, ``000000000042``, and
    the bare ``42`` in a COCO source. In Visual Genome a bare number is its own image id.
    """

    names: frozenset[str]
    tails: frozenset[str]
    coco: frozenset[str]

    def __bool__(self) -> bool:
        return bool(self.names)

    def fit(self, key: str, row: SourceRow) -> bool:
        """Say whether the row with this sample key is to be left out."""
        if not self.names:
            return False
        if row.image in self.tails or _coco_id(row.image) in self.coco:
            return True
        return any(
            name in self.names or name in self.coco
            for name in (key, *row.names, *_tails(row.image))
        )


def exclusions(names: Iterable[str]) -> Exclusions:
    """Return the exclusions that a list of names stands for."""
    exact = frozenset(names)
    tails = frozenset(tail for name in exact for tail in _tails(name))
    return Exclusions(exact, tails, frozenset(filter(None, map(_coco_id, exact))))


def read_exclusions(paths: Iterable[str]) -> Exclusions:
    """Return the exclusions of files with one name a line; blank lines are skipped.

    Raises:
        InputError: a file cannot be read, is not UTF-8, or names nothing.
    """
    return exclusions(name for path in paths for name in _read_names(path))


def _read_names(path: str) -> list[str]:
    try:
        lines = [line.decode().strip() for line in read_lines(path)]
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error}); --exclude takes a text file") from None
    names = [line for line in lines if line]
    if not names:
        raise InputError(f"{path}: empty; --exclude takes a file with one image name a line")
    return names


def _coco_id(name: str) -> str:
    match = _COCO.fullmatch(name)
    return match[1] if match else ""


def _tails(name: str) -> Iterator[str]:
    """Yield a path and all of its ends after a slash: ``a/b/1.jpg``, ``b/1.jpg``, ``1.jpg``."""
    yield name
    while "/" in name:
        name = name.split("/", 1)[1]
        if name:
            yield name
