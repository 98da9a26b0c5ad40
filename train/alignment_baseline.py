"""The alignment paradigm of the paper's Table 1: a CLIP-like model scores images against names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, cast

import numpy as np
import torch
from PIL import Image

from train.evaluation_data import Example
from train.metrics import Flags, Floats, threshold_curve
from vocab.errors import InputError

TEMPLATE: Final = "a photo of a {}"
STEPS: Final = 60  # thresholds that are tried
_PIXELS: Final = 384  # sides of the images that the processor gets, and makes its own size of


class ClipScorer:
    """Cosines of images and class names by a transformers model with two towers.

    It sees what our model sees, the whole image made square: nothing is cropped away.
    """

    def __init__(self, name: str, *, device: str | torch.device = "cpu") -> None:
        """Load ``name``, a directory or a model of the hub."""
        try:
            from transformers import AutoModel, AutoProcessor

            processors, models = cast(Any, AutoProcessor), cast(Any, AutoModel)
            self._processor = processors.from_pretrained(name)
            self._model = models.from_pretrained(name).eval().to(device)
        except (OSError, ValueError, ImportError) as error:
            line = str(error).split("\n", 1)[0]
            raise InputError(f"{name}: cannot be loaded with transformers ({line})") from error
        if not hasattr(self._model, "get_image_features"):
            raise InputError(f"{name}: has no image and text features to compare, as CLIP has")
        self.name, self._device = name, device

    @torch.no_grad()
    def scores(
        self, examples: Sequence[Example], names: Sequence[str], *, batch_size: int = 16
    ) -> Floats:
        """Return cosines (images, names); the images are those that could be read."""
        texts = [TEMPLATE.format(name) for name in names]
        inputs = self._processor(text=texts, return_tensors="pt", padding=True, truncation=True)
        labels = _unit(self._model.get_text_features(**inputs.to(self._device)))
        parts = []
        for start in range(0, len(examples), batch_size):
            batch = examples[start : start + batch_size]
            pictures = [_picture(example) for example in batch]
            inputs = self._processor(images=pictures, return_tensors="pt").to(self._device)
            parts.append((_unit(self._model.get_image_features(**inputs)) @ labels.T).cpu())
        return torch.cat(parts).numpy()


def best_single_threshold(scores: Floats, labels: Flags) -> float:
    """Return the one threshold for all classes with the highest macro F1 on these very images.

    The paper does not say how it chose its own: this favours the baseline.
    """
    steps = np.quantile(scores, np.linspace(0.5, 0.999, STEPS))
    return max(threshold_curve(scores, labels, steps), key=lambda p: p.figures.f1).threshold


def _picture(example: Example) -> Image.Image:
    return Image.fromarray(example.read(_PIXELS).permute(1, 2, 0).numpy())


def _unit(features: Any) -> torch.Tensor:
    """Return unit rows of what a model of transformers gives: a tensor, or an output with one."""
    tensor = features if isinstance(features, torch.Tensor) else features.pooler_output
    return torch.nn.functional.normalize(tensor.float(), dim=-1)
