"""The training loop: one process or many, which stops when asked and goes on where it was."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import time
from collections.abc import Generator, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final, cast

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from model.checkpoint import unique_tensors
from model.tag2text import Tag2Text
from train.begin import begin, claimed
from train.config import TrainConfig
from train.guard import Guard, Origin, Step, origin
from train.logs import Log
from train.optim import Average, clip_and_step, learning_rate, make_optimizer, set_rate
from train.ranks import Ranks, joined
from train.reader import worker_errors
from train.samples import Batch
from train.setup import open_reader, open_validation, saved_config
from train.state import (
    FOLDER,
    State,
    publish,
    save_checkpoint,
)
from train.stopping import Asked
from train.tasks import make_task
from train.validation import better, metric_of, validate
from vocab.errors import InputError, StoppedError

CONFIG: Final = "train.json"
MODEL: Final = "model"
BEST: Final = "best"


def train(config: TrainConfig) -> Path | None:
    """Train as configured; return the finished model's directory.

    ``None`` when told to stop before the end, and on all ranks but the first. SIGTERM ends
    training after the step at hand, with a checkpoint; so does Ctrl-C, which raises
    :class:`StoppedError`. :class:`InputError` for whatever is wrong with flags, data or disk.
    """
    with joined() as ranks, claimed(config, ranks):
        return Trainer(config, ranks, *begin(config, ranks)).run()


class Trainer:
    """The parts of a run, and where it is."""

    def __init__(
        self,
        config: TrainConfig,
        ranks: Ranks,
        model: Tag2Text,
        average: Average | None,
        state: State | None,
    ) -> None:
        self.config, self.ranks = config, ranks
        self.folder = Path(config.output)
        self.reader = open_reader(config, model, ranks)
        self.validation = open_validation(config, model, ranks)
        self.metric = metric_of(config.best_by, config.loss_weights())
        self.model = model.to(ranks.device)
        self.average = average
        self.task = make_task(model, config, ranks)
        still: set[str] = getattr(model.network.image_encoder.backbone, "no_weight_decay", set)()
        self.optimizer = make_optimizer(model.network, config, still)
        self.step, self.best = 0, None if state is None else state.best
        self.guard = Guard(() if state is None else state.recent)
        if state is not None:
            self._restore(state)
        self.per_epoch = max(1, self.reader.per_epoch // config.accumulate)
        self.steps = config.steps or config.epochs * self.per_epoch
        self.rate = learning_rate(config, steps=self.steps, per_epoch=self.per_epoch)
        self.module = self._parallel()
        self._rows: list[Tensor] = []
        self._origins: list[tuple[Origin, ...]] = []
        self._names: list[str] = []
        self._waited = 0.0
        self._began = time.perf_counter()

    def run(self) -> Path | None:
        """Train to the end, or until asked to stop."""
        each = self.config.accumulate
        batches = self.reader.batches(self.step * each, self.steps * each)
        with (
            Asked() as asked,
            self._log() as self.log,
            worker_errors(),
            contextlib.closing(cast(Generator[Batch, None, None], batches)),
        ):
            self.task.train()
            self._began = time.perf_counter()
            while self.step < self.steps:
                self._one_step(batches)
                stop = self.ranks.any(bool(asked))
                if stop or self._is_due(self.config.log_every):
                    self._report()
                if stop or self._is_due(self.config.save_every):
                    self._save()
                if stop and self.step < self.steps:
                    self._stopped(asked)
                    return None
            return self._finish()

    def _is_due(self, every: int) -> bool:
        return self.step % every == 0 or self.step == self.steps

    def _one_step(self, batches: Iterator[Batch]) -> None:
        """Move the weights once; nothing here waits for the device."""
        asked_for = time.perf_counter()
        parts = list(islice(batches, self.config.accumulate))
        self._waited += time.perf_counter() - asked_for
        torch.manual_seed(_seed(self.config.seed, self.step, self.ranks.rank))
        sums: Tensor | None = None
        for number, batch in enumerate(parts, 1):
            with self._synced(number == len(parts)):
                figures = self._backward(batch.to(self.ranks.device), 1 / len(parts))
            sums = figures if sums is None else sums + figures
        set_rate(self.optimizer, self.rate(self.step))
        length = clip_and_step(self.optimizer, self.model.network.parameters(), self.config.clip)
        self.step += 1
        self.task.after_step()
        if self.average is not None:
            self.average.update(self.model.network, self.step)
        if sums is not None:
            self._rows.append(torch.cat((sums, length[None])))
            self._origins.append(tuple(map(origin, parts)))

    def _backward(self, batch: Batch, weight: float) -> Tensor:
        """Add a batch's gradient; return its weighted loss and named losses."""
        with self._autocast():
            losses = self.module(batch)
            loss = self.task.total(losses) * weight
        torch.autograd.backward(loss)
        self._names = ["loss", *losses]
        return torch.stack([loss.detach(), *(value.detach() * weight for value in losses.values())])

    def _report(self) -> None:
        """Log what happened since the last time: the only wait for the device."""
        if not self._rows:
            return
        table = (self.ranks.total(torch.stack(self._rows)) / self.ranks.world).tolist()
        first = self.step - len(table) + 1
        steps = [
            Step(first + number, row[0], row[-1], origins)
            for number, (row, origins) in enumerate(zip(table, self._origins, strict=True))
        ]
        for finding in self.guard.watch(steps):
            origins = [one for rank in self.ranks.from_each(finding.step.origins) for one in rank]
            found = [{"epoch": o.epoch, "batch": o.number, "keys": o.keys} for o in origins]
            self.log.event(finding.step.step, finding.event, finding.text, batches=found)
        self._log_figures(table)
        self._rows, self._origins = [], []

    def _log_figures(self, table: list[list[float]]) -> None:
        now = time.perf_counter()
        seconds, count = max(1e-9, now - self._began), len(table)
        means = [sum(column) / count for column in zip(*table, strict=True)]
        images = count * self.config.accumulate * self.config.batch_size * self.ranks.world
        figures = {
            **dict(zip([*self._names, "gradient"], means, strict=True)),
            "lr": self.rate(self.step - 1),
            "images_per_second": images / seconds,
            "data_share": self._waited / seconds,
        }
        if self.ranks.device.type == "cuda":
            figures["memory_gb"] = torch.cuda.max_memory_allocated() / 1e9
        self.log.figures(self.step, figures)
        self._began, self._waited = now, 0.0

    def _save(self) -> None:
        """Validate where that is due, keep the best, write a checkpoint.

        One who asks to stop waits for the checkpoint alone: a signal to end has a deadline.
        """
        self._report()
        shown = self._shown()
        if self.validation is not None and self._is_due(self.config.save_every):
            figures = validate(
                self.task, shown.network, self.validation, self.ranks, self._autocast()
            )
            self.log.figures(self.step, figures, of="validation")
            self._keep_best(figures, shown)
        state = State(
            step=self.step,
            optimizer=self.optimizer.state_dict(),
            reader=self.reader.state(self.step * self.config.accumulate),
            config=saved_config(self.config),
            task=self.task.extra_state(),
            weights={} if self.average is None else unique_tensors(self.model.network),
            recent=self.guard.recent,
            best=self.best,
        )
        folder, keep = self.folder / FOLDER, self.config.keep
        self.ranks.at_first(lambda: save_checkpoint(folder, shown, state, keep=keep))
        self._began = time.perf_counter()

    def _keep_best(self, figures: dict[str, float], shown: Tag2Text) -> None:
        metric = self.metric
        value = figures[metric]
        if self.best is None or self.best[0] != metric or better(metric, value, self.best[1]):
            self.best = (metric, value, self.step)
            self.ranks.at_first(lambda: publish(self.folder / BEST, shown.save_pretrained))

    def _finish(self) -> Path | None:
        made, shown = self.folder / MODEL, self._shown()
        self.ranks.at_first(lambda: publish(made, shown.save_pretrained))
        return made if self.ranks.first else None

    def _stopped(self, asked: Asked) -> None:
        self.log.event(self.step, "stopped", f"stopped after step {self.step}, all is saved")
        if self.ranks.any(asked.by_key):
            raise StoppedError(f"stopped after step {self.step}; go on with --resume latest")

    def _shown(self) -> Tag2Text:
        """Return the model as others should have it: of averaged weights, where there are."""
        if self.average is None:
            return self.model
        model = self.model
        return Tag2Text(self.average.network, model.vocabulary, model.tokenizer)

    def _restore(self, state: State) -> None:
        place = self.reader.resume(dict(state.reader))
        if place != state.step * self.config.accumulate:
            raise InputError("cannot resume: --accumulate was another; give that of the first run")
        self.step = state.step
        decays = [group["weight_decay"] for group in self.optimizer.param_groups]
        self.optimizer.load_state_dict(dict(state.optimizer))
        for group, decay in zip(self.optimizer.param_groups, decays, strict=True):
            group["weight_decay"] = decay  # the flag's, not the checkpoint's
        self.task.load_extra_state(state.task)

    def _parallel(self) -> nn.Module:
        if self.config.compile:
            self.model.network.image_encoder.compile()
        if self.ranks.world == 1:
            return self.task
        return DistributedDataParallel(
            self.task,
            gradient_as_bucket_view=True,
            find_unused_parameters=self.task.partial,
            # Buffers are constants, or the queue, which all ranks fill alike.
            **{_SYNC: False},  # type: ignore[arg-type]
        )

    def _synced(self, last: bool) -> contextlib.AbstractContextManager[Any]:
        """Return a context in which ranks add their gradients only after the last batch."""
        if isinstance(self.module, DistributedDataParallel) and not last:
            return self.module.no_sync()
        return contextlib.nullcontext()

    def _autocast(self) -> torch.autocast:
        device = self.ranks.device.type  # bf16 on CPUs is many times slower than float32
        wanted = device == "cuda" and self.config.precision == "bf16"
        return torch.autocast(device, torch.bfloat16, enabled=wanted)

    def _log(self) -> Log:
        log = Log(self.folder, step=self.step, steps=self.steps, silent=not self.ranks.first)
        if self.config.tensorboard:
            log.add_tensorboard(self.folder / "tensorboard")
        if self.config.wandb:
            log.add_wandb(self.config.wandb, saved_config(self.config))
        return log


_SYNC: Final = (  # the second is the name up to torch 2.13
    "forward_sync_buffers"
    if "forward_sync_buffers" in inspect.signature(DistributedDataParallel).parameters
    else "broadcast_buffers"
)


def _seed(seed: int, step: int, rank: int) -> int:
    """Return the seed of a step's draws on a rank: a checkpoint needs no generators' states."""
    digest = hashlib.blake2b(f"{seed} {step} {rank}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
