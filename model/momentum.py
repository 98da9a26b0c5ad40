"""A slow copy of the encoders and a queue of what it saw: more negatives, softer targets.

The option of Li et al. (2021, ALBEF) for the contrast of images and texts. It costs a second
image encoder's forward pass; :func:`model.alignment.contrastive_loss` does without.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.alignment import AlignmentEncoder, Gather, right_answers
from model.image import ImageEncoder
from vocab.errors import InputError

EMPTY = -1  # key of a place in the queue that holds nothing yet
FAR = -1e4  # logit of such a place


class Momentum(nn.Module):
    """Averages of an image encoder's and an alignment encoder's weights, and a queue.

    ``rate`` is the share of the old weights that stays in an update. The queue keeps the last
    ``size`` pairs of all ranks, so every rank's copy is the same. Keys of images, as in
    :func:`model.alignment.contrastive_loss`, are not negative.
    """

    keys: Tensor
    images: Tensor
    texts: Tensor
    next: Tensor

    def __init__(
        self,
        image_encoder: ImageEncoder,
        alignment: AlignmentEncoder,
        *,
        rate: float = 0.995,
        size: int = 57_600,
    ) -> None:
        super().__init__()
        self.rate = rate
        self.size = size
        self.image_encoder = copy.deepcopy(image_encoder)
        self.alignment = _without_cross_attention(alignment)
        self.requires_grad_(False)
        self.train(False)
        projection = alignment.image_projection.out_features
        self.register_buffer("keys", torch.full((size,), EMPTY))
        self.register_buffer("images", torch.zeros(size, projection))
        self.register_buffer("texts", torch.zeros(size, projection))
        self.register_buffer("next", torch.zeros((), dtype=torch.long))

    def train(self, mode: bool = True) -> Momentum:
        """Stay in evaluation mode: targets need no dropout."""
        del mode
        return super().train(False)

    @torch.no_grad()
    def update(self, image_encoder: ImageEncoder, alignment: AlignmentEncoder) -> None:
        """Move the averages towards the weights; buffers are copied."""
        for ours, theirs in (self.image_encoder, image_encoder), (self.alignment, alignment):
            weights, buffers = dict(theirs.named_parameters()), dict(theirs.named_buffers())
            for name, average in ours.named_parameters():
                average.lerp_(weights[name], 1 - self.rate)
            for name, buffer in ours.named_buffers():
                buffer.copy_(buffers[name])

    @torch.no_grad()
    def encode(self, images: Tensor, ids: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Return unit vectors (batch, projection) of images and of texts (batch, tokens)."""
        tokens = self.image_encoder(images)
        return self.alignment.encode_image(tokens), self.alignment.encode_text(ids, mask)

    def loss(
        self,
        image: Tensor,
        text: Tensor,
        slow: tuple[Tensor, Tensor],
        keys: Tensor,
        *,
        temperature: Tensor | float,
        alpha: float = 0.4,
    ) -> Tensor:
        """Return the ITC loss (eq. 4) against the slow vectors of this batch and of the queue.

        ``image`` and ``text`` are unit vectors (batch, projection), ``slow`` comes from
        :meth:`encode`, ``keys`` (batch,) tell images apart. ``alpha`` is the share of the slow
        encoders' own answer in the targets.
        """
        slow_image, slow_text = slow
        every = torch.cat((keys, self.keys))
        right = right_answers(keys, every)
        total = image.new_zeros(())
        for fast, own, others in (
            (image, slow_image, torch.cat((slow_text, self.texts))),
            (text, slow_text, torch.cat((slow_image, self.images))),
        ):
            logits = self._logits(fast, others, every) / temperature
            with torch.no_grad():
                soft = torch.softmax(self._logits(own, others, every) / temperature, 1)
                targets = alpha * soft + (1 - alpha) * right
            total = total + F.cross_entropy(logits, targets)
        return total

    def _logits(self, vectors: Tensor, others: Tensor, keys: Tensor) -> Tensor:
        return (vectors @ others.T).float().masked_fill(keys == EMPTY, FAR)

    @torch.no_grad()
    def enqueue(
        self, slow: tuple[Tensor, Tensor], keys: Tensor, *, gather: Gather | None = None
    ) -> None:
        """Put a batch into the queue, over its oldest; ``gather`` brings in the other ranks'."""
        rows = [gather(each) if gather else each for each in (*slow, keys)]
        count = len(rows[0])
        if count > self.size:
            raise InputError(f"a queue of {self.size} is too short for a batch of {count} pairs")
        places = (self.next + torch.arange(count, device=self.next.device)) % self.size
        for queue, new in zip((self.images, self.texts, self.keys), rows, strict=True):
            queue[places] = new.to(queue.dtype)
        self.next.copy_((self.next + count) % self.size)


def _without_cross_attention(alignment: AlignmentEncoder) -> AlignmentEncoder:
    """Return a copy that reads texts only; the decoder's layers are not copied."""
    shared = [layer.cross_attention for layer in alignment.layers]
    copied = copy.deepcopy(alignment, {id(each): each for each in shared})
    for layer in copied.layers:
        del layer.cross_attention
    return copied
