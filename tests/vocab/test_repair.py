"""Errors of the small model, as trees written by hand, and what they are mended to."""

from __future__ import annotations

import pytest

from tests.vocab.test_parser import triples
from vocab.graph import SceneGraph, Tag
from vocab.rules import build_sentence, graph_of
from vocab.sentence import Sentence

Token = tuple[str, str, str, int]  # word, tag, label, head


def mended(*tokens: Token) -> Sentence:
    said, tags, deps, heads = (list(column) for column in zip(*tokens, strict=True))
    return build_sentence(said, tags, deps, heads)  # type: ignore[arg-type]


def graph(*tokens: Token) -> SceneGraph:
    return graph_of(mended(*tokens))


@pytest.mark.parametrize("label", ["dep", "dobj", "npadvmod", "xcomp", "attr"])
def test_a_preposition_gets_the_noun_that_follows(label: str) -> None:
    found = graph(
        ("dog", "NN", "ROOT", 0),
        ("under", "IN", "prep", 0),
        ("wooden", "JJ", "amod", 3),
        ("table", "NN", label, 0),
    )
    assert triples(found) == {("dog", "under", "table")}


@pytest.mark.parametrize("label", ["appos", "conj", "nsubj"])
def test_a_noun_with_a_place_of_its_own_keeps_it(label: str) -> None:
    found = graph(("dog", "NN", "ROOT", 0), ("under", "IN", "prep", 0), ("table", "NN", label, 0))
    assert triples(found) == set()


def test_a_noun_that_stood_above_its_preposition_comes_below() -> None:
    s = mended(("on", "IN", "prep", 2), ("old", "JJ", "amod", 2), ("table", "NN", "ROOT", 2))
    assert (s.heads, s.deps) == ([0, 2, 0], ["ROOT", "amod", "pobj"])


def test_what_is_attached_to_a_thing_is_not_said_to_do_it() -> None:
    found = graph(
        ("rope", "NN", "ROOT", 0),
        ("attached", "VBN", "acl", 0),
        ("to", "TO", "aux", 3),
        ("train", "VB", "xcomp", 1),
    )
    assert triples(found) == {("rope", "attach to", "train")}
    assert Tag("action", "train") not in found.tags


@pytest.mark.parametrize(
    ("before", "expected"), [((), ("train", "stand", None)), (("man",), ("man", "stand", "train"))]
)
def test_a_noun_taken_for_an_adverb_does_or_is_done_to(
    before: tuple[str, ...], expected: tuple[str, str, str | None]
) -> None:
    subject: list[Token] = [("man", "NN", "nsubj", 1)] if before else []
    verb = ("stands", "VBZ", "ROOT", 1)
    train = ("train", "RB", "advmod", 1)
    order = [*subject, verb, train] if before else [("train", "RB", "advmod", 1), verb]
    assert expected in triples(graph(*order))
