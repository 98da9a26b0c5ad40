"""`check`: re-read a finished directory and say what in it is not as it should be."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from pipeline import storage
from pipeline.check_labelled import LabelledCheck
from pipeline.image_sources import TAR
from pipeline.job import COMPLETED, read_info, summarise
from pipeline.labelled import COMMAND as SHARDS
from pipeline.labelled import INDEX
from pipeline.records import PARQUET, read_batches
from pipeline.shard import STATS, Stats, list_stems, read_stats
from vocab.errors import InputError, one_line

_DOWNLOAD: Final = "download"
_DATA: Final = (TAR, PARQUET, INDEX)
_KEYS: Final = {
    "manifest": ("key",),
    "mine": ("key", "caption_index"),
    _DOWNLOAD: ("key",),
    SHARDS: ("key",),
}


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one file, and what to do about it, in one line."""

    file: str
    message: str

    def __str__(self) -> str:
        return one_line(f"{self.file}: {self.message}")


def check_directory(path: str) -> list[Problem]:
    """Return what is wrong with a directory that a job made; nothing when it is whole.

    Every file is read again and its size and digest compared; so are the counts in all places
    that state them, the order of the keys and, in labelled shards, the labels. A tar or a table
    that no shard's stats name is a problem, too.

    Raises:
        InputError: no job of ours made the directory.
    """
    check = _Check(path, read_info(path))
    return list(check.problems())


class _Check:
    """One pass over a directory; the key of the last row is carried from shard to shard."""

    def __init__(self, path: str, info: dict[str, Any]) -> None:
        self._path, self._config = path, info["config"]
        self._command = str(info.get("command"))
        self._again = f"run its `tag2text {self._command}` again"
        self._last: tuple[Any, ...] = ()
        self._shards: dict[str, Stats] = {}

    def problems(self) -> Iterator[Problem]:
        stems = list_stems(self._path)
        yield from _guarded(self._completed(stems))
        labelled = LabelledCheck(self._path, self._config, self._again)
        if self._command == SHARDS:
            yield from _guarded(_as_problems(labelled.open()))
        for stem in _with_progress(stems, self._path):
            yield from _guarded(self._shard(stem, labelled))
        if len(self._shards) == len(stems):  # of broken stats nobody knows what they name
            yield from self._strangers()

    def _completed(self, stems: list[str]) -> Iterator[Problem]:
        path = storage.join(self._path, COMPLETED)
        try:
            stated = dict(json.loads(storage.read_bytes(path)))
        except FileNotFoundError:
            yield Problem(path, f"missing, so the job has not ended; {self._again}")
            return
        except (ValueError, TypeError, RecursionError) as error:
            raise InputError(f"{path}: broken ({error}); {self._again}") from error
        found = summarise(self._path, stems).to_json()
        for name in ("shards", "rows", "digest"):
            if stated.get(name) != found[name]:
                yield Problem(
                    path,
                    f"{name} is {stated.get(name)}, the shards' stats add up to {found[name]}; "
                    f"{self._again}",
                )

    def _shard(self, stem: str, labelled: LabelledCheck) -> Iterator[Problem]:
        stats = read_stats(self._path, stem)
        if stats is None:
            return
        self._shards[stem] = stats
        damaged = [problem for name in stats.files for problem in self._file(name, stem, stats)]
        yield from damaged
        if damaged or self._command not in _KEYS:
            return  # a damaged file would only say the same in other words
        yield from self._table(stem, stats)
        if self._command == SHARDS:
            yield from _as_problems(labelled.problems(stem, stats))

    def _file(self, name: str, stem: str, stats: Stats) -> Iterator[Problem]:
        path, stated = storage.join(self._path, name), stats.files[name]
        size = storage.size(path)
        if size is None:
            yield Problem(path, f"missing; {self._again}")
        elif size != stated["bytes"]:
            yield Problem(path, f"{size} bytes, but {stated['bytes']} were written; {self._again}")
        elif storage.sha256(path) != stated["sha256"]:
            yield Problem(
                path, f"changed since it was written (its digest differs); {self._mend(stem)}"
            )

    def _table(self, stem: str, stats: Stats) -> Iterator[Problem]:
        path, rows = storage.join(self._path, stem + PARQUET), 0
        columns = list(_KEYS[self._command])
        for batch in read_batches(path, columns, batch_rows=8192):
            for key in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                if key <= self._last:
                    yield Problem(
                        path,
                        f"{key} follows {self._last}: out of order, or double; {self._mend(stem)}",
                    )
                self._last = key
            rows += batch.num_rows
        # The table of a download holds what failed as well.
        written = stats.rows_in if self._command == _DOWNLOAD else stats.rows
        if rows != written:
            yield Problem(path, f"{rows} rows, but {written} were written; {self._mend(stem)}")

    def _strangers(self) -> Iterator[Problem]:
        """Yield the files that a reader of ``*.tar`` would take for the job's, and are not."""
        ours = {name for stats in self._shards.values() for name in stats.files}
        for name in storage.list_names(self._path):
            if name.endswith(_DATA) and name not in ours:
                path = storage.join(self._path, name)
                yield Problem(path, f"no shard's stats name it; remove it, or {self._again}")

    def _mend(self, stem: str) -> str:
        return f"remove {stem}{STATS} and {self._again}"  # a rerun skips what has stats


def _guarded(problems: Iterator[Problem]) -> Iterator[Problem]:
    """Yield the problems; an error that ends them is the last one."""
    try:
        yield from problems
    except InputError as error:
        yield from _as_problems([str(error)])


def _as_problems(lines: Iterable[str]) -> Iterator[Problem]:
    for line in lines:
        file, _, message = line.partition(": ")
        yield Problem(file, message)


def _with_progress(stems: list[str], name: str) -> Iterable[str]:
    if not sys.stderr.isatty():
        return stems
    from rich.console import Console  # only a terminal pays for it
    from rich.progress import track

    return track(stems, description=f"check {name}", console=Console(stderr=True), transient=True)
