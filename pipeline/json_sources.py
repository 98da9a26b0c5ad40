"""Readers of the official JSON files: SBU, COCO, the Karpathy split and Visual Genome."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any, Final

from pipeline.grouping import temporary_database
from pipeline.source_rows import WRONG_COLUMNS, Broken, Entry, Raw, excerpt
from pipeline.streams import read_json
from vocab.errors import InputError

COCO_DIGITS: Final = 12
"""Digits of a COCO image id in a file name: ``000000000042.jpg``."""

_END: Final = object()


def parallel(urls: Iterable[Any], captions: Iterable[Any], where: str) -> Iterator[Entry]:
    """Pair the two columns of SBU.

    Raises:
        InputError: one is longer, so that nobody can tell which URL belongs to which caption.
    """
    for number, (url, caption) in enumerate(itertools.zip_longest(urls, captions, fillvalue=_END)):
        if url is _END or caption is _END:
            short = "urls" if url is _END else "captions"
            raise InputError(
                f"{where}: the {short} end after {number} rows and the other column goes on, "
                "so they are not parallel; fetch them again"
            )
        yield Raw(url, [caption])


def sbu_entries(path: str) -> Iterator[Entry]:
    """Yield the entries of ``{"image_urls": [...], "captions": [...]}``.

    The file is read twice at once, because one list follows the other.
    """
    urls, captions = read_json(path, "image_urls.item"), read_json(path, "captions.item")
    yield from parallel(urls, captions, path)


def coco_entries(path: str) -> Iterator[Entry]:
    """Yield the images of a COCO captions file in its order, captions in annotation order.

    The annotations are not ordered by image, so they wait in a temporary database on disk.
    Annotations whose image is not in the file follow at the end, without an image.
    """
    with temporary_database(path) as database:
        yield from _joined(database, path)


def _joined(database: sqlite3.Connection, path: str) -> Iterator[Entry]:
    database.execute("CREATE TABLE captions (image TEXT, caption TEXT)")
    database.execute("CREATE TABLE images (id TEXT PRIMARY KEY)")
    captions = (_annotation(value) for value in read_json(path, "annotations.item"))
    database.executemany("INSERT INTO captions VALUES (?, ?)", captions)
    database.execute("CREATE INDEX by_image ON captions (image)")
    for image in read_json(path, "images.item"):
        identity = str(_field(image, "id"))
        database.execute("INSERT OR IGNORE INTO images VALUES (?)", (identity,))
        query = "SELECT caption FROM captions WHERE image = ? ORDER BY rowid"
        found = [caption for (caption,) in database.execute(query, (identity,))]
        yield Raw(_field(image, "file_name"), found, coco_names(identity))
    query = "SELECT caption FROM captions WHERE image NOT IN (SELECT id FROM images) ORDER BY rowid"
    for (caption,) in database.execute(query):
        yield Raw(None, [caption])


def _annotation(value: Any) -> tuple[str, str | None]:
    caption = _field(value, "caption")
    return str(_field(value, "image_id")), caption if isinstance(caption, str) else None


def coco_names(identity: Any) -> tuple[str, ...]:
    """Return the names of a COCO image beside its file's: ``42`` and ``000000000042``."""
    text = "" if identity is None else str(identity)
    return (text, text.zfill(COCO_DIGITS)) if text.isdecimal() else ()


def karpathy_entries(path: str, splits: Iterable[str]) -> Iterator[Entry]:
    """Yield the images of ``dataset_coco.json`` and its like that are in one of ``splits``.

    Without splits, all images. Those of other splits keep their positions.

    Raises:
        InputError: a split has no image in the file.
    """
    wanted, seen = frozenset(splits), set()
    for image in read_json(path, "images.item"):
        split = str(_field(image, "split"))
        seen.add(split)
        if wanted and split not in wanted:
            yield None
            continue
        sentences = _list(image, "sentences")
        if sentences is None:
            yield Broken(WRONG_COLUMNS, f"no list of sentences in {excerpt(image)}")
            continue
        captions = [_field(sentence, "raw") for sentence in sentences]
        yield Raw(_karpathy_image(image), captions, coco_names(_field(image, "cocoid")))
    if seen and wanted - seen:
        raise InputError(
            f"{path}: no image is of --split {min(wanted - seen)}; there are "
            f"{excerpt(', '.join(sorted(seen)))}"
        )


def _karpathy_image(image: Any) -> Any:
    folder, name = _field(image, "filepath"), _field(image, "filename")
    return f"{folder}/{name}" if folder and name else name


def vg_entries(path: str, image_data: str = "") -> Iterator[Entry]:
    """Yield the images of Visual Genome's ``region_descriptions.json`` with their phrases.

    The image is ``<image_id>.jpg``, or its URL where ``image_data`` (``image_data.json``) knows
    it; that file also gives the COCO id of the half of the images that come from COCO.
    """
    known = _image_data(image_data) if image_data else {}
    for value in read_json(path, "item"):
        identity, regions = _field(value, "id"), _list(value, "regions")
        if regions is None:
            yield Broken(WRONG_COLUMNS, f"no list of regions in {excerpt(value)}")
            continue
        url, coco = known.get(identity if type(identity) is int else None, (None, None))
        name = None if identity is None else f"{identity}.jpg"
        captions = [_field(region, "phrase") for region in regions]
        yield Raw(url or name, captions, (str(identity), *coco_names(coco)[1:]))


def _image_data(path: str) -> dict[Any, tuple[Any, Any]]:
    """Return URL and COCO id by image id: 108,077 images, so a dictionary will do."""
    known = {}
    for value in read_json(path, "item"):
        identity = _field(value, "image_id")
        if type(identity) is int:
            known[identity] = _field(value, "url"), _field(value, "coco_id")
    if not known:
        raise InputError(f"{path}: no images in it; --image-data takes VG's image_data.json")
    return known


def _field(value: Any, name: str) -> Any:
    return value.get(name) if isinstance(value, dict) else None


def _list(value: Any, name: str) -> list[Any] | None:
    found = _field(value, name)
    return found if isinstance(found, list) else None
