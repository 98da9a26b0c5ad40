"""The released checkpoint's names, and ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import torch
from torch import Tensor

from vocab.errors import InputError

_ATTENTION: Final = {
    "self.query": "query",
    "self.key": "key",
    "self.value": "value",
    "output.dense": "output",
    "output.LayerNorm": "norm",
}
_EMBEDDINGS: Final = {
    "embeddings.word_embeddings": "embeddings.word",
    "embeddings.position_embeddings": "embeddings.position",
    "embeddings.LayerNorm": "embeddings.norm",
}
_FEED_FORWARD: Final = {
    "intermediate.dense": "inner",
    "output.dense": "output",
    "output.LayerNorm": "norm",
}
_FIXED: Final = {
    "label_embed.weight": "tagging.labels",
    "fc.W": "tagging.weight",
    "fc.b": "tagging.bias",
    "text_decoder.cls.predictions.transform.dense.weight": "decoder.transform.weight",
    "text_decoder.cls.predictions.transform.dense.bias": "decoder.transform.bias",
    "text_decoder.cls.predictions.transform.LayerNorm.weight": "decoder.norm.weight",
    "text_decoder.cls.predictions.transform.LayerNorm.bias": "decoder.norm.bias",
    "text_decoder.cls.predictions.bias": "decoder.bias",
    "text_decoder.cls.predictions.decoder.weight": "decoder.embeddings.word.weight",
    "text_decoder.cls.predictions.decoder.bias": "decoder.bias",
}
_PREFIXES: Final = {
    "tag_encoder.": "interaction.",
    "text_decoder.bert.": "decoder.",
    "tagging_head.": "tagging.",
}
# What a released checkpoint holds beside weights: tables that follow from the sizes.
_BUFFERS: Final = ("relative_position_index", "attn_mask", "position_ids")
_LAYER: Final = re.compile(r"encoder\.layer\.(\d+)\.(attention|crossattention)?\.?(.+)\.(\w+)")
_DOWNSAMPLE: Final = re.compile(r"layers\.(\d+)\.downsample\.(.+)")


def our_name(name: str) -> str | None:
    """Return our name of a released weight; ``None`` for a buffer that follows from the sizes.

    ``KeyError`` when the release has no such weight.
    """
    if name.endswith(_BUFFERS):
        return None
    if name in _FIXED:
        return _FIXED[name]
    if name.startswith("visual_encoder."):
        return "image_encoder.backbone." + _swin_name(name.removeprefix("visual_encoder."))
    for prefix, ours in _PREFIXES.items():
        if name.startswith(prefix):
            return ours + _text_name(name.removeprefix(prefix))
    raise KeyError(name)


def _swin_name(name: str) -> str:
    """Return timm's name: there a stage begins with the down-sampling, here it ended with it."""
    found = _DOWNSAMPLE.fullmatch(name)
    return f"layers.{int(found[1]) + 1}.downsample.{found[2]}" if found else name


def _text_name(name: str) -> str:
    stem, _, kind = name.rpartition(".")
    if stem in _EMBEDDINGS:
        return f"{_EMBEDDINGS[stem]}.{kind}"
    found = _LAYER.fullmatch(name)
    if not found:
        raise KeyError(name)
    number, attention, part, kind = found.groups()
    if attention:
        place = "self_attention" if attention == "attention" else "cross_attention"
        return f"layers.{number}.{place}.{_ATTENTION[part]}.{kind}"
    return f"layers.{number}.feed_forward.{_FEED_FORWARD[part]}.{kind}"


def convert_names(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return released weights under our names; every one is used or known to be needless.

    :class:`InputError` names weights that the release does not have, and two that are stored
    under different names, are one in the model, and differ.
    """
    ours: dict[str, Tensor] = {}
    unknown = []
    for name, tensor in weights.items():
        try:
            target = our_name(name)
        except KeyError:
            unknown.append(name)
            continue
        if target is None:
            continue
        value = tensor.squeeze(0) if name in ("fc.W", "fc.b") else tensor
        if target in ours and not torch.equal(ours[target], value):
            raise InputError(f"{name} differs from its twin; the checkpoint is not a whole one")
        ours[target] = value
    if unknown:
        raise InputError(
            f"{len(unknown)} weights are not of a released Tag2Text: {', '.join(unknown[:5])}"
        )
    return ours
