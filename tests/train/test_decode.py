import io
import warnings
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from model.preprocess import ImageError, to_pixels
from tests.pictures import picture
from train import decode
from train.augment import augment
from train.decode import AREA, evaluation_pixels, random_box, training_pixels

WHOLE = (1.0, 1.0)


@pytest.fixture(params=["simplejpeg", "Pillow"])
def library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "Pillow":
        monkeypatch.setattr(decode, "simplejpeg", None)
    else:
        pytest.importorskip("simplejpeg")
    return str(request.param)


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers())
def test_a_box_lies_within_the_image_and_has_its_share(width: int, height: int, seed: int) -> None:
    box = random_box(width, height, Random(seed), area=AREA)
    assert -1e-9 <= box.left < box.right <= 1 + 1e-9
    assert -1e-9 <= box.top < box.bottom <= 1 + 1e-9
    across, down = (box.right - box.left) * width, (box.bottom - box.top) * height
    assert 0.74 <= across / down <= 1.35
    share = across * down / width / height
    square = min(width, height) ** 2 / width / height  # the middle, where nothing fits
    assert 0.199 <= share <= 1.001 or share == pytest.approx(square)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_every_format_gives_pixels_of_the_size(library: str, format: str, mode: str) -> None:
    data = picture(format, size=(90, 70), mode=mode)
    pixels = training_pixels(data, 32, Random(0))
    assert (pixels.dtype, tuple(pixels.shape)) == (torch.uint8, (32, 32, 3))


@pytest.mark.parametrize("size", [(100, 100), (640, 640), (33, 33)])
def test_the_whole_of_a_square_is_what_pillow_makes_of_it(
    library: str, size: tuple[int, int]
) -> None:
    data = picture(size=size, quality=95)
    random = next(r for seed in range(2000) if _takes_all(r := Random(seed), size))
    expected = np.asarray(Image.open(io.BytesIO(data)).resize((32, 32), Image.Resampling.BICUBIC))
    made = training_pixels(data, 32, random, area=WHOLE).numpy()
    assert np.abs(made.astype(int) - expected).max() <= 6


def _takes_all(random: Random, size: tuple[int, int]) -> bool:
    state = random.getstate()
    box = random_box(*size, random, area=WHOLE)
    random.setstate(state)
    return box.right - box.left > 0.99 and box.bottom - box.top > 0.99


def test_exif_turns_the_image_before_it_is_cropped(library: str) -> None:
    exif = Image.Exif()
    exif[0x112] = 6
    plain = Image.open(io.BytesIO(picture(size=(80, 40), quality=95)))
    upright, turned = io.BytesIO(), io.BytesIO()
    plain.rotate(-90, expand=True).save(upright, "JPEG", quality=95)
    plain.save(turned, "JPEG", quality=95, exif=exif)
    one, other = (training_pixels(b.getvalue(), 32, Random(3)).int() for b in (upright, turned))
    assert (one - other).abs().max() <= 8


def test_a_large_jpeg_is_decoded_small(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, ...]] = []
    whole = decode._resized

    def resized(pixels: Any, *others: Any) -> Any:
        seen.append(pixels.shape)
        return whole(pixels, *others)

    monkeypatch.setattr(decode, "_resized", resized)
    training_pixels(picture(size=(1600, 1200)), 32, Random(0))
    assert max(seen[0]) <= 400


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8\xff", b"GIF89a", picture()[:-200], b"<svg/>", b"\xff\xd8 no"]
)
def test_what_cannot_be_decoded_is_an_image_error(library: str, data: bytes) -> None:
    with pytest.raises(ImageError):
        training_pixels(data, 32, Random(0))
    with pytest.raises(ImageError):
        evaluation_pixels(data, 32)


def test_a_bomb_is_refused_before_it_is_decoded(
    library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)
    monkeypatch.setattr(decode, "PIXELS", 1000)
    with pytest.raises(ImageError):
        training_pixels(picture(size=(40, 30)), 32, Random(0))


def test_what_a_user_may_not_open_is_refused_in_shards_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # Pillow itself refuses twice as many
    data = picture("PNG", size=(40, 30))
    (tmp_path / "a.png").write_bytes(data)
    for read in (
        lambda: to_pixels(tmp_path / "a.png", 32),
        lambda: evaluation_pixels(data, 32),
        lambda: training_pixels(data, 32, Random(0)),
    ):
        with pytest.raises(ImageError, match="too many pixels"):
            read()


def test_decoding_leaves_the_filters_of_warnings_alone(
    library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(**_: object) -> None:
        raise AssertionError("threads share the filters")

    monkeypatch.setattr(warnings, "catch_warnings", forbidden)
    for format_ in ("JPEG", "PNG"):
        assert training_pixels(picture(format_), 32, Random(0)).shape == (32, 32, 3)
        assert evaluation_pixels(picture(format_), 32).shape == (32, 32, 3)


@pytest.mark.parametrize("size", [(640, 480), (40, 30)])
def test_evaluation_sees_what_a_user_would(tmp_path: Path, size: tuple[int, int]) -> None:
    data = picture(size=size)
    (tmp_path / "a.jpg").write_bytes(data)
    expected = to_pixels(tmp_path / "a.jpg", 64)
    assert torch.equal(evaluation_pixels(data, 64).permute(2, 0, 1), expected)


@given(st.integers(0, 10_000))
def test_augmenting_is_repeatable_and_keeps_the_shape(seed: int) -> None:
    pixels = torch.from_numpy(np.array(Image.open(io.BytesIO(picture(size=(32, 32))))))
    made = augment(pixels, Random(seed))
    assert (made.dtype, made.shape) == (torch.uint8, pixels.shape)
    assert torch.equal(made, augment(pixels, Random(seed)))


def test_augmenting_changes_half_of_the_images_or_more() -> None:
    pixels = torch.from_numpy(np.array(Image.open(io.BytesIO(picture(size=(32, 32))))))
    same = sum(torch.equal(augment(pixels, Random(seed)), pixels) for seed in range(400))
    assert 80 < same < 200


@pytest.mark.parametrize("colour", [(200, 30, 30), (30, 40, 210), (240, 220, 20), (20, 160, 40)])
def test_augmenting_keeps_the_names_of_colours(colour: tuple[int, int, int]) -> None:
    image = Image.new("RGB", (32, 32), (120, 120, 120))
    image.paste(colour, (8, 8, 24, 24))
    image.paste((250, 250, 250), (0, 0, 32, 4))
    image.paste((5, 5, 5), (0, 28, 32, 32))
    pixels = torch.from_numpy(np.array(image))
    for seed in range(200):
        made = augment(pixels, Random(seed))[16, 16].int()
        assert made.argmax() == int(np.argmax(colour))
        assert made.argmin() == int(np.argmin(colour)) or made.min() == made.median()
