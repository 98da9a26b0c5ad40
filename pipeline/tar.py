"""Labelled tars: the same bytes for the same samples, and an index to seek in them.

Headers are USTAR and hold no time, owner or host. The index is the text form that NVIDIA DALI's
``wds2idx`` writes: ``v1.2 <samples>``, then a line a sample of ``ext offset size name`` for each
of its members, so a reader can start at any sample.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from pipeline import storage
from vocab.errors import InputError
from vocab.files import parse_count

BLOCK: Final = 512
INDEX_VERSION: Final = "v1.2"
_NAME_BYTES = 100
_SIZE_LIMIT = 8**11
_BUFFER = 1 << 20

# What the headers of all members share: mode 0644, owner 0; time 0; a regular file, no link.
_OWNER = b"%07o\0%07o\0%07o\0" % (0o644, 0, 0)
_TIME = b"00000000000\0"
_REST = b"0" + bytes(100) + b"ustar\x0000" + bytes(64 + 16 + 155 + 12)
# The checksum is taken as if its own field held eight spaces.
_SHARED_SUM = sum(_OWNER) + sum(_TIME) + sum(_REST) + 8 * ord(" ")


class Member(NamedTuple):
    """One file of a sample within a tar; ``offset`` is where its content starts, in bytes."""

    extension: str
    offset: int
    size: int
    name: str


def header(name: str, size: int) -> bytes:
    """Return the 512 bytes that precede a member's content.

    Raises:
        InputError: the name or the size does not fit; nothing is cut.
    """
    encoded = name.encode()
    if not 0 < len(encoded) <= _NAME_BYTES or not name.isascii() or not name.isprintable():
        raise InputError(f"{name!r}: a tar member needs 1 to 100 printable ASCII characters")
    if not 0 <= size < _SIZE_LIMIT:
        raise InputError(f"{name}: {size} bytes, but a tar member holds less than 8 GiB")
    octal = b"%011o\0" % size
    checksum = b"%06o\0 " % (_SHARED_SUM + sum(encoded) + sum(octal))
    return b"".join((encoded.ljust(_NAME_BYTES, b"\0"), _OWNER, octal, _TIME, checksum, _REST))


class SampleTar:
    """Writes samples to a tar, and at its end the index to its own file."""

    def __init__(self, tar: Path, index: Path) -> None:
        self._stream = tar.open("wb", buffering=_BUFFER)
        self._index = index
        self._lines: list[str] = []
        self._offset = 0

    def add(self, key: str, parts: Iterable[tuple[str, bytes]]) -> None:
        """Write one sample: ``(extension, content)`` pairs become ``<key>.<extension>``."""
        blocks: list[bytes] = []
        members: list[str] = []
        for extension, content in parts:
            name, size = f"{key}.{extension}", len(content)
            blocks += (header(name, size), content, bytes(-size % BLOCK))
            members.append(f"{extension} {self._offset + BLOCK} {size} {name}")
            self._offset += BLOCK + size + -size % BLOCK
        self._stream.write(b"".join(blocks))
        self._lines.append(" ".join(members))

    def __enter__(self) -> SampleTar:
        return self

    def __exit__(self, *exception: object) -> None:
        with self._stream:
            if exception[0] is None:
                self._stream.write(bytes(2 * BLOCK))
                lines = (f"{INDEX_VERSION} {len(self._lines)}", *self._lines)
                self._index.write_text("".join(line + "\n" for line in lines))


def read_index(path: str) -> list[tuple[Member, ...]]:
    """Return the members of every sample, in order.

    Raises:
        InputError: the file is missing or is no such index.
    """
    try:
        lines = storage.read_bytes(path).decode().removesuffix("\n").split("\n")
        samples = [tuple(_members(line.split(" "))) for line in lines[1:]]
        if lines[0] != f"{INDEX_VERSION} {len(samples)}":
            raise ValueError(f"its first line is {lines[0]!r} before {len(samples)} samples")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; make the shard again") from None
    except (ValueError, IndexError) as error:
        raise InputError(f"{path}: not an index of a tar ({error}); make it again") from error
    return samples


def _members(words: list[str]) -> Iterator[Member]:
    if len(words) % 4:
        raise ValueError(f"{' '.join(words)[:80]!r} is not made of fours")
    for extension, offset, size, name in zip(*(iter(words),) * 4, strict=True):
        yield Member(extension, parse_count(offset), parse_count(size), name)
