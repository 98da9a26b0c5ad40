"""RandAugment for pictures that have captions (Cubuk et al., 2020; the choice of BLIP's authors).

Magnitudes are half of the full ones, 5 of 10. Contrast is changed in all colours alike, unlike
there: captions speak of colours, and an equalised blue sky may turn out red. Pixels are moved
without interpolation, at a tenth of its cost.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Final

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from torch import Tensor

OPERATIONS: Final = 2
CHANCE: Final = 0.5  # of each drawn operation to be applied
STRENGTH: Final = 0.5  # 5 of 10
_GREY: Final = (128, 128, 128)

Operation = Callable[[Image.Image, float], Image.Image]  # the number is -1 or 1, where it matters


def augment(pixels: Tensor, random: Random) -> Tensor:
    """Return pixels uint8 (size, size, 3) after two random operations, each applied by chance."""
    drawn = random.choices(_OPERATIONS, k=OPERATIONS)
    chosen = [
        (operation, random.choice((-1, 1))) for operation in drawn if random.random() < CHANCE
    ]
    if not chosen:
        return pixels
    image = Image.fromarray(pixels.numpy())
    for operation, sign in chosen:
        image = operation(image, sign * STRENGTH)
    return torch.from_numpy(np.array(image))


def _same(image: Image.Image, _: float) -> Image.Image:
    return image


def _contrast(image: Image.Image, _: float) -> Image.Image:
    return ImageOps.autocontrast(image, preserve_tone=True)


def _equalised(image: Image.Image, _: float) -> Image.Image:
    counts = np.cumsum(image.convert("L").histogram())
    return image.point((255 * counts / counts[-1]).round().astype(int).tolist() * 3)


def _brightness(image: Image.Image, level: float) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(1 + 0.9 * level)


def _sharpness(image: Image.Image, level: float) -> Image.Image:
    blurred = image.filter(ImageFilter.BoxBlur(0.5))
    return Image.blend(blurred, image, 1 + 0.9 * level)


def _sheared_across(image: Image.Image, level: float) -> Image.Image:
    return _moved(image, (1, 0.3 * level, 0, 0, 1, 0))


def _sheared_down(image: Image.Image, level: float) -> Image.Image:
    return _moved(image, (1, 0, 0, 0.3 * level, 1, 0))


def _shifted_across(image: Image.Image, level: float) -> Image.Image:
    return _moved(image, (1, 0, image.width * level * 0.05, 0, 1, 0))


def _shifted_down(image: Image.Image, level: float) -> Image.Image:
    return _moved(image, (1, 0, 0, 0, 1, image.height * level * 0.05))


def _turned(image: Image.Image, level: float) -> Image.Image:
    return image.rotate(30 * level, Image.Resampling.NEAREST, fillcolor=_GREY)


def _moved(image: Image.Image, matrix: tuple[float, ...]) -> Image.Image:
    return image.transform(
        image.size, Image.Transform.AFFINE, matrix, Image.Resampling.NEAREST, fillcolor=_GREY
    )


_OPERATIONS: Final[tuple[Operation, ...]] = (
    _same, _contrast, _equalised, _brightness, _sharpness,
    _sheared_across, _sheared_down, _shifted_across, _shifted_down, _turned,
)  # fmt: skip
