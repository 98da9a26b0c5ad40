"""What training says: JSON lines always, a bar or plain lines for people, and two services.

One line a record. ``step`` is in each; records of figures have numbers, events have ``event``.
"""

from __future__ import annotations

import contextlib
import json
import math
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from vocab.errors import InputError
from vocab.files import write_whole

FILE: Final = "log.jsonl"
SECONDS: Final = 10.0  # between two plain lines
_SHOWN: Final = ("loss", "mAP", "images_per_second")

Figures = Mapping[str, float]


class Log:
    """Writes a run's log into its directory; a process that is not the first has a silent one."""

    def __init__(self, folder: Path, *, step: int, steps: int, silent: bool = False) -> None:
        self.silent, self.steps = silent, steps
        self._services: list[Any] = []
        self._bar: Any = None
        self._said = 0.0
        if silent:
            return
        self._path = folder / FILE
        cut(self._path, step)
        self._file = self._path.open("a", encoding="utf-8")
        if sys.stderr.isatty():
            self._bar = _bar(step, steps)

    def add_tensorboard(self, folder: Path) -> None:
        """Log for TensorBoard into a folder, too."""
        if self.silent:
            return
        with _missing("tensorboard"):
            from torch.utils.tensorboard import SummaryWriter
        writer = SummaryWriter(str(folder))
        self._services.append((_to_tensorboard, writer))

    def add_wandb(self, project: str, config: Mapping[str, Any]) -> None:
        """Log to a project on Weights & Biases, too."""
        if self.silent:
            return
        with _missing("wandb"):
            import wandb  # type: ignore[import-not-found,unused-ignore]
        run = wandb.init(project=project, config=dict(config))
        self._services.append((_to_wandb, run))

    def figures(self, step: int, values: Figures, *, of: str = "training") -> None:
        """Record figures of a step; ``of`` says what they are of."""
        if self.silent:
            return
        self._write({"step": step, "of": of, **{name: _plain(v) for name, v in values.items()}})
        for send, service in self._services:
            send(service, step, {f"{of}/{name}": value for name, value in values.items()})
        self._show(step, values, of)

    def event(self, step: int, event: str, text: str, **details: Any) -> None:
        """Record and show that something happened."""
        if self.silent:
            return
        self._write({"step": step, "event": event, "text": text, **details})
        self.say(text)

    def say(self, text: str) -> None:
        """Show a line to whoever watches."""
        if self.silent:
            return
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False)
        else:
            print(text, file=sys.stderr, flush=True)  # noqa: T201

    def __enter__(self) -> Log:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.silent:
            return
        if self._bar is not None:
            self._bar.stop()
        for _, service in self._services:
            close = getattr(service, "finish", None) or service.close
            close()
        self._file.close()

    def _write(self, record: Mapping[str, Any]) -> None:
        try:
            self._file.write(json.dumps(record, ensure_ascii=False) + "\n")
            self._file.flush()
        except OSError as error:
            raise InputError(
                f"{self._path}: cannot be written ({error.strerror}); make room, then go on with "
                "--resume latest"
            ) from error

    def _show(self, step: int, values: Figures, of: str) -> None:
        shown = "  ".join(f"{name} {values[name]:.4g}" for name in _SHOWN if name in values)
        if self._bar is not None:
            if of == "training":
                self._bar.update(self._bar.task_ids[0], completed=step, description=shown)
                return
        elif of == "training" and step < self.steps and time.monotonic() - self._said < SECONDS:
            return
        self._said = time.monotonic()
        self.say(f"step {step:,} of {self.steps:,}  {of}: {shown}")


def cut(path: Path, step: int) -> None:
    """Leave the log's records up to a step: what came after it is done again."""
    if not path.exists():
        return
    kept = [line for line in path.read_bytes().split(b"\n") if _step_of(line) <= step]
    write_whole(path, b"".join(line + b"\n" for line in kept))


def _step_of(line: bytes) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf  # torn by a crash


def _plain(value: float) -> float | None:
    return round(value, 9) if math.isfinite(value) else None  # JSON has no NaN


def _bar(step: int, steps: int) -> Any:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (MofNCompleteColumn(), BarColumn(), TextColumn("{task.description}"))
    times = (TimeElapsedColumn(), TimeRemainingColumn())
    bar = Progress(*columns, *times, console=Console(stderr=True), redirect_stdout=False)
    bar.add_task("", total=steps, completed=step)
    bar.start()
    return bar


def _to_tensorboard(writer: Any, step: int, values: Figures) -> None:
    for name, value in values.items():
        writer.add_scalar(name, value, step)


def _to_wandb(run: Any, step: int, values: Figures) -> None:
    run.log(dict(values), step=step)


@contextlib.contextmanager
def _missing(package: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise InputError(f"{package} is missing: pip install {package}") from error
