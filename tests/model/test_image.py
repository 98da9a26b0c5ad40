from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from model.config import ModelConfig, preset
from model.image import ImageEncoder
from tests.model.tiny import SWIN
from vocab.errors import InputError


def small(image_encoder: str = "", size: int = 64, **options: Any) -> ModelConfig:
    if not image_encoder:
        image_encoder, options = SWIN["image_encoder"], {**SWIN["image_options"], **options}
    return preset("tiny", image_size=size, image_encoder=image_encoder, image_options=options)


@pytest.mark.parametrize("size", [32, 64, 96, 224, 256])
def test_swin_at_any_multiple_of_32(size: int) -> None:
    encoder = ImageEncoder(small(size=size)).eval()
    tokens = encoder(torch.randn(2, 3, size, size))
    assert tokens.shape == (2, 1 + (size // 16) ** 2, encoder.width)  # three stages
    torch.testing.assert_close(tokens[:, 0], tokens[:, 1:].mean(1))


def test_a_class_token_is_the_summary() -> None:
    encoder = ImageEncoder(small("vit_tiny_patch16_224", depth=1)).eval()
    assert encoder(torch.randn(2, 3, 64, 64)).shape == (2, 1 + 16, encoder.width)


def test_a_convolutional_network() -> None:
    encoder = ImageEncoder(small("resnet18")).eval()
    assert encoder(torch.randn(2, 3, 64, 64)).shape == (2, 1 + 4, encoder.width)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (small(size=65), "multiple of 32"),
        (small("vit_tiny_patch16_224", size=100), "multiple of 16"),
        (small("nothing_of_the_kind"), "no model of that name"),
        (small(bogus=1), "bogus"),
    ],
)
def test_what_timm_cannot_make_is_one_clear_line(config: ModelConfig, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        ImageEncoder(config)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["hf-hub:someone/something", "local-dir:/tmp", "timm/resnet18"])
def test_a_configuration_fetches_nothing(name: str) -> None:
    with pytest.raises(InputError, match="no model of that name"):
        ImageEncoder(small(name))


@pytest.mark.parametrize("option", ["checkpoint_path", "pretrained", "cache_dir"])
def test_a_configuration_opens_no_file(option: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=option):
        ImageEncoder(small(**{option: str(tmp_path / "hostile.pth")}))


@pytest.mark.parametrize(
    "config", [preset("tiny"), small(), small("vit_tiny_patch16_224", depth=1)]
)
def test_every_weight_gets_a_gradient(config: ModelConfig) -> None:
    encoder = ImageEncoder(config)
    encoder(torch.randn(1, 3, 64, 64)).square().mean().backward()
    assert [name for name, weight in encoder.named_parameters() if weight.grad is None] == []
