"""The layers of the text side: BERT's, as the released checkpoints need them (post-LN)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Generic, NamedTuple, TypeAlias, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EPS = 1e-12  # of BERT's LayerNorms
STD = 0.02  # of BERT's weights
BERT_WIDTH = 768
ModuleT = TypeVar("ModuleT", bound=nn.Module)


class KeysValues(NamedTuple):
    """What attention looks up: two tensors of shape (batch, heads, length, width / heads)."""

    keys: Tensor
    values: Tensor

    def append(self, later: KeysValues) -> KeysValues:
        """Return these positions followed by the later ones."""
        return KeysValues(
            torch.cat((self.keys, later.keys), 2), torch.cat((self.values, later.values), 2)
        )

    def select(self, rows: Tensor) -> KeysValues:
        """Return the given rows of the batch, in that order."""
        return KeysValues(self.keys[rows], self.values[rows])


LookedUp: TypeAlias = Sequence[KeysValues]  # layer by layer


def split_heads(x: Tensor, heads: int) -> Tensor:
    """Return (batch, length, width) as (batch, heads, length, width / heads)."""
    return x.reshape(*x.shape[:-1], heads, -1).transpose(1, 2)


def join_heads(x: Tensor) -> Tensor:
    """Return (batch, heads, length, size) as (batch, length, heads * size)."""
    return x.transpose(1, 2).flatten(2)


class Attention(nn.Module):
    """Multi-head attention with output projection, dropout, residual and LayerNorm.

    The number of heads is given with each call: the released model uses the same weights with 4
    heads for tagging and with 12 in the interaction encoder.
    """

    def __init__(self, width: int, *, source_width: int | None = None, dropout: float = 0.0):
        super().__init__()
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(source_width or width, width)
        self.value = nn.Linear(source_width or width, width)
        self.output = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, eps=EPS)
        self.dropout = dropout

    def look_up(self, source: Tensor, heads: int) -> KeysValues:
        """Return keys and values of a source (batch, length, source width)."""
        return KeysValues(
            split_heads(self.key(source), heads), split_heads(self.value(source), heads)
        )

    def forward(
        self,
        x: Tensor,
        source: KeysValues,
        *,
        heads: int,
        mask: Tensor | None = None,
        causal: bool = False,
    ) -> Tensor:
        """Attend from x (batch, length, width); mask (batch, 1, 1 or length, source length).

        A mask is True where attention is allowed; ``causal`` is for equal lengths only.
        """
        attended = F.scaled_dot_product_attention(
            split_heads(self.query(x), heads),
            source.keys,
            source.values,
            attn_mask=mask,
            is_causal=causal,
            dropout_p=self.dropout if self.training else 0.0,
        )
        out = F.dropout(self.output(join_heads(attended)), self.dropout, self.training)
        return self.norm(out + x)  # type: ignore[no-any-return]


class FeedForward(nn.Module):
    """Two linear layers with GELU between, dropout, residual and LayerNorm."""

    def __init__(self, width: int, inner: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.inner = nn.Linear(width, inner)
        self.output = nn.Linear(inner, width)
        self.norm = nn.LayerNorm(width, eps=EPS)
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        """Return a tensor of the shape of x, (..., width)."""
        out = F.dropout(self.output(F.gelu(self.inner(x))), self.dropout, self.training)
        return self.norm(out + x)  # type: ignore[no-any-return]


class Embeddings(nn.Module):
    """Word and position embeddings, LayerNorm and dropout; no token types, as released."""

    def __init__(self, words: int, positions: int, width: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.word = nn.Embedding(words, width)
        self.position = nn.Embedding(positions, width)
        self.norm = nn.LayerNorm(width, eps=EPS)
        self.dropout = dropout

    def forward(self, ids: Tensor, *, start: int = 0) -> Tensor:
        """Return (batch, length, width) for ids (batch, length) that begin at position start."""
        places = torch.arange(start, start + ids.shape[1], device=ids.device)
        x = self.norm(self.word(ids) + self.position(places))
        return F.dropout(x, self.dropout, self.training)


class Layer(nn.Module):
    """Self-attention, attention to a source, feed-forward: one layer of an encoder or decoder."""

    def __init__(
        self, self_attention: Attention, cross_attention: Attention, feed_forward: FeedForward
    ) -> None:
        super().__init__()
        self.self_attention = self_attention
        self.cross_attention = cross_attention
        self.feed_forward = feed_forward


class Stack(nn.ModuleList, Generic[ModuleT]):
    """A list of layers of one type."""

    def __iter__(self) -> Iterator[ModuleT]:
        return super().__iter__()  # type: ignore[return-value]


def allowed(mask: Tensor) -> Tensor:
    """Return a mask of tokens (batch, length), 1 or True to attend to, as attention wants it."""
    return mask.bool()[:, None, None, :]


def init_weights(module: nn.Module) -> None:
    """Initialise as BERT does: normal(0, 0.02), zero biases; for ``Module.apply``.

    Layers of fewer inputs than BERT's begin with larger weights, so that what comes out varies as
    much: 0.02 is for 768.
    """
    if isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=STD)
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=STD * max(1.0, BERT_WIDTH / module.in_features) ** 0.5)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
