"""The rules on hand-made and on arbitrary trees, without a model."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vocab.graph import KINDS, SceneGraph, Tag
from vocab.lexicons import mapping, words
from vocab.multiwords import find_spans
from vocab.rules import build_sentence, graph_of
from vocab.sentence import Sentence

WORDS = [
    *("man", "dog", "hand", "shirt", "street", "red", "blue", "dark", "group", "slice", "of", "in"),
    *("on", "with", "to", "playing", "covered", "parked", "sits", "train", "leaves", "is", "and"),
    *(",", "-", "no", "two", "living", "room", "front", "next", "who", "skiing", "2", "'s", "x"),
]
TAGS = [
    *("NN", "NNS", "NNP", "JJ", "VB", "VBZ", "VBP", "VBG", "VBN", "VBD", "IN", "TO", "DT", "RB"),
    *("CD", "CC", "PRP", "POS", ",", "HYPH"),
]
DEPS = [
    *("ROOT", "nsubj", "nsubjpass", "dobj", "pobj", "prep", "amod", "compound", "conj", "acl"),
    *("relcl", "advcl", "xcomp", "acomp", "attr", "agent", "poss", "npadvmod", "det", "nummod"),
    *("aux", "auxpass", "advmod", "prt", "appos", "pcomp", "dep", "nmod", "expl"),
]


@st.composite
def parses(draw: st.DrawFn) -> tuple[list[str], list[str], list[str], list[int]]:
    n = draw(st.integers(0, 12))

    def pick(values: list[str]) -> list[str]:
        return draw(st.lists(st.sampled_from(values), min_size=n, max_size=n))

    # Each token hangs on one that was placed before it in a random order, as in any tree.
    order = draw(st.permutations(range(n)))
    heads = [0] * n
    for k, token in enumerate(order):
        heads[token] = order[draw(st.integers(0, k - 1))] if k else token
    return pick(WORDS), pick(TAGS), pick(DEPS), heads


@given(parses())
def test_any_tree_gives_a_sound_graph(
    parse: tuple[list[str], list[str], list[str], list[int]],
) -> None:
    graph = graph_of(build_sentence(*parse))
    places = range(len(graph.entities))
    for relation in graph.relations:
        assert relation.subject is None or relation.subject in places
        assert relation.object is None or relation.object in places
        assert relation.predicate
        assert relation.subject is not None or relation.object is not None or relation.predicate
    assert len(set(graph.tags)) == len(graph.tags)
    assert all(tag.kind in KINDS and tag.tag for tag in graph.tags)
    named = {tag.tag for tag in graph.tags if tag.kind in ("object", "scene")}
    assert named == {entity.head for entity in graph.entities}
    assert all(len(name.split()) <= 5 for name in named)


@given(parses())
def test_mending_leaves_a_tree(
    parse: tuple[list[str], list[str], list[str], list[int]],
) -> None:
    s = build_sentence(*parse)
    for start in range(len(s.words)):
        i = start
        for _ in s.words:
            i = s.heads[i]
        assert s.heads[i] == i


def test_no_words_no_graph() -> None:
    assert graph_of(build_sentence([], [], [], [])) == SceneGraph()


def test_a_tree_written_by_hand() -> None:
    # "two dogs run on grass"
    s = build_sentence(
        ["two", "dogs", "run", "on", "grass"],
        ["CD", "NNS", "VBP", "IN", "NN"],
        ["nummod", "nsubj", "ROOT", "prep", "pobj"],
        [1, 2, 2, 2, 3],
    )
    assert graph_of(s).tags == (
        Tag("attribute", "two"),
        Tag("object", "dog"),
        Tag("action", "run"),
        Tag("object", "grass"),
    )


def test_a_circle_is_cut() -> None:
    s = Sentence(["a", "b", "c"], ["NN"] * 3, ["dep"] * 3, [1, 2, 0])
    s.link()
    assert sum(s.heads[i] == i for i in range(3)) == 1


def test_the_longest_multiword_wins() -> None:
    tokens = "hot dogs on the right side of a hot air balloon".split()
    assert [(span.name, span.tag) for span in find_spans(tokens)] == [
        ("hot dog", "NNS"),
        ("on the right side of", "IN"),
        ("hot air balloon", "NN"),
    ]


def test_lexicons_are_clean() -> None:
    for name in ("scenes", "verbs", "nouns", "attributes", "multiwords", "phrasal_verbs"):
        assert words(name)
        assert all(entry == entry.lower().strip() for entry in words(name))
    assert words("light_verbs").isdisjoint(phrase for phrase in words("phrasal_verbs"))
    assert all(mapping("prepositions").values())
    assert not words("nouns") & words("light_verbs")
