"""The output directory of a job: who writes in it, what made it, and whether it is complete."""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import os
import shutil
import socket
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import filelock

from pipeline import storage
from pipeline.shard import BAD, dumps, list_stems, read_stats
from vocab.errors import InputError
from vocab.version import __version__

INFO: Final = "info.json"
COMPLETED: Final = "COMPLETED"
LOCK: Final = "lock.json"
FAILED: Final = "failed"


@dataclass(frozen=True, slots=True)
class Job:
    """What a run is about to do.

    ``config`` is every setting that shapes the output; ``inputs`` names what it is made from and
    its fingerprint. Both are written to ``info.json``, and a rerun must agree with them.
    """

    command: str
    output: str
    config: dict[str, Any]
    inputs: dict[str, str]
    max_bad_ratio: float = 1.0
    take_over: bool = False

    def info(self) -> dict[str, Any]:
        """Return the content of ``info.json``: no time and no host, so that it is reproducible."""
        return {
            "command": self.command,
            "version": __version__,
            "config": self.config,
            "inputs": self.inputs,
        }


@dataclass(slots=True)
class Summary:
    """The totals over the shards of a finished directory."""

    shards: int = 0
    rows_in: int = 0
    rows: int = 0
    bad: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    digest: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``COMPLETED``."""
        return {
            "shards": self.shards,
            "rows_in": self.rows_in,
            "rows": self.rows,
            "bad": dict(self.bad),
            "counts": dict(self.counts),
            "digest": self.digest,
        }


@contextlib.contextmanager
def open_output(job: Job) -> Iterator[None]:
    """Hold an output directory for one run: lock it, check what made it, clear leftovers.

    Raises:
        InputError: another run writes there, or the directory was made with other settings.
    """
    if not storage.is_remote(job.output):
        with storage.disk_errors(job.output):
            _make_directory(job.output)
    with _lock(job):
        _agree_with_info(job)
        _clear_leftovers(job.output)
        yield
        _clear_temporary(job.output)


def begin_work(directory: str) -> None:
    """Take back ``COMPLETED`` before the first file changes."""
    storage.remove(storage.join(directory, COMPLETED))


def finish(job: Job, stems: Iterable[str]) -> Summary:
    """Add up the stats, refuse too many bad rows, and write ``COMPLETED``.

    Raises:
        InputError: a shard is missing, or more than ``max_bad_ratio`` of the rows were bad.
    """
    stems = sorted(stems)
    _refuse_missing(job.output, stems)
    summary = summarise(job.output, stems)
    _refuse_bad(job, summary)
    storage.update_bytes(storage.join(job.output, COMPLETED), dumps(summary.to_json()))
    return summary


def summarise(directory: str, stems: Iterable[str]) -> Summary:
    """Add up the stats of the finished shards among ``stems``."""
    total, digest = Summary(), hashlib.sha256()
    for stem in stems:
        stats = read_stats(directory, stem)
        if stats is None:
            continue
        total.shards += 1
        total.rows_in += stats.rows_in
        total.rows += stats.rows
        total.bad.update(stats.bad)
        total.counts.update(stats.counts)
        digest.update(dumps({stem: stats.to_json()}))
    total.digest = digest.hexdigest()
    return total


def read_info(directory: str) -> dict[str, Any]:
    """Return ``info.json`` of a directory that a job made.

    Raises:
        InputError: no job of ours made this directory.
    """
    path = storage.join(directory, INFO)
    try:
        info = json.loads(storage.read_bytes(path))
    except FileNotFoundError:
        raise InputError(
            f"{directory}: no {INFO} there; name the output directory of an earlier command"
        ) from None
    except NotADirectoryError:
        raise InputError(
            f"{directory}: is a file; name the output directory of an earlier command"
        ) from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: broken ({error}); make the directory anew") from error
    if not isinstance(info, dict) or not isinstance(info.get("config"), dict):
        raise InputError(f"{path}: not what a job writes; make the directory anew")
    return info


def read_completed(directory: str, command: str) -> Summary:
    """Return the totals of a finished directory that ``command`` made.

    Raises:
        InputError: another command made it, or it is not finished.
    """
    info = read_info(directory)
    if info.get("command") != command:
        raise InputError(
            f"{directory}: made by `tag2text {info.get('command')}`, "
            f"but the output of `tag2text {command}` is needed here"
        )
    try:
        stated = json.loads(storage.read_bytes(storage.join(directory, COMPLETED)))["digest"]
    except (FileNotFoundError, ValueError, TypeError, KeyError, RecursionError):
        raise InputError(
            f"{directory}: not finished; run its `tag2text {command}` again to complete it"
        ) from None
    found = summarise(directory, list_stems(directory))
    if found.digest != stated:
        raise InputError(
            f"{directory}: its shards are not those that it was finished with; "
            f"run its `tag2text {command}` again"
        )
    return found


def _make_directory(path: str) -> None:
    try:
        Path(path).mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise InputError(f"{path}: is a file; give --output another directory") from None
    except PermissionError:
        raise InputError(f"{path}: no permission to write; give --output another one") from None


@contextlib.contextmanager
def _lock(job: Job) -> Iterator[None]:
    """Keep a second run out; a run that died on this host frees the directory by itself."""
    held = contextlib.nullcontext() if storage.is_remote(job.output) else _system_lock(job.output)
    path = storage.join(job.output, LOCK)
    with held:
        _refuse_foreign_lock(job, path)
        owner = {"host": socket.gethostname(), "pid": os.getpid(), "since": _now()}
        storage.write_bytes(path, dumps(owner))
        try:
            yield
        finally:
            storage.remove(path)


@contextlib.contextmanager
def _system_lock(directory: str) -> Iterator[None]:
    lock = filelock.FileLock(Path(directory, ".lock"))
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        owner = _owner(storage.join(directory, LOCK))
        raise InputError(
            f"{directory}: another run ({owner}) is writing there; wait for it or stop it"
        ) from None
    try:
        yield
    finally:
        lock.release()


def _refuse_foreign_lock(job: Job, path: str) -> None:
    """A lock left by another host may belong to a live run: only its owner can tell."""
    if job.take_over or storage.size(path) is None:
        return
    with contextlib.suppress(ValueError, KeyError, TypeError, FileNotFoundError):
        if json.loads(storage.read_bytes(path))["host"] == socket.gethostname() and (
            not storage.is_remote(path)
        ):
            return  # ours, and the system lock was free: that run is dead
    raise InputError(
        f"{job.output}: locked by {_owner(path)}; if that run is dead, add --take-over"
    )


def _owner(path: str) -> str:
    try:
        owner = json.loads(storage.read_bytes(path))
        return f"host {owner['host']}, process {owner['pid']}, since {owner['since']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "owner unknown"


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")


def _agree_with_info(job: Job) -> None:
    """Write ``info.json``, or compare with the one that finished shards were made by."""
    path, new = storage.join(job.output, INFO), job.info()
    if storage.size(path) is None or not list_stems(job.output):
        storage.update_bytes(path, dumps(new))
        return
    old = read_info(job.output)
    if old.get("command") != job.command:
        raise InputError(
            f"{job.output}: made by `tag2text {old.get('command')}`; give another --output"
        )
    changed = _differences(old, json.loads(dumps(new)))
    if changed:
        raise InputError(
            f"{job.output}: made with other settings ({'; '.join(changed)}); "
            "give another --output, or remove this directory"
        )


def _differences(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    flat_old, flat_new = _flatten(old), _flatten(new)
    names = sorted(flat_old.keys() | flat_new.keys())
    return [
        f"{name} was {flat_old.get(name)!r}, now {flat_new.get(name)!r}"
        for name in names
        if flat_old.get(name) != flat_new.get(name)
    ]


def _flatten(info: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in info.items():
        flat.update(value if isinstance(value, dict) else {name: value})
    return flat


def _clear_leftovers(directory: str) -> None:
    """Remove the temporary files and the failure notes of a run that ended before its time."""
    if storage.is_remote(directory):
        for name in storage.list_names(storage.join(directory, FAILED)):
            storage.remove(storage.join(directory, FAILED, name))
        return
    _clear_temporary(directory)
    shutil.rmtree(Path(directory, FAILED), ignore_errors=True)


def _clear_temporary(directory: str) -> None:
    if not storage.is_remote(directory):
        for folder in Path(directory).glob(f"**/{storage.TEMPORARY}"):
            shutil.rmtree(folder, ignore_errors=True)


def _refuse_missing(directory: str, stems: list[str]) -> None:
    missing = sorted(set(stems) - set(list_stems(directory)))
    if not missing:
        return
    why = ""
    with contextlib.suppress(FileNotFoundError):
        why = storage.read_bytes(storage.join(directory, FAILED, f"{missing[0]}.txt")).decode()
    raise InputError(
        f"{directory}: {len(missing)} of {len(stems)} shards failed, first {missing[0]}: "
        f"{why or 'no reason recorded'}; mend that and run the same command again"
    )


def _refuse_bad(job: Job, summary: Summary) -> None:
    bad = sum(summary.bad.values())
    ratio = bad / summary.rows_in if summary.rows_in else 0.0
    if ratio <= job.max_bad_ratio:
        return
    reason, count = summary.bad.most_common(1)[0]
    raise InputError(
        f"{job.output}: {bad} of {summary.rows_in} rows are bad ({ratio:.1%}, allowed "
        f"{job.max_bad_ratio:.1%}), most of them {reason} ({count}); see {BAD}/*.jsonl there, "
        "or raise --max-bad-ratio and run again"
    )
