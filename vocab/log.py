"""Writing a decision log: whole lines at its end, on the disk before anybody relies on them.

One file and one lock an annotator. The file is opened anew for each batch, so that a log which
git replaced in the meantime (``git pull``) is continued where it now is.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final

import filelock

from vocab.decisions import MAX_LINE, MAX_TIME, Event, Problem, format_event, read_log
from vocab.errors import InputError
from vocab.graph import Tag
from vocab.keys import key_of

_ANNOTATOR: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")
# Inside a text the quotes would be escaped.
_TIME: Final = re.compile(rb'"ts"\s*:\s*(\d{1,15})\s*[,}]')
_FAR: Final = MAX_TIME // 2  # past it, a time is rubbish that would leave none for later events
_FLAGS: Final = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW


class _Clock:
    """Milliseconds since 1970 that never repeat or run back, whatever the system's clock does."""

    last = 0

    def tick(self) -> int:
        self.last = max(time.time_ns() // 1_000_000, self.last + 1)
        return self.last


_clock = _Clock()


def new_event(
    by: str,
    key: Tag | str,
    act: str,
    *,
    to: str | None = None,
    why: str | None = None,
    note: str | None = None,
    via: str = "card",
    ms: int | None = None,
    cand: str | None = None,
    p: float | None = None,
) -> Event:
    """Return an event of now: later than any made here before and than any of an opened log.

    Its id is unique and sorts by time. ``ValueError`` says what is wrong with the fields.
    """
    ts = _clock.tick()
    return Event(
        id=f"{ts:012x}-{secrets.token_hex(5)}",
        ts=ts,
        by=by,
        key=key if isinstance(key, str) else key_of(key),
        act=act,
        to=to,
        why=why,
        note=note,
        via=via,
        ms=ms,
        cand=cand,
        p=p,
    )


def log_path(directory: Path, annotator: str) -> Path:
    """Return where the annotator's log lies; :class:`InputError` when the name cannot be one."""
    if not _ANNOTATOR.fullmatch(annotator):
        raise InputError(
            f"annotator {annotator!r}: a name has up to 32 of a-z 0-9 . _ - and begins with a "
            "letter or digit; choose such a name"
        )
    return directory / f"{annotator}.jsonl"


class LogWriter:
    """Appends to one annotator's log, which nobody else may write until this is closed."""

    def __init__(self, path: Path, lock: filelock.BaseFileLock) -> None:
        self.path = path
        self._lock = lock
        self._left = _stamp(path)

    def append(self, *events: Event) -> None:
        """Write the events, all or none; return when they are on the disk.

        :class:`InputError` when they cannot be written (a full disk, a folder that is gone): the
        log is then as it was.
        """
        data = b"".join(self._line(event) for event in events)
        if not data:
            return
        known = self._left == _stamp(self.path)
        try:
            with _opened(self.path) as descriptor:
                _append(descriptor, data)
        except OSError as error:
            raise _unwritable(self.path, error) from error
        if known:
            self._left = _stamp(self.path)

    def news(self) -> tuple[list[Event], list[Problem]] | None:
        """Read the log again when something else wrote it (``git pull``); ``None`` when not.

        :class:`InputError` when it cannot be read.
        """
        now = _stamp(self.path)
        if now is None or now == self._left:  # gone: perhaps it is just being replaced
            return None
        found = read_log([self.path])
        self._left = now
        return found

    def _line(self, event: Event) -> bytes:
        if event.by != self.path.stem:
            raise ValueError(f"an event by {event.by} does not belong into {self.path.name}")
        line = format_event(event).encode()
        if len(line) > MAX_LINE:
            raise InputError(f"{event.key}: the note is too long for the log; shorten it")
        return line

    def close(self) -> None:
        """Let others write the log."""
        self._lock.release()

    def __enter__(self) -> LogWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def open_log(path: Path) -> LogWriter:
    """Return a writer of the log at ``path``, which need not exist; a torn last line is sealed.

    The lock goes with the process, so that a crash leaves nothing to clean up. New events will be
    later than all that the log holds, even if the system's clock went back.

    :class:`InputError` when another process holds the log, or when it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = _locked(path)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        _begin(path)
    except BaseException as error:
        lock.release()
        if isinstance(error, OSError):
            raise _unwritable(path, error) from error
        raise
    return LogWriter(path, lock)


def _locked(path: Path) -> filelock.BaseFileLock:
    file = path.with_name(f"{path.stem}.lock")
    holder = _holder(file)  # read first: some versions of filelock empty the file when they try
    lock = filelock.FileLock(file, thread_local=False)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise InputError(
            f"{path.stem} is open in {holder}; close it, or review under another --annotator name"
        ) from None
    text = f"process {os.getpid()} on {socket.gethostname()} since {time.strftime('%H:%M')}"
    with contextlib.suppress(OSError):  # it only helps whom the lock refuses
        file.write_text(text)
    return lock


def _holder(file: Path) -> str:
    with contextlib.suppress(OSError, ValueError):
        if words := file.read_text().split():
            return " ".join(words)[:100]
    return "another process"


def _begin(path: Path) -> None:
    """Seal a torn tail and set the clock past the log; an empty log is not created."""
    if not (path.exists() or path.is_symlink()):
        return
    with _opened(path) as descriptor:
        _append(descriptor, b"")
    times = map(int, _TIME.findall(path.read_bytes()))
    _clock.last = max(_clock.last, *(time for time in times if time < _FAR), 0)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Return what differs once a file was replaced or written to; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    new = not path.exists()
    descriptor = os.open(path, _FLAGS, 0o666)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
    if new:
        _sync_directory(path.parent)


def _append(descriptor: int, data: bytes) -> None:
    """Write ``data`` on a line of its own and flush it to the disk, or leave the file as it was."""
    size = os.fstat(descriptor).st_size
    torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
    rest = b"\n" + data if torn else data
    if not rest:
        return
    try:
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    except BaseException:
        os.ftruncate(descriptor, size)
        raise


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unwritable(path: Path, error: OSError) -> InputError:
    if error.errno == errno.ELOOP:
        return InputError(f"{path}: is a symbolic link; put the log itself there")
    hint = "make room" if error.errno == errno.ENOSPC else "check the folder and its permissions"
    return InputError(f"{path}: cannot be written ({error.strerror}); {hint}")
