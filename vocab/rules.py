"""From a parsed caption to its scene graph and tags (paper, Section 3.2)."""

from __future__ import annotations

from vocab.entities import Phrase, find_phrases
from vocab.graph import Entity, Relation, SceneGraph, Tag
from vocab.lexicons import words
from vocab.relations import Link, Relations
from vocab.sentence import Sentence


def graph_of(sentence: Sentence) -> SceneGraph:
    """Return the scene graph of one parsed caption, with the tags that follow from it."""
    found = find_phrases(sentence)
    links = Relations(sentence, found).find()
    phrases = sorted({id(p): p for p in found.values()}.values(), key=lambda p: p.token)
    place = {p.token: k for k, p in enumerate(phrases)}
    index = {token: place[p.token] for token, p in found.items()}
    relations = (
        Relation(_at(index, link.subject), link.predicate, _at(index, link.object))
        for link in links
    )
    return SceneGraph(
        entities=tuple(_entity(p) for p in phrases),
        relations=tuple(dict.fromkeys(relations)),
        tags=_tags(sentence, phrases, links),
    )


def kind_of(name: str) -> str:
    """Return ``scene`` for a place ("living room", "city street"), else ``object``."""
    scenes = words("scenes")
    return "scene" if name in scenes or name.rpartition(" ")[2] in scenes else "object"


def _at(index: dict[int, int], token: int | None) -> int | None:
    return None if token is None else index[token]


def _entity(phrase: Phrase) -> Entity:
    return Entity(phrase.name, tuple(phrase.modifiers), kind_of(phrase.name))


def _tags(s: Sentence, phrases: list[Phrase], links: list[Link]) -> tuple[Tag, ...]:
    placed: list[tuple[float, Tag]] = []
    for phrase in phrases:
        placed.append((phrase.token, Tag(kind_of(phrase.name), phrase.name)))
        for modifier in phrase.modifiers:
            if not modifier.endswith(" of"):
                tag = Tag("attribute", modifier.rpartition(" ")[2])
                placed.append((phrase.token - 0.5, tag))
    for link in links:
        if link.verb is not None and (action := _action(s, link.verb)):
            placed.append((link.verb, Tag("action", action)))
    return tuple(dict.fromkeys(tag for _, tag in sorted(placed, key=lambda item: item[0])))


def _action(s: Sentence, v: int) -> str:
    base = s.lemma(v)
    following = s.words[v + 1] if v + 1 < len(s.words) else ""
    if f"{base} {following}" in words("phrasal_verbs"):
        return f"{base} {following}"
    return "" if base in words("light_verbs") else base
