"""Decisions that do not go together: one form of a word kept and another dropped.

Pointed out, never mended: people decide which of the two was meant.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from vocab.figures import Fate
from vocab.graph import Tag
from vocab.lemma import noun_lemma, verb_lemma


class Pair(NamedTuple):
    """Two candidates on different sides, and why they belong together."""

    dropped: Fate
    kept: Fate
    why: str


Synonyms = Callable[[Tag], Collection[Tag]]


def inconsistencies(fates: Sequence[Fate], synonyms: Synonyms | None = None) -> list[Pair]:
    """Return the pairs that mean the same on different sides, dropped with most images first.

    Objects and scenes are one kind here, as in the vocabulary. Each pair stands once, with the
    stronger reason: one word in two forms before a shared sense. ``synonyms`` gives the tags of a
    tag's frequent WordNet senses.
    """
    pairs: dict[tuple[Tag, Tag], Pair] = {}
    for pair in (*_variants(fates), *_synonyms(fates, synonyms)):
        pairs.setdefault((pair.dropped.row.key, pair.kept.row.key), pair)
    return sorted(pairs.values(), key=lambda pair: (pair.dropped.row.rank, pair.kept.row.rank))


def _variants(fates: Iterable[Fate]) -> Iterator[Pair]:
    groups: dict[tuple[str, str], list[Fate]] = defaultdict(list)
    for fate in fates:
        groups[_group(fate.row.kind), _bare(fate.row.key)].append(fate)
    for group in groups.values():
        kept = [fate for fate in group if fate.kept]
        for dropped in (fate for fate in group if fate.side == "dropped"):
            yield from (
                Pair(dropped, fate, "same word") for fate in kept if fate.row.tag != dropped.row.tag
            )


def _synonyms(fates: Sequence[Fate], synonyms: Synonyms | None) -> Iterator[Pair]:
    if synonyms is None:
        return
    kept = {fate.row.key: fate for fate in fates if fate.kept}
    for dropped in (fate for fate in fates if fate.side == "dropped"):
        for word in synonyms(dropped.row.key):
            for kind in _alike(dropped.row.kind):
                fate = kept.get(Tag(kind, word.tag))
                if fate and dropped.row.key in synonyms(word):  # it is meant the other way too
                    yield Pair(dropped, fate, "same WordNet sense")


def other_kinds(fates: Iterable[Fate]) -> list[Pair]:
    """Return the words kept in one kind and dropped in another: often right, worth a look."""
    words: dict[str, list[Fate]] = defaultdict(list)
    for fate in fates:
        words[fate.row.tag].append(fate)
    pairs = [
        Pair(dropped, kept, "other kind")
        for group in words.values()
        if len(group) > 1
        for dropped in group
        for kept in group
        if dropped.side == "dropped" and kept.kept
    ]
    return sorted(pairs, key=lambda pair: (pair.dropped.row.rank, pair.kept.row.rank))


def _group(kind: str) -> str:
    return "object" if kind == "scene" else kind


def _alike(kind: str) -> tuple[str, ...]:
    return ("object", "scene") if kind in ("object", "scene") else (kind,)


def _bare(tag: Tag) -> str:
    """Return the tag without what spelling and inflection vary: "tshirt" for "t-shirts"."""
    words = tag.tag.lower().replace("-", " ").replace("'", "").split()
    if tag.kind == "action" and words:
        words[0] = verb_lemma(words[0])
    elif words:
        words[-1] = noun_lemma(words[-1])
    return "".join(words)
