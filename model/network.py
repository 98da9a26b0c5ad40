"""The network: one image encoder, three tasks (paper, Section 3, Figure 3)."""

from __future__ import annotations

from torch import nn

from model.config import ModelConfig
from model.image import ImageEncoder
from model.tagging import TaggingHead
from model.text import GenerationDecoder, InteractionEncoder


class Network(nn.Module):
    """The weights of a Tag2Text model and how its parts are joined."""

    def __init__(self, config: ModelConfig, *, classes: int, pretrained: bool = False) -> None:
        super().__init__()
        self.config = config
        self.image_encoder = ImageEncoder(config, pretrained=pretrained)
        width = self.image_encoder.width
        self.tagging = TaggingHead(config, classes=classes, image_width=width)
        shared = list(self.tagging.layers) if config.tagging == "shared" else []
        self.interaction = InteractionEncoder(config, image_width=width, shared=shared)
        self.decoder = GenerationDecoder(config)
