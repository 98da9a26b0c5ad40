import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vocab.test_learner import TAGS, table
from vocab.prequential import Prediction, auc, calibration, prequential, simulate
from vocab.queue import ORDERS

predictions = st.lists(
    st.builds(Prediction, st.just(TAGS[0]), st.integers(0, 8).map(lambda n: n / 8), st.booleans()),
    max_size=30,
)


@given(predictions)
def test_auc_is_the_share_of_pairs_in_the_right_order(given_: list[Prediction]) -> None:
    kept = [x.p for x in given_ if x.kept]
    dropped = [x.p for x in given_ if not x.kept]
    pairs = [(k > d) + (k == d) / 2 for k in kept for d in dropped]
    area = auc(given_)
    assert area is None if not pairs else area == pytest.approx(sum(pairs) / len(pairs))


@given(predictions)
def test_calibration_counts_each_prediction_once(given_: list[Prediction]) -> None:
    bins = calibration(given_, 4)
    assert sum(b.n for b in bins) == len(given_)
    assert sum(b.n * b.kept for b in bins) == pytest.approx(sum(x.kept for x in given_))
    assert [b.p for b in bins] == sorted(b.p for b in bins)


def _rule(tag: object) -> bool:
    return not str(tag).count("side") and not str(tag).count("idea")


def test_a_prediction_knows_only_decisions_before_it() -> None:
    order = [(tag, _rule(tag)) for tag in random.Random(1).sample(TAGS, len(TAGS))]
    whole = prequential(table(*TAGS), order)
    assert [x.tag for x in whole] == [tag for tag, _ in order]
    assert prequential(table(*TAGS), order[:60]) == whole[:60]


def test_predictions_get_better_than_chance() -> None:
    order = [(tag, _rule(tag)) for tag in random.Random(1).sample(TAGS, len(TAGS))]
    area = auc(prequential(table(*TAGS), order)[100:])
    assert area is not None and area > 0.9


@pytest.mark.parametrize("order", ORDERS)
def test_a_simulation_decides_on_each_tag_once(order: str) -> None:
    decisions = {tag: _rule(tag) for tag in TAGS[::2]}
    played = simulate(table(*TAGS), decisions, order=order)
    assert {x.tag: x.kept for x in played} == decisions
    assert len(played) == len(decisions)
    assert simulate(table(*TAGS), decisions, order=order) == played
