"""From a parsed caption to its scene graph and tags (paper, Section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from vocab.entities import Phrase, find_phrases, kind_of
from vocab.graph import Entity, Relation, SceneGraph, Tag
from vocab.lexicons import words
from vocab.multiwords import join_multiwords
from vocab.relations import Link, find_links
from vocab.repair import repair_modifiers, repair_prepositions, repair_tags
from vocab.sentence import Sentence

# Debris of markup, prices and file names: a tag with one of these is no word of anybody's.
_NO_WORD: Final = frozenset('()[]{}<>!?/\\:;|*#=+@"~^`$%_,')


def build_sentence(
    tokens: Sequence[str], tags: Sequence[str], deps: Sequence[str], heads: Sequence[int]
) -> Sentence:
    """Return the sentence that the rules read: multiwords joined, tagging errors mended."""
    s = join_multiwords(Sentence(list(tokens), list(tags), list(deps), list(heads)))
    repair_tags(s)
    repair_modifiers(s)
    repair_prepositions(s)
    s.link()
    return s


def graph_of(sentence: Sentence) -> SceneGraph:
    """Return the scene graph of one parsed caption, with the tags that follow from it."""
    found = find_phrases(sentence)
    links = find_links(sentence, found)
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


def _at(index: dict[int, int], token: int | None) -> int | None:
    return None if token is None else index[token]


def _entity(phrase: Phrase) -> Entity:
    return Entity(phrase.name, tuple(phrase.modifiers), kind_of(phrase.name))


def _tags(s: Sentence, phrases: list[Phrase], links: list[Link]) -> tuple[Tag, ...]:
    placed: list[tuple[float, Tag]] = []
    for phrase in phrases:
        placed.append((phrase.token, Tag(kind_of(phrase.name), phrase.name)))
        for modifier in phrase.modifiers:
            word = modifier.rpartition(" ")[2]
            if word != "of" and word not in words("no_attributes"):
                placed.append((phrase.token - 0.5, Tag("attribute", word)))
    for link in links:
        if link.verb is not None and (action := _action(s, link)):
            placed.append((link.verb, Tag("action", action)))
    ordered = (tag for _, tag in sorted(placed, key=lambda item: item[0]))
    return tuple(dict.fromkeys(tag for tag in ordered if _NO_WORD.isdisjoint(tag.tag)))


def _action(s: Sentence, link: Link) -> str:
    """Return the action of a link's verb, with the particle beside it where both are one."""
    base = link.predicate.split(" ", 1)[0]
    after = s.words[link.verb + 1] if link.verb is not None and link.verb + 1 < len(s.words) else ""
    if f"{base} {after}" in words("phrasal_verbs"):
        return f"{base} {after}"
    return base if base in words("verbs") and base not in words("light_verbs") else ""
