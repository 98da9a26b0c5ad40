"""The image encoder: any timm model as a sequence of tokens, a summary token in front."""

from __future__ import annotations

from inspect import signature
from typing import Any

import timm
import torch
from torch import Tensor, nn

from model.config import ModelConfig
from vocab.errors import InputError

STRIDE = 32  # pixels a side of Swin's last tokens


class ImageEncoder(nn.Module):
    """Images (batch, 3, size, size), normalised, to tokens (batch, 1 + tokens, width).

    The first token summarises: a model's own class token (ViT), or the mean of all tokens, as the
    release puts it in front of Swin's map.
    """

    def __init__(self, config: ModelConfig, *, pretrained: bool = False) -> None:
        super().__init__()
        backbone = _backbone(config, pretrained=pretrained)
        backbone.head = nn.Identity()  # what stands there would never get a gradient
        self.backbone: Any = backbone
        self.width: int = backbone.num_features
        self._own_summary = getattr(self.backbone, "num_prefix_tokens", 0) > 0
        self._channels_last = getattr(self.backbone, "output_fmt", "NCHW") == "NHWC"

    def forward(self, images: Tensor) -> Tensor:
        """Return tokens; the first is the summary."""
        features = self.backbone.forward_features(images)
        if features.dim() == 4:
            features = features if self._channels_last else features.permute(0, 2, 3, 1)
            features = features.flatten(1, 2)
        if self._own_summary:
            return features  # type: ignore[no-any-return]
        return torch.cat((features.mean(1, keepdim=True), features), 1)


def _backbone(config: ModelConfig, *, pretrained: bool) -> Any:
    """Return a model of timm's own; options that fetch or open files are not a configuration's."""
    name = config.image_encoder
    if not timm.is_model(name):
        raise InputError(f"image encoder {name[:60]!r}: timm has no model of that name")
    refused = sorted(config.image_options.keys() & signature(timm.create_model).parameters.keys())
    if refused:
        raise InputError(f"image options {', '.join(refused)}: only a model's sizes can be set")
    options = {**_size_options(config), **config.image_options}
    try:
        made: Any = timm.create_model(name, pretrained=pretrained, num_classes=0, **options)
    except Exception as error:  # timm checks few options: what does not fit fails anywhere
        line = str(error).strip().split("\n", 1)[0][:200]
        raise InputError(f"image encoder {name}: timm cannot make it ({line})") from error
    patch = getattr(getattr(made, "patch_embed", None), "patch_size", (1,))[0]
    if config.image_size % patch:
        raise InputError(f"image size {config.image_size}: {name} needs a multiple of {patch}")
    return made


def _size_options(config: ModelConfig) -> dict[str, Any]:
    """Return timm's options for an image size; Swin's window is a 32nd of the side, as released.

    7 at 224 px and 12 at 384 px: the last stage is then one window, at every size.
    """
    if config.image_encoder.startswith("swin_"):
        if config.image_size % STRIDE:
            raise InputError(f"image size {config.image_size}: Swin needs a multiple of {STRIDE}")
        return {"img_size": config.image_size, "window_size": config.image_size // STRIDE}
    if config.image_encoder.startswith(("vit_", "deit")):
        return {"img_size": config.image_size}
    return {}
