"""Where in an image the tagging head looks for a tag, as an overlay picture."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from model.layers import split_heads
from model.tagging import TaggingHead
from vocab.errors import InputError

SIDE: Final = 768  # pixels of the longer side of an overlay at most
STRENGTH: Final = 0.65  # opacity where attention is highest
# Colours by attention, from none to most: dark blue, violet, orange, pale yellow.
COLOURS: Final = ((12, 8, 60), (128, 20, 128), (240, 110, 40), (255, 250, 180))


@torch.no_grad()
def attention_maps(head: TaggingHead, image: Tensor, labels: Tensor) -> Tensor:
    """Return the last layer's attention (batch, labels, tokens), mean over heads; rows sum to 1.

    ``image`` are image tokens (batch, tokens, image width), ``labels`` class ids (n,).
    """
    x = head.labels[labels].expand(len(image), -1, -1)
    *lower, upper = head.layers
    for layer in lower:
        source = layer.cross_attention.look_up(image, head.heads)
        x = layer.feed_forward(layer.cross_attention(x, source, heads=head.heads))
    last = upper.cross_attention
    query, keys = split_heads(last.query(x), head.heads), last.look_up(image, head.heads).keys
    scores = torch.matmul(query, keys.transpose(-1, -2)) * query.shape[-1] ** -0.5
    return torch.softmax(scores, -1).mean(1)


def to_grid(attention: Tensor) -> Tensor:
    """Return attention over tokens (..., tokens) as a map (..., side, side), summaries left out.

    Summary tokens stand in front; the rest must be a square of patches.
    """
    side = int(attention.shape[-1] ** 0.5)
    if not side:
        raise InputError("this image encoder gives no patches, so there is no map to draw")
    return attention[..., -side * side :].reshape(*attention.shape[:-1], side, side)


def overlay(picture: Image.Image, grid: Tensor) -> Image.Image:
    """Return an RGB picture of at most ``SIDE`` pixels a side with a map (side, side) over it."""
    small = picture.copy()
    small.thumbnail((SIDE, SIDE))
    low, high = grid.min(), grid.max()
    heat = ((grid - low) / (high - low).clamp(min=1e-12)).float().cpu().numpy()
    shape = Image.fromarray(heat).resize(small.size, Image.Resampling.BICUBIC)
    level = np.clip(np.asarray(shape), 0, 1)
    stops = np.linspace(0, 1, len(COLOURS))
    channels = [np.interp(level, stops, [colour[i] for colour in COLOURS]) for i in range(3)]
    colours = Image.fromarray(np.stack(channels, -1).astype(np.uint8))
    opacity = Image.fromarray((255 * STRENGTH * (0.35 + 0.65 * level)).astype(np.uint8))
    return Image.composite(colours, small, opacity)
