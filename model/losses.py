"""Losses of the tagging task: logits and labels in, one number out (paper, Appendix A.2).

All work in float32 at least, whatever the precision of the logits, sum over the classes, and take
the mean over the images. ``targets`` are 0 or 1; an ``ignore`` mask, 1 where a label is unknown,
takes its terms out. Sums over classes are what lets the tagging head work in chunks of labels.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

from vocab.errors import InputError

Loss = Callable[..., Tensor]
MARGIN: Final = 1.0  # of a positive's logit (Zhang et al., 2021)
FOCUS: Final = 2.0  # exponent of their focal weights


def asymmetric(
    logits: Tensor,
    targets: Tensor,
    ignore: Tensor | None = None,
    *,
    negative: float = 7.0,
    positive: float = 0.0,
    clip: float = 0.05,
) -> Tensor:
    """Return the asymmetric loss (eq. 2; Ridnik et al., 2021) of logits (batch, classes).

    ``negative`` and ``positive`` are the focusing exponents, ``clip`` the probability below which
    a negative costs nothing. The exponents' weights carry no gradient, as published. A positive
    keeps its gradient at any logit: the logarithm is never taken of a clamped probability.
    """
    z, t = widened(logits, targets)
    p = torch.sigmoid(z)
    hit = F.logsigmoid(z)
    if positive:
        hit = hit * (1 - p.detach()) ** positive
    shifted = (p - clip).clamp(min=0)
    miss = (F.logsigmoid(-z) if not clip else torch.log1p(-shifted)) * shifted.detach() ** negative
    return _reduced(-(t * hit + (1 - t) * miss), ignore)


def binary(logits: Tensor, targets: Tensor, ignore: Tensor | None = None) -> Tensor:
    """Return binary cross-entropy (eq. 1) of logits (batch, classes)."""
    z, t = widened(logits, targets)
    return _reduced(F.binary_cross_entropy_with_logits(z, t, reduction="none"), ignore)


def hill(
    logits: Tensor, targets: Tensor, ignore: Tensor | None = None, *, peak: float = 1.5
) -> Tensor:
    """Return the Hill loss (Zhang et al., 2021, "Simple and Robust Loss Design for ...").

    A negative of high probability is probably a missing label: its term, (peak - p) p^2, falls
    again. Positives get a focal margin.
    """
    z, t = widened(logits, targets)
    p = torch.sigmoid(z)
    miss = -(peak - p) * p * p
    return _reduced(-(t * _focal_margin(z) + (1 - t) * miss), ignore)


def self_paced(
    logits: Tensor, targets: Tensor, ignore: Tensor | None = None, *, trust: float = 0.6
) -> Tensor:
    """Return SPLC (Zhang et al., 2021): a negative whose probability passes trust counts as hit.

    To be used after the first epoch: the model must know something before it corrects labels.
    """
    z, t = widened(logits, targets)
    t = torch.maximum(t, (torch.sigmoid(z.detach()) > trust).to(t.dtype))
    miss = F.logsigmoid(-z) * torch.sigmoid(z) ** FOCUS
    return _reduced(-(t * _focal_margin(z) + (1 - t) * miss), ignore)


def _focal_margin(z: Tensor) -> Tensor:
    """Return what a positive earns in both losses of Zhang et al. (2021)."""
    shifted = z - MARGIN
    return F.logsigmoid(shifted) * (1 - torch.sigmoid(shifted)) ** FOCUS


TAGGING: Final[dict[str, Loss]] = {
    "asl": asymmetric,
    "bce": binary,
    "hill": hill,
    "splc": self_paced,
}


def tagging_loss(name: str, **settings: float) -> Loss:
    """Return the tagging loss of a name: ``asl``, ``bce``, ``hill`` or ``splc``."""
    if name not in TAGGING:
        raise InputError(f"tagging loss {name!r}: choose one of {', '.join(TAGGING)}")
    return partial(TAGGING[name], **settings) if settings else TAGGING[name]


def widened(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return both in the logits' precision, float32 at least."""
    z = logits if logits.dtype == torch.float64 else logits.float()
    return z, targets.to(z.dtype)


def _reduced(terms: Tensor, ignore: Tensor | None) -> Tensor:
    if ignore is not None:
        terms = terms.masked_fill(ignore.bool(), 0)
    return terms.sum() / len(terms)
