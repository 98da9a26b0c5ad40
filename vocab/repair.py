"""Mending the small model's commonest errors on captions, which are mostly fragments.

"Train at a station" is no order to train, and in "player skating on ice" nobody calls the ice a
"player skating". The lists behind these rules were chosen by counting on human-made graphs.
"""

from __future__ import annotations

from typing import Final

from vocab.lemma import verb_lemma
from vocab.lexicons import words
from vocab.sentence import NOUNS, Sentence

PARTS: Final = {"haired": "hair", "sleeved": "sleeve"}
_BARE_VERBS: Final = frozenset({"VB", "VBP", "VBZ"})
_VERBS: Final = _BARE_VERBS | {"VBG", "VBD", "VBN"}
_BEFORE_NOUNS: Final = frozenset({"DT", "PRP$", "JJ", "JJR", "JJS", "IN", "CD", "POS"})
_OPENING: Final = _BEFORE_NOUNS - {"IN", "POS"}
_STRAY: Final = frozenset({"JJ", "JJR", "RB", "PRP", "UH", "FW", "IN", "DT"})
_NOMINAL: Final = frozenset({"pobj", "dobj", "nsubj", "nsubjpass", "pcomp"})
_CLAUSAL: Final = frozenset({"acl", "advcl", "relcl", "dep", "amod"})
_ADVERBIAL: Final = frozenset({"advmod", "npadvmod", "prt", "acomp", "intj", "prep"})
_MISPLACED: Final = _CLAUSAL | {"ROOT", "xcomp", "ccomp", "attr", "npadvmod", "dobj"}
_SUBJECTS: Final = frozenset({"nsubj", "nsubjpass", "expl", "aux"})
_NO_VERBS_AFTER: Final = frozenset({"DT", "JJ", "PRP$", "POS", "VBG"})
_UNNAMED: Final = frozenset(
    {"other", "others", "same", "left", "right", "many", "few", "several", "such", "more", "most"}
)


def repair_tags(s: Sentence) -> None:
    """Correct tags, and the labels and heads that follow from them, in place."""
    for i, tag in enumerate(s.tags):
        if s.words[i].endswith("ing") and _is_had(s, i):
            _make_noun(s, i)
        elif tag in _VERBS:
            if _is_noun_after_all(s, i):
                _make_noun(s, i)
        elif tag in NOUNS:
            if _has_object(s, i):
                s.tags[i], s.deps[i] = "VBG", "amod"  # the rest is `_attach_doer`'s
            elif _is_verb_after_all(s, i):
                _make_verb(s, i)
        elif tag in _STRAY and s.words[i] in words("nouns"):
            _make_noun(s, i)
        elif tag == "JJ" and s.deps[i] in _NOMINAL and s.words[i] not in _UNNAMED:
            s.tags[i] = "NN"


def _is_had(s: Sentence, i: int) -> bool:
    """Tell whether a word in -ing is what something comes with: "a banana with writing on it"."""
    if not i or s.words[i - 1] != "with":
        return False
    after = s.tags[i + 1] if i + 1 < len(s.words) else ""
    return after not in NOUNS and after not in _OPENING


def _is_noun_after_all(s: Sentence, i: int) -> bool:
    word = s.words[i]
    if s.deps[i] in ("aux", "auxpass") or (i and s.tags[i - 1] in ("TO", "MD", "PRP")):
        return False
    if word in words("nouns"):
        return True
    base = verb_lemma(word)
    if s.tags[i] not in _BARE_VERBS or "'" in word or base in ("be", "have", "do"):
        return False
    if base not in words("verbs"):
        return True
    subject = any(s.heads[k] == i and s.deps[k] in _SUBJECTS for k in range(i))
    return not subject and (i == 0 or s.tags[i - 1] in _BEFORE_NOUNS)


def _make_noun(s: Sentence, i: int) -> None:
    plural = s.words[i].endswith("s") and not s.words[i].endswith(("ss", "us"))
    s.tags[i] = "NNS" if plural else "NN"
    if s.deps[i] == "pcomp":
        s.deps[i] = "pobj"
    elif s.deps[i] == "xcomp":
        s.deps[i] = "dobj"
    elif s.deps[i] in _CLAUSAL:
        _attach_noun(s, i)
    elif s.deps[i] in _ADVERBIAL:
        _attach_adverb(s, i)
    for k in range(i):
        if s.heads[k] == i and s.deps[k] in ("nsubj", "advmod", "nsubjpass", "npadvmod"):
            if k == i - 1 and s.is_noun(k):
                s.deps[k] = "compound"
            elif s.tags[k].startswith("JJ"):
                s.deps[k] = "amod"


def _attach_noun(s: Sentence, i: int) -> None:
    """Make ``i`` the complement of a preposition before it, or part of the noun after it."""
    k = i - 1
    while k >= 0 and s.tags[k] in ("DT", "JJ", "PRP$", "CD"):
        k -= 1
    if k >= 0 and s.tags[k] == "IN" and s.deps[k] == "prep":
        s.attach(i, k, "pobj")
    elif s.deps[i] == "amod":
        s.deps[i] = "compound"


def _attach_adverb(s: Sentence, i: int) -> None:
    """Give what was taken for an adverb of a verb or noun its place: subject, object or part."""
    head = s.heads[i]
    if head > i:
        s.deps[i] = "compound" if s.is_noun(head) else "nsubj"
    else:
        s.deps[i] = "dobj"


def _is_verb_after_all(s: Sentence, i: int) -> bool:
    word, before = s.words[i], s.words[i - 1] if i else ""
    if s.deps[i] in ("compound", "nmod", "poss"):
        return False
    if word in words("verb_forms"):
        last = i + 1 == len(s.words)
        return before in words("animates") and (last or not s.is_noun(i + 1))
    if not word.endswith("ing"):
        return False
    if word in words("activities"):
        return before in words("animates") and verb_lemma(word) in words("verbs")
    if verb_lemma(word) not in words("verbs") or before in words("compound_activities"):
        return False
    return not i or s.tags[i - 1] not in _NO_VERBS_AFTER


def _has_object(s: Sentence, i: int) -> bool:
    """Tell whether what was taken for a compound is done to a thing: "a girl drinking water"."""
    word, after = s.words[i], i + 1
    if not i or not word.endswith("ing") or s.heads[i] != after or not s.is_noun(after):
        return False
    if s.deps[i] not in ("compound", "nmod", "amod") or word in words("activities"):
        return False
    return s.words[i - 1] in words("animates") and verb_lemma(word) in words("verbs")


def _make_verb(s: Sentence, i: int) -> None:
    word = s.words[i]
    s.tags[i] = "VBG" if word.endswith("ing") else "VBZ" if word.endswith("s") else "VBP"
    if i and s.heads[i - 1] == i and s.deps[i - 1] in ("compound", "amod", "nmod"):
        _swap(s, i - 1, i)
        s.attach(i, i - 1, "acl")


def _swap(s: Sentence, noun: int, other: int) -> None:
    """Let ``noun`` take the place of ``other`` in the tree, with what stands before it."""
    for k in range(noun):
        if s.heads[k] == other:
            s.heads[k] = noun
    root = s.heads[other] == other
    s.attach(noun, noun if root else s.heads[other], s.deps[other])


def repair_modifiers(s: Sentence) -> None:
    """Attach colours and participles to the nouns that they belong to, in place."""
    for i in range(len(s.words) - 1):
        if s.words[i] in words("colours"):
            _attach_colour(s, i)
        elif i and s.tags[i] in ("VBG", "VBN", "VBD"):
            _attach_doer(s, i)
        elif i == 0 and s.tags[0] in ("VBN", "VBD"):
            _attach_participle(s)


def _attach_doer(s: Sentence, verb: int) -> None:
    """Mend "hand touching board" where the board was said to be what touches."""
    doer, head = verb - 1, s.heads[verb]
    if not s.is_noun(doer):
        return
    doing = s.tags[verb] == "VBG"
    loose = s.heads[doer] == verb and s.deps[doer] in ("npadvmod", "compound")
    if loose and (doing or s.deps[verb] == "ROOT"):
        s.deps[doer] = "nsubj"
    if not (doing and s.deps[verb] == "amod" and s.is_noun(head)):
        return
    if s.heads[doer] in (verb, head):
        _swap(s, doer, head)
    elif s.heads[head] != doer:
        return
    s.attach(verb, doer, "acl")
    s.attach(head, verb, "dobj")


def _attach_colour(s: Sentence, i: int) -> None:
    """Make the colour at ``i`` a modifier of the noun after it: "red, white and blue flag"."""
    k = i + 1
    if PARTS.keys() & s.words[k : k + 2]:  # "brown-haired man": the hair is brown
        return
    while k < len(s.words) and (_describes(s, k) or (_joins(s, k) and _describes(s, k + 1))):
        k += 1
    if k >= len(s.words) or not s.is_noun(k) or (k == i + 2 and _joins(s, i + 1)):
        return
    while k + 1 < len(s.words) and s.is_noun(k + 1) and s.heads[k] == k + 1:
        k += 1
    if s.heads[k] == i or (s.heads[i] == i and s.heads[k] != k):
        s.replace(k, i)
    s.attach(i, k, "amod")


def _describes(s: Sentence, k: int) -> bool:
    if k >= len(s.words):
        return False
    return s.words[k] in words("colours") or s.tags[k] in ("JJ", "VBN")


def _joins(s: Sentence, k: int) -> bool:
    return s.words[k] in (",", "and", "-")


def _attach_participle(s: Sentence) -> None:
    """Make a participle that opens the caption a modifier: "folded chair", "striped shirt"."""
    k = 1
    while k < len(s.words) and s.heads[k] != 0 and s.tags[k] in ("JJ", "NN", "CD"):
        k += 1
    if k < len(s.words) and s.is_noun(k) and s.heads[k] == 0 and s.heads[0] == 0:
        s.replace(k, 0)
        s.attach(0, k, "amod")


def repair_prepositions(s: Sentence) -> None:
    """Give prepositions that were left without a complement the noun that follows, in place."""
    served = {s.heads[k] for k, dep in enumerate(s.deps) if dep in ("pobj", "pcomp")}
    for p, tag in enumerate(s.tags):
        if tag == "TO" and s.deps[p] == "aux":
            _to_noun(s, p)
        elif tag == "IN" and s.deps[p] in ("prep", "agent") and p not in served:
            k = _following_noun(s, p + 1)
            if k is not None and s.deps[k] in _MISPLACED:
                _complement(s, p, k)


def _following_noun(s: Sentence, k: int) -> int | None:
    """Return the head of the noun phrase that starts at ``k``."""
    while k < len(s.words) and s.tags[k] in _OPENING:
        k += 1
    while k + 1 < len(s.words) and s.is_noun(k) and s.is_noun(k + 1) and s.heads[k] == k + 1:
        k += 1
    return k if k < len(s.words) and s.is_noun(k) else None


def _complement(s: Sentence, p: int, k: int) -> None:
    top = p
    for _ in s.words:  # at most: mending may have closed a circle
        if s.heads[top] in (top, k):
            break
        top = s.heads[top]
    if s.heads[top] == k:  # the noun stood above the preposition
        s.attach(top, top if s.heads[k] == k else s.heads[k], s.deps[k])
    s.attach(k, p, "pobj")


def _to_noun(s: Sentence, to: int) -> None:
    """Mend "attached to handle" where *handle* was said to be what somebody does."""
    k = to + 1
    if s.heads[to] == k and to and s.tags[to - 1] == "VBN" and s.words[k] in words("nouns"):
        s.tags[to], s.tags[k] = "IN", "NN"
        s.attach(to, to - 1, "prep")
        s.attach(k, to, "pobj")
