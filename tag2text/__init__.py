"""Tag2Text, open and complete: captions to tags, a curated vocabulary, labelled shards."""

from vocab.version import __version__

__all__ = ["__version__"]
