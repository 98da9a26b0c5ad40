"""The paper's parser: SceneGraphParser's own graphs, in our records and in batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final

from vocab.graph import Entity, Relation, SceneGraph, Tag
from vocab.lean import lean_imports
from vocab.model import MODEL, working_memory

_DETERMINER: Final = "det"


class SngParser:
    """SceneGraphParser behind our interface; it sees captions as they are, as in the paper."""

    name = "sng"

    def __init__(self, *, version: str, batch_size: int = 512) -> None:
        with lean_imports():
            from sng_parser import Parser

            self._backend = Parser("spacy", model=MODEL).unwrapped
        self._batch_size = batch_size
        # The backend parses text one by one; given documents instead, it can be fed in batches.
        self._nlp, self._backend.nlp = self._backend.nlp, lambda doc: doc
        self.version = version

    def parse(self, captions: Iterable[str]) -> Iterator[SceneGraph]:
        """Yield one graph for each caption, in the captions' order, reading them as it goes."""
        source = iter(captions)
        while batch := list(islice(source, self._batch_size)):
            with working_memory(self._nlp):
                docs = self._nlp.pipe(batch, disable=["ner"])
                graphs = [graph_of(self._backend.parse(doc)) for doc in docs]
            yield from graphs


def graph_of(found: dict[str, Any]) -> SceneGraph:
    """Return SceneGraphParser's result in our records; tags by the paper's rule.

    Heads become object or scene tags, modifiers but determiners attribute tags, relations
    action tags.
    """
    entities = tuple(map(_entity, found["entities"]))
    relations = tuple(
        dict.fromkeys(
            Relation(r["subject"], r["lemma_relation"].lower(), r["object"])
            for r in found["relations"]
        )
    )
    tags = [tag for entity in entities for tag in _entity_tags(entity)]
    tags += [Tag("action", relation.predicate) for relation in relations]
    return SceneGraph(entities, relations, tuple(dict.fromkeys(tags)))


def _entity(found: dict[str, Any]) -> Entity:
    modifiers = dict.fromkeys(
        m["lemma_span"].lower() for m in found["modifiers"] if m["dep"] != _DETERMINER
    )
    kind = "scene" if found["type"] == "scene" else "object"
    return Entity(found["lemma_head"].lower(), tuple(modifiers), kind)


def _entity_tags(entity: Entity) -> list[Tag]:
    return [*(Tag("attribute", m) for m in entity.modifiers), Tag(entity.kind, entity.head)]
