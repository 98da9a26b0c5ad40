import io
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from pipeline.images import (
    BYTE_LIMIT,
    PIXEL_LIMIT,
    BadImageError,
    Header,
    ImageSettings,
    measure,
    prepare,
    thumbnail,
)
from tests.pictures import opened, picture
from vocab.errors import InputError

DATA = Path(__file__).parents[2].parent / "shared" / "data"
KEEP = ImageSettings()
DECODE = ImageSettings(verify="decode")
RESIZE = ImageSettings(image_size=16)


def reason(content: bytes, how: ImageSettings = KEEP) -> str:
    with pytest.raises(BadImageError) as caught:
        prepare(content, how)
    return caught.value.reason


def png_header(width: int, height: int) -> bytes:
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    end = b"\0\0\0\0IEND\xaeB`\x82"
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + chunk
        + struct.pack(">I", zlib.crc32(chunk))
        + end
    )


KEPT = {
    "jpg": picture("JPEG"),
    "jpg progressive": picture("JPEG", progressive=True),
    "jpg cmyk": picture("JPEG", mode="CMYK"),
    "jpg grey": picture("JPEG", mode="L"),
    "png": picture("PNG"),
    "png palette": picture("PNG", mode="P"),
    "png alpha": picture("PNG", mode="RGBA"),
    "png 16 bit": picture("PNG", mode="I;16"),
    "webp lossy": picture("WEBP"),
    "webp lossless": picture("WEBP", lossless=True),
    "webp extended": picture("WEBP", mode="RGBA", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0"),
}


@pytest.mark.parametrize("name", KEPT)
@pytest.mark.parametrize("how", [KEEP, DECODE])
def test_jpeg_png_and_webp_are_kept_byte_for_byte(name: str, how: ImageSettings) -> None:
    kept = prepare(KEPT[name], how)
    assert kept.content is KEPT[name]
    assert kept.extension == name.split(maxsplit=1)[0]
    assert (kept.width, kept.height) == (40, 30)


@pytest.mark.parametrize("name", KEPT)
def test_every_proper_prefix_is_bad(name: str) -> None:
    content = KEPT[name]
    for end in range(len(content)):
        found = reason(content[:end])
        assert found in ("empty_file", "not_an_image", "truncated", "broken_image")
        assert found == "truncated" or end < 40


@pytest.mark.parametrize("name", KEPT)
def test_bytes_after_the_end_are_harmless(name: str) -> None:
    assert prepare(KEPT[name] + b"\0\r\ntrailer", KEEP).width == 40


@pytest.mark.parametrize("format", ["GIF", "BMP", "TIFF"])
def test_other_formats_become_jpeg(format: str) -> None:
    made = prepare(picture(format), KEEP)
    assert made.extension == "jpg"
    assert opened(made.content).format == "JPEG"
    assert opened(made.content).size == (made.width, made.height) == (40, 30)


def test_the_first_frame_of_an_animation_counts() -> None:
    frames = [Image.new("RGB", (20, 10), colour) for colour in ("red", "blue")]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    red, _, blue = opened(prepare(buffer.getvalue(), KEEP).content).getpixel((5, 5))  # type: ignore[misc]
    assert (red > 200, blue < 50) == (True, True)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "empty_file"),
        (b"<html><body>404 Not Found</body></html>", "not_an_image"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "not_an_image"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "not_an_image"),
        (b"PK\x03\x04", "not_an_image"),
        (bytes(1000), "not_an_image"),
        (b"\xff\xd8\xff", "truncated"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(100), "broken_image"),
        (b"RIFF\x10\0\0\0WEBPVP9 " + bytes(20), "broken_image"),
        (b"GIF89a" + bytes(20), "broken_image"),
        (b"BM" + bytes(60), "broken_image"),
        (b"II*\0" + bytes(60), "broken_image"),
        (png_header(20_000, 20_000), "too_many_pixels"),
        (png_header(0, 5), "broken_image"),
    ],
)
def test_bad_images_say_why(content: bytes, expected: str) -> None:
    assert reason(content) == expected


def test_details_are_the_same_in_every_run() -> None:
    with pytest.raises(BadImageError) as caught:
        prepare(b"GIF89a" + bytes(20), KEEP)
    assert "BytesIO" in caught.value.detail
    assert "0x" not in caught.value.detail


def test_a_corrupt_body_is_found_by_decoding_only() -> None:
    content = png_header(8, 8)
    assert prepare(content, KEEP).width == 8
    for how in (DECODE, RESIZE):
        assert reason(content, how) in ("truncated", "broken_image")


def test_pixel_limit_is_exact() -> None:
    assert prepare(picture(), ImageSettings(max_pixels=1200)).width == 40
    assert reason(picture(), ImageSettings(max_pixels=1199)) == "too_many_pixels"


def test_byte_limit() -> None:
    assert reason(picture() + bytes(BYTE_LIMIT)) == "too_many_bytes"


def test_a_bomb_in_a_gif_is_refused_before_it_is_decoded() -> None:
    bomb = b"GIF89a" + struct.pack("<HH", 60_000, 60_000) + bytes(3) + b"\x2c" + bytes(30) + b";"
    assert reason(bomb) == "too_many_pixels"


def test_a_text_chunk_bomb_is_a_bad_image_where_it_is_decoded() -> None:
    text = b"Comment\0\0" + zlib.compress(bytes(80 << 20))
    chunk = (
        struct.pack(">I", len(text))
        + b"zTXt"
        + text
        + struct.pack(">I", zlib.crc32(b"zTXt" + text))
    )
    plain = picture("PNG")
    assert reason(plain[:33] + chunk + plain[33:], DECODE) == "broken_image"


def test_shorter_side_is_resized() -> None:
    made = prepare(picture(size=(80, 60)), RESIZE)
    assert (made.width, made.height) == (21, 16)
    assert opened(made.content).size == (21, 16)


def test_extreme_shapes_keep_at_least_one_pixel() -> None:
    made = prepare(picture("PNG", size=(400, 1)), ImageSettings(image_size=1))
    assert (made.width, made.height) == (400, 1)


def test_nothing_is_enlarged() -> None:
    made = prepare(picture(size=(12, 10)), RESIZE)
    assert (made.width, made.height, made.extension) == (12, 10, "jpg")


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "LA", "CMYK", "I;16", "1"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    format = "TIFF" if mode == "CMYK" else "PNG"
    image = opened(prepare(picture(format, mode=mode), RESIZE).content)
    assert (image.mode, image.size) == ("RGB", (21, 16))


def test_sixteen_bits_keep_their_brightness() -> None:
    grey = np.full((20, 20), 0x8000, np.uint16)
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "PNG")
    pixel = opened(prepare(buffer.getvalue(), RESIZE).content).getpixel((8, 8))
    assert all(abs(value - 0x80) <= 2 for value in pixel)  # type: ignore[union-attr]


@pytest.mark.parametrize("mode", ["RGBA", "P"])
def test_transparent_is_white(mode: str) -> None:
    image = Image.new("RGBA", (20, 20), (255, 0, 0, 0)).convert(mode)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **({"transparency": 0} if mode == "P" else {}))
    pixel = opened(prepare(buffer.getvalue(), RESIZE).content).getpixel((8, 8))
    assert min(pixel) > 250  # type: ignore[type-var]


def test_exif_rotation_is_applied_and_dropped() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn right by 90 degrees
    content = picture(size=(80, 40), exif=exif.tobytes(), comment=b"mine")
    made = prepare(content, RESIZE)
    image = opened(made.content)
    assert (made.width, made.height) == image.size == (16, 32)
    assert not image.getexif()
    assert "comment" not in image.info


def test_nonsense_in_exif_and_icc_costs_nothing() -> None:
    exif = b"Exif\0\0MM\0*" + b"\xff" * 40
    content = picture(exif=exif, icc_profile=b"no profile")
    assert prepare(content, RESIZE).width == 21


def test_quality_changes_the_size() -> None:
    big, small = (
        prepare(picture(size=(200, 200)), ImageSettings(image_size=100, quality=q))
        for q in (95, 30)
    )
    assert len(small.content) < len(big.content)


def test_same_bytes_every_time() -> None:
    assert len({prepare(picture(size=(300, 200)), RESIZE).content for _ in range(3)}) == 1


@pytest.mark.parametrize(
    ("options", "flag"),
    [
        ({"verify": "eyes"}, "--verify eyes"),
        ({"image_size": 0}, "--image-size 0"),
        ({"quality": 101}, "--quality 101"),
        ({"max_pixels": 0}, "--max-pixels 0"),
        ({"max_pixels": PIXEL_LIMIT + 1}, "--max-pixels"),
    ],
)
def test_impossible_settings_are_refused(options: dict[str, object], flag: str) -> None:
    with pytest.raises(InputError, match=flag):
        ImageSettings(**options)  # type: ignore[arg-type]


@given(
    st.binary(max_size=400), st.sampled_from([b"", *(content[:60] for content in KEPT.values())])
)
@settings(deadline=None)
def test_any_bytes_are_an_image_or_a_reason(tail: bytes, head: bytes) -> None:
    for how in (KEEP, RESIZE):
        try:
            prepare(head + tail, how)
        except BadImageError as bad:
            assert bad.reason


@given(st.sampled_from(sorted(KEPT)), st.data())
@settings(deadline=None)
def test_a_flipped_byte_never_escapes(name: str, data: st.DataObject) -> None:
    content = bytearray(KEPT[name])
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    for how in (KEEP, DECODE, RESIZE):
        try:
            prepare(bytes(content), how)
        except BadImageError as bad:
            assert bad.reason


@pytest.mark.parametrize("filler", [b"\xff" * 1_000_000, b"\xff\xe1\x00\x02" * 1_000_000])
def test_endless_headers_end(filler: bytes) -> None:
    begin = time.monotonic()
    assert reason(b"\xff\xd8\xff" + filler) in ("broken_image", "truncated")
    assert time.monotonic() - begin < 0.5


def test_thumbnail_fits_and_refuses() -> None:
    assert max(opened(thumbnail(picture(size=(400, 300)), 64)).size) == 64
    with pytest.raises(BadImageError):
        thumbnail(b"\xff\xd8\xffnothing", 64)


@pytest.mark.data
@pytest.mark.skipif(not DATA.is_dir(), reason="no data beside the checkout")
def test_real_images_are_measured_as_pillow_does() -> None:
    files = [
        *sorted((DATA / "coco" / "images").iterdir()),
        *sorted((DATA / "flickr8k" / "images").iterdir())[:300],
    ]
    for file in files:
        content = file.read_bytes()
        with Image.open(file) as image:
            assert measure(content) == Header(image.format or "", *image.size)


def test_a_narrow_image_keeps_a_pixel() -> None:
    made = prepare(picture(size=(4, 2000)), ImageSettings(image_size=2))
    assert (made.width, made.height) == (2, 1000)
    made = prepare(picture(size=(2000, 40)), ImageSettings(image_size=1))
    assert (made.width, made.height) == (50, 1)


def test_a_large_jpeg_is_decoded_no_larger_than_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = []
    transpose = ImageOps.exif_transpose

    def seen(image: Image.Image) -> Image.Image:
        decoded.append(image.size)
        return transpose(image)

    monkeypatch.setattr(ImageOps, "exif_transpose", seen)
    prepare(picture(size=(800, 640)), ImageSettings(image_size=80))
    assert decoded == [(200, 160)]
