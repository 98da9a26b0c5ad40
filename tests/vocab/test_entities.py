"""All entities of a caption with all that is said of each, and nothing else."""

from __future__ import annotations

import pytest

from vocab.entities import kind_of
from vocab.parser import CaptionParser, load_parser

# An entity is written "modifier, modifier: name".
ENTITIES = {
    # numbers and quantities
    "4 dogs on 12 beds": "four: dog; bed",
    "5 birds and 6 cats": "five: bird; six: cat",
    "many people and all children": "many: person; all: child",
    "There are two dogs on the sofa and a cat": "two: dog; sofa; cat",
    # portions share the entity of their whole
    "A pair of black shoes": "black, pair of: shoe",
    "a slice of pepperoni pizza": "slice of: pepperoni pizza",
    "a bunch of bananas hanging from the ceiling": "banana; ceiling",
    # names and modifiers of several words
    "a very large red double decker bus": "large, red: double decker bus",
    "A light blue shirt": "light blue: shirt",
    "A dark room": "dark: room",
    "A pale yellow wall": "pale yellow: wall",
    "a bright red shoe": "bright red: shoe",
    "a deep blue sea": "deep blue: sea",
    "dark green and light blue stripes": "dark green, light blue: stripe",
    "A broken window": "broken: window",
    "An abandoned red brick factory building": "abandoned, red, brick: factory building",
    "A red and a blue car": "red; blue: car",
    "a brick and stone house": "brick; stone; brick, stone: house",
    "two small brown and white dogs": "two, small, brown, white: dog",
    "a brightly coloured kite": "brightly coloured: kite",
    "A red colored door": "red: door",
    "A red, white and blue flag": "red, white, blue: flag",
    "A wood and metal bench": "wood; metal; wood, metal: bench",
    "a hand holding a pink and green kite": "hand; pink, green: kite",
    "a city street and a hotel room": "city street; hotel room",
    # said by a clause
    "The woman seems tired and cold": "tired, cold: woman",
    "The towel is folded": "folded: towel",
    "a parked car and a running man": "parked: car; running: man",
    # parts
    "A brown-haired woman": "brown: hair; woman",
    "A young red haired smiling girl": "red: hair; young: girl",
    # nothing is said, or it is said not to be there
    "More people on the other side": "person",
    "A woman in her own bed": "woman; bed",
    "A man without a shirt": "man",
    "A street with no cars": "street",
    "It is raining": "",
}


@pytest.fixture(scope="module")
def parser() -> CaptionParser:
    return load_parser(batch_size=64)


@pytest.mark.parametrize("caption", ENTITIES)
def test_a_caption_has_these_entities_and_no_other(parser: CaptionParser, caption: str) -> None:
    (graph,) = parser.parse([caption])
    found = [
        ", ".join(entity.modifiers) + (": " if entity.modifiers else "") + entity.head
        for entity in graph.entities
    ]
    assert found == [line for line in ENTITIES[caption].split("; ") if line]


def test_small_numbers_are_words(parser: CaptionParser) -> None:
    words = "two three four five six seven eight nine ten".split()
    graphs = parser.parse(f"{n} dogs in a park" for n in range(2, 11))
    assert [graph.entities[0].modifiers for graph in graphs] == [(word,) for word in words]


def test_a_name_has_four_words_at_most(parser: CaptionParser) -> None:
    (graph,) = parser.parse(["a computer science department student office door"])
    assert [entity.head for entity in graph.entities] == ["department student office door"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("beach", "scene"),
        ("living room", "scene"),
        ("hotel room", "scene"),
        ("dog", "object"),
        ("beach ball", "object"),
    ],
)
def test_a_place_is_a_scene_by_its_last_word(name: str, kind: str) -> None:
    assert kind_of(name) == kind
