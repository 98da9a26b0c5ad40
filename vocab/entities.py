"""Entities of a parsed caption: noun phrases with their compounds and modifiers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from vocab.lemma import is_irregular_plural, noun_lemma
from vocab.lexicons import words
from vocab.repair import PARTS
from vocab.sentence import Sentence

MAX_NAME_WORDS: Final = 4
_SHADES: Final = frozenset({"dark", "light", "bright", "pale", "deep"})
_DIGITS: Final = {
    "2": "two",
    "3": "three",
    "4": "four",
    "5": "five",
    "6": "six",
    "7": "seven",
    "8": "eight",
    "9": "nine",
    "10": "ten",
}
_LIKE: Final = frozenset({"colored", "coloured", "shaped", "sized", "patterned", "style"})
_SAYS_NOTHING: Final = frozenset(
    {"more", "most", "other", "such", "same", "own", "next", "last", "one", "no", "about", "made"}
)
_DESCRIBING: Final = frozenset({"JJ", "JJR", "JJS", "VBN", "VBD", "VBG", "CD"})


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


def kind_of(name: str) -> str:
    """Return ``scene`` for a place ("living room", "city street"), else ``object``."""
    scenes = words("scenes")
    if name in scenes:
        return "scene"
    place = name.rpartition(" ")[2] in scenes and name not in words("no_scenes")
    return "scene" if place else "object"


def find_phrases(s: Sentence) -> dict[int, Phrase]:
    """Return the caption's noun phrases by head token; a portion ("slice") shares its whole's."""
    heads = [i for i in range(len(s.words)) if _is_head(s, i)]
    wholes = {i: _whole(s, i) for i in heads}
    phrases = {i: Phrase(i, _name(s, i)) for i in heads if wholes[i] is None}
    for i, phrase in phrases.items():
        _add_modifiers(s, i, phrase)
    phrases.update(_parts(s, phrases))
    for i in reversed(heads):
        whole = wholes[i]
        if whole in phrases:
            phrases[i] = phrases[whole]
            phrases[i].add(
                f"{noun_lemma(s.words[i])} of" if s.words[i] in words("portions") else ""
            )
    return phrases


def _parts(s: Sentence, phrases: dict[int, Phrase]) -> dict[int, Phrase]:
    """Return what words like "haired" in "brown-haired woman" say that there is: brown hair."""
    found: dict[int, Phrase] = {}
    for i, word in enumerate(s.words):
        if word in PARTS and s.deps[i] == "amod" and s.heads[i] in phrases:
            said = [describe(s, c) for c in s.of(i, "amod", "advmod", "npadvmod") if c < i]
            found[i] = Phrase(i, PARTS[word], [modifier for modifier in said if modifier])
    return found


def _is_head(s: Sentence, i: int) -> bool:
    if not s.is_noun(i) or not s.words[i][0].isalnum() or s.words[i] in words("no_entities"):
        return False
    return not (_belongs(s, i) or _is_absent(s, i))


def _is_absent(s: Sentence, i: int) -> bool:
    """Tell whether the caption says that ``i`` is not there: "no cars", "without a shirt"."""
    if s.deps[i] == "pobj" and s.words[s.heads[i]] == "without":
        return True
    return any(s.words[c] == "no" for c in s.of(i, "det"))


def _belongs(s: Sentence, i: int) -> bool:
    """Tell whether noun ``i`` is part of the name or a modifier of the noun that follows it."""
    head = s.heads[i]
    if s.deps[i] not in ("compound", "amod", "nmod", "nummod") or head <= i:
        return s.deps[i] == "npadvmod" and s.words[i] in words("colours")
    if s.words[i] in words("colours"):
        return True
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
    # The tagger often takes "geese" or "fishermen" for singulars; such forms are never that.
    plural = s.tags[i] in ("NNS", "NNPS") or is_irregular_plural(s.words[i])
    return " ".join([*names, noun_lemma(s.words[i]) if plural else s.words[i]])


def _compounds(s: Sentence, i: int) -> list[int]:
    """Return the nouns before ``i`` that belong to it, in surface order."""
    found: list[int] = []
    for c in s.children[i]:
        if c < i and s.is_noun(c) and _belongs(s, c) and s.words[c][0].isalnum():
            found += [*_compounds(s, c), c]
    return found


def _is_attribute(s: Sentence, c: int) -> bool:
    return s.words[c] in words("attributes") or s.words[c] in words("colours")


def _add_modifiers(s: Sentence, i: int, phrase: Phrase) -> None:
    for c in s.children[i]:
        if c < i or s.deps[c] == "amod":
            _add_modifier(s, c, phrase)


def _add_modifier(s: Sentence, c: int, phrase: Phrase) -> None:
    dep, word = s.deps[c], s.words[c]
    if word in PARTS:
        return
    if dep == "nummod":
        phrase.add(_DIGITS.get(word, describe(s, c)))
    elif dep == "det" or s.tags[c] == "PDT":
        phrase.add(word if word in words("quantifiers") else "")
    elif dep in ("amod", "compound", "nmod", "npadvmod"):
        for each in _chain(s, c):
            if _is_attribute(s, each) or s.tags[each] in _DESCRIBING:
                phrase.add(describe(s, each))


def _chain(s: Sentence, c: int) -> list[int]:
    """Return a modifier, what modifies it in turn, and those coordinated with it."""
    before = [
        x for k in s.of(c, "amod", "compound", "nmod", "npadvmod") if k < c for x in _chain(s, k)
    ]
    return [*before, c, *(x for k in s.of(c, "conj") for x in _chain(s, k))]


def describe(s: Sentence, i: int) -> str:
    """Return a modifier as a tag writes it ("dark blue", "heart shaped"); "" if it says nothing."""
    word, before = s.words[i], s.words[i - 1] if i else ""
    if before == "-" and i > 1:
        before = s.words[i - 2]
    after = s.words[i + 1] if i + 1 < len(s.words) else ""
    colours = words("colours")
    if word in _SAYS_NOTHING or (word in _SHADES and after in colours) or s.of(i, "prep"):
        return ""
    if not word[0].isalpha():
        return ""
    if s.tags[i] == "VBG":
        return word if word in words("attributes") else ""
    if word not in colours and after in _LIKE:
        return ""
    if word in _LIKE:
        return "" if before in colours or not before else f"{before} {word}"
    return f"{before} {word}" if word in colours and before in _SHADES else word
