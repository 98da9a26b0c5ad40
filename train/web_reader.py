"""The same samples through the webdataset library: shards in stores, behind addresses and pipes.

Shards are read from end to end and shuffled in a buffer, so this reader suits what cannot be read
at any place. The order is a function of seed, epoch, ranks and workers; going on in the middle of
an epoch begins a new order for the rest of it, so it is not exact: see :mod:`train.reader`.
"""

from __future__ import annotations

import json
import os
import re
import tarfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count, islice
from random import Random
from typing import IO, Any, Final, cast

import torch.utils.data
from torch.utils.data import IterableDataset
from webdataset.filters import shuffle
from webdataset.gopen import gopen
from webdataset.tariterators import group_by_keys, tar_file_expander

from train.reader import ReaderConfig, checked, load
from train.samples import Batch, Sample, SampleMaker
from train.shards import (
    IMAGES,
    SIZES,
    BadSampleError,
    Raw,
    expand,
    read_sizes,
    refuse_other,
)
from vocab.errors import InputError
from vocab.vocabulary import Vocabulary

BUFFER: Final = 1000  # samples among which the next one is drawn
_STORES: Final = ("gs://", "s3://")
_TAR: Final = re.compile(r"[^\s/'\"]+\.tar\b")


@dataclass(frozen=True, slots=True)
class WebShards:
    """Addresses of tars, and how many samples each has."""

    sizes: dict[str, int]

    def __len__(self) -> int:
        return sum(self.sizes.values())

    @property
    def in_stores(self) -> bool:
        """Whether a store's client will run, whose threads do not survive a fork."""
        return any(url.startswith(_STORES) for url in self.sizes)


def open_web_shards(
    spec: Sequence[str], vocabulary: Vocabulary, *, described_by: str | None = None
) -> WebShards:
    """Return the shards that ``spec`` names (see :func:`train.shards.expand`).

    What describes them, ``sizes.json`` and ``vocabulary/``, lies beside them; for shards behind a
    ``pipe:`` it lies in ``described_by``. :class:`InputError` when it is not there, or the labels
    are of another vocabulary.
    """
    urls = _in_directories(expand(spec))
    folders = {url: _folder(url, described_by) for url in urls}
    sizes = {folder: _described(folder, vocabulary) for folder in dict.fromkeys(folders.values())}
    found = {url: sizes[folder].get(_name(url), 0) for url, folder in folders.items()}
    for url, size in found.items():
        if not size:
            raise InputError(f"{url}: {folders[url]}/{SIZES} knows no samples of it; check both")
    return WebShards(found)


def _in_directories(urls: Sequence[str]) -> list[str]:
    """Return tars, with those of a remote directory in its place."""
    made = []
    for url in urls:
        if _TAR.search(url):
            made.append(url)
            continue
        folder = url.rstrip("/")
        made += [f"{folder}/{name}" for name in sorted(_sizes(folder))]
    return made


def _folder(url: str, described_by: str | None) -> str:
    if not url.startswith("pipe:"):
        return url.rpartition("/")[0] or "."
    if described_by is None:
        raise InputError(
            f"{url}: say with --train-described-by which directory describes the shards "
            f"behind a pipe ({SIZES}, vocabulary/)"
        )
    return described_by.rstrip("/")


def _name(url: str) -> str:
    found = _TAR.search(url.rpartition("/")[2]) or _TAR.search(url)
    return found.group() if found else ""


def _described(folder: str, vocabulary: Vocabulary) -> dict[str, int]:
    path = f"{folder}/vocabulary/vocabulary.json"
    content = _content(path)
    try:
        fingerprint = json.loads(content)["fingerprint"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"{path}: is not that of a vocabulary; make the shards again") from error
    refuse_other(folder, fingerprint, vocabulary)
    return _sizes(folder)


def _sizes(folder: str) -> dict[str, int]:
    return read_sizes(f"{folder}/{SIZES}", _content(f"{folder}/{SIZES}"))


def _content(path: str) -> bytes:
    try:
        with open_url(path) as stream:
            return stream.read()
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({error}); check the address") from error


def open_url(url: str) -> IO[bytes]:
    """Open a file, an object of a store (``gs://``, ``s3://``), or what webdataset knows."""
    if not url.startswith(_STORES):
        return cast(IO[bytes], gopen(url))
    from pyarrow import fs

    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if url.startswith("s3://") and endpoint:
        store = fs.S3FileSystem(endpoint_override=endpoint, scheme=endpoint.split("://")[0])
        return cast(IO[bytes], store.open_input_stream(url[len("s3://") :]))
    store, path = fs.FileSystem.from_uri(url)
    return cast(IO[bytes], store.open_input_stream(path))


class WebReader:
    """Endless, shuffled batches of shards that are read from end to end."""

    def __init__(self, shards: WebShards, maker: SampleMaker, config: ReaderConfig) -> None:
        share = len(shards.sizes) // config.world
        if not share:
            raise InputError(
                f"{len(shards.sizes)} shards for {config.world} ranks: each needs one of its own; "
                "make smaller shards or use the indexed reader"
            )
        # A worker without a shard of its own would have nothing to read.
        self.config = replace(config, workers=min(config.workers, share))
        self.shards, self.maker = shards, maker

    @property
    def per_epoch(self) -> int:
        """Batches in an epoch."""
        return self.config.per_epoch(len(self.shards))

    def batches(self, start: int = 0, stop: int | None = None) -> Iterator[Batch]:
        """Yield batches from the ``start``-th on, over all epochs, endlessly without ``stop``.

        What cannot be used is counted and left out; :class:`InputError` when it is too much, or
        when a worker dies.
        """
        dataset = WebDataset(self.shards, self.maker, self.config, start, stop)
        context = "spawn" if self.shards.in_stores and self.config.workers else None
        return checked(load(dataset, None, self.config, context=context), self.config)

    def state(self, position: int) -> dict[str, int]:
        """Return what :meth:`resume` needs, once ``position`` batches were trained on."""
        return {"position": position, "samples": len(self.shards)}

    def resume(self, state: dict[str, int]) -> int:
        """Return the batch to go on with: the epoch's rest is drawn anew."""
        return int(state["position"])


class WebDataset(IterableDataset[Batch]):
    """The batches of one worker; the loader takes one of each worker in turn."""

    def __init__(
        self,
        shards: WebShards,
        maker: SampleMaker,
        config: ReaderConfig,
        start: int,
        stop: int | None,
    ) -> None:
        self.shards, self.maker, self.config = shards, maker, config
        self.start, self.stop = start, stop

    def __iter__(self) -> Iterator[Batch]:
        info = torch.utils.data.get_worker_info()
        worker, workers = (info.id, info.num_workers) if info else (0, 1)
        per_epoch = self.config.per_epoch(len(self.shards))
        bad: Counter[str] = Counter()
        samples: Iterator[Sample] = iter(())
        last = -1
        for position in count(self.start + worker, workers):
            if self.stop is not None and position >= self.stop:
                return
            epoch, number = divmod(position, per_epoch)
            if epoch != last:
                samples, last = self._samples(epoch, worker, workers, bad), epoch
            found = list(islice(samples, self.config.batch_size))
            yield self.maker.batch(found, epoch=epoch, number=number, bad=bad)
            bad.clear()

    def _samples(
        self, epoch: int, worker: int, workers: int, bad: Counter[str]
    ) -> Iterator[Sample]:
        """Yield this worker's samples of an epoch, again and again: shares differ in size."""
        urls = list(self.shards.sizes)
        Random(f"{self.config.seed} {epoch} {self.start}").shuffle(urls)  # noqa: S311
        mine = urls[self.config.rank :: self.config.world][worker::workers]
        for turn in count():
            random = Random(f"{self.config.seed} {epoch} {self.start} {worker} {turn}")  # noqa: S311
            raws = (raw for url in mine for raw in read_web_shard(url, self.shards.sizes[url], bad))
            usable = False
            for raw in shuffle(BUFFER, rng=random)(raws):
                try:
                    yield self.maker.sample(raw, epoch)
                    usable = True
                except BadSampleError as error:
                    bad[error.cause] += 1
            if not usable:
                return


def read_web_shard(url: str, size: int, bad: Counter[str]) -> Iterator[Raw]:
    """Yield the samples of a tar; those of its ``size`` that do not come are counted, by cause."""
    found, cause = 0, "truncated"
    try:
        with open_url(url) as stream:
            files = tar_file_expander([{"url": url, "stream": stream}])
            for sample in group_by_keys(files):
                found += 1
                raw = _raw(sample)
                if raw is None:
                    bad["incomplete"] += 1
                else:
                    yield raw
    except FileNotFoundError:
        cause = "missing"
    except tarfile.TarError:
        cause = "truncated"
    except (OSError, ValueError):
        cause = "unreadable"
    if found < size:
        bad[cause] += size - found


def _raw(sample: dict[str, Any]) -> Raw | None:
    image = next((sample[name] for name in IMAGES if name in sample), None)
    text = sample.get("json")
    return None if image is None or text is None else Raw(sample["__key__"], image, text)
