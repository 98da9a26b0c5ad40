"""Tags as the words that guide a caption (paper, Sections 3.3 and 3.4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from torch import Tensor

from model.recognition import choose
from model.tokenizer import Tokenizer
from vocab.errors import InputError
from vocab.graph import Tag
from vocab.vocabulary import Vocabulary

GUIDING: Final = 16  # recognised tags that guide a caption at most: more do not fit 40 tokens

# Recognised often, and of no help to a caption: the release leaves them out before it captions.
UNSPOKEN: Final = frozenset(("quarter", "back", "one", "two", "three", "four", "five"))


def spoken(tags: Iterable[Tag]) -> list[str]:
    """Return the names of recognised tags, in order, each once, without ``UNSPOKEN``."""
    return list(dict.fromkeys(tag.tag for tag in tags if tag.tag not in UNSPOKEN))


@dataclass(frozen=True, slots=True)
class Guide:
    """Chooses the names that guide a caption: no more than ``max_tokens`` hold."""

    vocabulary: Vocabulary
    tokenizer: Tokenizer
    max_tokens: int

    def fitting(self, names: Sequence[str], question: str | None = None) -> list[str]:
        """Return the first of the names, as many as fit behind the question, if there is one."""
        before = [] if question is None else [question]
        row = [*before, *names]
        return self.tokenizer.fitting(row, max_tokens=self.max_tokens)[len(before) :]

    def recognised(self, scores: Tensor, floor: Tensor, question: str | None = None) -> list[str]:
        """Return the names of an image's tags whose scores (classes,) pass their floor (classes,).

        The surest ``GUIDING`` that are spoken, and of these the surest that fit; they come in the
        order of the classes.
        """
        surest = choose(scores, floor, self.vocabulary.tags, GUIDING)
        tags = [Tag(found.kind, found.tag) for found in surest]
        fitting = self.fitting(spoken(tags), question)
        tags.sort(key=self.vocabulary.index)
        return [name for name in spoken(tags) if name in fitting]


def shuffled(names: Sequence[str], random: Random) -> list[str]:
    """Return the names in random order: training must not learn their places (Section 3.3)."""
    return random.sample(names, len(names))


def user_tags(given: Iterable[str]) -> list[str]:
    """Return tags that a person typed, as free text: trimmed, lower case, each once.

    They take the place of recognised ones (Section 3.4), so none of them is dropped. One string
    may hold several, separated by commas. :class:`InputError` when a string was given for a list,
    or nothing is left.
    """
    if isinstance(given, str):
        raise InputError(f"tags {given!r}: give a list of them, such as [{given!r}]")
    names = (name.strip().lower() for text in given for name in text.split(","))
    kept = list(dict.fromkeys(name for name in names if name))
    if not kept:
        raise InputError("no tag among those given; leave tags out to use recognised ones")
    return kept


def rows_of_tags(tags: Sequence[str] | Sequence[Sequence[str]], count: int) -> list[list[str]]:
    """Return each image's own of the tags that a person gave: one list for all, or one an image.

    :class:`InputError` when the lists are not ``count``, and as :func:`user_tags` says.
    """
    if isinstance(tags, str) or all(isinstance(tag, str) for tag in tags):
        return [user_tags(tags)] * count  # type: ignore[arg-type]
    if len(tags) != count:
        raise InputError(f"{len(tags)} lists of tags for {count} images: give as many")
    return [user_tags(row) for row in tags]
