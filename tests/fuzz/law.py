"""The law of every reader of outside input, and what is watched while one runs.

Whatever it is given, a reader returns, or raises an error that its documentation names, whose
message is one line that no terminal obeys. It opens no file but those it was given, runs nothing,
and takes neither seconds nor memory because a number in the input is large.
"""

from __future__ import annotations

import contextlib
import os
import resource
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from hypothesis.strategies import SearchStrategy

from vocab.errors import InputError
from vocab.keys import encodable, has_controls

ROOT: Final = Path(__file__).parents[2]
SECONDS: Final = 5.0  # of CPU, for inputs of a few hundred kilobytes at most
MEBIBYTES: Final = 256
LONGEST: Final = 2000  # characters of a message, paths included
_OWN: Final = tuple(
    f"{folder}{os.sep}"
    for folder in (ROOT, sys.prefix, sys.base_prefix, "/usr/lib", "/usr/share", "/proc", "/dev")
)
_PACKAGES: Final = ("vocab", "pipeline", "model", "train", "tag2text", "tests", "benchmarks")
_FORBIDDEN: Final = frozenset(
    "os.system os.exec os.posix_spawn os.spawn subprocess.Popen pickle.find_class "
    "socket.connect socket.getaddrinfo urllib.Request ctypes.dlopen".split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A reader under test.

    ``run`` reads a case, whose files it lays in an empty folder, and asserts what else must hold:
    that nothing is lost, above all. ``seeds`` are whole inputs, which must be read without an
    error; ``found`` are inputs that broke the law before. ``quick`` is how many cases a test tries;
    ``ready`` loads what is loaded once, which is not measured.
    """

    name: str
    run: Callable[[Path, Any], None]
    cases: SearchStrategy[Any]
    seeds: tuple[Any, ...]
    found: tuple[Any, ...] = ()
    documented: tuple[type[Exception], ...] = (InputError,)
    ready: Callable[[], object] = int
    quick: int = 40
    mebibytes: int = MEBIBYTES


class BrokenLawError(AssertionError):
    """A reader did what none may do."""


def judge(target: Target, case: Any) -> str:
    """Run a case; return the line of ours that raised a documented error, or nothing.

    :class:`BrokenLawError`, or whatever the reader itself raised, when the law does not hold.
    """
    target.ready()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        used, began = _peak(), time.process_time()
        with _watched(folder) as seen:
            raised = _run(target, folder, case)
        seconds, grown = time.process_time() - began, _peak() - used
    if seen:
        raise BrokenLawError(f"{target.name}: {seen[0]}")
    if seconds > SECONDS:
        raise BrokenLawError(f"{target.name}: took {seconds:.1f} s of CPU")
    if grown > target.mebibytes:
        raise BrokenLawError(f"{target.name}: took {grown:.0f} MiB")
    return raised


def lay(folder: Path, files: Mapping[str, bytes]) -> Path:
    """Write files, by relative path, into a folder; return the folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def taken(folder: Path) -> dict[str, bytes]:
    """Return the files of a folder by relative path: the inverse of :func:`lay`."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def check_message(text: str) -> None:
    """Refuse a message that is no single line of harmless text."""
    if not text or "\n" in text or has_controls(text) or not encodable(text):
        raise BrokenLawError(f"not one line of plain text: {text[:300]!r}")
    if len(text) > LONGEST:
        raise BrokenLawError(f"a message of {len(text):,} characters: {text[:300]!r}")


def place_of(error: BaseException) -> str:
    """Return the innermost line of our packages in an error's traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if Path(f.filename).is_relative_to(ROOT)]
    ours = [f for f in ours if Path(f.filename).relative_to(ROOT).parts[0] in _PACKAGES]
    if not ours:
        return "?"
    return f"{Path(ours[-1].filename).relative_to(ROOT)}:{ours[-1].lineno}"


def _run(target: Target, folder: Path, case: Any) -> str:
    try:
        target.run(folder, case)
    except target.documented as error:
        check_message(str(error))
        return place_of(error)
    return ""


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class _Watch:
    """What Python itself reports of files, processes and connections (PEP 578)."""

    def __init__(self) -> None:
        self.folder = ""
        self.seen: list[str] = []

    def __call__(self, event: str, given: tuple[Any, ...]) -> None:
        if not self.folder:
            return
        if event in _FORBIDDEN:
            self.seen.append(f"{event} {given[:1]!r}")
        elif event == "open" and isinstance(given[0], str | bytes | os.PathLike):
            self._opened(os.path.realpath(os.fsdecode(given[0])))

    def _opened(self, path: str) -> None:
        if path != self.folder and not path.startswith((*_OWN, f"{self.folder}{os.sep}")):
            self.seen.append(f"opened {path}")


_watch: Final = _Watch()
sys.addaudithook(_watch)


@contextlib.contextmanager
def _watched(folder: Path) -> Iterator[list[str]]:
    _watch.folder, _watch.seen = os.path.realpath(folder), []
    try:
        yield _watch.seen
    finally:
        _watch.folder = ""
