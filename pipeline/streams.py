"""Input files as streams of bytes, lines and JSON values, whose memory does not grow with them."""

from __future__ import annotations

import codecs
import contextlib
import gzip
import io
import itertools
import re
import zlib
from collections.abc import Iterator
from typing import IO, Any, Final

import ijson

from pipeline import storage
from pipeline.source_rows import INVALID_MARK, NUL_MARK
from vocab.errors import InputError

LINE_LIMIT: Final = 1 << 20
"""Bytes of the longest line that is held in memory."""

DEPTH_LIMIT: Final = 200
"""Levels of JSON; ijson keeps the whole path of each, so memory grows with their square."""

_BUFFER = 1 << 18
_GZIP_MAGIC = b"\x1f\x8b"
_MARK = "pipeline-mark"


def _mark_invalid(error: UnicodeError) -> tuple[str, int]:
    if isinstance(error, UnicodeDecodeError):
        return INVALID_MARK, error.end
    raise error


codecs.register_error(_MARK, _mark_invalid)


@contextlib.contextmanager
def open_stream(path: str) -> Iterator[IO[bytes]]:
    """Open a local or remote file, unpacked if it is gzip by its content, without a BOM.

    Raises:
        InputError: the file is missing or cannot be read, or its gzip is broken.
    """
    with open_file(path) as raw:
        stream: Any = io.BufferedReader(raw, _BUFFER)
        if stream.peek(2)[:2] == _GZIP_MAGIC:
            stream = io.BufferedReader(gzip.GzipFile(fileobj=stream), _BUFFER)
        if stream.peek(3)[:3] == codecs.BOM_UTF8:
            stream.read(3)
        yield stream


@contextlib.contextmanager
def open_file(path: str) -> Iterator[IO[bytes]]:
    """Open a local or remote file as it is; the errors of reading it name it.

    Raises:
        InputError: the file is missing or cannot be read, or its gzip is broken.
    """
    try:
        with storage.open_input(path) as stream:
            yield stream
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path}: broken gzip file ({error}); fetch it again") from error
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error


def read_lines(path: str) -> Iterator[bytes]:
    """Yield the lines of a file without their ends; one over ``LINE_LIMIT`` is cut just past it."""
    with open_stream(path) as stream:
        while line := stream.readline(LINE_LIMIT + 1):
            if line.endswith(b"\n") or len(line) <= LINE_LIMIT:
                yield line.removesuffix(b"\n").removesuffix(b"\r")
                continue
            yield line
            while line and not line.endswith(b"\n"):
                line = stream.readline(LINE_LIMIT)


def read_json(path: str, prefix: str) -> Iterator[Any]:
    """Yield the values at an ijson ``prefix`` of a JSON file, one in memory at a time.

    Bytes that JSON cannot carry come out as ``INVALID_MARK`` and ``NUL_MARK`` in the text.

    Raises:
        InputError: the file is not JSON, ends too early, or is nested deeper than any source.
    """
    with open_stream(path) as stream:
        try:
            # Floats, because ijson's C code crashes the process on an integer of 5,000 digits.
            yield from ijson.items(_Marked(stream, _Depth(path)), prefix, use_float=True)
        except ijson.JSONError as error:
            what = str(error).splitlines()[0]
            raise InputError(
                f"{path}: not whole JSON near byte {stream.tell()} ({what}); fetch it again"
            ) from error


_ESCAPE: Final = re.compile(
    r"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]..|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_ESCAPE_LENGTH: Final = 12  # characters of a pair


class _Marked:
    """A stream of valid UTF-8 without control characters, which JSON does not allow."""

    _spaces: Final = bytes(32 if 0 < byte < 32 else byte for byte in range(256))
    _nul_mark: Final = NUL_MARK.encode()

    def __init__(self, stream: IO[bytes], depth: _Depth) -> None:
        self._stream, self._depth = stream, depth
        self._decoder = codecs.getincrementaldecoder("utf-8")(_MARK)

    def read(self, size: int = -1) -> bytes:
        """Return the next block, which ends in no escape; empty only at the end."""
        parts, end = [], "\\"
        while "\\" in end:
            block = self._stream.read(size)
            self._depth.follow(block)
            clean = block.translate(self._spaces).replace(b"\0", self._nul_mark)
            parts.append(self._decoder.decode(clean, final=not block))
            if not block:
                break
            end = (end + parts[-1])[-_ESCAPE_LENGTH:]
        return _without_halves("".join(parts)).encode()


def _without_halves(text: str) -> str:
    """Return JSON without the escapes of half a surrogate pair, which has no form in UTF-8."""
    if "\\ud" not in text and "\\uD" not in text:
        return text
    return _ESCAPE.sub(lambda found: INVALID_MARK if found["half"] else found[0], text)


class _Depth:
    """Follows how deep JSON is nested, block by block; what stands in strings does not count."""

    _others: Final = bytes(set(range(256)) - set(b'"[]{}'))
    _steps: Final = {ord("["): 1, ord("{"): 1, ord("]"): -1, ord("}"): -1}

    def __init__(self, path: str) -> None:
        self._path, self._rest, self._in_string, self._level = path, b"", False, 0

    def follow(self, block: bytes) -> None:
        """Take the next block; :class:`InputError` when it goes too deep."""
        plain = (self._rest + block).replace(b"\\\\", b"")
        self._rest = b"\\" if plain.endswith(b"\\") else b""  # it escapes what comes next
        parts = plain.replace(b'\\"', b"").translate(None, self._others).split(b'"')
        outside = b"".join(parts[self._in_string :: 2])
        self._in_string ^= len(parts) % 2 == 0
        levels = list(
            itertools.accumulate(map(self._steps.__getitem__, outside), initial=self._level)
        )
        self._level = levels[-1]
        if max(levels) > DEPTH_LIMIT:
            raise InputError(
                f"{self._path}: nested deeper than {DEPTH_LIMIT} levels; fetch it again"
            )
