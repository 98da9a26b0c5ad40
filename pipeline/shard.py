"""One shard of a job's output: its files, its bad rows and the stats that say it is done."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from pipeline import storage
from vocab.errors import InputError

STATS: Final = "_stats.json"
BAD: Final = "bad"
# What JSON that is something else raises; an infinite number and deep nesting do, too.
_NOT_STATS = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
_DETAIL_LIMIT = 200


def shard_name(number: int) -> str:
    """Return the five-digit name that a shard has in every stage."""
    return f"{number:05d}"


def dumps(value: Any) -> bytes:
    """Return JSON that is the same bytes for the same value, readable by a person."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    return text.encode("utf-8", "backslashreplace")  # half a surrogate pair stays its escape


@dataclass(frozen=True, slots=True)
class Stats:
    """What ``<stem>_stats.json`` says of a finished shard.

    ``rows_in`` counts what came in, ``rows`` what was written, ``bad`` the rows set aside by
    reason; ``files`` gives size and digest of every file by name, ``inputs`` the digests of what
    it was made from, ``counts`` whatever else the job counts.
    """

    rows_in: int
    rows: int
    bad: dict[str, int]
    files: dict[str, dict[str, Any]]
    inputs: dict[str, str]
    counts: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        """Return the form that is written to disk."""
        return {name: getattr(self, name) for name in Stats.__slots__}


def read_stats(directory: str, stem: str) -> Stats | None:
    """Return the stats of a shard, ``None`` where the shard was never finished."""
    path = storage.join(directory, stem + STATS)
    try:
        return _stats_of(json.loads(storage.read_bytes(path)))
    except FileNotFoundError:
        return None
    except _NOT_STATS as error:
        raise InputError(
            f"{path}: not the stats of a shard ({error!r}); remove the file to make it anew"
        ) from error


def _stats_of(loaded: Any) -> Stats:
    """Return stats of JSON that may be anything; what does not fit raises one of many errors."""
    return Stats(
        rows_in=int(loaded["rows_in"]),
        rows=int(loaded["rows"]),
        bad={str(reason): int(n) for reason, n in loaded["bad"].items()},
        files={
            _checked_name(name): {"bytes": int(file["bytes"]), "sha256": str(file["sha256"])}
            for name, file in loaded["files"].items()
        },
        inputs={str(name): str(digest) for name, digest in loaded["inputs"].items()},
        counts={str(name): int(n) for name, n in loaded["counts"].items()},
    )


def input_digest(directory: str, stem: str, suffix: str, *, command: str) -> str:
    """Return the digest of a file of the shard ``stem`` that ``command`` made, from its stats.

    Raises:
        InputError: that shard is not finished, or has no such file.
    """
    stats = read_stats(directory, stem)
    if stats is None or stem + suffix not in stats.files:
        raise InputError(f"{directory}: shard {stem} is not finished; run {command} again")
    return str(stats.files[stem + suffix]["sha256"])


def _checked_name(name: str) -> str:
    """Refuse a name that leads out of the shard's directory."""
    if name.startswith("/") or ".." in name.split("/") or not name.isprintable():
        raise ValueError(f"impossible file name {name[:80]!r}")
    return name


def list_stems(directory: str) -> list[str]:
    """Return the stems of the finished shards of a directory, in order."""
    names = storage.list_names(directory)
    return [name.removesuffix(STATS) for name in names if name.endswith(STATS)]


def is_done(directory: str, stem: str, inputs: dict[str, str]) -> bool:
    """Say whether a shard is finished, beside its stats, and made from ``inputs``.

    Sizes are compared here, digests by ``tag2text check``: a rerun must not read terabytes.
    """
    stats = read_stats(directory, stem)
    if stats is None or stats.inputs != inputs:
        return False
    return all(
        storage.size(storage.join(directory, name)) == file["bytes"]
        for name, file in stats.files.items()
    )


@dataclass(slots=True)
class ShardOutput:
    """Writes one shard so that it appears whole or not at all.

    Within the ``with`` block files are temporary; at its end they are synced and renamed, the
    stats last. An exception in the block leaves nothing behind. ``extra`` are fields that other
    tools look for in the stats, beside ours.
    """

    directory: str
    stem: str
    stage: str
    inputs: dict[str, str]
    rows_in: int = 0
    rows: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    extra: dict[str, Any] = field(default_factory=dict)
    _bad: Counter[str] = field(default_factory=Counter)
    _bad_lines: list[str] = field(default_factory=list)
    _files: dict[str, Path] = field(default_factory=dict)

    def file(self, suffix: str) -> Path:
        """Return the temporary path of the file that will be ``<stem><suffix>``."""
        return self.named(self.stem + suffix)

    def named(self, name: str) -> Path:
        """Return the temporary path of the file that will be ``name``."""
        with storage.disk_errors(storage.join(self.directory, name)):
            local = storage.temporary(storage.join(self.directory, name))
        self._files[name] = local
        return local

    def bad(self, key: str, reason: str, detail: str = "") -> None:
        """Record a row that cannot be used: a line in ``bad/<stem>.jsonl`` and a counter."""
        self._bad[reason] += 1
        self.leave_out(key, reason, detail)

    def leave_out(self, key: str, reason: str, detail: str = "") -> None:
        """Record a row that is not wanted: a line among the bad ones, without being one."""
        row = {"key": key, "stage": self.stage, "reason": reason, "detail": detail[:_DETAIL_LIMIT]}
        self._bad_lines.append(json.dumps(row, ensure_ascii=True))

    def reasons(self) -> Counter[str]:
        """Return how many rows are bad, by reason."""
        return Counter(self._bad)

    def __enter__(self) -> ShardOutput:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is None:
                with storage.disk_errors(storage.join(self.directory, self.stem)):
                    self._publish()
        finally:
            for local in self._files.values():
                local.unlink(missing_ok=True)

    def _publish(self) -> None:
        bad_name = f"{BAD}/{self.stem}.jsonl"
        if self._bad_lines:
            self.named(bad_name).write_text("".join(line + "\n" for line in self._bad_lines))
        else:
            storage.remove(storage.join(self.directory, bad_name))  # of an earlier, other input
        with ThreadPoolExecutor(max_workers=1) as disk:
            synced = disk.map(storage.sync, self._files.values())  # the disk works while we hash
            files = {
                name: {"bytes": local.stat().st_size, "sha256": storage.sha256(str(local))}
                for name, local in sorted(self._files.items())
            }
            list(synced)
        for name, local in self._files.items():
            storage.publish(local, storage.join(self.directory, name))
        stats = Stats(
            rows_in=self.rows_in,
            rows=self.rows,
            bad=dict(self._bad),
            files=files,
            inputs=self.inputs,
            counts=dict(self.counts),
        )
        content = dumps(self.extra | stats.to_json())
        storage.write_bytes(storage.join(self.directory, self.stem + STATS), content)
