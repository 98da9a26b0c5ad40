"""Small text files and tables, read strictly and published whole."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from vocab.errors import InputError


def read_lines(path: Path) -> list[str]:
    """Return the lines of a UTF-8 file with LF line ends; whatever else it is, is refused."""
    try:
        data = path.read_bytes()
        text = data.decode()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}:{line}: is not UTF-8; convert the file") from error
    if "\r" in text:
        line = text.count("\n", 0, text.index("\r")) + 1
        raise InputError(f"{path}:{line}: has CR line ends; convert the file to LF")
    if text and not text.endswith("\n"):
        line = text.count("\n") + 1
        raise InputError(f"{path}:{line}: the last line is cut short; write the file again")
    return text.split("\n")[:-1]


def write_whole(path: Path, content: str | bytes) -> None:
    """Write ``content`` (text as UTF-8) under a temporary name, flush it to disk, and rename it.

    :class:`InputError` when it cannot be written; what stood at ``path`` stands there still.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror}); check the path and the room there"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def parse_count(cell: str) -> int:
    """Return the number in a cell of a table; ``ValueError`` unless it is 1 to 18 plain digits."""
    if not (cell.isascii() and cell.isdecimal() and len(cell) <= 18):
        raise ValueError(f"{cell[:40]!r} is not a count")
    return int(cell)
