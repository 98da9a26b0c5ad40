"""The records that a caption becomes: entities, relations and tags (paper, Section 3.2)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

KINDS: Final = ("object", "scene", "attribute", "action")


class Tag(NamedTuple):
    """A class candidate; the same word may occur under several kinds."""

    kind: str
    tag: str


@dataclass(frozen=True, slots=True)
class Entity:
    """A thing or a place in a caption: lemma of its head and the modifiers said of it."""

    head: str
    modifiers: tuple[str, ...] = ()
    kind: str = "object"


@dataclass(frozen=True, slots=True)
class Relation:
    """What an entity does, or how it stands to another one.

    ``subject`` and ``object`` are indices into the graph's entities; ``object`` is ``None`` for
    "a dog runs", ``subject`` is ``None`` where the caption names no doer ("riding a bike").
    """

    subject: int | None
    predicate: str
    object: int | None = None


@dataclass(frozen=True, slots=True)
class SceneGraph:
    """One caption's scene graph and the tags that follow from it, in order of appearance."""

    entities: tuple[Entity, ...] = ()
    relations: tuple[Relation, ...] = ()
    tags: tuple[Tag, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Return plain lists and dictionaries: ``entities``, ``relations``, ``tags``."""
        return {
            "entities": [
                {"head": e.head, "modifiers": list(e.modifiers), "kind": e.kind}
                for e in self.entities
            ],
            "relations": [
                {"subject": r.subject, "predicate": r.predicate, "object": r.object}
                for r in self.relations
            ],
            "tags": [list(tag) for tag in self.tags],
        }
