"""FACTUAL's human scene graphs of Visual Genome captions, and the F1 that parsers get on them.

The file has one caption a row and its graph as ``( subject , predicate , object ) , ...``, where
``is`` marks an attribute. Both sides, the people's and the parser's, pass the same normalisation:

- every word becomes its lemma, ``two`` becomes ``2``, ``grey`` becomes ``gray``, ``a pair of``
  becomes ``2``, *lie* becomes *lay* as the annotators have it; spaces and hyphens in names do
  not count; determiners and vague quantifiers (several, many) are no attributes;
- ``(leg, of, man)`` becomes ``(man, have, leg)``, as the annotators write possession;
- an attribute in *-ing* is what the entity does, so ``(giraffe, is, walking)`` is the verb *walk*.

Scored, as sets within each caption and summed over captions (micro F1):

- **entity**: the name, compounds included (``tennis player``);
- **attribute**: the pair (last word of the name, attribute), so that a compound that is split
  differently is one error, in the entities; participles count by their base form;
- **verb**: the verb of each predicate and each *-ing* attribute (not be, have or a preposition);
- **triple**: (subject, predicate, object), preposition included; attributes are not counted here.
"""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from vocab.graph import SceneGraph
from vocab.lemma import lemma, verb_lemma

PARTS: Final = ("held-out", "dev", "train", "train", "train")
MEASURES: Final = ("entity", "attribute", "verb", "triple")

_COUNTED: Final = "one two three four five six seven eight nine ten"
_NUMBERS: Final = {word: str(n) for n, word in enumerate(_COUNTED.split(" "), 1)} | {
    "dozen": "12",
    "couple": "2",
    "pair": "2",
    "both": "2",
    "pair of": "2",
    "couple of": "2",
}
_SPELLINGS: Final = {
    "grey": "gray",
    "wood": "wooden",
    "blond": "blonde",
    "multicolored": "multi colored",
    "coloured": "colored",
}
_DETERMINERS: Final = frozenset(
    (
        "a an the this that these those some any another other each every its his her their my "
        "your our no 1 all it one several many few multiple numerous various lots both different"
    ).split()
)
_LIGHT: Final = frozenset({"be", "have"})
_TRIPLES: Final = re.compile(r"\)\s*,\s*\(")


@dataclass(frozen=True, slots=True)
class Region:
    """One caption and the triples that people drew from it."""

    image: str
    caption: str
    triples: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """What is scored of one caption's graph: a set for each measure."""

    entity: set[str] = field(default_factory=set)
    attribute: set[tuple[str, str]] = field(default_factory=set)
    verb: set[str] = field(default_factory=set)
    triple: set[tuple[str, str, str]] = field(default_factory=set)


def part_of(image: str) -> str:
    """Return the part of an image: one in five is ``held-out``, one in five ``dev``."""
    return PARTS[int(hashlib.sha256(image.encode()).hexdigest(), 16) % len(PARTS)]


def read_regions(path: Path, part: str) -> list[Region]:
    """Read the rows of one part; rows whose graph is no list of triples are left out."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        next(lines)
        rows = (line.rstrip("\n").split("\t") for line in lines)
        return [
            Region(image, caption, triples)
            for image, _, caption, graph in rows
            if part_of(image) == part and (triples := _triples(graph))
        ]


def _triples(graph: str) -> tuple[tuple[str, str, str], ...]:
    parts = [item.strip("( )").split(" , ") for item in _TRIPLES.split(graph.strip())]
    if any(len(part) != 3 for part in parts):
        return ()
    return tuple((a.strip(), b.strip(), c.strip()) for a, b, c in parts)


def facts_of_people(region: Region) -> Facts:
    """Return the scored sets of a human graph."""
    facts = Facts()
    for subject, predicate, other in region.triples:
        if predicate == "is":
            _add_attribute(facts, subject, other)
        else:
            _add_relation(facts, name(subject), predicate, name(other))
    return facts


def facts_of_graph(graph: SceneGraph) -> Facts:
    """Return the scored sets of one of our graphs."""
    facts = Facts()
    names = [name(entity.head) for entity in graph.entities]
    facts.entity.update(names)
    for entity in graph.entities:
        for modifier in entity.modifiers:
            _add_attribute(facts, entity.head, modifier)
    for relation in graph.relations:
        subject = "" if relation.subject is None else names[relation.subject]
        other = "" if relation.object is None else names[relation.object]
        _add_relation(facts, subject, relation.predicate, other)
    return facts


def name(text: str) -> str:
    """Return an entity's name with every word as a lemma."""
    return "".join(lemma(word, "NNS") for word in text.replace("-", " ").split())


def _add_attribute(facts: Facts, entity: str, attribute: str) -> None:
    facts.entity.add(name(entity))
    words = attribute.replace("-", " ").split()
    if words and words[0].endswith("ing") and words[0] not in NOT_DOING:
        facts.verb.add(_verb(words[0], "VBG"))
        return
    value = _NUMBERS.get(attribute, attribute.removesuffix(" of"))
    value = " ".join(_SPELLINGS.get(word, word) for word in value.replace("-", " ").split())
    if value not in _DETERMINERS:
        facts.attribute.add((name(entity.rpartition(" ")[2]), _stem(value)))


def _stem(attribute: str) -> str:
    """Return one form for "striped" and what a lemmatiser makes of it, "stripe"."""
    return verb_lemma(attribute) if attribute.endswith("ed") else lemma(attribute, "NNS")


def _verb(word: str, tag: str) -> str:
    """Return a verb's base form; the annotators write *lay* for what lies."""
    base = lemma(word, tag)
    return "lay" if base == "lie" else base


NOT_DOING: Final = frozenset(
    (
        "sliding folding steering rolling wedding parking peeling balding sterling swivelling "
        "dining swimming bathing flowering interesting amazing opposing matching"
    ).split()
)


def _add_relation(facts: Facts, subject: str, predicate: str, other: str) -> None:
    facts.entity.update(filter(None, (subject, other)))
    words = predicate.split()
    if words and words[0] not in PREPOSITIONS and words[0] not in _LIGHT:
        words[0] = _verb(words[0], "VB")
        facts.verb.add(words[0])
    if not subject or not other:
        return
    if words == ["of"]:
        subject, words, other = other, ["have"], subject
    facts.triple.add((subject, " ".join(words), other))


PREPOSITIONS: Final = frozenset(
    (
        "on in with under behind at by near above inside over around between against across along "
        "to for outside from alongside beyond of among into down up out off onto through toward "
        "towards beside besides underneath beneath below next close side far amongst amid within "
        "without like during past about upon after before until as away left right top front back "
        "bottom middle adjacent opposite atop and or per than full via throughout amidst overtop "
        "round"
    ).split()
)


def f1_scores(pairs: Iterable[tuple[Facts, Facts]]) -> dict[str, tuple[float, float, float]]:
    """Return precision, recall and F1 (per cent) per measure for (parser, people) pairs."""
    hits = dict.fromkeys(MEASURES, 0)
    found = dict.fromkeys(MEASURES, 0)
    wanted = dict.fromkeys(MEASURES, 0)
    for ours, people in pairs:
        for measure in MEASURES:
            got, gold = getattr(ours, measure), getattr(people, measure)
            hits[measure] += len(got & gold)
            found[measure] += len(got)
            wanted[measure] += len(gold)
    return {m: _scores(hits[m], found[m], wanted[m]) for m in MEASURES}


def _scores(hits: int, found: int, wanted: int) -> tuple[float, float, float]:
    precision = 100 * hits / max(found, 1)
    recall = 100 * hits / max(wanted, 1)
    return precision, recall, 2 * precision * recall / max(precision + recall, 1e-9)
