"""Weights under the released names, by the rule that the golden figures were made with.

Anyone can draw them again: a generator seeded with the name's CRC-32, scaled by the weight's part.
"""

from __future__ import annotations

import re
import zlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from model.released_names import our_name

GOLDEN = Path(__file__).with_name("golden_224.npz")
_SHARED = re.compile(
    r"tag_encoder(\.encoder\.layer\.[01]\.(?:crossattention|intermediate|output)\.)"
)
_TIED = {
    "text_decoder.cls.predictions.decoder.weight": (
        "text_decoder.bert.embeddings.word_embeddings.weight"
    ),
    "text_decoder.cls.predictions.decoder.bias": "text_decoder.cls.predictions.bias",
}


def released_names() -> list[str]:
    """Return the names of the released model's weights, two layers of its Swin and texts too."""
    with np.load(GOLDEN) as golden:
        return golden["weight_names"].tobytes().decode().split("\n")


def drawn_weights(network: nn.Module) -> dict[str, Tensor]:
    """Return a checkpoint of the release as large as the network, without its buffers."""
    shapes = {name: tensor.shape for name, tensor in network.state_dict().items()}
    drawn: dict[str, Tensor] = {}
    weights = {}
    for name in released_names():
        if (ours := our_name(name)) not in shapes:
            continue
        stored = _TIED.get(name, _SHARED.sub(r"tagging_head\1", name))
        if stored not in drawn:
            extra = (1,) if name in ("fc.W", "fc.b") else ()
            drawn[stored] = _draw(stored, (*extra, *shapes[ours]))
        weights[name] = drawn[stored]
    return weights


def _draw(name: str, shape: tuple[int, ...]) -> Tensor:
    seed = zlib.crc32(name.encode())
    w = np.random.default_rng(seed).standard_normal(shape, dtype=np.float32)
    parent = name.split(".")[-2]
    if name.endswith(".weight") and ("LayerNorm" in name or parent.startswith("norm")):
        w = 1 + np.float32(0.1) * w
    elif name == "fc.W":
        w /= np.float32(np.sqrt(shape[-1]))
    elif len(shape) >= 2:
        w /= np.float32(np.sqrt(np.prod(shape[1:])))
    else:
        w *= np.float32(0.02)
    return torch.from_numpy(w)
