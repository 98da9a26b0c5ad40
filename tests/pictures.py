"""Small pictures in the file formats that the world sends."""

from __future__ import annotations

import io
from typing import Any

from PIL import Image


def picture(
    format: str = "JPEG", *, size: tuple[int, int] = (40, 30), mode: str = "RGB", **options: Any
) -> bytes:
    """Return an encoded picture: a diagonal gradient, the left upper corner dark."""
    grey = Image.linear_gradient("L").resize(size)
    across = Image.linear_gradient("L").rotate(90).resize(size)
    image = Image.merge("RGB", (grey, across, grey)).convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def opened(content: bytes) -> Image.Image:
    """Return the decoded picture."""
    image = Image.open(io.BytesIO(content))
    image.load()
    return image
