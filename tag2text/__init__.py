"""Tag2Text, open and complete: captions to tags, a curated vocabulary, labelled shards."""

from tag2text.version import __version__

__all__ = ["__version__"]
