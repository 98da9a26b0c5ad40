"""The tagging head's gradient from a few labels of each image, where the rest have next to none.

Queries do not see each other, so a label's part of the gradient is its own. A first pass without
a graph scores all labels and says how steep the loss is at each; a second pass scores only the
steepest again and differentiates them. The asymmetric loss has a slope of exactly zero at
negatives below its clip, so a head that knows its labels leaves out next to nothing. One that
still learns them does not: it holds thousands of negatives above the clip, each with a small
slope. A guard measures the share and takes the full gradient then.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from model.tagging import Criterion, TaggingHead, call


class TopK(NamedTuple):
    """What :func:`topk_loss` returns: ``uncovered`` is the share of |dL/dz| that was left out."""

    loss: Tensor
    logits: Tensor
    uncovered: float


def topk_loss(
    head: TaggingHead,
    image: Tensor,
    targets: Tensor,
    criterion: Criterion,
    ignore: Tensor | None = None,
    *,
    queries: int = 512,
    tolerance: float = 1e-3,
) -> TopK:
    """Return the exact loss, whose gradient is that of each image's ``queries`` steepest labels.

    Shapes and ``criterion`` are those of :meth:`TaggingHead.loss`. When more than ``tolerance``
    of the sum of |dL/dz| would be left out, the gradient is the full one and ``uncovered`` is 0;
    that costs one forward pass more than :meth:`TaggingHead.loss`. To ask is to wait for the
    device once. The head runs without dropout: both passes must see the same network.
    """
    with _without_dropout(head):
        loss, logits, slope = _slope(head, image, targets, criterion, ignore)
        size = slope.abs()
        chosen = size.topk(min(queries, size.shape[1]), 1).indices
        uncovered = float((size.scatter(1, chosen, 0).sum() / size.sum()).nan_to_num())
        if uncovered > tolerance:
            return TopK(*head.loss(image, targets, criterion, ignore), 0.0)
        labels = head.all_labels().select(chosen)
        sources = head.sources(image, own_labels=True)
        linear, _ = head.chunked(labels, sources, slope.gather(1, chosen), _weighted_sum)
    return TopK(loss + linear - linear.detach(), logits, uncovered)


def _slope(
    head: TaggingHead,
    image: Tensor,
    targets: Tensor,
    criterion: Criterion,
    ignore: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return loss, logits and dL/dz (batch, classes), without the head's graph."""
    with torch.no_grad(), uncached(image.device.type):
        logits = head(image)
    with torch.enable_grad():
        z = logits.detach().requires_grad_()
        loss = call(criterion, z, targets, ignore)
        (slope,) = torch.autograd.grad(loss, z)
    return loss.detach(), logits, slope


def _weighted_sum(logits: Tensor, slope: Tensor) -> Tensor:
    return (logits * slope).sum()


def uncached(device: str) -> torch.autocast:
    """Return autocast as it is now, but without its cache, for a first pass without a graph.

    Before torch 2.10 the second pass would find weights there that were cast without a graph.
    """
    return torch.autocast(
        device,
        dtype=torch.get_autocast_dtype(device),
        enabled=torch.is_autocast_enabled(device),
        cache_enabled=False,
    )


@contextmanager
def _without_dropout(module: nn.Module) -> Iterator[None]:
    training = [each for each in module.modules() if each.training]
    try:
        for each in training:
            each.training = False
        yield
    finally:
        for each in training:
            each.training = True
