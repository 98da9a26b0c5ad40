"""Image-text alignment: contrast first, then matching of hard pairs (Section 3.4, eq. 4).

The authors never released this part. It is written after the paper and the work that it follows
(Li et al., 2021, ALBEF; Li et al., 2022, BLIP): one projection a side, a learnable temperature,
negatives for matching drawn in proportion to their similarity.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.config import ModelConfig
from model.layers import Attention, FeedForward, KeysValues, Layer, LookedUp, init_weights
from model.losses import widened
from model.text import GenerationDecoder, TextLayers

Gather = Callable[[Tensor], Tensor]
START: Final = 0.07  # temperature that training starts from
RANGE: Final = (0.001, 0.5)  # and within which it stays
PAIRS: Final = 64  # texts matched with an image at once


class AlignmentEncoder(TextLayers):
    """Text encoder of the alignment task; the first token's state stands for the text.

    Self-attention and feed-forward are its own, the cross-attention layers *are* those of the
    generation decoder (Appendix A.1). Image tokens are projected to the text's width where they
    differ.
    """

    def __init__(
        self, config: ModelConfig, *, image_width: int, decoder: GenerationDecoder
    ) -> None:
        size, drop = config.width, config.dropout
        layers = (
            Layer(
                Attention(size, dropout=drop),
                shared.cross_attention,
                FeedForward(size, config.feed_forward, dropout=drop),
            )
            for shared in list(decoder.layers)[: config.alignment_layers]
        )
        super().__init__(config, layers)
        same = image_width == size
        self.image_width: nn.Module = nn.Identity() if same else nn.Linear(image_width, size)
        self.image_projection = nn.Linear(image_width, config.projection)
        self.text_projection = nn.Linear(size, config.projection)
        self.matching = nn.Linear(size, 1)
        self.temperature = nn.Parameter(torch.tensor(START))
        self.apply(init_weights)

    def forward(self, ids: Tensor, mask: Tensor, image: LookedUp | None = None) -> Tensor:
        """Return states (batch, tokens, width) of texts, alone or with what an image looks like.

        ``ids`` and ``mask`` are (batch, tokens); ``image`` comes from :meth:`look_up`.
        """
        return self.encode(ids, mask, [None] * len(self.layers) if image is None else image)

    def look_up(self, source: Tensor) -> list[KeysValues]:
        """Return each layer's keys and values of image tokens (batch, tokens, image width)."""
        return super().look_up(self.image_width(source))

    def encode_image(self, image: Tensor) -> Tensor:
        """Return unit vectors (batch, projection) of image tokens, the summary token first."""
        return F.normalize(self.image_projection(image[:, 0]).float(), dim=-1)

    def encode_text(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return unit vectors (batch, projection) of texts (batch, tokens)."""
        return F.normalize(self.text_projection(self(ids, mask)[:, 0]).float(), dim=-1)

    def match(self, ids: Tensor, mask: Tensor, image: LookedUp) -> Tensor:
        """Return the logits (batch,) of text and image belonging together."""
        return self.matching(self(ids, mask, image)[:, 0])[:, 0]  # type: ignore[no-any-return]

    def scale(self) -> Tensor:
        """Return the temperature, kept within its range; its gradient passes, so it can return."""
        kept = self.temperature.clamp(*RANGE).detach()
        return kept + self.temperature - self.temperature.detach()


def contrastive_loss(
    image: Tensor,
    text: Tensor,
    keys: Tensor,
    *,
    temperature: Tensor | float,
    gather: Gather | None = None,
) -> Tensor:
    """Return the ITC loss (eq. 4), the mean over the pairs of both directions' sum.

    ``image`` and ``text`` are unit vectors (batch, projection), row by row a pair. ``keys``
    (batch,) are integers that tell images apart, on all ranks: texts of one image are all right
    for it. ``gather`` puts the ranks' rows together, in the ranks' order.
    """
    gather = gather or _alone
    right = right_answers(keys, gather(keys))
    return _cross_entropy(image @ gather(text).T / temperature, right) + _cross_entropy(
        text @ gather(image).T / temperature, right
    )


def _alone(rows: Tensor) -> Tensor:
    return rows


def right_answers(keys: Tensor, others: Tensor) -> Tensor:
    """Return y of eq. 4, (batch, others): each row's right answers share a probability of 1."""
    same = keys[:, None] == others[None]
    return same / same.sum(1, keepdim=True)


def _cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    return F.cross_entropy(*widened(logits, targets))


def pair_logits(encoder: AlignmentEncoder, ids: Tensor, mask: Tensor, image: Tensor) -> Tensor:
    """Return the logits (images, texts) of each image and each text belonging together.

    ``ids`` and ``mask`` (texts, tokens), ``image`` tokens (images, tokens, image width). The
    image's keys and values are repeated for ``PAIRS`` texts at a time.
    """
    source = encoder.look_up(image)
    rows = []
    for row in range(len(image)):
        parts = []
        for start in range(0, len(ids), PAIRS):
            some, kept = ids[start : start + PAIRS], mask[start : start + PAIRS]
            same = torch.full((len(some),), row, device=image.device)
            parts.append(encoder.match(some, kept, [layer.select(same) for layer in source]))
        rows.append(torch.cat(parts))
    return torch.stack(rows)


class Negatives(NamedTuple):
    """Row numbers (batch,) of a wrong image for each text and a wrong text for each image.

    ``found`` (batch,) is False where the batch holds no other image.
    """

    images: Tensor
    texts: Tensor
    found: Tensor


def hard_negatives(
    similarity: Tensor, keys: Tensor, *, generator: torch.Generator | None = None
) -> Negatives:
    """Draw negatives in proportion to the softmax of their similarity, never the same image.

    ``similarity`` (batch, batch) are logits, images by texts; ``keys`` (batch,) tell images
    apart. One draw for all rows, without a look at the values from the host.
    """
    same = keys[:, None] == keys[None]
    both = torch.stack((similarity.detach().float().T, similarity.detach().float()))
    chances = torch.softmax(both.masked_fill(same, -math.inf), -1)
    # Anything where there is no other image, whose terms the loss leaves out, and where vectors are
    # not finite: a draw would end the process, and the step moves nothing as it is.
    chances = torch.where(chances.isfinite(), chances, 1.0)
    drawn = torch.multinomial(chances.flatten(0, 1), 1, generator=generator)
    images, texts = drawn.view(2, -1)
    return Negatives(images, texts, ~same.all(1))


def matching_loss(
    encoder: AlignmentEncoder, ids: Tensor, mask: Tensor, image: Tensor, negatives: Negatives
) -> Tensor:
    """Return the ITM loss: cross-entropy of one right and two wrong pairs for each text.

    ``ids``, ``mask`` (batch, tokens), ``image`` tokens (batch, tokens, image width), row by row a
    pair. The image's keys and values are looked up once and selected by row.
    """
    rows = torch.arange(len(ids), device=ids.device)
    texts = torch.cat((rows, rows, negatives.texts))
    images = torch.cat((rows, negatives.images, rows))
    source = [each.select(images) for each in encoder.look_up(image)]
    logits = encoder.match(ids[texts], mask[texts], source).float()
    right = torch.zeros_like(logits)
    right[: len(rows)] = 1
    weight = torch.cat((torch.ones_like(rows), negatives.found, negatives.found)).float()
    terms = F.binary_cross_entropy_with_logits(logits, right, weight, reduction="sum")
    return terms / weight.sum()
