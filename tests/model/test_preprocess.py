"""Images of every kind become the same upright pixels, or one clear error."""

from __future__ import annotations

import io
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from model.config import preset
from model.preprocess import ImageError, normalise, open_picture, to_pixels
from tests.pictures import opened, picture

SIZE = 32


def saved(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def alike(one: Tensor, other: Tensor) -> float:
    return float((one.float() - other.float()).abs().mean())


def test_path_picture_and_tensor_are_the_same_image(tmp_path: Path) -> None:
    content = picture("PNG")
    path = saved(tmp_path / "a.png", content)
    whole = torch.from_numpy(np.array(opened(content))).permute(2, 0, 1)
    pixels = to_pixels(path, SIZE)
    assert pixels.shape == (3, SIZE, SIZE)
    assert pixels.dtype == torch.uint8
    assert torch.equal(pixels, to_pixels(str(path), SIZE))
    assert torch.equal(pixels, to_pixels(opened(content), SIZE))
    assert torch.equal(pixels, to_pixels(whole, SIZE))
    assert torch.equal(pixels, to_pixels(pixels, SIZE))  # of the right size already: untouched


@pytest.mark.parametrize("format", ["JPEG", "WEBP", "GIF", "BMP", "TIFF"])
def test_formats(format: str, tmp_path: Path) -> None:
    expected = to_pixels(opened(picture("PNG")), SIZE)
    assert alike(to_pixels(saved(tmp_path / "a", picture(format)), SIZE), expected) < 8


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "1", "LA", "RGBA", "I;16"])
def test_modes_become_rgb(mode: str) -> None:
    grey = Image.linear_gradient("L")
    image = (
        grey.convert(mode) if mode != "I;16" else Image.fromarray(np.array(grey) * np.uint16(257))
    )
    expected = to_pixels(grey.convert("RGB"), SIZE)
    assert alike(to_pixels(image, SIZE), expected) < (80 if mode == "1" else 3)


def test_what_is_transparent_is_over_white() -> None:
    image = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    assert to_pixels(image, SIZE).min() == 255


def test_exif_rotation_is_applied(tmp_path: Path) -> None:
    upright = opened(picture("PNG"))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by 90 degrees
    buffer = io.BytesIO()
    upright.rotate(90, expand=True).save(buffer, "JPEG", exif=exif, quality=95)
    turned = to_pixels(saved(tmp_path / "a.jpg", buffer.getvalue()), SIZE)
    assert alike(turned, to_pixels(upright, SIZE)) < 4


def test_a_large_jpeg_decoded_small_is_the_same_image(tmp_path: Path) -> None:
    content = picture(size=(1200, 900), quality=95)
    path = saved(tmp_path / "a.jpg", content)
    assert open_picture(path, side=SIZE).width < 1200
    assert open_picture(path).width == 1200
    assert alike(to_pixels(path, SIZE), to_pixels(opened(content), SIZE)) < 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not an image that can be read"),
        (b"hello, world", "is not an image that can be read"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is not an image that can be read"),
        (picture()[:400], "is broken"),
        (picture("PNG")[:100], "is broken"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "is not an image that can be read"),
    ],
)
def test_what_is_no_image_is_one_line_that_names_the_file(
    content: bytes, message: str, tmp_path: Path
) -> None:
    path = saved(tmp_path / "a.jpg", content)
    with pytest.raises(ImageError) as raised:
        to_pixels(path, SIZE)
    assert str(raised.value).startswith(f"{path}: {message}")
    assert "\n" not in str(raised.value)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="No such file"):
        to_pixels(tmp_path / "none.jpg", SIZE)
    with pytest.raises(ImageError, match="Is a directory"):
        to_pixels(tmp_path, SIZE)


def test_decompression_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ImageError, match="has too many pixels"):
        to_pixels(saved(tmp_path / "a.png", picture("PNG")), SIZE)


def test_more_pixels_than_memory_is_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "a.png", picture("PNG", size=(20, 15)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 200)  # Pillow itself would warn, and go on
    with pytest.raises(ImageError, match="has too many pixels"):
        to_pixels(path, SIZE)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 300)
    assert to_pixels(path, SIZE).shape == (3, SIZE, SIZE)


def test_reading_leaves_the_filters_of_warnings_alone(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", picture("PNG"))
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: to_pixels(path, SIZE), range(200)))
    assert warnings.filters == before


@pytest.mark.parametrize(
    "pixels",
    [torch.zeros(3, 8, 8), torch.zeros(8, 8, 3, dtype=torch.uint8), torch.zeros(3, 0, 8).byte()],
)
def test_other_tensors_are_refused(pixels: Tensor) -> None:
    with pytest.raises(ImageError, match=r"tensors must be uint8\[3, height, width\]"):
        to_pixels(pixels, SIZE)


def test_normalise_uses_the_mean_and_std_of_the_configuration() -> None:
    config = preset("tiny", mean=(0.5, 0.25, 0.0), std=(0.5, 0.25, 1.0))
    pixels = torch.full((2, 3, 4, 4), 255, dtype=torch.uint8)
    images = normalise(pixels, config)
    assert images.dtype == torch.float32
    assert torch.allclose(images[1, :, 0, 0], torch.tensor([1.0, 3.0, 1.0]))
