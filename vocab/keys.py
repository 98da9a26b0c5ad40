"""The written form of a tag: one string ``kind:tag`` that files and decision logs share."""

from __future__ import annotations

import re
from typing import Final

from vocab.graph import KINDS, Tag

_CONTROLS: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def key_of(tag: Tag) -> str:
    """Return ``"kind:tag"``; :func:`tag_of` is its inverse."""
    return f"{tag.kind}:{tag.tag}"


def tag_of(key: str) -> Tag:
    """Return the tag that ``"kind:tag"`` names; ``ValueError`` says what is wrong with it."""
    kind, colon, text = key.partition(":")
    if not colon:
        raise ValueError(f"{key!r} is not of the form kind:tag")
    return checked(Tag(kind, text))


def checked(tag: Tag) -> Tag:
    """Return ``tag`` when a line of a table can hold it, else raise ``ValueError``.

    Everything else is kept as text, ``=cmd`` too: protecting spreadsheets is the exporter's task.
    """
    if tag.kind not in KINDS:
        raise ValueError(f"unknown kind {tag.kind!r} (known: {', '.join(KINDS)})")
    check_text(tag.tag)
    return tag


def check_text(text: str) -> None:
    """Raise ``ValueError`` when ``text`` cannot be a tag: empty, padded, or not one clean line."""
    if not text or text != text.strip():
        raise ValueError(f"the tag {text!r} is empty or has spaces around it")
    if any(mark in text for mark in "\t\n\r"):
        raise ValueError(f"the tag {text!r} holds a tab or a line break")
    if not encodable(text):
        raise ValueError(f"the tag {text!r} is not valid Unicode")
    if has_controls(text):
        raise ValueError(f"the tag {text!r} holds a control character")


def has_controls(text: str) -> bool:
    """Say whether ``text`` holds what could move a terminal's cursor or turn a line around."""
    return not text.isprintable() and _CONTROLS.search(text) is not None


def encodable(text: str) -> bool:
    """Say whether ``text`` has a UTF-8 form (a lone surrogate, as JSON can hold, has none)."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
