"""The tagging head: every label asks the image whether it is there (paper, Section 3.3).

Label queries attend to the image tokens and never see each other (Query2Label style), so a subset
of labels gets the scores that it has among all of them, at a proportional cost, and labels can be
worked through in chunks. Two savings are exact:

- the first layer's queries come from the label embeddings alone: once, not once an image;
- with h heads over S tokens, the query and output projections (width x width a label) are absorbed
  into the keys and values (2 h S x width a label), which are as good as free: S is 50, labels are
  3,429.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.config import ModelConfig
from model.layers import Attention, FeedForward, Stack, init_weights, split_heads

Criterion = Callable[[Tensor, Tensor], Tensor]
CHUNK: Final = 1 << 24  # numbers in a chunk's widest activation: 64 MB in float32
PRIOR: Final = 0.05  # chance of a label that a new classifier starts from


class TagLayer(nn.Module):
    """Cross-attention and feed-forward, which the interaction encoder may share."""

    def __init__(
        self, width: int, image_width: int, feed_forward: int, *, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.cross_attention = Attention(width, source_width=image_width, dropout=dropout)
        self.feed_forward = FeedForward(width, feed_forward, dropout=dropout)


class Source(NamedTuple):
    """An image as a layer's queries see it, projections absorbed.

    ``keys`` (batch, heads * tokens, width) and ``bias`` (batch, 1, heads * tokens) give scores
    of a label state; ``values`` (batch, heads * tokens, width) the output. In the first layer
    ``keys`` are the plain ones, (batch, heads, tokens, width / heads), and ``bias`` is unused.
    """

    keys: Tensor
    bias: Tensor
    values: Tensor


class TaggingHead(nn.Module):
    """Image-tag recognition decoder with a group-wise classifier: logit_c = <w_c, h_c> + b_c."""

    def __init__(self, config: ModelConfig, *, classes: int, image_width: int) -> None:
        super().__init__()
        self.heads = config.tag_heads
        self.labels = nn.Parameter(torch.empty(classes, config.width))
        self.layers: Stack[TagLayer] = Stack(
            TagLayer(config.width, image_width, config.feed_forward, dropout=config.dropout)
            for _ in range(config.tag_layers)
        )
        self.weight = nn.Parameter(torch.empty(classes, config.width))
        self.bias = nn.Parameter(torch.full((classes,), math.log(PRIOR / (1 - PRIOR))))
        self._inner = config.feed_forward
        nn.init.normal_(self.labels, std=0.02)
        nn.init.normal_(self.weight, std=config.width**-0.5)
        self.apply(init_weights)

    def forward(self, image: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return logits (batch, labels) for image tokens (batch, tokens, image width).

        ``labels`` are class ids (n,); all classes without. The whole graph is kept; for training
        see :meth:`loss`, which holds one chunk at a time.
        """
        sources = self.sources(image)
        table, weight, bias = self.labels, self.weight, self.bias
        if labels is not None:
            table, weight, bias = table[labels], weight[labels], bias[labels]
        parts = [
            self.score(table[part], weight[part], bias[part], sources)
            for part in self.chunks(len(image), len(table))
        ]
        return torch.cat(parts, 1)

    def loss(self, image: Tensor, targets: Tensor, criterion: Criterion) -> tuple[Tensor, Tensor]:
        """Return the summed loss and the logits (batch, classes), which carry no gradient.

        ``criterion(logits, targets)`` must sum over classes: then chunks of labels are scored,
        differentiated and forgotten one after the other, and memory does not grow with
        classes x batch. The gradients are those of the plain way.
        """
        sources = self.sources(image)
        flat = [tensor for source in sources for tensor in source]
        shared = [p for n, p in self.layers.named_parameters() if p.requires_grad]
        loss, logits = _ChunkedLoss.apply(
            self, criterion, targets, self.labels, self.weight, self.bias, *flat, *shared
        )
        return loss, logits

    def sources(self, image: Tensor) -> list[Source]:
        """Return what each layer's queries look up in the image tokens."""
        return [
            _source(layer.cross_attention, image, self.heads, absorb=index > 0)
            for index, layer in enumerate(self.layers)
        ]

    def chunks(self, batch: int, classes: int) -> list[slice]:
        """Return slices of the labels whose activations stay within ``CHUNK`` numbers."""
        size = max(1, CHUNK // (batch * self._inner))
        return [slice(start, start + size) for start in range(0, classes, size)]

    def score(
        self, table: Tensor, weight: Tensor, bias: Tensor, sources: Sequence[Source]
    ) -> Tensor:
        """Return logits (batch, n) for n labels' embeddings, classifier rows and biases."""
        x = table
        for layer, source in zip(self.layers, sources, strict=True):
            x = self._attend(layer.cross_attention, x, source)
            x = layer.feed_forward(x)
        return (x * weight).sum(-1) + bias

    def _attend(self, attention: Attention, x: Tensor, source: Source) -> Tensor:
        if x.dim() == 2:  # the label embeddings: the same queries for every image
            query = split_heads(attention.query(x)[None], self.heads)
            scores = torch.matmul(query, source.keys.transpose(-1, -2))
            scores = scores.transpose(1, 2)
        else:
            scores = torch.baddbmm(source.bias, x, source.keys.transpose(1, 2))
            scores = scores.unflatten(-1, (self.heads, -1))
        scale = (x.shape[-1] // self.heads) ** -0.5
        weights = torch.softmax(scores * scale, -1).flatten(2)
        weights = F.dropout(weights, attention.dropout, self.training)
        out = torch.matmul(weights, source.values) + attention.output.bias
        return attention.norm(F.dropout(out, attention.dropout, self.training) + x)  # type: ignore[no-any-return]


def _source(attention: Attention, image: Tensor, heads: int, *, absorb: bool) -> Source:
    keys, values = attention.look_up(image, heads)
    size = keys.shape[-1]
    out = attention.output.weight.unflatten(1, (heads, size)).permute(1, 2, 0)  # heads, size, width
    mixed = torch.matmul(values, out).flatten(1, 2)
    if not absorb:
        return Source(keys, keys.new_zeros(()), mixed)
    query = attention.query.weight.unflatten(0, (heads, size))  # heads, size, width
    bias = torch.matmul(keys, attention.query.bias.unflatten(0, (heads, size, 1)))
    return Source(torch.matmul(keys, query).flatten(1, 2), bias.flatten(1)[:, None], mixed)


class _ChunkedLoss(torch.autograd.Function):
    """A loss that is a sum over labels, its gradients taken chunk by chunk in the forward pass."""

    @staticmethod
    def forward(  # type: ignore[no-untyped-def]
        ctx, head: TaggingHead, criterion, targets, table, weight, bias, *inputs
    ):
        depth = 3 * len(head.layers)
        flat, shared = inputs[:depth], inputs[depth:]
        leaves = [tensor.detach().requires_grad_(tensor.is_floating_point()) for tensor in flat]
        sources = [Source(*leaves[i : i + 3]) for i in range(0, depth, 3)]
        sums = [torch.zeros_like(tensor) for tensor in (*leaves, *shared)]
        rows = [torch.zeros_like(tensor) for tensor in (table, weight, bias)]
        total, scores = targets.new_zeros((), dtype=torch.float32), []
        for part in head.chunks(len(targets), len(table)):
            own = [tensor[part].detach().requires_grad_() for tensor in (table, weight, bias)]
            with torch.enable_grad():
                logits = head.score(*own, sources)
                loss = criterion(logits, targets[:, part])
            found = torch.autograd.grad(loss, [*own, *leaves, *shared], allow_unused=True)
            for row, gradient in zip(rows, found[:3], strict=True):
                row[part] = gradient
            for sum_, gradient in zip(sums, found[3:], strict=True):
                if gradient is not None:
                    sum_.add_(gradient)
            total = total + loss.detach()
            scores.append(logits.detach())
        ctx.save_for_backward(*rows, *sums)
        logits = torch.cat(scores, 1)
        ctx.mark_non_differentiable(logits)
        return total, logits

    @staticmethod
    def backward(ctx, gradient, _):  # type: ignore[no-untyped-def]
        return None, None, None, *(tensor * gradient for tensor in ctx.saved_tensors)
