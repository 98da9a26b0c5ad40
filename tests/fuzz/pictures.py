"""Encoded images, for the pipeline, for training and for users' files."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Final

import torch
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from model.preprocess import ImageError, to_pixels
from pipeline.images import BadImageError, ImageSettings, measure, plain_picture, prepare, thumbnail
from tests.fuzz.hostile import broken
from tests.fuzz.law import Target
from tests.pictures import picture
from train.decode import evaluation_pixels, training_pixels

_TURNED: Final = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
_WHOLE: Final = (
    *(picture(kind) for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")),
    picture("JPEG", mode="CMYK"),
    picture("JPEG", mode="L", progressive=True),
    picture(
        "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0"
    ),
    picture("PNG", mode="RGBA"),
    picture("PNG", mode="P"),
    picture("PNG", mode="I;16"),
    picture("TIFF", mode="1", compression="group4"),
    picture("WEBP", lossless=True),
)
_SIZES: Final = (b"\0\0", b"\0\1", b"\xff\xff", b"\x40\0", b"\x34\0")


@st.composite
def _images(draw: DrawFn) -> bytes:
    """Return broken images; half of them in the first bytes, where the sizes stand."""
    content = draw(st.sampled_from(_WHOLE))
    if draw(st.booleans()):
        return draw(broken((content,)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, min(len(content) - 2, 200)))
        part = draw(st.sampled_from(_SIZES) | st.binary(min_size=1, max_size=4))
        content = content[:at] + part + content[at + len(part) :]
    return content


def _pipeline(folder: Path, content: bytes) -> None:
    header = measure(content)
    assert header.width > 0
    assert header.height > 0
    kept = prepare(content, ImageSettings())
    assert kept.content == content or kept.extension == "jpg"
    prepare(content, ImageSettings(image_size=16))
    prepare(content, ImageSettings(verify="decode"))
    assert thumbnail(content, 16)
    assert plain_picture(content)


def _user(folder: Path, content: bytes) -> None:
    path = folder / "image"
    path.write_bytes(content)
    pixels = to_pixels(path, 32)
    assert pixels.shape == (3, 32, 32)
    assert pixels.dtype == torch.uint8


def _training(read: Callable[[bytes, int], torch.Tensor]) -> Callable[[Path, bytes], None]:
    def run(folder: Path, content: bytes) -> None:
        pixels = read(content, 32)
        assert pixels.shape == (32, 32, 3)
        assert pixels.dtype == torch.uint8

    return run


def _cropped(content: bytes, size: int) -> torch.Tensor:
    return training_pixels(content, size, Random(0))


def targets() -> Iterator[Target]:
    """Yield the targets of this module; an image may say that it has 179 million pixels."""
    for name, run in (
        ("images-pipeline", _pipeline),
        ("images-user", _user),
        ("images-training", _training(_cropped)),
        ("images-evaluation", _training(evaluation_pixels)),
    ):
        yield Target(
            name=name,
            run=run,
            cases=_images(),
            seeds=_WHOLE,
            documented=(BadImageError, ImageError),
            mebibytes=4096,
        )
