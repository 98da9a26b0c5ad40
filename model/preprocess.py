"""Images as the model takes them: upright, RGB, square, uint8; normalised with one mean and std.

Pixels stay bytes until they are beside the weights: floats are four times the traffic.
"""

from __future__ import annotations

import contextlib
import math
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from model.config import ModelConfig
from vocab.errors import InputError

Picture: TypeAlias = "str | os.PathLike[str] | Image.Image | Tensor"
# Of Pillow's many formats only these: others run programs (EPS) or are no photographs.
FORMATS: Final = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")


# Odd EXIF or a palette is no reason to speak. By module: a filter set for each image would not be
# safe in threads.
warnings.filterwarnings("ignore", module=r"PIL\.")


class ImageError(InputError):
    """One image that cannot be used, and why; it says nothing about the others."""


def open_picture(picture: Picture, *, side: int | None = None) -> Image.Image:
    """Return an image as upright 8-bit RGB, what is transparent over white.

    ``picture`` is a path, a Pillow image or a uint8 tensor (3, height, width). Where sides of
    ``side`` pixels will do, libjpeg halves a large JPEG as it decodes, which spares most of the
    work. :class:`ImageError` for whatever cannot be read, is broken, or has too many pixels.
    """
    if isinstance(picture, Tensor):
        return _from_tensor(picture)
    if isinstance(picture, Image.Image):
        with _errors("the image"):
            return _upright_rgb(picture)
    path = Path(picture)
    with _errors(str(path)), Image.open(path, formats=FORMATS) as image:
        if side is not None:
            image.draft(None, (2 * side, 2 * side))
        return _upright_rgb(image)


def to_pixels(picture: Picture, size: int) -> Tensor:
    """Return uint8 pixels (3, size, size), resized bicubically; the aspect is not kept.

    Errors are those of :func:`open_picture`.
    """
    image = open_picture(picture, side=size)
    if image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()


def normalise(pixels: Tensor, config: ModelConfig) -> Tensor:
    """Return float32 images for the encoder, of the same shape (batch, 3, size, size)."""
    mean = torch.tensor(config.mean, device=pixels.device).view(3, 1, 1)
    std = torch.tensor(config.std, device=pixels.device).view(3, 1, 1)
    return (pixels.float() / 255 - mean) / std


def _from_tensor(pixels: Tensor) -> Image.Image:
    if pixels.dtype != torch.uint8 or pixels.dim() != 3 or len(pixels) != 3 or not pixels.numel():
        raise ImageError(
            f"an image is {str(pixels.dtype).removeprefix('torch.')}{list(pixels.shape)}; "
            "tensors must be uint8[3, height, width]"
        )
    return Image.fromarray(pixels.permute(1, 2, 0).contiguous().cpu().numpy())


def _upright_rgb(image: Image.Image) -> Image.Image:
    if image.width * image.height > (Image.MAX_IMAGE_PIXELS or math.inf):
        raise Image.DecompressionBombError  # Pillow itself reads twice as many
    image.load()
    with contextlib.suppress(Exception):  # EXIF is often nonsense: then there is no rotation
        image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):  # 16 bits of grey, which Pillow would clip to 255
        grey = np.clip(np.asarray(image).astype(np.int64) >> 8, 0, 255)
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    if "A" not in image.getbands() and "transparency" not in image.info:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")


@contextlib.contextmanager
def _errors(name: str) -> Iterator[None]:
    """Say in one line what is wrong with an image; decoders raise errors of every kind."""
    try:
        yield
    except ImageError:
        raise
    except Exception as error:
        raise ImageError(f"{name}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    if isinstance(error, UnidentifiedImageError):
        return f"is not an image that can be read ({', '.join(FORMATS)})"
    if isinstance(error, Image.DecompressionBombError):
        return "has too many pixels; make it smaller"
    if isinstance(error, OSError) and error.strerror:
        return f"cannot be read ({error.strerror})"
    return f"is broken ({' '.join(str(error).split()) or type(error).__name__})"
