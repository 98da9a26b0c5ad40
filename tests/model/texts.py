"""A small tokenizer and small networks for the tests of the text side."""

from __future__ import annotations

from functools import lru_cache

import torch

from model.config import preset
from model.network import Network
from model.tokenizer import Tokenizer, train_tokenizer

CAPTIONS = (
    "A dog runs on the grass.",
    "Two cats sleep on a red sofa!",
    "a picture of a woman who plays the old piano",
    "A man in a blue shirt catches a frisbee",
)
WORDS = 160


@lru_cache(maxsize=1)
def small_tokenizer() -> Tokenizer:
    return train_tokenizer(CAPTIONS * 3, words=WORDS)


@lru_cache(maxsize=16)
def small_network(seed: int, **changes: object) -> Network:
    """A network whose weights are so large that words differ, and captions end now and then."""
    torch.manual_seed(seed)
    config = preset("tiny", words=WORDS, alignment=False, **changes)
    network = Network(config, classes=3).eval()
    with torch.no_grad():
        for name, weight in network.decoder.named_parameters():
            if "norm" not in name:
                weight.normal_(std=0.3 if "position" in name else 0.15)
        network.decoder.bias[small_tokenizer().sep] += 2
    return network


def small_images(count: int, seed: int = 0) -> torch.Tensor:
    """Image tokens as the small network's text side wants them."""
    random = torch.Generator().manual_seed(seed)
    return torch.randn(count, 5, small_network(0).image_encoder.width, generator=random)
