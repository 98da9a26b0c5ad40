"""How good a model is in mid-training: its losses and its mAP on images that it does not learn."""

from __future__ import annotations

import contextlib
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import torch

from model.network import Network
from train.metrics import mean_average_precision
from train.ranks import Ranks
from train.reader import IndexedReader
from train.tasks import Pretrain
from vocab.errors import InputError

MAP: Final = "mAP"
UNUSABLE: Final = "unusable"

Sums: TypeAlias = "dict[str, float]"
Array: TypeAlias = "np.ndarray[Any, Any]"


@torch.no_grad()
def validate(
    task: Pretrain, network: Network, reader: IndexedReader, ranks: Ranks, autocast: torch.autocast
) -> dict[str, float]:
    """Return the losses by name, their weighted sum as ``loss``, and ``mAP`` if tags are learned.

    ``unusable`` says how many of the images could not be used, where there are any.
    ``network`` takes the place of the task's own meanwhile: an average, say. All ranks call, each
    works on its share, and all get the same.
    """
    sums: Sums = defaultdict(float)
    scores: list[Array] = []
    labels: list[Array] = []
    torch.manual_seed(task.seed)  # negatives are drawn
    with _in_place(task, network):
        for read in reader.once():
            sums[UNUSABLE] += sum(read.bad.values())
            if not len(read):
                continue
            batch = read.to(ranks.device)
            with autocast:
                losses, logits = task.evaluate(batch)
                losses["loss"] = task.total(losses)
            sums["images"] += len(batch)
            for name, value in losses.items():
                sums[name] += float(value) * len(batch)
            if logits is not None:
                scores.append(torch.sigmoid(logits.float()).cpu().numpy())
                labels.append(batch.labels(logits.shape[1]).bool().cpu().numpy())
    return _figures(ranks.from_each((sums, scores, labels)))


def _figures(parts: Sequence[tuple[Sums, list[Array], list[Array]]]) -> dict[str, float]:
    sums: Sums = defaultdict(float)
    for found, _, _ in parts:
        for name, value in found.items():
            sums[name] += value
    images = sums.pop("images", 0.0)
    if not images:
        raise InputError("no image of --validation-data can be used; run `tag2text check` on it")
    unusable = sums.pop(UNUSABLE, 0.0)
    figures = {name: total / images for name, total in sums.items()}
    if unusable:
        figures[UNUSABLE] = unusable
    scores = [block for _, blocks, _ in parts for block in blocks]
    if scores:
        labels = [block for _, _, blocks in parts for block in blocks]
        figures[MAP] = mean_average_precision(np.concatenate(scores), np.concatenate(labels))
    return figures


def metric_of(best_by: str, weights: Mapping[str, float]) -> str:
    """Return what the best model is chosen by, of a task whose losses have these weights.

    :class:`InputError` when validation will have no such figure.
    """
    losses = [name for name, weight in weights.items() if weight]
    known = [*([MAP] if "tagging" in losses else []), "loss", *losses]
    if best_by and best_by not in known:
        raise InputError(f"--best-by {best_by}: validation has {', '.join(known)}")
    return best_by or known[0]


def better(metric: str, value: float, than: float) -> bool:
    """Return whether a value of a metric is an improvement: more of mAP, less of a loss.

    Any number is one over NaN.
    """
    if math.isnan(than):
        return not math.isnan(value)
    return value > than if metric == MAP else value < than


@contextlib.contextmanager
def _in_place(task: Pretrain, network: Network) -> Iterator[None]:
    own = task.network
    task.network = network
    task.eval()
    try:
        yield
    finally:
        task.network = own
        task.train()
