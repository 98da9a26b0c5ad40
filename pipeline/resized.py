"""img2dataset's resizer and writer for one shard; nothing here is imported before it is needed.

img2dataset's ``Downloader`` is not used: it fetches through a function of its module, without
guard, caps or order, so that only patching that module could change how it fetches.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import io
import json
import logging
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import pyarrow as pa

from pipeline.image_sources import TAR
from pipeline.images import PIXEL_LIMIT, BadImageError, measure, plain_picture
from pipeline.img2dataset_options import RESIZER, check_options
from pipeline.records import PARQUET
from pipeline.shard import ShardOutput
from vocab.errors import InputError
from vocab.install import install_hint

RESIZE_MODES: Final = ("no", "keep_ratio", "center_crop", "border", "keep_ratio_largest")
DOWNLOAD_SCHEMA: Final = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in ("url", "caption", "key", "status")),
        pa.field("error_message", pa.string()),
        *(pa.field(name, pa.int32()) for name in ("width", "height")),
        *(pa.field(name, pa.int32()) for name in ("original_width", "original_height")),
        pa.field("sha256", pa.string()),
        pa.field("captions", pa.list_(pa.string())),
        pa.field("source", pa.string()),
        pa.field("reason", pa.string()),
        pa.field("bytes", pa.int64()),
    ]
)
_REASONS: Final = {
    "image too small": "too_small",
    "aspect ratio too large": "too_elongated",
    "image area too large": "too_large",
}
_NAME_DIGITS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ResizeSettings:
    """How images are made smaller; sizes in pixels, ``options`` go to img2dataset's resizer.

    Larger images than ``image_size`` are resized in ``resize_mode``, smaller ones stay as they
    are. An image is set aside whose shorter side is below ``min_image_size``, whose longer side is
    more than ``max_aspect_ratio`` times the shorter, or that has more than ``max_pixels``.
    """

    image_size: int = 384
    resize_mode: str = "keep_ratio"
    min_image_size: int = 0
    max_aspect_ratio: float | None = None
    quality: int = 95
    max_pixels: int = 64_000_000
    options: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        if self.resize_mode not in RESIZE_MODES:
            raise InputError(
                f"--resize-mode {self.resize_mode}: choose one of {', '.join(RESIZE_MODES)}"
            )
        if not 1 <= self.max_pixels <= PIXEL_LIMIT:
            raise InputError(f"--max-pixels {self.max_pixels}: choose 1 to {PIXEL_LIMIT}")
        check_options(self.options)
        least, most = (0, 9) if self.encode_format == "png" else (1, 100)
        if not least <= self.quality <= most:
            raise InputError(
                f"--quality {self.quality}: JPEG and WebP know 1 to 100, PNG (compression) 0 to 9"
            )

    def to_json(self) -> dict[str, Any]:
        """Return the settings as a dictionary."""
        return asdict(self)

    @property
    def schema(self) -> pa.Schema:
        """The columns of the table of a shard."""
        return pa.schema([*DOWNLOAD_SCHEMA, *(pa.field(name, pa.string()) for name in self.extra)])

    @property
    def extra(self) -> tuple[str, ...]:
        """The columns that options ask for: a digest by its name, and ``exif``."""
        options = dict(self.options)
        digest = options.get("compute_hash", "sha256")
        exif = ("exif",) if options.get("extract_exif") else ()
        return (*((digest,) if digest != "sha256" else ()), *exif)

    @property
    def encode_format(self) -> str:
        """The format, and the extension, of the images that are written."""
        return str(dict(self.options).get("encode_format", "jpg"))


class Resized(NamedTuple):
    """An image as it is written, and its size in pixels as it came, upright."""

    content: bytes
    width: int
    height: int
    original_width: int
    original_height: int


def img2dataset_version() -> str:
    """Return the version of img2dataset without importing it, which takes seconds.

    Raises:
        InputError: it is not installed.
    """
    if importlib.util.find_spec("img2dataset") is None:
        raise InputError(f"download needs img2dataset: {install_hint('download')}")
    return importlib.metadata.version("img2dataset")


class Resizing:
    """img2dataset's resizer between our look at the header and our words for what is wrong.

    Only one thread of a process may use it at a time: it redirects the standard streams.
    """

    def __init__(self, settings: ResizeSettings) -> None:
        from pipeline.img2dataset_classes import Resizer

        self._max_pixels = settings.max_pixels
        known = {"resize_only_if_bigger": True} | dict(settings.options)
        self._as_it_is = bool(known.get("disable_all_reencoding"))
        self._resize = Resizer(
            image_size=settings.image_size,
            resize_mode=settings.resize_mode,
            encode_quality=settings.quality,
            min_image_size=settings.min_image_size,
            max_aspect_ratio=settings.max_aspect_ratio or float("inf"),
            **{name: value for name, value in known.items() if name in RESIZER},
        )

    def resize(self, content: bytes) -> Resized:
        """Return the image as it is to be written.

        Raises:
            BadImageError: it is none, or not one that is wanted; see ``pipeline.reasons``.
        """
        header = measure(content)
        if header.width * header.height > self._max_pixels:
            raise BadImageError("too_many_pixels", f"{header.width} x {header.height}")
        picture = content if self._as_it_is else plain_picture(content)
        made, *sizes, error = self._resize(io.BytesIO(picture))
        if error is not None:
            detail = "" if error in _REASONS else str(error).splitlines()[0]
            raise BadImageError(_REASONS.get(error, "broken_image"), detail)
        if None in sizes:  # nothing was encoded anew, so nobody looked
            sizes = [header.width, header.height] * 2
        return Resized(made, *sizes)


def extra_column(name: str, content: bytes) -> str | None:
    """Return the value of a column of ``ResizeSettings.extra`` for an image as it was sent."""
    if name != "exif":
        return hashlib.new(name, content, usedforsecurity=False).hexdigest()
    import exifread  # type: ignore[import-untyped]  # img2dataset's own, and its form

    logging.getLogger("exifread").setLevel(logging.CRITICAL)
    try:
        tags = exifread.process_file(io.BytesIO(content), details=False)
        return json.dumps({name: str(value).strip() for name, value in tags.items()})
    except Exception:  # what stands there is other people's, and exifread believes it
        return None


class ShardWriter:
    """img2dataset's writer of a tar and its table, with fixed times so that bytes repeat."""

    def __init__(self, output: ShardOutput, settings: ResizeSettings) -> None:
        from pipeline.img2dataset_classes import WebDatasetSampleWriter

        self._files = {suffix: output.file(suffix) for suffix in (TAR, PARQUET)}
        self._folder = tempfile.TemporaryDirectory(dir=self._files[TAR].parent)
        self._stem = output.stem
        self._writer = WebDatasetSampleWriter(
            *(int(output.stem), self._folder.name, True, _NAME_DIGITS, settings.schema),
            encode_format=settings.encode_format,
        )
        self._writer.tarwriter.mtime = 0  # 0.0 would cost each member a kilobyte of PAX header

    def write(self, row: dict[str, Any], image: bytes | None) -> None:
        """Write one row of the table and, where there is one, its image."""
        self._writer.write(image, row["key"], row["caption"], row)

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, *exception: object) -> None:
        with self._folder:
            self._writer.close()
            if exception[0] is None:
                for suffix, file in self._files.items():
                    Path(self._folder.name, self._stem + suffix).replace(file)
