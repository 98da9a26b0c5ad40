"""A parsed caption as plain lists: what the rules read, free of spaCy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

from vocab.lemma import lemma, noun_lemma
from vocab.lexicons import mapping, words

NOUNS: Final = frozenset({"NN", "NNS", "NNP", "NNPS"})
_LONGEST: Final = 5  # words in the longest entry of the multiword lexicons


@dataclass(slots=True)
class Sentence:
    """Tokens of one caption: lower-case words, Penn tags, dependency labels and head indices.

    A root's head is itself. ``children`` holds each token's dependents in surface order.
    """

    words: list[str]
    tags: list[str]
    deps: list[str]
    heads: list[int]
    children: list[list[int]]

    def of(self, i: int, *deps: str) -> list[int]:
        """Return the dependents of token ``i`` that carry one of the labels."""
        return [c for c in self.children[i] if self.deps[c] in deps]

    def lemma(self, i: int) -> str:
        """Return the base form of token ``i``."""
        return lemma(self.words[i], self.tags[i])

    def is_noun(self, i: int) -> bool:
        """Tell whether token ``i`` is a noun."""
        return self.tags[i] in NOUNS

    def is_verb(self, i: int) -> bool:
        """Tell whether token ``i`` is a verb form."""
        return self.tags[i].startswith("VB")


def build_sentence(
    tokens: Sequence[str], tags: Sequence[str], deps: Sequence[str], heads: Sequence[int]
) -> Sentence:
    """Join known multiwords ("in front of", "living room") and link heads to their dependents."""
    spans = find_spans(tokens)
    if spans:
        tokens, tags, deps, heads = _merge(tokens, tags, deps, heads, spans)
    children: list[list[int]] = [[] for _ in tokens]
    for i, head in enumerate(heads):
        if head != i:
            children[head].append(i)
    return Sentence(list(tokens), list(tags), list(deps), list(heads), children)


Span = tuple[int, int, str, str]


def find_spans(tokens: Sequence[str]) -> list[Span]:
    """Return (start, end, name, tag) of the known multiwords, longest first, left to right."""
    starts = _first_words()
    spans: list[Span] = []
    end = 0
    for i, token in enumerate(tokens):
        found = _match(tokens, i) if i >= end and token in starts else None
        if found:
            spans.append(found)
            end = found[1]
    return spans


@cache
def _first_words() -> frozenset[str]:
    entries = [*words("multiwords"), *mapping("prepositions")]
    return frozenset(entry.split(" ", 1)[0] for entry in entries)


def _match(tokens: Sequence[str], start: int) -> Span | None:
    prepositions, nouns = mapping("prepositions"), words("multiwords")
    for end in range(min(start + _LONGEST, len(tokens)), start, -1):
        text = " ".join(tokens[start:end])
        if text in prepositions:
            return start, end, prepositions[text], "IN"
        if end > start + 1:
            name = " ".join([*tokens[start : end - 1], noun_lemma(tokens[end - 1])])
            if name in nouns:
                return start, end, name, "NN" if name == text else "NNS"
    return None


def _merge(
    tokens: Sequence[str],
    tags: Sequence[str],
    deps: Sequence[str],
    heads: Sequence[int],
    spans: Sequence[Span],
) -> tuple[list[str], list[str], list[str], list[int]]:
    """Replace each span by one token, whose head is that of the span's outermost token."""
    place: list[int] = []  # old position -> new position
    leaders: list[int] = []  # new position -> the old token that lends it label and head
    names: dict[int, tuple[str, str]] = {}
    by_start = {span[0]: span for span in spans}
    i = 0
    while i < len(tokens):
        start, end, name, tag = by_start.get(i, (i, i + 1, tokens[i], tags[i]))
        names[len(leaders)] = name, tag
        place += [len(leaders)] * (end - start)
        leaders.append(_leader(start, end, deps, heads, first=tag == "IN"))
        i = end
    new = range(len(leaders))
    return (
        [names[k][0] for k in new],
        [names[k][1] for k in new],
        [_label(deps[leaders[k]], names[k][1]) for k in new],
        [place[heads[leaders[k]]] for k in new],
    )


def _leader(start: int, end: int, deps: Sequence[str], heads: Sequence[int], first: bool) -> int:
    """Return the token of a span whose head lies outside (the first or the last such token)."""
    outer = [i for i in range(start, end) if not start <= heads[i] < end or heads[i] == i]
    return outer[0 if first else -1]


def _label(dep: str, tag: str) -> str:
    return "prep" if tag == "IN" and dep in ("advmod", "npadvmod", "acomp", "prt") else dep
