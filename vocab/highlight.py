"""Where in a caption the words of its tags stand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from vocab.graph import Tag
from vocab.lemma import noun_lemma, verb_lemma

_WORD = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*")


class Span(NamedTuple):
    """Characters ``start`` to ``end`` of a caption name ``tag``."""

    start: int
    end: int
    tag: Tag


def find_tags(caption: str, tags: Iterable[Tag]) -> list[Span]:
    """Return the spans that name a tag, in order and apart; the longest tags are found first.

    Words match in any inflection ("dogs", "riding"); a tag whose words stand apart in the
    caption, or that an alias stands for, is not found.
    """
    words = list(_WORD.finditer(caption))
    forms = [_forms(word.group().lower()) for word in words]
    taken = [False] * len(words)
    spans: list[Span] = []
    for tag in sorted(tags, key=lambda tag: -len(tag.tag.split())):
        wanted = tag.tag.split()
        for start in range(len(words) - len(wanted) + 1):
            stop = start + len(wanted)
            if not any(taken[start:stop]) and _match(forms[start:stop], wanted):
                taken[start:stop] = [True] * len(wanted)
                spans.append(Span(words[start].start(), words[stop - 1].end(), tag))
    return sorted(spans)


def _forms(word: str) -> frozenset[str]:
    word = word.removesuffix("'s").removesuffix("’s")
    return frozenset((word, noun_lemma(word), verb_lemma(word)))


def _match(forms: Sequence[frozenset[str]], wanted: Sequence[str]) -> bool:
    return all(word in form for form, word in zip(forms, wanted, strict=True))
