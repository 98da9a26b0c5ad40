"""Images as bytes: is it one, is it whole, how large is it, and can it be used.

JPEG, PNG and WebP are kept byte for byte (colour mode, EXIF and all: readers convert), after a
look at their structure that takes microseconds. GIF, BMP and TIFF become JPEG, and so does every
image when ``image_size`` is set. Of an animation the first frame counts. SVG is no image here.
"""

from __future__ import annotations

import contextlib
import io
import re
import struct
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final, NamedTuple

import numpy as np
from PIL import ExifTags, Image, ImageOps

from vocab.errors import InputError

VERIFY: Final = ("structure", "decode")
PIXEL_LIMIT: Final = 178_956_970  # where Pillow, too, speaks of a decompression bomb
BYTE_LIMIT: Final = 64 << 20
KEPT: Final = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp"}

# Of Pillow's many formats only these: others run programs (EPS) or are no photographs.
_MAGIC = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
)
_PLAIN_MODES = ("1", "L", "P", "RGB")
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_SCAN = 0xDA
_JPEG_SEGMENTS = 4096
_JPEG_END = b"\xff\xd9"
_ADDRESS = re.compile(r" object at 0x[0-9a-f]+")  # in messages; no two runs have the same
_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"


class BadImageError(Exception):
    """An image that cannot be used: why in one word, and the detail."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


class Header(NamedTuple):
    """What the first bytes say: Pillow's name of the format, and pixels before any rotation."""

    format: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class EncodedImage:
    """An image as it goes into a shard; width and height in pixels, before EXIF rotation."""

    content: bytes
    extension: str
    width: int
    height: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSettings:
    """How images are checked and whether they are made anew.

    ``verify`` is ``structure`` or ``decode`` (slower: every pixel). ``image_size`` is the length
    of the shorter side in pixels of RGB JPEGs of ``quality``; ``None`` keeps images as they are.
    What is kept is not turned as its EXIF says, and CMYK stays CMYK: `train` and `tag` do both as
    they decode, and any other reader must.
    """

    verify: str = "structure"
    image_size: int | None = None
    quality: int = 95
    max_pixels: int = PIXEL_LIMIT

    def __post_init__(self) -> None:
        if self.verify not in VERIFY:
            raise InputError(f"--verify {self.verify}: choose one of {', '.join(VERIFY)}")
        if self.image_size is not None and self.image_size < 1:
            raise InputError(f"--image-size {self.image_size}: at least one pixel is needed")
        if not 1 <= self.quality <= 100:
            raise InputError(f"--quality {self.quality}: JPEG knows 1 to 100")
        if not 1 <= self.max_pixels <= PIXEL_LIMIT:
            raise InputError(f"--max-pixels {self.max_pixels}: choose 1 to {PIXEL_LIMIT}")

    def to_json(self) -> dict[str, Any]:
        """Return the settings as a dictionary."""
        return asdict(self)


def prepare(content: bytes, settings: ImageSettings) -> EncodedImage:
    """Check an image and return what goes into the shard: its own bytes, or a JPEG.

    Raises:
        BadImageError: ``empty_file``, ``not_an_image``, ``truncated``, ``too_many_pixels``,
            ``too_many_bytes`` or ``broken_image``.
    """
    found = measure(content)
    if found.width * found.height > settings.max_pixels:
        raise BadImageError("too_many_pixels", f"{found.width} x {found.height}")
    if settings.image_size is not None or found.format not in KEPT:
        return _encode_anew(content, settings)
    if settings.verify == "decode":
        with _opened(content) as image:
            image.load()
    return EncodedImage(content, KEPT[found.format], found.width, found.height)


def plain_picture(content: bytes) -> bytes:
    """Return the image as it is where any decoder shows it right, else an upright RGB bitmap.

    Not every decoder turns what EXIF says is rotated, or knows GIF, CMYK, 16 bits and alpha; and
    of a TIFF with two widths each takes another one, so that the look at the header was in vain.

    Raises:
        BadImageError: the image cannot be decoded.
    """
    with _opened(content) as image:
        rotated = "exif" in image.info and image.getexif().get(ExifTags.Base.Orientation, 1) != 1
        plain = image.mode in _PLAIN_MODES and "transparency" not in image.info
        if plain and not rotated and _format(content) in KEPT:
            return content
        buffer = io.BytesIO()
        _upright_rgb(image, None).save(buffer, "BMP")
        return buffer.getvalue()


def thumbnail(content: bytes, side: int) -> bytes:
    """Return a JPEG of an image that fits a square of ``side`` pixels.

    Raises:
        BadImageError: the image cannot be decoded.
    """
    with _opened(content) as image:
        small = _upright_rgb(image, 2 * side)
        small.thumbnail((side, side))
        return _jpeg(small, 85)


def measure(content: bytes) -> Header:
    """Return format and size from the header, after a look whether the end is there.

    Raises:
        BadImageError: as :func:`prepare` does.
    """
    if len(content) > BYTE_LIMIT:
        raise BadImageError("too_many_bytes", f"{len(content)} bytes")
    found = _format(content)
    try:
        width, height = _MEASURES.get(found, _measure_by_opening)(content)
    except (struct.error, IndexError):
        raise BadImageError("truncated", f"{found} of {len(content)} bytes") from None
    if width < 1 or height < 1:
        raise BadImageError("broken_image", f"{width} x {height} pixels")
    return Header(found, width, height)


def _format(content: bytes) -> str:
    if not content:
        raise BadImageError("empty_file")
    for magic, name in _MAGIC:
        if content.startswith(magic):
            return name
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return "WEBP"
    raise BadImageError("not_an_image", f"starts with {content[:24]!r}")


def _measure_jpeg(content: bytes) -> tuple[int, int]:
    """Walk the segments to the first scan, then look for the end marker (ITU T.81, Annex B)."""
    position, size = 2, (0, 0)
    for _ in range(_JPEG_SEGMENTS):
        mark, marker, length = struct.unpack_from(">BBH", content, position)
        if mark != 0xFF:
            raise BadImageError("broken_image", f"no JPEG segment at byte {position}")
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        if marker == _JPEG_SCAN:
            break
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", content, position + 5)
            size = width, height
        position += 2 + length
    if content.rfind(_JPEG_END, position) < 0:
        raise BadImageError("truncated", "no end of image (JPEG)")
    return size


def _measure_png(content: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from(">II", content, 16)
    if content[12:16] != b"IHDR":
        raise BadImageError("broken_image", "no IHDR (PNG)")
    if content.rfind(_PNG_END) < 0:
        raise BadImageError("truncated", "no IEND (PNG)")
    return width, height


def _measure_webp(content: bytes) -> tuple[int, int]:
    """Read the size from the first chunk, whichever of the three it is (RFC 9649)."""
    declared = int.from_bytes(content[4:8], "little") + 8
    if declared > len(content):
        raise BadImageError("truncated", f"{len(content)} of {declared} bytes (WebP)")
    chunk = content[12:16]
    if chunk == b"VP8 ":
        width, height = struct.unpack_from("<HH", content, 26)
        return width & 0x3FFF, height & 0x3FFF
    if chunk == b"VP8L":
        (bits,) = struct.unpack_from("<I", content, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk == b"VP8X" and len(content) >= 30:
        width, height = content[24:27], content[27:30]
        return int.from_bytes(width, "little") + 1, int.from_bytes(height, "little") + 1
    raise BadImageError("broken_image", f"first chunk {chunk!r} (WebP)")


def _measure_by_opening(content: bytes) -> tuple[int, int]:
    with _opened(content) as image:
        return image.size


_MEASURES: Final = {"JPEG": _measure_jpeg, "PNG": _measure_png, "WEBP": _measure_webp}


def _encode_anew(content: bytes, settings: ImageSettings) -> EncodedImage:
    shorter = settings.image_size
    with _opened(content) as image:
        rgb = _upright_rgb(image, shorter and 2 * shorter)
        if shorter is not None and min(rgb.size) > shorter:
            width, height = (max(1, round(s * shorter / min(rgb.size))) for s in rgb.size)
            rgb = rgb.resize((width, height), Image.Resampling.BICUBIC)
        return EncodedImage(_jpeg(rgb, settings.quality), "jpg", *rgb.size)


def _upright_rgb(image: Image.Image, enough: int | None) -> Image.Image:
    """Return the image as RGB with its EXIF rotation applied.

    Where sides of ``enough`` pixels will do, libjpeg halves a JPEG as it decodes: that spares
    most of the work.
    """
    if enough:
        image.draft(None, (enough, enough))
    image.load()
    with contextlib.suppress(Exception):  # EXIF is often nonsense: then there is no rotation
        image = ImageOps.exif_transpose(image)
    return to_rgb(image)


def _jpeg(image: Image.Image, quality: int) -> bytes:
    image.info = {}  # Pillow would carry comments over
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def to_rgb(image: Image.Image) -> Image.Image:
    """Return an image of any mode as 8-bit RGB, what is transparent over white."""
    if image.mode.startswith("I"):  # 16 bits of grey, which Pillow would clip to 255
        grey = np.clip(np.asarray(image).astype(np.int64) >> 8, 0, 255)
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    if "A" not in image.getbands() and "transparency" not in image.info:
        return image.convert("RGB")
    layer = image.convert("RGBA")
    paper = Image.new("RGBA", layer.size, "white")
    paper.alpha_composite(layer)
    return paper.convert("RGB")


@contextlib.contextmanager
def _opened(content: bytes) -> Iterator[Image.Image]:
    """Open an image; whatever Pillow raises on it, also later in the block, is a bad image."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # odd EXIF or a large image is no reason to lose it
            with Image.open(io.BytesIO(content), formats=(_format(content),)) as image:
                yield image
    except BadImageError:
        raise
    except Image.DecompressionBombError as error:
        raise BadImageError("too_many_pixels", str(error)) from error
    except Exception as error:
        # Broken bytes make the decoders raise errors of every kind, so none is left out here.
        reason = "truncated" if "truncated" in str(error) else "broken_image"
        detail = _ADDRESS.sub("", str(error))
        raise BadImageError(reason, f"{type(error).__name__}: {detail}") from error
