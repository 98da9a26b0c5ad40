"""Labelled shards on a disk: which there are, what their samples are, and the bytes of any one.

A shard is a tar with an index beside it (the text form of NVIDIA DALI's ``wds2idx``), so any sample
is one read away and an epoch may run in any order. Shards are checked when they are opened; what
breaks later, while training runs, costs the samples that it holds, each with its cause.
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import threading
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from braceexpand import braceexpand

from vocab.errors import InputError
from vocab.vocabulary import Vocabulary

BETWEEN: Final = "::"  # between the shards of one flag, as webdataset has it
SIZES: Final = "sizes.json"
INFO: Final = "info.json"
COMMAND: Final = "shards"
COMPLETED: Final = "COMPLETED"
IMAGES: Final = ("jpg", "png", "webp")
_BLOCK: Final = 512
_VERSION: Final = "v1.2"
_NAME_BYTES: Final = 100
_OPEN: Final = 256  # tars open at once: systems allow a process some 1,024 files
_REMOTE: Final = ("://", "pipe:")

Integers = npt.NDArray[np.int64]


class BadSampleError(Exception):
    """A sample that cannot be used, and the cause in one word."""

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class Raw(NamedTuple):
    """A sample as it lies in a shard: its key, the encoded image, the JSON text."""

    key: str
    image: bytes
    text: bytes


@dataclass(frozen=True, slots=True)
class Shard:
    """One tar: where its samples lie; ``offsets`` and ``sizes`` are of images and JSON, bytes."""

    path: str
    keys: npt.NDArray[np.bytes_]
    offsets: Integers
    image_sizes: Integers
    text_sizes: Integers

    def __len__(self) -> int:
        return len(self.keys)


@dataclass(slots=True)
class ShardSet:
    """The samples of some shards in a fixed order, numbered from 0.

    Threads may share a set, and it can go to other processes.
    """

    shards: tuple[Shard, ...]
    _ends: list[int] = field(init=False)
    _files: dict[str, int] = field(default_factory=dict)
    _reading: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._ends = list(accumulate(len(shard) for shard in self.shards))

    def __len__(self) -> int:
        return self._ends[-1]

    def __getstate__(self) -> tuple[Shard, ...]:
        return self.shards  # open files stay with the process that opened them

    def __setstate__(self, shards: tuple[Shard, ...]) -> None:
        self.shards, self._files, self._reading = shards, {}, threading.Lock()
        self.__post_init__()

    def key(self, number: int) -> str:
        """Return the key of a sample."""
        shard, row = self._locate(number)
        return str(shard.keys[row].decode())

    def read(self, number: int) -> Raw:
        """Return a sample's bytes by one read.

        :class:`BadSampleError` when the tar is ``missing``, ``unreadable``, ``truncated``, or
        holds something else where its index says the sample is (``moved``).
        """
        shard, row = self._locate(number)
        key, start = shard.keys[row], int(shard.offsets[row])
        image, text = int(shard.image_sizes[row]), int(shard.text_sizes[row])
        gap = _BLOCK + _padded(image)  # from the image's header to that of the JSON
        data = self._bytes(shard.path, start - _BLOCK, gap + _BLOCK + text)
        if not data.startswith(key + b".") or not data.startswith(key + b".json\0", gap):
            raise BadSampleError("moved")
        return Raw(key.decode(), data[_BLOCK : _BLOCK + image], data[gap + _BLOCK :])

    def _locate(self, number: int) -> tuple[Shard, int]:
        place = bisect_right(self._ends, number)
        return self.shards[place], number - self._ends[place] + len(self.shards[place])

    def _bytes(self, path: str, offset: int, size: int) -> bytes:
        try:
            with self._reading:  # or another thread might close the file
                data = os.pread(self._file(path), size, offset)
        except FileNotFoundError:
            raise BadSampleError("missing") from None
        except OSError:
            raise BadSampleError("unreadable") from None
        if len(data) != size:
            raise BadSampleError("truncated")
        return data

    def _file(self, path: str) -> int:
        if path not in self._files:
            if len(self._files) >= _OPEN:
                os.close(self._files.pop(next(iter(self._files))))
            self._files[path] = os.open(path, os.O_RDONLY)
        return self._files[path]


def open_shards(spec: Sequence[str], vocabulary: Vocabulary) -> ShardSet:
    """Return the samples of the shards that ``spec`` names (see :func:`expand`).

    :class:`InputError` when nothing is there, a directory is not finished, a tar and its index do
    not agree, or the labels are of another vocabulary than this one.
    """
    paths = expand(spec)
    far = next((path for path in paths if any(mark in path for mark in _REMOTE)), None)
    if far is not None:
        raise InputError(
            f"{far}: only shards on this disk can be read here; copy them, or train on them with "
            "--reader webdataset"
        )
    for folder in dict.fromkeys(str(Path(path).parent) for path in paths):
        check_vocabulary(folder, vocabulary)
    shards = tuple(map(read_shard, paths))
    if not sum(map(len, shards)):
        raise InputError(f"{' '.join(spec)}: these shards hold no sample; make them again")
    return ShardSet(shards)


def expand(spec: Iterable[str]) -> list[str]:
    """Return the tars that the words name, each once, in order.

    A word is a directory of labelled shards, a tar, a pattern (``*``), braces (``{00..41}``), an
    address (``gs://...``, ``pipe:...``), or several of these with ``::`` between.
    """
    words = [word for part in spec for word in part.split(BETWEEN) if word]
    paths = list(dict.fromkeys(path for word in words for path in _expand_word(word)))
    if not paths:
        raise InputError("no training data: name a directory of labelled shards, or tars")
    return paths


def _expand_word(word: str) -> Iterator[str]:
    if word.startswith("pipe:"):
        yield word  # a command: its braces are the shell's
        return
    try:
        names = list(braceexpand(word))
    except ValueError as error:
        raise InputError(f"{word}: the braces do not match; quote and check them") from error
    for name in names:
        yield from _files_of(name)


def _files_of(name: str) -> Iterable[str]:
    if any(mark in name for mark in _REMOTE):
        return [name]
    if Path(name).is_dir():
        return [str(Path(name, tar)) for tar in _finished(Path(name))]
    found = sorted(glob.glob(name)) if glob.has_magic(name) else [name]  # noqa: PTH207
    if not found or not Path(found[0]).is_file():
        raise InputError(f"{name}: no such shard; check the path")
    return found


def _finished(directory: Path) -> list[str]:
    """Return the names of a directory's tars once the job that makes it is through."""
    refuse_other_step(directory)
    if not (directory / COMPLETED).exists():
        raise InputError(
            f"{directory}: is no finished directory of labelled shards (no {COMPLETED}); "
            "run `tag2text shards` to its end"
        )
    return sorted(read_sizes(str(directory / SIZES), _read(directory / SIZES)))


def refuse_other_step(directory: Path) -> None:
    """Raise :class:`InputError` where another command than `shards` made a directory."""
    try:
        command = json.loads((directory / INFO).read_bytes())["command"]
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return  # what it lacks is told by who reads it
    if command != COMMAND:
        raise InputError(
            f"{directory}: made by `tag2text {command}`, no labelled shards; name the output of "
            f"`tag2text {COMMAND}`"
        )


def read_sizes(path: str, content: bytes) -> dict[str, int]:
    """Return how many samples each tar of a directory has, by name, from its ``sizes.json``."""
    try:
        sizes = {str(name): int(count) for name, count in json.loads(content).items()}
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise InputError(f"{path}: does not say the shards' sizes; make it again") from error
    if not all(_is_tar(name) and count >= 0 for name, count in sizes.items()):
        raise InputError(f"{path}: holds an impossible name or size; make it again")
    return sizes


def _is_tar(name: str) -> bool:
    return name.endswith(".tar") and "/" not in name and name.isprintable()


def check_vocabulary(directory: str, vocabulary: Vocabulary) -> None:
    """Refuse shards whose labels are numbers of other tags than the model's."""
    found = Vocabulary.load(Path(directory, "vocabulary")).fingerprint
    refuse_other(directory, found, vocabulary)


def refuse_other(directory: str, fingerprint: object, vocabulary: Vocabulary) -> None:
    """Raise :class:`InputError` unless the fingerprint is the vocabulary's."""
    if fingerprint != vocabulary.fingerprint:
        raise InputError(
            f"{directory}: labelled with another vocabulary ({str(fingerprint)[:12]}) than the "
            f"model's ({vocabulary.fingerprint[:12]}); make the shards with the model's"
        )


def read_shard(path: str) -> Shard:
    """Return where the samples of a tar lie, from its index.

    :class:`InputError` unless the index is whole, in the order of the tar, and within its size.
    """
    index = Path(path).with_suffix(".index")
    content, tar_bytes = _read(index), _size(Path(path))
    try:
        rows = list(_rows(content, tar_bytes))
    except ValueError as error:
        raise InputError(f"{index}: not the index of {path} ({error}); make it again") from error
    table = np.array([row[1:] for row in rows], np.int64).reshape(len(rows), 3)
    keys = np.array([row[0] for row in rows], np.bytes_)
    return Shard(path, keys, *(np.ascontiguousarray(column) for column in table.T))


def _rows(content: bytes, tar_bytes: int) -> Iterator[tuple[bytes, int, int, int]]:
    """Yield key, image offset, image size and JSON size of each sample."""
    if len(content) > tar_bytes:  # a member takes more room in the tar than its line here
        raise ValueError("longer than the tar itself")
    lines = content.splitlines()
    if not lines or lines[0] != f"{_VERSION} {len(lines) - 1}".encode():
        raise ValueError(f"its first line is not '{_VERSION} {len(lines) - 1}'")
    end = 0
    for number, line in enumerate(lines[1:], 2):
        words = line.split(b" ")
        if len(words) < 8 or len(words) % 4:
            raise ValueError(f"line {number} is not made of fours")
        row = _row(words, number)
        if row[1] < end + _BLOCK:
            raise ValueError(f"line {number} is out of order")
        end = row[1] + _padded(row[2]) + _BLOCK + row[3]
        if end > tar_bytes:
            raise ValueError(f"line {number} points past the end: the tar was cut short")
        yield row


def _row(words: list[bytes], number: int) -> tuple[bytes, int, int, int]:
    kind, offset, size, name, text_kind, text_offset, text_size, text_name = words[:8]
    start, image, then, text = (int(w) for w in (offset, size, text_offset, text_size))
    key = name.removesuffix(b"." + kind)
    if kind.decode() not in IMAGES or text_kind != b"json" or text_name != key + b".json":
        raise ValueError(f"line {number} is not an image and its .json")
    if not 0 < len(key) < _NAME_BYTES or not key.isascii() or min(image, text) < 0:
        raise ValueError(f"line {number} holds an impossible name or size")
    if then != start + _padded(image) + _BLOCK:
        raise ValueError(f"line {number} does not fit together")
    return key, start, image, text


def _padded(size: int) -> int:
    return size + -size % _BLOCK


def _read(path: Path) -> bytes:
    with _errors(path):
        return path.read_bytes()


def _size(path: Path) -> int:
    with _errors(path):
        return path.stat().st_size


@contextlib.contextmanager
def _errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); make the shards again"
        ) from error
