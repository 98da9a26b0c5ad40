"""Reading labelled shards in an order that can be resumed in the middle of an epoch, exactly.

The order of an epoch is a function of seed and epoch, and batch ``b`` is made of the ``b``-th part
of it, in whatever process: so any number of workers gives the same batches, the ranks' batches are
the parts of one global batch, and a place in training is one number, the batches that went before.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import Any, Final, NamedTuple, cast

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from train.samples import Batch, Sample, SampleMaker
from train.shards import BadSampleError, ShardSet
from vocab.errors import InputError

ATTEMPTS: Final = 32  # samples tried in place of one that cannot be used
_EARLY: Final = 1000  # samples before which the ratio of bad ones says little


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderConfig:
    """How to read: ``batch_size`` is of one rank, ``prefetch`` batches ahead a worker.

    No more than ``max_bad_ratio`` of the samples may be unusable.
    """

    batch_size: int
    seed: int = 0
    workers: int = 2
    rank: int = 0
    world: int = 1
    prefetch: int = 4
    pin_memory: bool = False
    max_bad_ratio: float = 0.01

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.workers < 0 or self.prefetch < 1:
            raise InputError("batch size and prefetch must be 1 or more, workers 0 or more")
        if not 0 <= self.rank < self.world:
            raise InputError(f"rank {self.rank} is not one of {self.world}")
        if not 0 <= self.max_bad_ratio <= 1:
            raise InputError(f"--max-bad-ratio {self.max_bad_ratio:g}: a ratio is 0 to 1")

    @property
    def global_batch(self) -> int:
        """Samples of all ranks in a batch."""
        return self.batch_size * self.world

    def per_epoch(self, samples: int) -> int:
        """Return the whole batches in an epoch; :class:`InputError` when there is none."""
        if samples < self.global_batch:
            raise InputError(
                f"{samples:,} samples do not fill a batch of {self.global_batch:,} on "
                f"{self.world} rank(s); lower --batch-size or give more shards"
            )
        return samples // self.global_batch


class Request(NamedTuple):
    """Which batch to make: the ``number``-th of an epoch, of the samples ``rows``."""

    epoch: int
    number: int
    rows: list[int]


class IndexedReader:
    """Batches of the samples of some shards: endless and shuffled, or once and in order."""

    def __init__(self, shards: ShardSet, maker: SampleMaker, config: ReaderConfig) -> None:
        self.shards, self.maker, self.config = shards, maker, config

    @property
    def per_epoch(self) -> int:
        """Batches in an epoch; what does not fill the last one is left out, others each time."""
        return self.config.per_epoch(len(self.shards))

    def batches(self, start: int = 0, stop: int | None = None) -> Iterator[Batch]:
        """Yield batches from the ``start``-th on, over all epochs, endlessly without ``stop``.

        A sample that cannot be used is counted, and another takes its place, drawn from (seed,
        epoch, sample): ranks stay in step. :class:`InputError` when too many are, or when a
        worker dies.
        """
        requests = _Shuffled(len(self.shards), self.config, start, stop)
        return checked(
            load(IndexedDataset(self.shards, self.maker), requests, self.config), self.config
        )

    def once(self) -> Iterator[Batch]:
        """Yield every sample once, in order; those that cannot be used are counted, left out.

        Of several ranks each gets its share, whose sizes may differ; a batch may be empty.
        """
        requests = _InOrder(len(self.shards), self.config)
        dataset = IndexedDataset(self.shards, self.maker, replacing=False)
        return load(dataset, requests, self.config)

    def state(self, position: int) -> dict[str, int]:
        """Return what :meth:`resume` needs, once ``position`` batches were trained on."""
        return {"position": position, **self._described()}

    def resume(self, state: Mapping[str, int]) -> int:
        """Return the batch to go on with; :class:`InputError` when it would not be the same."""
        for name, value in self._described().items():
            if state.get(name) != value:
                raise InputError(
                    f"cannot resume: {name.replace('_', ' ')} was {state.get(name)}, is {value}; "
                    "give the flags and the shards of the first run"
                )
        return int(state["position"])

    def _described(self) -> dict[str, int]:
        return {
            "samples": len(self.shards),
            "global_batch": self.config.global_batch,
            "data_seed": self.config.seed,
        }


class IndexedDataset(Dataset[Batch]):
    """Makes the batch of a :class:`Request`, in a worker or in the main process."""

    def __init__(self, shards: ShardSet, maker: SampleMaker, *, replacing: bool = True) -> None:
        self.shards, self.maker, self.replacing = shards, maker, replacing

    def __getitem__(self, request: Request) -> Batch:
        bad: Counter[str] = Counter()
        found = (self._sample(row, request.epoch, bad) for row in request.rows)
        samples = [sample for sample in found if sample is not None]
        return self.maker.batch(samples, epoch=request.epoch, number=request.number, bad=bad)

    def _sample(self, row: int, epoch: int, bad: Counter[str]) -> Sample | None:
        others = Random(f"{self.maker.seed} {epoch} {row} instead")  # noqa: S311
        for _ in range(ATTEMPTS if self.replacing else 1):
            try:
                return self.maker.sample(self.shards.read(row), epoch)
            except BadSampleError as error:
                bad[error.cause] += 1
            row = others.randrange(len(self.shards))
        return None


class _Shuffled(Sampler[Request]):
    """This rank's requests, over all epochs, from a batch on."""

    def __init__(self, samples: int, config: ReaderConfig, start: int, stop: int | None) -> None:
        self.samples, self.config, self.start, self.stop = samples, config, start, stop
        self.per_epoch = config.per_epoch(samples)

    def __iter__(self) -> Iterator[Request]:
        epoch, number = divmod(self.start, self.per_epoch)
        order, size = epoch_order(self.samples, self.config.seed, epoch), self.config.batch_size
        position = self.start
        while self.stop is None or position < self.stop:
            if number == self.per_epoch:
                epoch, number = epoch + 1, 0
                order = epoch_order(self.samples, self.config.seed, epoch)
            first = number * self.config.global_batch + self.config.rank * size
            yield Request(epoch, number, order[first : first + size].tolist())
            number, position = number + 1, position + 1


class _InOrder(Sampler[Request]):
    """This rank's share of all samples in order."""

    def __init__(self, samples: int, config: ReaderConfig) -> None:
        self.samples, self.config = samples, config

    def __iter__(self) -> Iterator[Request]:
        size = self.config.batch_size
        starts = range(0, self.samples, size)[self.config.rank :: self.config.world]
        for start in starts:
            rows = list(range(start, min(start + size, self.samples)))
            yield Request(0, start // size, rows)


def epoch_order(samples: int, seed: int, epoch: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the order of an epoch's samples, int64 (samples,)."""
    return np.random.default_rng((seed, epoch)).permutation(samples)


def load(
    dataset: Any,
    requests: Sampler[Request] | None,
    config: ReaderConfig,
    *,
    context: str | None = None,
) -> Iterator[Batch]:
    """Yield a data loader's batches; a worker that dies is an :class:`InputError`."""
    several = config.workers > 0
    loader: DataLoader[Batch] = DataLoader(
        dataset,
        batch_size=None,
        sampler=requests,
        num_workers=config.workers,
        prefetch_factor=config.prefetch if several else None,
        pin_memory=config.pin_memory,
        multiprocessing_context=context,
        worker_init_fn=_start_worker if several else None,
        # Of its own: the global generator's state must not depend on when loaders start.
        generator=torch.Generator().manual_seed(config.seed),
    )
    with worker_errors():
        yield from cast(Iterator[Batch], loader)


@contextlib.contextmanager
def worker_errors() -> Iterator[None]:
    """Say in one line that a data worker died; torch may raise that anywhere, in any step."""
    try:
        yield
    except RuntimeError as error:
        if "DataLoader worker" not in str(error):
            raise
        raise InputError(
            f"a data worker died ({str(error).splitlines()[0].strip().rstrip('.')}): was there no "
            "memory left, or none in /dev/shm? Go on with --resume latest, or fewer --workers"
        ) from error


def checked(batches: Iterator[Batch], config: ReaderConfig) -> Iterator[Batch]:
    """Yield the batches until more than ``max_bad_ratio`` of the samples cannot be used.

    Nor is one yielded that could not be filled: the ranks' batches must be of one size.
    """
    bad: Counter[str] = Counter()
    seen = 0
    for batch in batches:
        bad.update(batch.bad)
        seen += config.batch_size
        count = bad.total()
        problem = "too many to fill a batch" if len(batch) < config.batch_size else ""
        if count > config.max_bad_ratio * max(seen, _EARLY):
            problem = f"more than --max-bad-ratio {config.max_bad_ratio:g}"
        if problem:
            causes = ", ".join(f"{cause} {number:,}" for cause, number in bad.most_common())
            raise InputError(
                f"{count:,} of {seen:,} samples cannot be used ({causes}), {problem}; "
                "run `tag2text check` on the shards"
            )
        yield batch


def _start_worker(_: int) -> None:
    """Leave signals that people send to all processes to the main one, which ends its workers."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if not hasattr(signal, "sigwaitinfo"):
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_obey, args=(os.getppid(),), daemon=True).start()


def _obey(parent: int) -> None:
    """End this worker when it is the parent that says so: others mean the parent."""
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent:
        pass
    os._exit(0)
