"""Where a run begins: with a new model, or with what a checkpoint holds."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import filelock

from model.checkpoint import fill
from model.tag2text import Tag2Text
from train.config import TrainConfig, changes
from train.optim import Average
from train.ranks import Ranks
from train.setup import new_model
from train.state import (
    FOLDER,
    LATEST,
    STATE,
    State,
    checkpoints,
    clear,
    load_checkpoint,
    load_latest,
)
from vocab.errors import InputError
from vocab.files import write_whole

CONFIG: Final = "train.json"
LOCK: Final = "train.lock"
PATIENCE: Final = 20.0  # seconds: data workers of a killed run need some to see that it is gone


def begin(config: TrainConfig, ranks: Ranks) -> tuple[Tag2Text, Average | None, State | None]:
    """Return what to begin with, saved or new: a model, the average of its weights, the state."""
    folder = Path(config.output)

    def say(text: str) -> None:
        if ranks.first:
            print(text, file=sys.stderr, flush=True)  # noqa: T201

    model, state = _resumed(config, folder, say) or (new_model(config, ranks), None)
    average = Average(model.network, config.ema) if config.ema else None
    if average is not None:
        average.network.to(ranks.device)
    if state is not None:
        if len(set(ranks.from_each(state.step))) > 1:
            raise InputError(f"{folder}: the ranks find different checkpoints; share the directory")
        changed = changes(config, state.config)
        say(f"going on after step {state.step}" + "".join(f"; {each}" for each in changed))
        if state.weights:  # those saved as the model are the average
            fill(model.network, state.weights, STATE)
    ranks.at_first(lambda: write_whole(folder / CONFIG, config.to_json()))
    return model, average, state


@contextlib.contextmanager
def claimed(config: TrainConfig, ranks: Ranks) -> Iterator[None]:
    """Keep the output directory from other runs meanwhile; the lock goes with the process.

    :class:`InputError` when another holds it, or a run lies there that is not to be resumed.
    """
    folder = Path(config.output)
    lock = filelock.FileLock(folder / LOCK)
    ranks.at_first(lambda: _claim(config, folder, lock))
    try:
        yield
    finally:
        lock.release()


def _claim(config: TrainConfig, folder: Path, lock: filelock.BaseFileLock) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=PATIENCE)
    except filelock.Timeout:
        raise InputError(f"{folder}: another process trains there; give another --output") from None
    except OSError as error:
        raise InputError(f"{folder}: cannot be written ({error.strerror}); check it") from error
    clear(folder)
    clear(folder / FOLDER)
    if checkpoints(folder / FOLDER) and not config.resume:
        raise InputError(
            f"{folder}: holds checkpoints of a run; go on with --resume latest, or give another "
            "--output"
        )


def _resumed(
    config: TrainConfig, folder: Path, say: Callable[[str], None]
) -> tuple[Tag2Text, State] | None:
    if config.resume == LATEST:
        return load_latest(folder / FOLDER, say)
    return load_checkpoint(Path(config.resume)) if config.resume else None
