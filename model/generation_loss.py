"""The loss of the generation task: token cross-entropy where there is something to learn."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

from model.text import GenerationDecoder

SMOOTHING: Final = 0.1


def lm_loss(
    decoder: GenerationDecoder,
    ids: Tensor,
    mask: Tensor,
    source: Tensor,
    source_mask: Tensor | None,
    *,
    prompt_tokens: int,
    smoothing: float = SMOOTHING,
) -> Tensor:
    """Return the language modelling loss (paper, Section 3.3), the mean over scored tokens.

    ``ids`` and ``mask`` (batch, length) are captions from
    :meth:`~model.tokenizer.Tokenizer.encode_captions`; their first ``prompt_tokens`` tokens,
    ``[DEC]`` included, are given and not scored, and neither is padding. ``source`` (batch,
    source length, width) and its mask come from :func:`~model.generation.encode_guidance`. Words
    are scored only where they count: the widest product of the decoder. Zero without any.
    """
    hidden, _ = decoder(ids[:, :-1], decoder.look_up(source), source_mask)
    scored = mask[:, 1:].bool().clone()  # or the caller's mask would change below
    scored[:, : prompt_tokens - 1] = False
    logits = decoder.logits(hidden[scored])
    logits = logits if logits.dtype == torch.float64 else logits.float()
    total = F.cross_entropy(logits, ids[:, 1:][scored], label_smoothing=smoothing, reduction="sum")
    return total / scored.sum().clamp(min=1)
