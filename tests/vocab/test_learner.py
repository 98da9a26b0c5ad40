import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vocab.candidates import Candidate, Candidates
from vocab.graph import Tag
from vocab.learner import KeepModel
from vocab.wordnet import DEBIAN, load_senses

WORDS = "dog cat red ball side lot street view man boat tree day idea county song".split()


def table(*tags: Tag) -> Candidates:
    rows = [
        Candidate(rank, *tag, 10_000 // rank, 20_000 // rank, {"coco": 900 // rank, "fsa": rank})
        for rank, tag in enumerate(tags, 1)
    ]
    return Candidates(tuple(rows), ("coco", "fsa"), "0" * 64)


TAGS = [Tag("object", f"{a} {b}") for a in WORDS for b in WORDS if a != b]
TAGS += [Tag(kind, word) for kind in ("object", "attribute", "action") for word in WORDS]


def test_predictions_are_probabilities_from_the_start() -> None:
    model = KeepModel(table(*TAGS))
    assert all(0 < model.predict(tag) < 1 for tag in TAGS)
    assert model.predict(Tag("object", "not among them")) > 0.5


def test_it_learns_a_rule_that_the_words_tell() -> None:
    tags = random.Random(3).sample(TAGS, len(TAGS))
    model = KeepModel(table(*TAGS))
    for tag in tags[:150]:
        model.learn(tag, not tag.tag.endswith(("side", "county", "idea")))
    dropped = [t for t in tags[150:] if t.tag.endswith(("side", "county", "idea"))]
    kept = [tag for tag in tags[150:] if tag not in dropped]
    assert max(map(model.predict, dropped)) < min(map(model.predict, kept))


def test_one_decision_moves_the_neighbours_its_way() -> None:
    for kept in (True, False):
        model = KeepModel(table(*TAGS))
        before = model.predict(Tag("object", "dog side"))
        model.learn(Tag("object", "cat side"), kept)
        assert (model.predict(Tag("object", "dog side")) > before) is kept


def test_the_same_decisions_give_the_same_model() -> None:
    one, other = KeepModel(table(*TAGS)), KeepModel(table(*TAGS))
    for tag in TAGS[:80]:
        one.learn(tag, len(tag.tag) % 3 > 0)
    for tag in TAGS[:80]:
        other.learn(tag, len(tag.tag) % 3 > 0)
    assert [*map(one.predict, TAGS)] == [*map(other.predict, TAGS)]


decisions = st.lists(st.tuples(st.sampled_from(TAGS), st.booleans()), max_size=20)


@given(before=decisions, taken_back=st.tuples(st.sampled_from(TAGS), st.booleans()))
@settings(max_examples=50, deadline=None)
def test_unlearning_the_last_decision_is_as_if_it_had_not_been(
    before: list[tuple[Tag, bool]], taken_back: tuple[Tag, bool]
) -> None:
    before = [(tag, kept) for tag, kept in before if tag != taken_back[0]]
    model, never = KeepModel(table(*TAGS)), KeepModel(table(*TAGS))
    for tag, kept in before:
        model.learn(tag, kept)
        never.learn(tag, kept)
    model.learn(*taken_back)
    model.unlearn(taken_back[0])
    for tag in TAGS[::7]:
        assert math.isclose(model.predict(tag), never.predict(tag), abs_tol=1e-9)


def test_a_change_of_mind_counts_once() -> None:
    changed, straight = KeepModel(table(*TAGS)), KeepModel(table(*TAGS))
    changed.learn(TAGS[0], True)
    changed.learn(TAGS[0], False)
    straight.learn(TAGS[0], False)
    assert math.isclose(changed.predict(TAGS[1]), straight.predict(TAGS[1]), abs_tol=1e-9)


def test_unlearning_what_was_never_learnt_changes_nothing() -> None:
    model = KeepModel(table(*TAGS))
    model.learn(TAGS[0], True)
    before = [*map(model.predict, TAGS)]
    model.unlearn(TAGS[1])
    assert [*map(model.predict, TAGS)] == before


def test_earlier_decisions_are_learnt_bit_by_bit_and_can_be_taken_back() -> None:
    model, never = KeepModel(table(*TAGS)), KeepModel(table(*TAGS))
    made = [(tag, len(tag.tag) % 2 > 0) for tag in TAGS[:240]]
    model.recall(made)
    model.unlearn(made[0][0])
    model.learn(made[1][0], not made[1][1])
    assert not model.catch_up(10)
    assert model.catch_up(1000)
    for tag, kept in made[:39:-1]:
        never.learn(tag, kept)
    never.learn(made[1][0], not made[1][1])
    for tag, kept in made[39:1:-1]:
        never.learn(tag, kept)
    assert [*map(model.predict, TAGS)] == [*map(never.predict, TAGS)]


def test_no_prediction_claims_certainty() -> None:
    model = KeepModel(table(*TAGS))
    for _ in range(20):
        for tag in TAGS:
            model.learn(tag, True)
    assert all(model.predict(tag) < 0.9999 for tag in TAGS)


def test_nothing_is_computed_before_it_is_asked() -> None:
    class Rows(tuple[Candidate, ...]):
        asked = 0

        def __getitem__(self, place):  # type: ignore[no-untyped-def]
            Rows.asked += 1
            return super().__getitem__(place)

    candidates = table(*TAGS)
    model = KeepModel(Candidates(Rows(candidates.rows), candidates.sources, candidates.sha256))
    assert Rows.asked == 0
    model.predict(TAGS[0])
    assert 0 < Rows.asked < 20


@pytest.mark.skipif(not (DEBIAN / "index.noun").exists(), reason="wordnet-base is not installed")
def test_wordnet_tells_names_from_things() -> None:
    places = [Tag("object", n) for n in "dallas texas chicago ohio paris berlin london".split()]
    things = [Tag("object", n) for n in "dog table banana guitar bottle hammer shoe".split()]
    model = KeepModel(table(*places, *things), load_senses())
    for place, thing in zip(places[:5], things[:5], strict=True):
        model.learn(place, False)
        model.learn(thing, True)
    assert max(map(model.predict, places[5:])) < 0.5 < min(map(model.predict, things[5:]))
