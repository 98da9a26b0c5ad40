"""Base forms by spelling rules and word lists, since the small spaCy model's are often wrong.

It turns *riding* into "rid", *shining* into "shin" and *cookies* into "cooky"; a list of the verbs
that occur in captions and a few hundred irregular forms do better, and need no model.
"""

from __future__ import annotations

from functools import lru_cache

from vocab.lexicons import mapping, words

_VOWELS = frozenset("aeiou")
_SIBILANTS = ("ss", "sh", "ch", "x", "zz")


@lru_cache(maxsize=1 << 16)
def lemma(word: str, tag: str) -> str:
    """Return the base form of a lower-case word.

    ``tag`` is its Penn Treebank tag: ``VB*`` gives a verb's base form, ``NNS`` and ``NNPS`` a
    noun's singular; any other word is its own base form.
    """
    if tag.startswith("VB"):
        return verb_lemma(word)
    return noun_lemma(word) if tag in ("NNS", "NNPS") else word


def verb_lemma(word: str) -> str:
    """Return the base form of an inflected verb ("sitting" -> "sit", "rode" -> "ride")."""
    irregular = mapping("irregular_verbs").get(word)
    if irregular:
        return irregular
    if word in words("verbs"):
        return word
    for ending in ("ing", "ed", "s"):
        stem = word.removesuffix(ending)
        if stem != word and len(stem) > 1:
            return _base(stem, ending)
    return word


def noun_lemma(word: str) -> str:
    """Return the singular of a noun ("leaves" -> "leaf"); "pants" and "glasses" stay."""
    irregular = mapping("irregular_nouns").get(word)
    if irregular:
        return irregular
    if word in words("not_plural"):
        return word
    if word.endswith("men"):
        return word[:-2] + "an"
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "'s", "us", "is")):
        return word
    return _singular(word)


def is_irregular_plural(word: str) -> bool:
    """Tell whether a noun is plural by its form alone, whatever its tag ("geese", "firemen")."""
    if word in words("not_plural"):
        return False
    return word in mapping("irregular_nouns") or word.endswith("men")


def _singular(word: str) -> str:
    if word.endswith("ies"):
        return word[:-3] + "y"
    if word.endswith("es") and word[:-2].endswith(_SIBILANTS):
        return word[:-2]
    return word[:-1]


def _base(stem: str, ending: str) -> str:
    """Undo the spelling rules of English verbs, guided by the list of known verbs."""
    candidates = _candidates(stem, ending)
    known = words("verbs")
    return next((base for base in candidates if base in known), candidates[0])


def _candidates(stem: str, ending: str) -> list[str]:
    if ending == "s":
        return [stem, *_third_person(stem)]
    if ending == "ed" and stem.endswith("i"):
        return [stem[:-1] + "y", stem + "e"]
    if len(stem) > 3 and stem[-1] == stem[-2] and stem[-1] not in _VOWELS:
        return [stem, stem[:-1]] if stem[-1] in "lsfz" else [stem[:-1], stem]
    return [stem + "e", stem] if _silent_e(stem) else [stem, stem + "e"]


def _third_person(stem: str) -> list[str]:
    if stem.endswith("ie"):
        return [stem[:-2] + "y"]
    return [stem[:-1]] if stem.endswith("e") else []


def _silent_e(stem: str) -> bool:
    """Tell whether "-e" was likely dropped: "rid" of "riding", "danc", "mov"; not "visit"."""
    if stem[-1] in "cvuz" or stem.endswith(("dg", "rs")):
        return True
    short = sum(letter in _VOWELS for letter in stem) == 1
    ends_cvc = len(stem) > 1 and stem[-2] in _VOWELS and stem[-1] not in "wxyaeiou"
    return short and ends_cvc
