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

Criterion = Callable[..., Tensor]  # (logits, targets) or (logits, targets, ignore)
CHUNK: Final = 1 << 23  # numbers in a chunk's widest activation: 32 MB in float32
BATCHED: Final = 16  # times as many on an accelerator, which is slow to start and has the memory
PRIOR: Final = 0.05  # chance of a label that a new classifier starts from


class TagLayer(nn.Module):
    """Cross-attention and feed-forward, which the interaction encoder may share."""

    def __init__(
        self, width: int, image_width: int, feed_forward: int, *, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.cross_attention = Attention(width, source_width=image_width, dropout=dropout)
        self.feed_forward = FeedForward(width, feed_forward, dropout=dropout)


class Labels(NamedTuple):
    """Labels as the head knows them: embeddings and classifier rows (n, width), biases (n,).

    With a dimension for the batch in front, each image has labels of its own.
    """

    table: Tensor
    weight: Tensor
    bias: Tensor

    def select(self, ids: Tensor) -> Labels:
        """Return the labels of class ids (n,), or (batch, n) for some of each image's own."""
        return Labels(self.table[ids], self.weight[ids], self.bias[ids])

    def part(self, places: slice) -> Labels:
        """Return a view of neighbouring labels."""
        return Labels(
            self.table[..., places, :], self.weight[..., places, :], self.bias[..., places]
        )


class Source(NamedTuple):
    """An image as a layer's queries see it, projections absorbed.

    ``keys`` (batch, heads * tokens, width) and ``bias`` (batch, 1, heads * tokens) give scores
    of a label state; ``values`` (batch, heads * tokens, width) the output. Where the queries are
    the same for all images, in the first layer, ``keys`` are the plain ones, (batch, heads,
    tokens, width / heads), and ``bias`` is unused.
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
        nn.init.normal_(self.labels, std=config.width**-0.5)
        nn.init.normal_(self.weight, std=config.width**-0.5)
        self.apply(init_weights)

    def forward(self, image: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return logits (batch, labels) for image tokens (batch, tokens, image width).

        ``labels`` are class ids (n,); all classes without. The whole graph is kept; for training
        see :meth:`loss`, which holds one chunk at a time.
        """
        sources = self.sources(image)
        chosen = self.all_labels() if labels is None else self.all_labels().select(labels)
        parts = self.chunks(len(image), len(chosen.table))
        return torch.cat([self.score(chosen.part(part), sources) for part in parts], 1)

    def loss(
        self, image: Tensor, targets: Tensor, criterion: Criterion, ignore: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the summed loss and the logits (batch, classes), which carry no gradient.

        ``criterion(logits, targets)``, or with ``ignore`` as a third, must sum over classes: then
        chunks of labels are scored, differentiated and forgotten one after the other, and memory
        does not grow with classes x batch. The gradients are those of the plain way.
        """
        if not torch.is_grad_enabled():
            logits = self(image)
            return call(criterion, logits, targets, ignore), logits
        return self.chunked(self.all_labels(), self.sources(image), targets, criterion, ignore)

    def chunked(
        self,
        labels: Labels,
        sources: Sequence[Source],
        targets: Tensor,
        criterion: Criterion,
        ignore: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Return loss and logits (batch, n) as :meth:`loss`, for any labels and sources."""
        flat = [tensor for source in sources for tensor in source]
        shared = [p for p in self.layers.parameters() if p.requires_grad]
        return _ChunkedLoss.apply(  # type: ignore[no-any-return]
            self, criterion, targets, ignore, *labels, *flat, *shared
        )

    def all_labels(self) -> Labels:
        """Return every label, in the vocabulary's order."""
        return Labels(self.labels, self.weight, self.bias)

    def sources(self, image: Tensor, *, own_labels: bool = False) -> list[Source]:
        """Return what each layer's queries look up in the image tokens.

        ``own_labels`` is for labels that differ from image to image.
        """
        return [
            _source(layer.cross_attention, image, self.heads, absorb=own_labels or index > 0)
            for index, layer in enumerate(self.layers)
        ]

    def chunks(self, batch: int, classes: int) -> list[slice]:
        """Return slices of the labels whose activations stay within ``CHUNK`` numbers."""
        room = CHUNK * (1 if self.labels.device.type == "cpu" else BATCHED)
        size = max(1, room // (batch * self._inner))
        return [slice(start, start + size) for start in range(0, classes, size)]

    def score(self, labels: Labels, sources: Sequence[Source]) -> Tensor:
        """Return logits (batch, n) of n labels."""
        x = labels.table
        for layer, source in zip(self.layers, sources, strict=True):
            x = self._attend(layer.cross_attention, x, source)
            x = layer.feed_forward(x)
        return (x * labels.weight).sum(-1) + labels.bias

    def _attend(self, attention: Attention, x: Tensor, source: Source) -> Tensor:
        if x.dim() == 2:  # the label embeddings: the same queries for every image
            query = split_heads(attention.query(x)[None], self.heads)
            scores = torch.matmul(query, source.keys.transpose(-1, -2))
            scores = scores.transpose(1, 2)
        else:
            scores = torch.baddbmm(source.bias, x, source.keys.transpose(1, 2))
            scores = scores.view(*scores.shape[:2], self.heads, -1)
        scale = (x.shape[-1] // self.heads) ** -0.5
        weights = torch.softmax(scores * scale, -1).flatten(2)
        weights = F.dropout(weights, attention.dropout, self.training)
        out = torch.matmul(weights, source.values) + attention.output.bias
        return attention.norm(F.dropout(out, attention.dropout, self.training) + x)  # type: ignore[no-any-return]


class LinearHead(nn.Module):
    """A full connection from the image's summary token: the other head of Table 11."""

    def __init__(self, *, classes: int, image_width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(classes, image_width))
        self.bias = nn.Parameter(torch.full((classes,), math.log(PRIOR / (1 - PRIOR))))
        nn.init.normal_(self.weight, std=0.02)

    def forward(self, image: Tensor, labels: Tensor | None = None) -> Tensor:
        """Return logits (batch, labels) for image tokens (batch, tokens, image width)."""
        if labels is None:
            return F.linear(image[:, 0], self.weight, self.bias)
        return F.linear(image[:, 0], self.weight[labels], self.bias[labels])

    def loss(
        self, image: Tensor, targets: Tensor, criterion: Criterion, ignore: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Return the loss and the logits (batch, classes), which carry no gradient."""
        logits = self(image)
        return call(criterion, logits, targets, ignore), logits.detach()


def _source(attention: Attention, image: Tensor, heads: int, *, absorb: bool) -> Source:
    keys, values = attention.look_up(image, heads)
    size = keys.shape[-1]
    out = attention.output.weight.view(-1, heads, size).permute(1, 2, 0)  # heads, size, width
    mixed = torch.matmul(values, out).flatten(1, 2)
    if not absorb:
        return Source(keys, keys.new_zeros(()), mixed)
    query = attention.query.weight.view(heads, size, -1)
    bias = torch.matmul(keys, attention.query.bias.view(heads, size, 1))
    return Source(torch.matmul(keys, query).flatten(1, 2), bias.flatten(1)[:, None], mixed)


def call(criterion: Criterion, logits: Tensor, targets: Tensor, ignore: Tensor | None) -> Tensor:
    """Return the loss of logits; an ignore mask is handed on only where there is one."""
    return criterion(logits, targets) if ignore is None else criterion(logits, targets, ignore)


class _ChunkedLoss(torch.autograd.Function):
    """A loss that is a sum over labels, its gradients taken chunk by chunk in the forward pass."""

    @staticmethod
    def forward(  # type: ignore[no-untyped-def]
        ctx, head: TaggingHead, criterion: Criterion, targets, ignore, *tensors
    ):
        depth = 3 + 3 * len(head.layers)
        labels, shared = Labels(*tensors[:3]), tensors[depth:]
        flat = [tensor.detach().requires_grad_() for tensor in tensors[3:depth]]
        sources = [Source(*flat[i : i + 3]) for i in range(0, len(flat), 3)]
        # Sums of many chunks: never in half precision.
        sums = [torch.zeros_like(t, dtype=_wide(t.dtype)) for t in tensors]
        losses, scores = [], []
        for place in head.chunks(len(targets), labels.bias.shape[-1]):
            own = Labels(*(tensor.detach().requires_grad_() for tensor in labels.part(place)))
            with torch.enable_grad():
                logits = head.score(own, sources)
                unknown = None if ignore is None else ignore[:, place]
                loss = call(criterion, logits, targets[:, place], unknown)
            found = torch.autograd.grad(loss, [*own, *flat, *shared], allow_unused=True)
            kept = [*Labels(*sums[:3]).part(place), *sums[3:]]
            for sum_, gradient in zip(kept, found, strict=True):
                if gradient is not None:
                    sum_.add_(gradient)
            losses.append(loss.detach())
            scores.append(logits.detach())
        ctx.save_for_backward(*sums)
        logits = torch.cat(scores, 1)
        ctx.mark_non_differentiable(logits)
        return torch.stack(losses).sum(), logits

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient, _):  # type: ignore[no-untyped-def]
        return None, None, None, None, *(tensor * gradient for tensor in ctx.saved_tensors)


def _wide(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32
