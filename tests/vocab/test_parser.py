"""The default parser on real-looking captions: every loss of the paper's parser is mended."""

from __future__ import annotations

import itertools
import random
import subprocess
import sys
from collections.abc import Iterator

import pytest

from vocab import model
from vocab.graph import SceneGraph, Tag
from vocab.parser import _RULES, CaptionParser, load_parser


@pytest.fixture(scope="module")
def parser() -> CaptionParser:
    return load_parser(batch_size=64)


def tags_of(graph: SceneGraph, kind: str) -> list[str]:
    return [tag for own, tag in graph.tags if own == kind]


def triples(graph: SceneGraph) -> set[tuple[str | None, str, str | None]]:
    names = [entity.head for entity in graph.entities]
    return {
        (
            None if r.subject is None else names[r.subject],
            r.predicate,
            None if r.object is None else names[r.object],
        )
        for r in graph.relations
    }


def test_the_piano_in_the_room(parser: CaptionParser) -> None:
    (graph,) = parser.parse(["A woman is playing the piano in the room"])
    assert tags_of(graph, "object") == ["woman", "piano"]
    assert tags_of(graph, "scene") == ["room"]
    assert tags_of(graph, "action") == ["play"]
    assert ("woman", "play", "piano") in triples(graph)


ACTIONS = [
    # 1. verbs with a preposition outside of any list
    ("A woman looking at her phone", ["look at"]),
    ("A man stands near a parked car", ["stand"]),
    ("People walking past a shop", ["walk"]),
    ("A truck is parked beside the house", ["park"]),
    # 2. intransitive, coordinated and passive verbs
    ("Three kids jumping and laughing", ["jump", "laugh"]),
    ("A dog is being washed", ["wash"]),
    ("A horse is ridden by a boy", ["ride"]),
    ("The man who is surfing has a beard", ["surf"]),
    ("A girl trying to catch a ball", ["catch"]),
    # 4. base forms
    ("A man riding a wave", ["ride"]),
    ("Birds wading in a pond", ["wade"]),
    ("A plane takes off", ["take off"]),
    ("The man sits down", ["sit down"]),
    ("A child staring out of a window", ["stare"]),
    # the tagger's own errors
    ("a player skating on ice", ["skate"]),
    ("train at a station", []),
    ("leaves on the ground", []),
    ("a building with many windows", []),
    ("There is a sign on the wall", []),
    ("A girl drinking water", ["drink"]),
    ("A man cooking pizza", ["cook"]),
    ("A pedestrian crossing sign on a pole", []),
    ("a banana with writing on it", []),
    ("A white sign with writing", []),
    ("A tree with falling leaves", ["fall"]),
]


@pytest.mark.parametrize(("caption", "actions"), ACTIONS)
def test_actions(parser: CaptionParser, caption: str, actions: list[str]) -> None:
    (graph,) = parser.parse([caption])
    assert tags_of(graph, "action") == actions


ATTRIBUTES = [
    # 3. predicates, colours in compounds
    ("The sky is blue", {"blue"}),
    ("An orange flower in a white van", {"orange", "white"}),
    ("A red, white and blue flag", {"red", "white", "blue"}),
    ("The shirt is black and yellow", {"black", "yellow"}),
    ("A striped cat with large ears", {"striped", "large"}),
    ("two dogs and several birds", {"two", "several"}),
    ("A wooden bench near a brick wall", {"wooden", "brick"}),
    ("a dark blue coat", {"blue"}),
]


@pytest.mark.parametrize(("caption", "attributes"), ATTRIBUTES)
def test_attributes(parser: CaptionParser, caption: str, attributes: set[str]) -> None:
    (graph,) = parser.parse([caption])
    assert set(tags_of(graph, "attribute")) == attributes


NAMES = [
    # 6. names of several words stay whole
    ("A couch in a living room", {"couch", "living room"}),
    ("A hot air balloon over the town", {"hot air balloon", "town"}),
    ("A double decker bus on the street", {"double decker bus", "street"}),
    # 7. no portions, positions or pronouns
    ("A group of people in front of a church", {"person", "church"}),
    ("A slice of pizza on a plate", {"pizza", "plate"}),
    ("A view of the city from a hill", {"city", "hill"}),
    ("It is on the side of the road and they like it", {"road"}),
    ("A herd of sheep", {"herd", "sheep"}),
    ("A girl drinking water", {"girl", "water"}),
    ("a banana with writing on it", {"banana", "writing"}),
    ("A street with no cars", {"street"}),
]


@pytest.mark.parametrize(("caption", "names"), NAMES)
def test_entities(parser: CaptionParser, caption: str, names: set[str]) -> None:
    (graph,) = parser.parse([caption])
    assert {entity.head for entity in graph.entities} == names


def test_every_item_of_a_list_is_related(parser: CaptionParser) -> None:
    (graph,) = parser.parse(["A bathroom with a sink, a toilet and a mirror"])
    assert triples(graph) == {
        ("bathroom", "with", "sink"),
        ("bathroom", "with", "toilet"),
        ("bathroom", "with", "mirror"),
    }


RELATIONS = [
    ("A hill covered in snow", ("snow", "cover", "hill")),
    ("a snow covered mountain", ("snow", "cover", "mountain")),
    ("A man in a red shirt", ("man", "wear", "shirt")),
    ("A cup of coffee", ("coffee", "in", "cup")),
    ("The sofa that the man is sitting on", ("man", "sit on", "sofa")),
    ("A man's hat", ("man", "have", "hat")),
    ("A boy with red hair sitting in the grass", ("boy", "sit in", "grass")),
    ("A bride and groom dancing in a hall", ("groom", "dance in", "hall")),
    ("A girl holding a kite in her hand", ("kite", "in", "hand")),
    ("A dog runs", ("dog", "run", None)),
]


@pytest.mark.parametrize(("caption", "triple"), RELATIONS)
def test_relations(
    parser: CaptionParser, caption: str, triple: tuple[str, str, str | None]
) -> None:
    (graph,) = parser.parse([caption])
    assert triple in triples(graph)


@pytest.mark.parametrize("change", [str.upper, str.title])
def test_capitals_change_nothing(parser: CaptionParser, change: type[str.upper]) -> None:
    captions = [caption for caption, _ in ACTIONS] + [caption for caption, _ in NAMES]
    assert list(parser.parse(map(change, captions))) == list(parser.parse(captions))


def test_neighbours_in_a_batch_change_nothing(parser: CaptionParser) -> None:
    captions = [caption for caption, _ in [*ACTIONS, *ATTRIBUTES, *NAMES, *RELATIONS]] * 5
    together = dict(zip(captions, parser.parse(captions), strict=True))
    random.Random(0).shuffle(captions)
    assert all(
        graph == together[caption]
        for caption, graph in zip(captions, parser.parse(captions), strict=True)
    )
    assert all(next(parser.parse([caption])) == graph for caption, graph in together.items())


def test_forgetting_words_changes_nothing(
    parser: CaptionParser, monkeypatch: pytest.MonkeyPatch
) -> None:
    captions = [f"{caption} near {i} zyx{i}q" for i, (caption, _) in enumerate(ACTIONS * 3)]
    kept = list(parser.parse(captions))
    monkeypatch.setattr(model, "KEPT_STRINGS", 0)
    own = load_parser(batch_size=16)
    assert list(own.parse(captions)) == kept
    strings = own._nlp.vocab.strings  # type: ignore[attr-defined]
    assert "zyx3q" not in strings


def test_captions_are_read_as_they_are_needed(parser: CaptionParser) -> None:
    def endless() -> Iterator[str]:
        for i in itertools.count():
            yield f"{i} dogs"

    assert len(list(itertools.islice(parser.parse(endless()), 100))) == 100


def test_nothing_gives_nothing(parser: CaptionParser) -> None:
    assert list(parser.parse([])) == []
    assert list(parser.parse(["", "   ", "!!!", "<br>", "\x00"])) == [SceneGraph()] * 5


def test_tags_come_once_and_in_order(parser: CaptionParser) -> None:
    (graph,) = parser.parse(["A red dog chases a red ball past another dog"])
    assert graph.tags == (
        Tag("attribute", "red"),
        Tag("object", "dog"),
        Tag("action", "chase"),
        Tag("object", "ball"),
    )


def test_the_version_names_rules_and_model(parser: CaptionParser) -> None:
    assert parser.name == "rules"
    rules, _, trained = parser.version.partition("/")
    assert rules.startswith("rules-")
    assert trained.startswith("en_core_web_sm")


def test_the_version_follows_from_all_that_decides() -> None:
    """A module that the parser came to use, and that no version names, would go unnoticed."""
    code = "import sys, vocab.parser; print(*(m for m in sys.modules if m.startswith('vocab.')))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    deciding = {name.removeprefix("vocab.") for name in loaded.decode().split()}
    assert deciding - {"parser", "graph", "lean"} == set(_RULES)


def test_place_names_stay_whole_and_plurals_of_their_own_form_become_singular(
    parser: CaptionParser,
) -> None:
    (graph,) = parser.parse(["three geese and two fishermen in New Mexico with a wine glass"])
    assert tags_of(graph, "object") == ["goose", "fisherman", "new mexico", "wine glass"]
    assert tags_of(graph, "attribute") == ["three", "two"]
