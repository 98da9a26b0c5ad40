"""Encoded images to pixels: uint8 all the way, and no more of a JPEG decoded than is needed.

libjpeg can decode at 1/8 to 7/8 of the size for less work, and most of a photograph's pixels are
averaged away soon after. simplejpeg is used where it is installed, Pillow otherwise.
"""

from __future__ import annotations

import io
import math
from random import Random
from typing import Final, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from model.preprocess import FORMATS, ImageError, open_picture, to_pixels

try:
    import simplejpeg
except ImportError:  # an extra, for speed
    simplejpeg = None

AREA: Final = (0.2, 1.0)  # of the image that a crop keeps (Li et al., 2022, BLIP)
ASPECT: Final = (3 / 4, 4 / 3)
PIXELS: Final = 178_956_970  # where Pillow, too, speaks of a decompression bomb
_TURNED: Final = 0x112  # EXIF's orientation
_PLAIN: Final = ("YCbCr", "Gray", "RGB")


class Box(NamedTuple):
    """A part of an image, all as fractions of its width and height."""

    left: float
    top: float
    right: float
    bottom: float


def random_box(width: int, height: int, random: Random, *, area: tuple[float, float]) -> Box:
    """Draw a part of ``area`` of an image, of an aspect near 1; the middle when none fits."""
    for _ in range(10):
        pixels = width * height * random.uniform(*area)
        aspect = math.exp(random.uniform(*map(math.log, ASPECT)))
        across, down = math.sqrt(pixels * aspect) / width, math.sqrt(pixels / aspect) / height
        if across <= 1 and down <= 1:
            left, top = random.uniform(0, 1 - across), random.uniform(0, 1 - down)
            return Box(left, top, left + across, top + down)
    side = min(width, height)
    across, down = side / width / 2, side / height / 2
    return Box(0.5 - across, 0.5 - down, 0.5 + across, 0.5 + down)


def training_pixels(
    data: bytes, size: int, random: Random, *, area: tuple[float, float] = AREA
) -> Tensor:
    """Return a random part of an image, uint8 (size, size, 3), resized bicubically.

    :class:`ImageError` for what cannot be decoded.
    """
    shape = _fast_shape(data)
    if shape is None:
        return _training_pixels_by_pillow(data, size, random, area)
    box = random_box(*shape, random, area=area)
    width, height = _least(shape, box, size)
    try:
        pixels = simplejpeg.decode_jpeg(
            data, "RGB", min_height=height, min_width=width, min_factor=1
        )
    except ValueError as error:
        raise ImageError(f"the image is broken ({error})") from error
    return _resized(pixels, box, size)


def evaluation_pixels(data: bytes, size: int) -> Tensor:
    """Return the whole image, uint8 (size, size, 3): the pixels that a user's file would give."""
    image = _opened(data)
    image.draft(None, (2 * size, 2 * size))
    return to_pixels(image, size).permute(1, 2, 0)


def _training_pixels_by_pillow(
    data: bytes, size: int, random: Random, area: tuple[float, float]
) -> Tensor:
    image = _opened(data)
    turned = _orientation(image) >= 5
    width, height = image.size[::-1] if turned else image.size
    box = random_box(width, height, random, area=area)
    least = _least((width, height), box, size)
    image.draft(None, least[::-1] if turned else least)
    return _resized(np.array(open_picture(image)), box, size)


def _fast_shape(data: bytes) -> tuple[int, int] | None:
    """Return width and height of a JPEG that simplejpeg decodes as Pillow would, else None."""
    if simplejpeg is None or not data.startswith(b"\xff\xd8"):
        return None
    try:
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return None
    if colours not in _PLAIN or width * height > PIXELS:
        return None
    if b"Exif\0" in data[:4096] and _orientation(_opened(data)) != 1:
        return None
    return width, height


def _least(shape: tuple[int, int], box: Box, size: int) -> tuple[int, int]:
    """Return the least width and height at which the box still has ``size`` pixels a side."""
    width, height = shape
    scale = size / min(width * (box.right - box.left), height * (box.bottom - box.top))
    return tuple(math.ceil(side * min(1.0, scale)) for side in shape)  # type: ignore[return-value]


def _resized(
    pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], box: Box, size: int
) -> Tensor:
    """Return a part of pixels (height, width, 3), in another size, antialiased."""
    height, width = pixels.shape[:2]
    left, top = round(box.left * width), round(box.top * height)
    right, bottom = (
        max(left + 1, round(box.right * width)),
        max(top + 1, round(box.bottom * height)),
    )
    # Made a batch first: only then does torch see channels last, and is twice as fast.
    part = torch.from_numpy(pixels[top:bottom, left:right])[None].permute(0, 3, 1, 2)
    made = F.interpolate(part, (size, size), mode="bicubic", antialias=True)
    return made.permute(0, 2, 3, 1)[0]


def _opened(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except Exception as error:  # decoders raise errors of every kind
        raise ImageError(f"the image is broken ({error})") from error


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_TURNED, 1))
    except Exception:  # EXIF is often nonsense: then there is no rotation
        return 1
