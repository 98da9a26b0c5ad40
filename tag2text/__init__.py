"""Tag2Text, open and complete: captions to tags, a vocabulary, labelled shards, and the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vocab.version import __version__

if TYPE_CHECKING:
    from model.tag2text import Tag2Text

__all__ = ["Tag2Text", "__version__"]


def __getattr__(name: str) -> Any:
    if name != "Tag2Text":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from model.tag2text import Tag2Text  # torch is only for those who ask

    return Tag2Text
