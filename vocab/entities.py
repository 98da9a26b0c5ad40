"""Entities of a parsed caption: noun phrases with their compounds and modifiers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from vocab.lemma import noun_lemma
from vocab.lexicons import words
from vocab.sentence import Sentence

MAX_NAME_WORDS: Final = 4
_SHADES: Final = frozenset({"dark", "light", "bright", "pale", "deep"})
_DIGITS: Final = dict(enumerate("two three four five six seven eight nine ten".split(), 2))


@dataclass(slots=True)
class Phrase:
    """A noun phrase: where its head stands, its name, and what is said of it."""

    token: int
    name: str
    modifiers: list[str] = field(default_factory=list)

    def add(self, modifier: str) -> None:
        """Append a modifier once."""
        if modifier and modifier not in self.modifiers:
            self.modifiers.append(modifier)


def find_phrases(s: Sentence) -> dict[int, Phrase]:
    """Return the caption's noun phrases by head token; a portion ("slice") shares its whole's."""
    heads = [i for i in range(len(s.words)) if _is_head(s, i)]
    phrases = {i: Phrase(i, _name(s, i)) for i in heads if not _whole(s, i)}
    for i, phrase in phrases.items():
        _add_modifiers(s, i, phrase)
    for i in reversed(heads):
        whole = _whole(s, i)
        if whole in phrases:
            phrases[i] = phrases[whole]
            phrases[i].add(s.lemma(i) + " of")
    return phrases


def _is_head(s: Sentence, i: int) -> bool:
    if not s.is_noun(i) or not s.words[i][0].isalnum() or s.words[i] in words("no_entities"):
        return False
    return not _belongs(s, i)


def _belongs(s: Sentence, i: int) -> bool:
    """Tell whether noun ``i`` is part of the name or a modifier of the noun that follows it."""
    head = s.heads[i]
    if s.deps[i] not in ("compound", "amod", "nmod", "nummod") or head <= i:
        return False
    return all(s.words[k] not in (",", "and", "or") for k in range(i + 1, head))


def _whole(s: Sentence, i: int) -> int | None:
    """Return the noun after "of" when ``i`` only counts or portions it ("a slice of pizza")."""
    if s.words[i] not in words("partitives"):
        return None
    for p in s.of(i, "prep"):
        if s.words[p] == "of":
            return next((o for o in s.of(p, "pobj") if s.is_noun(o)), None)
    return None


def _name(s: Sentence, i: int) -> str:
    parts = [c for c in _compounds(s, i) if not _is_attribute(s, c)]
    names = [s.words[c] for c in parts[1 - MAX_NAME_WORDS :]]
    own = noun_lemma(s.words[i]) if s.tags[i] in ("NNS", "NNPS") else s.words[i]
    return " ".join([*names, own])


def _compounds(s: Sentence, i: int) -> list[int]:
    """Return the nouns before ``i`` that belong to it, in surface order."""
    found: list[int] = []
    for c in s.children[i]:
        if c < i and s.is_noun(c) and _belongs(s, c) and s.words[c][0].isalnum():
            found += [*_compounds(s, c), c]
    return found


def _is_attribute(s: Sentence, c: int) -> bool:
    return s.words[c] in words("noun_attributes") or s.words[c] in words("colours")


def _add_modifiers(s: Sentence, i: int, phrase: Phrase) -> None:
    for c in s.children[i]:
        if c < i or s.deps[c] == "amod":
            _add_modifier(s, c, phrase)


def _add_modifier(s: Sentence, c: int, phrase: Phrase) -> None:
    dep, word = s.deps[c], s.words[c]
    if dep == "nummod":
        phrase.add(_DIGITS.get(int(word), "") if word.isdecimal() and len(word) < 3 else word)
    elif dep == "det" or s.tags[c] == "PDT":
        phrase.add(word if word in words("quantifiers") else "")
    elif dep in ("amod", "compound", "nmod") and (not s.is_noun(c) or _is_attribute(s, c)):
        for each in [c, *s.of(c, "conj", "amod")]:
            if s.tags[each] not in ("VBG", "DT", "IN", "CC"):
                phrase.add(describe(s, each))
    elif dep == "compound":
        for each in s.of(c, "amod", "compound"):
            _add_modifier(s, each, phrase) if s.tags[each] == "JJ" or _is_attribute(s, each) else 0


def describe(s: Sentence, i: int) -> str:
    """Return an attribute as a tag writes it, with the shade of a colour ("dark blue")."""
    word = s.words[i]
    shaded = word in words("colours") and i > 0 and s.words[i - 1] in _SHADES
    return f"{s.words[i - 1]} {word}" if shaded else word
