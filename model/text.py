"""The text side: tags and image meet in one encoder, the caption comes from one decoder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.config import ModelConfig
from model.layers import (
    EPS,
    Attention,
    Embeddings,
    FeedForward,
    KeysValues,
    Layer,
    LookedUp,
    Stack,
    allowed,
    init_weights,
)
from model.tagging import TagLayer


class TextLayers(nn.Module):
    """What BERT's encoders and decoders are made of: embeddings, and layers that look things up."""

    def __init__(self, config: ModelConfig, layers: Iterable[Layer]) -> None:
        super().__init__()
        self.heads = config.heads
        self.embeddings = Embeddings(
            config.words, config.positions, config.width, dropout=config.dropout
        )
        self.layers: Stack[Layer] = Stack(layers)

    def look_up(self, source: Tensor) -> list[KeysValues]:
        """Return each layer's keys and values of a source (batch, length, source width)."""
        return [layer.cross_attention.look_up(source, self.heads) for layer in self.layers]

    def encode(self, ids: Tensor, mask: Tensor, sources: Iterable[KeysValues | None]) -> Tensor:
        """Return states (batch, tokens, width) of words that see each other and the sources.

        ``ids`` and ``mask`` are (batch, tokens); a layer whose source is ``None`` looks nothing up.
        """
        x = self.embeddings(ids)
        keep = allowed(mask)
        for layer, source in zip(self.layers, sources, strict=True):
            own = layer.self_attention.look_up(x, self.heads)
            x = layer.self_attention(x, own, heads=self.heads, mask=keep)
            if source is not None:
                x = layer.cross_attention(x, source, heads=self.heads)
            x = layer.feed_forward(x)
        return x  # type: ignore[no-any-return]


class InteractionEncoder(TextLayers):
    """Image-tag interaction encoder: tags attend to each other and to the image (Section 3.3).

    ``shared`` are layers of the tagging head; the lowest layers use their cross-attention and
    feed-forward parts (Appendix A.1).
    """

    def __init__(
        self, config: ModelConfig, *, image_width: int, shared: Sequence[TagLayer] = ()
    ) -> None:
        size, drop = config.width, config.dropout
        own = (
            TagLayer(size, image_width, config.feed_forward, dropout=drop)
            for _ in range(config.layers - len(shared))
        )
        layers = (
            Layer(Attention(size, dropout=drop), part.cross_attention, part.feed_forward)
            for part in (*shared, *own)
        )
        super().__init__(config, layers)
        self.apply(init_weights)

    def forward(self, ids: Tensor, mask: Tensor, image: Tensor) -> Tensor:
        """Return (batch, tokens, width) for tag tokens, their mask and image tokens."""
        return self.encode(ids, mask, self.look_up(image))


class GenerationDecoder(TextLayers):
    """Image-tag-text generation decoder: causal, attends to the interaction encoder's output."""

    def __init__(self, config: ModelConfig) -> None:
        size, drop = config.width, config.dropout
        layers = (
            Layer(
                Attention(size, dropout=drop),
                Attention(size, dropout=drop),
                FeedForward(size, config.feed_forward, dropout=drop),
            )
            for _ in range(config.layers)
        )
        super().__init__(config, layers)
        self.transform = nn.Linear(size, size)
        self.norm = nn.LayerNorm(size, eps=EPS)
        self.bias = nn.Parameter(torch.zeros(config.words))
        self.apply(init_weights)

    def forward(
        self, ids: Tensor, source: LookedUp, source_mask: Tensor | None, past: LookedUp = ()
    ) -> tuple[Tensor, list[KeysValues]]:
        """Return hidden states (batch, length, width) and the keys and values up to here.

        ``ids`` follow the positions in ``past``; with a past, one position at a time.
        """
        start = past[0].keys.shape[2] if past else 0
        x = self.embeddings(ids, start=start)
        keep = None if source_mask is None else allowed(source_mask)
        present = []
        for index, layer in enumerate(self.layers):
            own = layer.self_attention.look_up(x, self.heads)
            if past:
                own = past[index].append(own)
            present.append(own)
            x = layer.self_attention(x, own, heads=self.heads, causal=not past)
            x = layer.cross_attention(x, source[index], heads=self.heads, mask=keep)
            x = layer.feed_forward(x)
        return x, present

    def logits(self, hidden: Tensor) -> Tensor:
        """Return the scores of all words, (..., words), for hidden states (..., width).

        Ask only for the positions that are needed: this is the widest product of the decoder.
        """
        x = self.norm(F.gelu(self.transform(hidden)))
        return F.linear(x, self.embeddings.word.weight, self.bias)
