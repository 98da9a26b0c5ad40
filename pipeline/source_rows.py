"""What a reader of captions yields, and how raw values become clean rows or bad ones."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, TypeAlias

NO_URL: Final = "no_url"
EMPTY_CAPTION: Final = "empty_caption"
BAD_JSON: Final = "bad_json"
BAD_CSV: Final = "bad_csv"
WRONG_COLUMNS: Final = "wrong_columns"
INVALID_UTF8: Final = "invalid_utf8"
NUL_BYTE: Final = "nul_byte"
TOO_LONG: Final = "too_long"
EXCLUDED: Final = "excluded"

CAPTION_LIMIT: Final = 10_000
"""Characters of the longest caption (or image name) that is believed."""

REASONS: Final[dict[str, str]] = {
    NO_URL: "no image: the URL or name is empty, or is no URL where the format has URLs",
    EMPTY_CAPTION: "no caption, or nothing but white space",
    BAD_JSON: "a line that is not one JSON object",
    BAD_CSV: "a quote that is not closed, or text behind a closing quote",
    WRONG_COLUMNS: "more or fewer columns than the file has, or a value that is not text",
    INVALID_UTF8: "bytes that are not UTF-8",
    NUL_BYTE: "a NUL byte",
    TOO_LONG: f"a caption or image name over {CAPTION_LIMIT:,} characters, or a line over 1 MiB",
    EXCLUDED: "an image that --exclude names; left out, and no bad row",
}
"""Why a row can be missing; every reason in ``bad/*.jsonl`` of a manifest is one of these."""

# JSON cannot carry these bytes, so its reader marks them with code points that stand for no
# character in any text.
INVALID_MARK: Final = "\ufdd0"
NUL_MARK: Final = "\ufdd1"

_EXCERPT = 200
_MERGE_LIMIT = 1000  # captions of one image; a file of a single image must not fill the memory
_INVALID = re.compile(f"[\ud800-\udfff{INVALID_MARK}]")


class Raw(NamedTuple):
    """One entry as it stands in the file: values of any type, ``names`` to exclude it by."""

    image: Any
    captions: list[Any]
    names: tuple[str, ...] = ()


class Broken(NamedTuple):
    """An entry that could not be read at all."""

    reason: str
    detail: str


Entry: TypeAlias = Raw | Broken | None
"""What a reader of a format yields; ``None`` is an entry that is not selected but counts."""


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One image and its good captions; ``position`` counts the entries of the file from 0.

    ``names`` are further names of the image (its COCO id, say) that an exclusion list may use.
    """

    position: int
    image: str
    captions: tuple[str, ...]
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BadRow:
    """A caption, or an entry without one, that cannot be used; ``reason`` is in ``REASONS``."""

    position: int
    reason: str
    detail: str


Row: TypeAlias = SourceRow | BadRow


def excerpt(value: Any) -> str:
    """Return the beginning of a value, for the ``detail`` of a bad row."""
    if isinstance(value, bytes):
        return value[:_EXCERPT].decode("utf-8", "replace")
    return value[:_EXCERPT] if isinstance(value, str) else f"a {type(value).__name__}"


def text_of(value: Any) -> tuple[str, str]:
    """Return the text of a value, without outer white space, and why it is bad or ``""``."""
    if value is None:
        return "", EMPTY_CAPTION
    if isinstance(value, bytes):
        if len(value) > 4 * CAPTION_LIMIT:  # maybe a line that was cut within a character
            return "", TOO_LONG
        try:
            value = value.decode()
        except UnicodeDecodeError:
            return "", INVALID_UTF8
    if type(value) is int:  # an image may be named by its number
        value = str(value)
    if not isinstance(value, str):
        return "", WRONG_COLUMNS
    text = value.strip()
    return text, _fault(text)


def _fault(text: str) -> str:
    if not text:
        return EMPTY_CAPTION
    if len(text) > CAPTION_LIMIT:
        return TOO_LONG
    if "\0" in text or NUL_MARK in text:
        return NUL_BYTE
    return INVALID_UTF8 if not text.isascii() and _INVALID.search(text) else ""


def clean(
    entries: Iterable[Entry], *, need_image: bool = True, need_url: bool = False
) -> Iterator[Row]:
    """Give every entry its position and turn it into a row, with bad captions set aside.

    Every caption comes out once, in a row or as a bad one; an entry without any is one bad row.
    Without ``need_image``, an entry that has no image keeps its captions.
    """
    for position, entry in enumerate(entries):
        if isinstance(entry, Broken):
            yield BadRow(position, entry.reason, entry.detail)
        elif entry is not None:
            yield from _rows(position, entry, need_image, need_url)


def _rows(position: int, raw: Raw, need_image: bool, need_url: bool) -> Iterator[Row]:
    image, fault = text_of(raw.image)
    if fault == EMPTY_CAPTION:
        fault = NO_URL if need_image else ""
    elif need_url and not fault and "://" not in image:
        fault = NO_URL
    if not raw.captions:
        yield BadRow(position, fault or EMPTY_CAPTION, excerpt(image))
    good = []
    for caption in raw.captions:
        text, wrong = text_of(caption)
        if fault or wrong:
            yield BadRow(position, fault or wrong, excerpt(caption))
        else:
            good.append(text)
    if good:
        yield SourceRow(position, image, tuple(good), raw.names)


def merge(rows: Iterable[Row]) -> Iterator[Row]:
    """Make one row of consecutive rows of the same image, at the position of the first.

    A bad row does not part them; it comes out before the row that it interrupts.
    """
    first: SourceRow | None = None
    captions: list[str] = []
    for row in rows:
        if isinstance(row, BadRow):
            yield row
        elif first and row.image and row.image == first.image and len(captions) < _MERGE_LIMIT:
            captions.extend(row.captions)
        else:
            if first:
                yield _merged(first, captions)
            first, captions = row, list(row.captions)
    if first:
        yield _merged(first, captions)


def _merged(first: SourceRow, captions: list[str]) -> SourceRow:
    if len(captions) == len(first.captions):
        return first
    return replace(first, captions=tuple(captions))
