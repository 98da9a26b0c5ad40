"""The network: one image encoder, three tasks (paper, Section 3, Figure 3)."""

from __future__ import annotations

from torch import nn

from model.alignment import AlignmentEncoder
from model.config import ModelConfig
from model.image import ImageEncoder
from model.tagging import LinearHead, TaggingHead, TagLayer
from model.text import GenerationDecoder, InteractionEncoder


class Network(nn.Module):
    """The weights of a Tag2Text model and how its parts are joined."""

    def __init__(self, config: ModelConfig, *, classes: int, pretrained: bool = False) -> None:
        super().__init__()
        self.config = config
        self.image_encoder = ImageEncoder(config, pretrained=pretrained)
        width = self.image_encoder.width
        self.tagging = _tagging_head(config, classes=classes, image_width=width)
        shared: list[TagLayer] = []
        if config.tagging == "shared" and isinstance(self.tagging, TaggingHead):
            shared = list(self.tagging.layers)
        self.interaction = InteractionEncoder(config, image_width=width, shared=shared)
        self.decoder = GenerationDecoder(config)
        self.alignment: AlignmentEncoder | None = None
        if config.alignment:
            self.alignment = AlignmentEncoder(config, image_width=width, decoder=self.decoder)


def _tagging_head(
    config: ModelConfig, *, classes: int, image_width: int
) -> TaggingHead | LinearHead:
    """Return one of the heads of Table 11."""
    if config.tagging == "linear":
        return LinearHead(classes=classes, image_width=image_width)
    return TaggingHead(config, classes=classes, image_width=image_width)
