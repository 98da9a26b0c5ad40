"""Checkpoints: directories that appear whole or not at all, and how to go on from one.

``checkpoints/00001000/`` is a model as :meth:`Tag2Text.from_pretrained` loads it, and ``state.pt``
beside its weights: plain containers and tensors, which are read without running anything. No
state of random generators is kept: draws are functions of (seed, step, rank) and of (seed, epoch,
sample).
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import NoneType
from typing import Any, Final

import torch
from safetensors import SafetensorError
from torch import Tensor

from model.checkpoint import read_pickle
from model.tag2text import Tag2Text
from vocab.errors import InputError

STATE: Final = "state.pt"
FOLDER: Final = "checkpoints"
LATEST: Final = "latest"
FORMAT: Final = 1
_OLD: Final = ".old.tmp"  # of a directory while another takes its place


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What training knows after ``step`` steps, beside the weights in the same directory.

    ``weights`` are the network's where the directory's are an average; ``task`` is a task's own
    (queue, momentum encoders); ``reader`` says where in the data; ``recent`` losses and ``best``
    (metric, value, step) are what later ones are compared with. ``config`` is JSON's.
    """

    step: int
    optimizer: Mapping[str, Any]
    reader: Mapping[str, int]
    config: Mapping[str, Any]
    task: Mapping[str, Tensor] = field(default_factory=dict)
    weights: Mapping[str, Tensor] = field(default_factory=dict)
    recent: tuple[float, ...] = ()
    best: tuple[str, float, int] | None = None


def save_checkpoint(folder: Path, model: Tag2Text, state: State, *, keep: int) -> Path:
    """Write a checkpoint into ``folder`` and leave the newest ``keep``; return its directory.

    Those of later steps go: training went on from an earlier one, and they are of the course that
    it left, or could not be read.
    """

    def fill(directory: Path) -> None:
        model.save_pretrained(directory)
        _save_state(directory / STATE, state)

    made = folder / f"{state.step:08d}"
    publish(made, fill)
    found = checkpoints(folder)
    end = found.index(made) + 1
    for other in (*found[: max(0, end - keep)], *found[end:]):
        shutil.rmtree(other, ignore_errors=True)
    return made


def publish(directory: Path, fill: Callable[[Path], None]) -> None:
    """Make a directory, under a temporary name until it is whole and on the disk.

    :class:`InputError` when it cannot be written, and then nothing of it stays.
    """
    temporary = directory.with_name(f".{directory.name}.{os.getpid()}.tmp")
    try:
        with _write_errors(directory):
            temporary.mkdir(parents=True)
            fill(temporary)
            _sync(temporary)
            old = directory.with_name(f".{directory.name}.{os.getpid()}{_OLD}")
            if directory.exists():
                directory.rename(old)
            temporary.rename(directory)
            _sync(directory.parent)
            shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def checkpoints(folder: Path) -> list[Path]:
    """Return the checkpoints of a folder, the oldest first."""
    return sorted(path for path in folder.glob("*") if path.name.isdecimal() and path.is_dir())


def clear(folder: Path) -> None:
    """Remove what a process that was killed left half-written; put back what it had put aside."""
    for path in folder.glob(f".*{_OLD}"):
        name = path.name.removesuffix(_OLD).removeprefix(".").rpartition(".")[0]
        if not (folder / name).exists():
            path.rename(folder / name)
    for path in folder.glob(".*.tmp"):
        shutil.rmtree(path, ignore_errors=True)


def load_checkpoint(directory: Path) -> tuple[Tag2Text, State]:
    """Return model, on the CPU, and state; :class:`InputError` for files that are not whole."""
    if not (directory / STATE).exists():
        raise InputError(f"{directory}: has no {STATE}, so training cannot go on from it")
    content = read_pickle(directory / STATE)
    found, expected = content.pop("format", None), set(State.__dataclass_fields__)
    if found != FORMAT or set(content) != expected or not _typed(content):
        raise InputError(f"{directory / STATE}: is not of this version of the trainer")
    return Tag2Text.from_pretrained(directory, device="cpu"), State(**_copied(content))


def load_latest(folder: Path, say: Callable[[str], None]) -> tuple[Tag2Text, State] | None:
    """Return the newest checkpoint that loads, ``None`` when there is none; the broken are said.

    :class:`InputError` when there are some and none loads.
    """
    found = checkpoints(folder)
    for directory in reversed(found):
        try:
            return load_checkpoint(directory)
        except InputError as error:
            say(f"passed over a checkpoint: {error}")
    if found:
        raise InputError(f"{folder}: no checkpoint there can be read; begin with a new --output")
    return None


def _typed(content: Mapping[str, Any]) -> bool:
    """Return whether the fields have the types that the trainer counts on."""
    maps = (content[name] for name in ("optimizer", "reader", "config", "task", "weights"))
    return (
        type(content["step"]) is int
        and type(content["recent"]) is tuple
        and type(content["best"]) in (tuple, NoneType)
        and all(isinstance(each, dict) for each in maps)
        and type(content["reader"].get("position")) is int
    )


def _save_state(path: Path, state: State) -> None:
    content = {name: getattr(state, name) for name in State.__dataclass_fields__}
    with path.open("wb") as file:
        torch.save({"format": FORMAT, **content}, file)
        file.flush()
        os.fsync(file.fileno())


def _copied(value: Any) -> Any:
    """Return plain containers with tensors of their own: those read lie in the mapped file."""
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, dict):
        return {key: _copied(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_copied(each) for each in value)
    return value


@contextlib.contextmanager
def _write_errors(directory: Path) -> Iterator[None]:
    """Say in one line that a directory could not be written; libraries raise as they please."""
    try:
        yield
    except (OSError, SafetensorError, RuntimeError) as error:
        raise InputError(
            f"{directory}: cannot be written ({_reason(error)}); make room, then go on with "
            "--resume latest: the checkpoints before it are whole"
        ) from error


def _reason(error: BaseException) -> str:
    """Return why something cannot be written; torch raises its own error over the system's."""
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, OSError) and found.strerror:
            return found.strerror
        found = found.__context__
    return " ".join(str(error).split())[:200]


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
