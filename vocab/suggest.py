"""Which other candidates may mean the same: suggestions for a merge, never a decision.

Ranked by what they rest on: the same word spelled or inflected otherwise, a sense shared in
WordNet (the frequent senses of both), and a similar or a shortened spelling where the captions
show both in the same contexts. Letters that look alike are no reason on their own: that way corn
would be an acorn, and a bank blank.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Final, NamedTuple, Protocol

from vocab.candidates import Candidates
from vocab.graph import Tag
from vocab.lemma import noun_lemma, verb_lemma
from vocab.wordnet import Senses

SENSES: Final = 3  # the most frequent senses of a tag that are compared
FAR: Final = 4  # the product of a shared sense's ranks beyond which it is far-fetched
ALIKE: Final = 88.0  # rapidfuzz's ratio, per cent, from which two words look alike
BACKED: Final = 0.15  # cosine of contexts from which they back another reason
NEIGHBOURS: Final = 300  # tags of similar contexts that are looked at
SHORTEST: Final = 3  # letters of a shortened word
# Words that are spelled in two ways also inside compounds, where WordNet does not help.
SPELLINGS: Final = dict(
    pair.split(":")
    for pair in (
        "grey:gray doughnut:donut racquet:racket tee:t moustache:mustache aeroplane:airplane "
        "pyjama:pajama pyjamas:pajamas tyre:tire kerb:curb plough:plow yoghurt:yogurt disk:disc "
        "omelette:omelet programme:program jewellery:jewelry cosy:cozy barbeque:barbecue "
        "bbq:barbecue tv:television people:person ok:okay veggie:vegetable catsup:ketchup "
        "whisky:whiskey chequered:checkered licence:license storey:story mould:mold"
    ).split()
)
BRITISH: Final = re.compile(r"(?<=col|fav|hon|lav|arb|ghb|arm|lab|vap)our")  # colour, flavour...
ENDINGS: Final = (("tre", "ter"), ("ogue", "og"), ("ise", "ize"), ("ising", "izing"))
DERIVED: Final = ("er", "r", "ing", "y", "ed", "en", "ance")  # a rider is no ride


class Contexts(Protocol):
    """What is needed of :class:`vocab.examples.Examples`."""

    def similar(self, tag: Tag, limit: int = 50) -> list[tuple[Tag, float]]:
        """Return the tags said in the most similar contexts, and their likeness."""


class Suggestion(NamedTuple):
    """A candidate that may mean the same as another, and in a few words why."""

    tag: Tag
    why: str


class Suggester:
    """Suggestions among the candidates; without senses or examples, from what is left."""

    def __init__(
        self, candidates: Candidates, senses: Senses | None = None, examples: Contexts | None = None
    ) -> None:
        self._rows, self._senses, self._examples = candidates.rows, senses, examples
        self._images: dict[Tag, int] = {}
        self._folded: dict[tuple[str, str], list[Tag]] = defaultdict(list)

    def prepare(self, n: int) -> bool:
        """Index the next ``n`` candidates (some 3 us each); say whether all are.

        Any question does what is left of it; with many candidates, do it when nobody waits.
        """
        for row in self._rows[len(self._images) : len(self._images) + n]:
            self._images[row.key] = row.images
            self._folded[_group(row.kind), _fold(row.key)].append(row.key)
        return len(self._images) == len(self._rows)

    def merges(self, tag: Tag, limit: int = 9) -> list[Suggestion]:
        """Return the candidates that ``tag`` may be merged with, the likeliest first."""
        self.prepare(len(self._rows))
        likeness = dict(self._examples.similar(tag, NEIGHBOURS)) if self._examples else {}
        found: dict[Tag, tuple[float, str]] = {}
        for other, score, why in self._reasons(tag, likeness):
            backed = score + likeness.get(other, 0.0) / 2
            if other.tag != tag.tag and backed > found.get(other, (0.0, ""))[0]:
                found[other] = backed, why
        ranked = sorted(found, key=lambda other: (-found[other][0], -self._images[other], other))
        return [Suggestion(other, found[other][1]) for other in ranked[:limit]]

    def _reasons(self, tag: Tag, likeness: Mapping[Tag, float]) -> Iterator[tuple[Tag, float, str]]:
        for other in self._folded.get((_group(tag.kind), _fold(tag)), ()):
            same = _spelled(other.tag) == _spelled(tag.tag)
            yield (other, 4.0, "spelled otherwise") if same else (other, 3.0, "another form")
        yield from self._same_sense(tag, likeness)
        yield from self._looks_alike(tag, likeness)

    def _same_sense(
        self, tag: Tag, likeness: Mapping[Tag, float]
    ) -> Iterator[tuple[Tag, float, str]]:
        """Yield the words of the tag's senses: the first of both, or others that contexts back."""
        if self._senses is None:
            return
        near = 1 if likeness else 2  # with nothing to go by, the second sense of one will do
        for rank, sense in enumerate(self._senses.senses(tag, SENSES), 1):
            for other in (Tag(k, word.lower()) for k in _kinds(tag.kind) for word in sense.words):
                if other in self._images:
                    theirs = [s.id for s in self._senses.senses(other, SENSES)]
                    far = rank * (theirs.index(sense.id) + 1 if sense.id in theirs else FAR + 1)
                    if far <= near or (far <= FAR and likeness.get(other, 0.0) >= BACKED):
                        yield other, 1 + 1 / far, "same sense"

    def _looks_alike(
        self, tag: Tag, likeness: Mapping[Tag, float]
    ) -> Iterator[tuple[Tag, float, str]]:
        """Yield tags that seem misspelled or cut short: contexts back it, and one is no word."""
        for other in likeness:
            if other.kind != tag.kind or likeness[other] < BACKED:
                continue
            pair = _differing(tag.tag, other.tag)
            unknown = [word for word in pair if not self._known(Tag(tag.kind, word))]
            if unknown and _alike(*pair):
                yield other, 1.2, "similar spelling, same contexts"
            elif _shortens(*pair) and min(pair, key=len) in unknown:
                yield other, 1.1, "short form, same contexts"

    def _known(self, tag: Tag) -> bool:
        return self._senses is None or bool(self._senses.senses(tag, 1))


def _differing(one: str, other: str) -> tuple[str, str]:
    """Return the words in which the tags differ, if it is one word only; else nothing twice."""
    words, others = one.split(), other.split()
    if len(words) != len(others):
        return "", ""
    pairs = [pair for pair in zip(words, others, strict=True) if pair[0] != pair[1]]
    return pairs[0] if len(pairs) == 1 else ("", "")


def _alike(one: str, other: str) -> bool:
    from rapidfuzz import fuzz

    return bool(one) and not _derived(one, other) and fuzz.ratio(one, other) >= ALIKE


def _shortens(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    return len(short) >= SHORTEST and long.startswith(short) and not _derived(one, other)


def _derived(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    return any(long == short + ending for ending in DERIVED)


def _group(kind: str) -> str:
    return "thing" if kind in ("object", "scene") else kind


def _kinds(kind: str) -> tuple[str, ...]:
    return (kind, *({"object", "scene"} - {kind})) if _group(kind) == "thing" else (kind,)


def _fold(tag: Tag) -> str:
    """Return what all spellings and forms of a tag share."""
    words = _words(tag.tag)
    base = _verb if tag.kind in ("action", "attribute") else _noun
    return "".join(base(word) for word in words)


def _spelled(text: str) -> str:
    return "".join(map(_spelling, _words(text)))


def _words(text: str) -> list[str]:
    return text.lower().replace("'", "").replace("’", "").replace("-", " ").split()


@lru_cache(1 << 16)
def _noun(word: str) -> str:
    word = _spelling(noun_lemma(_spelling(word)))
    word = word.removesuffix("s") if len(word) > 3 and not word.endswith("ss") else word
    return word[:-2] + "f" if word.endswith(("rve", "lve", "ave")) else word


@lru_cache(1 << 16)
def _verb(word: str) -> str:
    return _spelling(verb_lemma(_spelling(word)))


@lru_cache(1 << 16)
def _spelling(word: str) -> str:
    if word in SPELLINGS:
        return SPELLINGS[word]
    word = BRITISH.sub("or", word)
    for british, american in ENDINGS:
        if word.endswith(british) and len(word) > len(british) + 2:
            return word.removesuffix(british) + american
    return word
