"""Maps of attention are the head's own, and lie over the image where they belong."""

from __future__ import annotations

import pytest
import torch
from PIL import Image
from torch import Tensor

from model.config import preset
from model.heatmap import SIDE, attention_maps, overlay, to_grid
from model.tagging import TaggingHead
from tests.model.tiny import TAGS, tiny_model
from vocab.errors import InputError

WIDTH = 24


def head(**changes: int) -> TaggingHead:
    torch.manual_seed(0)
    config = preset("tiny", width=16, heads=4, feed_forward=32, **changes)
    made = TaggingHead(config, classes=5, image_width=WIDTH).double().eval()
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return made


def image_tokens(tokens: int = 10) -> Tensor:
    return torch.randn(2, tokens, WIDTH, dtype=torch.float64)


@torch.no_grad()
def test_logits_follow_from_the_maps() -> None:
    """With one layer and one head the map is all there is between values and logits."""
    made, image = head(tag_layers=1, tag_heads=1), image_tokens()
    maps = attention_maps(made, image, torch.arange(5))
    (layer,) = made.layers
    attention = layer.cross_attention
    seen = attention.output(maps @ attention.value(image))
    state = layer.feed_forward(attention.norm(seen + made.labels))
    logits = (state * made.weight).sum(-1) + made.bias
    assert torch.allclose(logits, made(image))


def test_maps_are_shares_that_move_with_the_tokens() -> None:
    made, image = head(), image_tokens()
    maps = attention_maps(made, image, torch.tensor([3, 0]))
    assert maps.shape == (2, 2, 10)
    assert torch.allclose(maps.sum(-1), torch.ones(2, 2, dtype=torch.float64))
    order = torch.randperm(10)
    assert torch.allclose(
        attention_maps(made, image[:, order], torch.tensor([3, 0])), maps[..., order]
    )


def test_grid_leaves_the_summary_out() -> None:
    grid = to_grid(torch.arange(10.0))
    assert grid.tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]


def test_overlay_is_brightest_where_attention_is_highest() -> None:
    grid = torch.zeros(4, 4)
    grid[0, 3] = 1
    made = overlay(Image.new("RGB", (80, 40), "grey"), grid)
    assert made.size == (80, 40)
    grey = made.convert("L")
    pixels = {(x, y): grey.getpixel((x, y)) for x in range(80) for y in range(40)}
    brightest = max(pixels, key=lambda place: pixels[place])
    assert brightest[0] >= 60
    assert brightest[1] < 10


def test_overlay_of_a_large_picture_is_small_and_a_flat_map_is_no_error() -> None:
    made = overlay(Image.new("RGB", (2000, 1000)), torch.full((4, 4), 0.1))
    assert made.size == (SIDE, SIDE // 2)


def test_a_full_connection_has_no_maps() -> None:
    with pytest.raises(InputError, match="no heatmaps"):
        tiny_model(tagging="linear").heatmaps(Image.new("RGB", (64, 64)), TAGS[:1])
