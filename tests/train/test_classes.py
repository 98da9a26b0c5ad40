"""Benchmarks' classes by name, and captions by benchmarks' classes."""

from __future__ import annotations

import numpy as np
import pytest

from train.classes import match_classes, own_classes
from vocab.errors import InputError
from vocab.graph import SceneGraph, Tag
from vocab.vocabulary import Entry, Vocabulary

VOCABULARY = Vocabulary(
    (
        Entry(Tag("object", "couch"), aliases=(Tag("object", "sofa"),)),
        Entry(Tag("object", "dog")),
        Entry(Tag("object", "orange")),
        Entry(Tag("object", "table")),
        Entry(Tag("scene", "beach")),
        Entry(Tag("action", "run")),
        Entry(Tag("attribute", "orange")),
        Entry(Tag("attribute", "red")),
    )
)


def names(*classes: str) -> list[tuple[str, ...]]:
    return [tuple(name.split("|")) for name in classes]


def said(*tags: tuple[str, str]) -> SceneGraph:
    return SceneGraph(tags=tuple(Tag(*tag) for tag in tags))


def test_classes_are_matched_by_name_form_synonym_and_alias() -> None:
    found = match_classes(
        names("hot dog", "dogs", "settee|sofa", "running", "beach", "red"), VOCABULARY
    )
    assert found.names == ("dogs", "settee", "beach", "running")
    assert found.columns == (1, 2, 4, 3)
    tags = [[VOCABULARY.tags[i].tag for i in ids] for ids in found.ids]
    assert tags == [["dog"], ["couch"], ["beach"], ["run"]]


def test_a_thing_goes_before_an_attribute_of_the_same_name() -> None:
    found = match_classes(names("orange"), VOCABULARY)
    assert [VOCABULARY.tags[i].kind for i in found.ids[0]] == ["object"]
    assert found.said([said(("attribute", "orange")), said(("object", "oranges"))]).tolist() == [
        [False],
        [True],
    ]


def test_attributes_are_matched_in_a_list_of_attributes() -> None:
    found = match_classes(names("red", "orange", "striped", "couch"), VOCABULARY)
    assert found.names == ("orange", "couch")  # two things, one attribute
    found = match_classes(names("red", "striped"), VOCABULARY)
    assert found.names == ("red",)


def test_a_class_of_two_tags_has_the_surest_and_passes_with_either() -> None:
    found = match_classes(names("furniture|couch|table"), VOCABULARY)
    scores = np.zeros((2, 8), np.float32)
    scores[:, 0], scores[:, 3] = (0.2, 0.9), (0.7, 0.1)
    assert found.scores(scores).tolist() == [[pytest.approx(0.7)], [pytest.approx(0.9)]]
    assert found.predicted(scores > 0.8).tolist() == [[False], [True]]


def test_captions_mean_classes_by_their_names_aliases_and_synonyms() -> None:
    def dictionary(tag: Tag) -> list[Tag]:
        return [Tag("object", "hound"), Tag("object", "sofa")] if tag.tag == "dog" else []

    found = match_classes(names("couch", "dog"), VOCABULARY, dictionary)
    graphs = [said(("object", "hound")), said(("object", "sofa")), said(("object", "cat"))]
    # A dictionary does not take away what the model's own vocabulary says a word means.
    assert found.said(graphs).tolist() == [[False, True], [True, False], [False, False]]
    assert not match_classes(names("couch", "dog"), VOCABULARY).said(graphs)[0].any()


def test_own_classes_are_the_tags() -> None:
    found = own_classes(VOCABULARY)
    assert len(found) == 8 and found.names[2] == "orange (object)" and found.names[0] == "couch"
    scores = np.random.default_rng(0).random((3, 8)).astype(np.float32)
    assert (found.scores(scores) == scores).all()
    assert found.said([said(("object", "red sofa"), ("action", "running"))]).nonzero()[
        1
    ].tolist() == [0, 5]


def test_no_known_class_is_said() -> None:
    with pytest.raises(InputError, match="no class of the benchmark"):
        match_classes(names("zebra"), VOCABULARY)
