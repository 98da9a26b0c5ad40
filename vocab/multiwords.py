"""Known names and prepositions of several words, joined to one token before the rules read them."""

from __future__ import annotations

from functools import cache
from typing import Final, NamedTuple

from vocab.lemma import noun_lemma
from vocab.lexicons import mapping, words
from vocab.sentence import Sentence

_LONGEST: Final = 5  # words in the longest entry
_LOOSE: Final = frozenset({"advmod", "npadvmod", "acomp", "prt", "cc"})


class Span(NamedTuple):
    """Tokens ``start`` to ``end`` (exclusive), joined to ``name`` with a Penn tag."""

    start: int
    end: int
    name: str
    tag: str


def find_spans(tokens: list[str]) -> list[Span]:
    """Return the known multiwords, longest first, left to right."""
    starts = _first_words()
    spans: list[Span] = []
    end = 0
    for i, token in enumerate(tokens):
        found = _match(tokens, i) if i >= end and token in starts else None
        if found:
            spans.append(found)
            end = found.end
    return spans


@cache
def _first_words() -> frozenset[str]:
    entries = [*words("multiwords"), *mapping("prepositions")]
    return frozenset(entry.split(" ", 1)[0] for entry in entries)


def _match(tokens: list[str], start: int) -> Span | None:
    prepositions, nouns = mapping("prepositions"), words("multiwords")
    for end in range(min(start + _LONGEST, len(tokens)), start, -1):
        text = " ".join(tokens[start:end])
        if text in prepositions:
            return Span(start, end, prepositions[text], "IN")
        if end > start + 1:
            first, last = tokens[start : end - 1], tokens[end - 1]
            # "glasses" are eyeglasses by themselves, and several of them in "wine glasses".
            for singular in (noun_lemma(last), last.removesuffix("es")):
                name = " ".join([*first, singular])
                if name in nouns:
                    return Span(start, end, name, "NN" if name == text else "NNS")
    return None


def join_multiwords(s: Sentence) -> Sentence:
    """Replace each known multiword by one token, with the head of its outermost token."""
    spans = find_spans(s.words)
    if not spans:
        return s
    spans = _filled(s, spans)
    place = [k for k, span in enumerate(spans) for _ in range(span.start, span.end)]
    leaders = [_leader(s, span) for span in spans]
    return Sentence(
        [span.name for span in spans],
        [span.tag for span in spans],
        [_label(s.deps[i], span.tag) for i, span in zip(leaders, spans, strict=True)],
        [place[s.heads[i]] for i in leaders],
    )


def _filled(s: Sentence, spans: list[Span]) -> list[Span]:
    """Return the spans with one more for each token that is in none."""
    within = {i for span in spans for i in range(span.start, span.end)}
    rest = [Span(i, i + 1, w, s.tags[i]) for i, w in enumerate(s.words) if i not in within]
    return sorted([*spans, *rest])


def _leader(s: Sentence, span: Span) -> int:
    """Return the token whose head lies outside: a preposition's first, a name's last."""
    start, end = span.start, span.end
    outer = [i for i in range(start, end) if not start <= s.heads[i] < end or s.heads[i] == i]
    return outer[0 if span.tag == "IN" else -1]


def _label(dep: str, tag: str) -> str:
    return "prep" if tag == "IN" and dep in _LOOSE else dep
