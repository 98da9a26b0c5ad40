"""Words of messages."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """Return "1 image", "0 images", "1,024 images"; the noun's plural has an s and no more."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")
