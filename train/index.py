"""An index of images on disk: what a search needs of each, and where the image is.

A directory holds it, for as many images as the disk has room for:

``images.jsonl``  one image a line: its name, the file, offset and size in it (0: the whole file)
``vectors.f32``   unit vectors, float32, little-endian, row by row
``tags.bits``     recognised tags, bits as in the labels of shards, row by row
``bad.jsonl``     the images that could not be used, and why
``vocabulary/``   the tags' names
``index.json``    sizes, and which model made it; written last: until then there is no index
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from model.preprocess import FORMATS, ImageError, normalise, to_pixels
from model.tag2text import Tag2Text
from train.inference import Advance, alignment_of, passed
from train.shards import expand, read_shard
from vocab.errors import InputError
from vocab.files import read_lines, write_whole
from vocab.vocabulary import Vocabulary

IMAGES: Final = "images.jsonl"
VECTORS: Final = "vectors.f32"
TAGS: Final = "tags.bits"
BAD: Final = "bad.jsonl"
INFO: Final = "index.json"
VOCABULARY: Final = "vocabulary"
FORMAT: Final = 1

Vectors = npt.NDArray[np.float32]
Bits = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Entry:
    """An image and where its bytes are: ``size`` of them from ``offset``, or a whole file."""

    name: str
    file: str
    offset: int = 0
    size: int = 0

    def pixels(self, side: int) -> Tensor:
        """Return the pixels (3, side, side) that the model would make of the image's own file.

        :class:`~model.preprocess.ImageError` when there are none.
        """
        return to_pixels(self.open(side), side)

    def open(self, side: int) -> Image.Image:
        """Return the image, not yet decoded, for sides of ``side`` pixels."""
        try:
            with Path(self.file).open("rb") as file:
                file.seek(self.offset)
                data = file.read(self.size or -1)
            image = Image.open(io.BytesIO(data), formats=FORMATS)
        except OSError as error:  # Pillow's own errors are among them
            raise ImageError(f"{self.name}: {error.strerror or 'is not an image'}") from error
        except Exception as error:  # decoders raise errors of every kind
            raise ImageError(f"{self.name}: is broken ({error})") from error
        image.draft(None, (2 * side, 2 * side))
        return image


class Indexed(NamedTuple):
    """How many images are in an index, and how many could not be used."""

    images: int
    bad: int


class _Row(NamedTuple):
    """An image as pixels, or what is wrong with it."""

    entry: Entry
    pixels: Tensor | None
    error: str = ""


def file_entries(paths: Iterable[Path]) -> list[Entry]:
    """Return image files as entries, found again from any directory."""
    return [Entry(str(path), str(path.absolute())) for path in paths]


def shard_entries(spec: Sequence[str]) -> list[Entry]:
    """Return the images of labelled shards on this disk, whatever their labels mean.

    :class:`InputError` as :func:`train.shards.open_shards`.
    """
    return [entry for path in expand(spec) for entry in _of_shard(path)]


def _of_shard(path: str) -> Iterator[Entry]:
    if not Path(path).is_file():
        raise InputError(f"{path}: an index is made of shards on this disk; copy them first")
    shard, file = read_shard(path), str(Path(path).absolute())
    places = zip(shard.keys, shard.offsets.tolist(), shard.image_sizes.tolist(), strict=True)
    return (Entry(key.decode(), file, offset, size) for key, offset, size in places)


def build_index(
    model: Tag2Text,
    entries: Sequence[Entry],
    output: Path,
    *,
    batch_size: int = 16,
    advance: Advance | None = None,
) -> Indexed:
    """Write the index of the images; ``advance`` is told of each batch that is done.

    An image that cannot be used is a line in ``bad.jsonl``. The directory appears when it is
    whole; :class:`InputError` when it is there already, or no image can be used.
    """
    alignment_of(model)
    if output.exists():
        raise InputError(f"{output}: is there already; remove it, or name another one")
    partial = output.with_name(f".{output.name}.{os.getpid()}.tmp")
    partial.mkdir(parents=True)
    try:
        made = _write(model, entries, partial, batch_size, advance or _nobody)
        if not made.images:
            raise InputError(f"none of the {made.bad:,} images can be used: {_first_bad(partial)}")
        partial.replace(output)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return made


def _write(
    model: Tag2Text, entries: Sequence[Entry], folder: Path, batch_size: int, advance: Advance
) -> Indexed:
    images = bad = 0
    with (
        (folder / IMAGES).open("w", encoding="utf-8") as listed,
        (folder / BAD).open("w", encoding="utf-8") as refused,
        (folder / VECTORS).open("wb") as vectors,
        (folder / TAGS).open("wb") as tags,
    ):
        for rows in _batches(entries, model.config.image_size, batch_size):
            good = [(row.entry, row.pixels) for row in rows if row.pixels is not None]
            if good:
                _append(model, [pixels for _, pixels in good], vectors, tags)
            for entry, _ in good:
                _put(listed, asdict(entry))
            for row in (row for row in rows if row.pixels is None):
                _put(refused, {"name": row.entry.name, "reason": row.error})
            images, bad = images + len(good), bad + len(rows) - len(good)
            advance(len(rows))
    model.vocabulary.save(folder / VOCABULARY)
    info = {"format": FORMAT, "images": images, "bad": bad, **_described(model)}
    write_whole(folder / INFO, json.dumps(info, indent=2) + "\n")
    return Indexed(images, bad)


@torch.no_grad()
def _append(model: Tag2Text, pixels: list[Tensor], vectors: IO[bytes], tags: IO[bytes]) -> None:
    """Add the rows of a batch; the image encoder runs once."""
    images = normalise(torch.stack(pixels).to(model.device), model.config)
    tokens = model.network.image_encoder(images)
    made = alignment_of(model).encode_image(tokens).cpu().numpy()
    scores = torch.sigmoid(model.network.tagging(tokens).float()).cpu().numpy()
    vectors.write(made.astype("<f4").tobytes())
    tags.write(np.packbits(passed(model, scores), axis=1, bitorder="little").tobytes())


def _batches(entries: Sequence[Entry], side: int, size: int) -> Iterator[list[_Row]]:
    """Yield batches decoded side by side, one ahead of the model."""

    def read(entry: Entry) -> _Row:
        try:
            return _Row(entry, entry.pixels(side))
        except ImageError as error:
            return _Row(entry, None, str(error))

    listed = iter(entries)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        ahead = pool.map(read, islice(listed, size))
        for _ in range(0, len(entries), size):
            rows, ahead = list(ahead), pool.map(read, islice(listed, size))
            yield rows


def _put(file: IO[str], value: dict[str, Any]) -> None:
    file.write(json.dumps(value, ensure_ascii=True) + "\n")


def _described(model: Tag2Text) -> dict[str, Any]:
    return {
        "projection": model.config.projection,
        "fingerprint": model.vocabulary.fingerprint,
        "model": _identity(model),
    }


def _identity(model: Tag2Text) -> str:
    """Return a digest of the weights that make vectors comparable; training changes them all."""
    encoder, digest = alignment_of(model), hashlib.sha256()
    for layer in (encoder.image_projection, encoder.text_projection):
        digest.update(layer.weight.detach().float().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def _first_bad(folder: Path) -> str:
    lines = read_lines(folder / BAD)
    return str(json.loads(lines[0])["reason"]) if lines else "there is none"


def _nobody(_: int) -> None:
    """Be told how far the work is, and do nothing about it."""


@dataclass(frozen=True, slots=True)
class Index:
    """An index that is open: entries, ``vectors`` (images, projection), ``tags`` in bits.

    ``vectors`` and ``tags`` are maps of the files: only what is looked at is read.
    """

    entries: tuple[Entry, ...]
    vectors: Vectors
    tags: Bits
    vocabulary: Vocabulary
    model: str

    @staticmethod
    def open(directory: str | Path) -> Index:
        """Open a directory of :func:`build_index`; :class:`InputError` when it is not whole."""
        folder = Path(directory)
        info = _read_info(folder / INFO)
        vocabulary = Vocabulary.load(folder / VOCABULARY)
        images, projection = info["images"], info["projection"]
        if vocabulary.fingerprint != info["fingerprint"]:
            raise InputError(f"{folder}: its vocabulary is of another index; make it again")
        entries = tuple(_entries(folder / IMAGES))
        if len(entries) != images:
            raise InputError(f"{folder / IMAGES}: {len(entries):,} lines for {images:,} images")
        vectors = _mapped(folder / VECTORS, "<f4", (images, projection))
        tags = _mapped(folder / TAGS, "u1", (images, -(-len(vocabulary) // 8)))
        return Index(entries, vectors, tags, vocabulary, info["model"])

    def check(self, model: Tag2Text) -> None:
        """Refuse a model other than the one that made the index."""
        if _identity(model) != self.model or model.vocabulary.tags != self.vocabulary.tags:
            raise InputError("the index was made by another model; make it again with this one")


def _read_info(path: Path) -> dict[str, Any]:
    if not path.exists():
        raise InputError(f"{path.parent}: has no {INFO}, so it is no index; run `tag2text index`")
    try:
        info = json.loads("\n".join(read_lines(path)))
        whole = all(type(info[name]) is int and info[name] > 0 for name in ("images", "projection"))
        named = all(type(info[name]) is str for name in ("fingerprint", "model"))
    except (ValueError, KeyError, TypeError, RecursionError):
        whole = named = False
    if not (whole and named and info.get("format") == FORMAT):
        raise InputError(f"{path}: is not of an index of format {FORMAT}; make the index again")
    return dict(info)


def _entries(path: Path) -> Iterator[Entry]:
    for number, line in enumerate(read_lines(path), 1):
        try:
            entry = Entry(**json.loads(line))
            texts, places = (entry.name, entry.file), (entry.offset, entry.size)
            good = all(type(t) is str for t in texts) and all(
                type(n) is int and n >= 0 for n in places
            )
        except (ValueError, TypeError, RecursionError):
            good = False
        if not good:
            raise InputError(f"{path}:{number}: is no image of an index; make the index again")
        yield entry


def _mapped(path: Path, dtype: str, shape: tuple[int, int]) -> npt.NDArray[Any]:
    try:
        whole = path.stat().st_size == math.prod(shape) * np.dtype(dtype).itemsize
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); make it again") from error
    if not whole:
        raise InputError(f"{path}: does not hold {shape[0]:,} images; make it again")
    return np.memmap(path, dtype=dtype, mode="r", shape=shape)
