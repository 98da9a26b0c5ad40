"""Flags that several commands share, so that they mean and read the same everywhere."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tag2text import output
from vocab.errors import InputError, UsageError
from vocab.install import install_hint

if TYPE_CHECKING:
    from pipeline.count import Selection
    from pipeline.runner import RunnerConfig

# The jobs.
Output = Annotated[str, typer.Option(help="Directory to write, local, gs:// or s3://.")]
Manifest = Annotated[str, typer.Option(help="Directory that `tag2text manifest` made.")]
ImageRoot = Annotated[
    str | None, typer.Option(help="Local folder that the images' paths begin in.")
]
Quality = Annotated[int, typer.Option(min=1, max=100, help="Of the JPEGs that are written.")]
Parser = Annotated[
    Literal["rules", "sng"], typer.Option(help="Our rules, or SceneGraphParser's (the paper's).")
]
Workers = Annotated[int, typer.Option(min=1, help="Local processes.")]
TakeOver = Annotated[
    bool, typer.Option("--take-over", help="Take over the lock of a run on another, dead host.")
]
MaxBadRatio = Annotated[
    float, typer.Option(min=0.0, max=1.0, help="Share of bad rows past which the job fails.")
]
Top = Annotated[int, typer.Option(min=1, help="How many candidates to keep.")]
MinImages = Annotated[int, typer.Option(min=1, help="Images, unweighted, that must hold a tag.")]
Quota = Annotated[
    str | None,
    typer.Option(help="Places per kind: object=4000,action=400,attribute=600 (object: + scene)."),
]
Weight = Annotated[
    list[str] | None,
    typer.Option(help="What an image of a source counts: coco=3.5, or coco=113000/32509."),
]
# The review.
Project = Annotated[Path, typer.Option(help="Directory of project.toml.")]
Annotator = Annotated[
    str | None,
    typer.Option(
        envvar="TAG2TEXT_ANNOTATOR", help="Under whose name; by default that of the login."
    ),
]
Mined = Annotated[
    list[Path] | None,
    typer.Option(help="Output of `tag2text mine`, for captions and coverage; repeatable."),
]
# The model.
Images = Annotated[list[str], typer.Argument(help="Image files, folders, or glob patterns.")]
Model = Annotated[Path, typer.Option(help="Directory of a model.")]
Data = Annotated[
    list[str] | None,
    typer.Option(help="Labelled shards: a directory, or tars; repeatable."),
]
Threshold = Annotated[
    float | None, typer.Option(min=0, max=1, help="For all tags; default: each tag's own.")
]
Beams = Annotated[int, typer.Option(min=1, help="Beams of the search; 1 is greedy.")]
BatchSize = Annotated[int, typer.Option(min=1, help="Images worked on at once.")]
# What is printed.
JsonLines = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]

BEAM_FLAGS = {"allow_extra_args": True}
BEAM_EPILOG = "Flags after -- go to Apache Beam, for example: -- --runner=DataflowRunner ..."


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """Import heavy modules in a third less time, and end the process faster.

    What they define stays to the end, so the garbage collector need not look at it, now or then.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """End at once on ctrl-C while libraries are imported: some of them swallow the exception."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _end(number: int, frame: object) -> None:
    output.error("stopped")
    os._exit(130)  # nothing is written yet


@contextlib.contextmanager
def checked_flags() -> Iterator[None]:
    """Say that what is wrong is the usage: the flags are judged before anything is done."""
    try:
        yield
    except InputError as error:
        raise UsageError(str(error)) from error


@contextlib.contextmanager
def needs(extra: str) -> Iterator[None]:
    """Say which extra brings a library that is not installed."""
    try:
        with stoppable():
            yield
    except ModuleNotFoundError as error:
        raise InputError(f"{error.name} is missing: {install_hint(extra)}") from error


def check_file(path: Path | None) -> None:
    """Refuse a directory as the file to write, before hours of work rather than after."""
    if path is not None and path.is_dir():
        raise UsageError(f"--output {path}: is a directory; name a file to write")


def names(text: str) -> list[str]:
    """Return the parts of a flag that are separated by commas, without the empty ones."""
    return [name for part in text.split(",") if (name := part.strip())]


def selection(top: int, min_images: int, quota: str | None, weight: list[str] | None) -> Selection:
    """Return how to select candidates, from the flags."""
    from pipeline.count import Selection
    from vocab.candidates import parse_quota, parse_weights

    return Selection(
        top=top,
        min_images=min_images,
        quotas=parse_quota(quota) if quota else {},
        weights=parse_weights(weight or ()),
    )


def runner(context: typer.Context, workers: int) -> RunnerConfig:
    """Return where to run, from ``--workers`` and the flags after ``--``."""
    from pipeline.runner import RunnerConfig

    return RunnerConfig(workers, tuple(context.args))
