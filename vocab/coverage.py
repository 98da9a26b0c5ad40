"""How much of what captions say the tags kept so far can express.

Two shares of a sample of captions, both between 0 and 1: of *mentions* (a tag in a caption, of
candidates and of all other parsed tags alike, so that no choice among the candidates reaches 1),
and of *captions* that hold at least one kept tag.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import Protocol

from vocab.graph import Tag


class Row(Protocol):
    """One caption: the candidates that it mentions, and the number of its other tags."""

    @property
    def tags(self) -> Sequence[Tag]:
        """Candidates, each once."""

    @property
    def others(self) -> int:
        """Mentions of tags that are no candidates."""


class Coverage:
    """Both shares, brought up to date in some microseconds as tags are kept or not."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self._captions: dict[Tag, array[int]] = {}
        self._mentions = self._covered = self._reached = self._size = 0
        for place, row in enumerate(rows):
            self._mentions += len(row.tags) + row.others
            for tag in row.tags:
                self._captions.setdefault(tag, array("L")).append(place)
            self._size = place + 1
        self._hits = array("H", bytes(2 * self._size))  # kept tags of each caption
        self._kept: set[Tag] = set()

    def set(self, tag: Tag, kept: bool) -> None:
        """Say whether ``tag`` is kept, in whatever way (a merged tag is expressed too)."""
        captions = self._captions.get(tag)
        if captions is None or kept == (tag in self._kept):
            return
        hits = self._hits
        if kept:
            self._kept.add(tag)
            for place in captions:
                hits[place] += 1
                self._reached += hits[place] == 1
            self._covered += len(captions)
        else:
            self._kept.remove(tag)
            for place in captions:
                hits[place] -= 1
                self._reached -= hits[place] == 0
            self._covered -= len(captions)

    @property
    def share(self) -> float:
        """The share of mentions that the kept tags express; 0 without any."""
        return self._covered / self._mentions if self._mentions else 0.0

    @property
    def captions_share(self) -> float:
        """The share of captions that hold a kept tag; 0 without any."""
        return self._reached / self._size if self._size else 0.0
