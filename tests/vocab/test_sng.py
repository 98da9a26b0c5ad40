"""The paper's parser behind our interface: its own graphs, and tags by the paper's rule."""

from __future__ import annotations

import pytest
from sng_parser import Parser

from vocab.graph import Entity, Relation, SceneGraph, Tag
from vocab.model import MODEL
from vocab.parser import CaptionParser, load_parser
from vocab.sng import graph_of

CAPTIONS = [
    "A woman is playing the piano in the room",
    "Two white dogs and a cat run on the beach.",
    "",
    "A man in a red hat riding a horse next to a barn",
    "The cake is being cut by a bride",
] * 3


@pytest.fixture(scope="module")
def parser() -> CaptionParser:
    return load_parser("sng", batch_size=4)


def test_batches_give_what_one_by_one_gives(parser: CaptionParser) -> None:
    alone = Parser("spacy", model=MODEL)
    assert list(parser.parse(CAPTIONS)) == [graph_of(alone.parse(text)) for text in CAPTIONS]


def test_graph_and_tags_follow_the_paper(parser: CaptionParser) -> None:
    (graph,) = parser.parse(["A woman is playing the black piano in the kitchen"])
    assert graph.entities == (
        Entity("woman", (), "object"),
        Entity("piano", ("black",), "object"),
        Entity("kitchen", (), "scene"),
    )
    assert graph.relations == (Relation(0, "play", 1), Relation(0, "in", 2))
    assert Tag("scene", "kitchen") in graph.tags
    assert Tag("attribute", "black") in graph.tags
    assert Tag("action", "play") in graph.tags
    assert Tag("attribute", "the") not in graph.tags


def test_name_version_and_empty_captions(parser: CaptionParser) -> None:
    assert parser.name == "sng"
    assert parser.version.startswith("sng-")
    assert list(parser.parse([])) == []
    assert list(parser.parse([""])) == [SceneGraph()]
