"""Figures against their definitions, written out slowly, and against laws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from train.metrics import (
    Flags,
    Floats,
    average_precision,
    best_thresholds,
    chance,
    classification,
    mean_average_precision,
    nearest_recall,
    precision_recall,
    recalls,
    threshold_curve,
)
from vocab.errors import InputError

SHAPES = st.tuples(st.integers(1, 12), st.integers(1, 4))


@st.composite
def scored(draw: st.DrawFn) -> tuple[Floats, Flags]:
    """Draw scores with many ties, and labels."""
    shape = draw(SHAPES)
    levels = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0])
    scores = draw(arrays.arrays(np.float32, shape, elements=levels))
    return scores, draw(arrays.arrays(np.bool_, shape))


def slow_average_precision(scores: list[float], labels: list[bool]) -> float:
    """Return the mean, over right images, of the precision at all images of at least its score."""
    precisions = []
    for score, label in zip(scores, labels, strict=True):
        if label:
            above = [one for s, one in zip(scores, labels, strict=True) if s >= score]
            precisions.append(sum(above) / len(above))
    return sum(precisions) / len(precisions) if precisions else math.nan


@given(scored())
def test_average_precision_is_its_definition(drawn: tuple[Floats, Flags]) -> None:
    scores, labels = drawn
    columns = zip(scores.T.tolist(), labels.T.tolist(), strict=True)
    slow = [slow_average_precision(*column) for column in columns]
    np.testing.assert_allclose(average_precision(scores, labels), slow, rtol=1e-12)


@given(scored(), st.randoms(use_true_random=False))
def test_the_order_of_images_says_nothing(drawn: tuple[Floats, Flags], random: object) -> None:
    scores, labels = drawn
    order = np.random.default_rng(random.randrange(2**32)).permutation(len(scores))  # type: ignore[attr-defined]
    one, other = average_precision(scores, labels), average_precision(scores[order], labels[order])
    np.testing.assert_allclose(one, other, rtol=1e-12)
    np.testing.assert_array_equal(
        best_thresholds(scores, labels, few=1), best_thresholds(scores[order], labels[order], few=1)
    )


def test_average_precision_by_hand() -> None:
    scores = np.array([[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]], np.float32)
    labels = np.array([[1, 0], [0, 0], [1, 0], [0, 1]], np.bool_)
    found = average_precision(scores, labels)
    assert found.tolist() == [pytest.approx((1 + 2 / 3) / 2), 1.0]
    assert mean_average_precision(scores, labels) == pytest.approx((5 / 6 + 1) / 2)


def test_equal_scores_are_chance_and_a_class_without_images_is_left_out() -> None:
    labels = np.array([[1, 0, 1], [0, 0, 1], [0, 0, 0], [0, 0, 0]], np.bool_)
    assert mean_average_precision(np.ones((4, 3), np.float32), labels) == pytest.approx(3 / 8)
    assert chance(labels) == pytest.approx(3 / 8)


@given(scored())
def test_precision_recall_and_f1_are_their_definitions(drawn: tuple[Floats, Flags]) -> None:
    scores, labels = drawn
    predicted = scores > 0.25
    found = classification(predicted, labels)
    for place in range(labels.shape[1]):
        p, right = predicted[:, place], labels[:, place]
        both = int((p & right).sum())
        if not right.any():
            assert all(math.isnan(values[place]) for values in found)
            continue
        precision, recall = both / p.sum() if p.any() else 0.0, both / right.sum()
        f1 = 2 * precision * recall / (precision + recall) if both else 0.0
        assert found.precision[place] == pytest.approx(precision)
        assert found.recall[place] == pytest.approx(recall)
        assert found.f1[place] == pytest.approx(f1)


@given(scored())
def test_no_threshold_is_better_than_the_best(drawn: tuple[Floats, Flags]) -> None:
    scores, labels = drawn
    best = best_thresholds(scores, labels, few=1)
    known = ~np.isnan(best)
    assert (known == (labels.any(0) & scores.any(0))).all()
    found = classification(scores > best.astype(np.float32), labels).f1[known]
    for threshold in (0.0, 0.05, 0.2, 0.4, 0.7, 0.95):
        other = classification(scores > threshold, labels).f1[known]
        assert (found >= other - 1e-12).all()


@given(arrays.arrays(np.float32, (8, 1), elements=st.floats(0, 1, width=32)))
def test_a_threshold_lies_between_the_scores_also_where_they_are_neighbours(scores: Floats) -> None:
    labels = scores >= np.median(scores)
    best = best_thresholds(scores, labels, few=1).astype(np.float32)
    assert ((scores > best) == labels).all() or (scores == 0).any()


def test_a_threshold_is_half_way_and_short() -> None:
    scores = np.array([[0.9], [0.8], [0.4], [0.1]], np.float32)
    labels = np.array([[1], [1], [0], [0]], np.bool_)
    assert best_thresholds(scores, labels, few=1).tolist() == [0.6]
    assert np.isnan(best_thresholds(scores, labels, few=3)).all()


def test_threshold_curve_trades_recall() -> None:
    random = np.random.default_rng(0)
    labels = random.random((200, 5)) < 0.3
    scores = (labels * 0.3 + random.random((200, 5)) * 0.7).astype(np.float32)
    points = threshold_curve(scores, labels, [0.2, 0.5, 0.8])
    assert [point.threshold for point in points] == [0.2, 0.5, 0.8]
    recall = [point.figures.recall for point in points]
    assert recall == sorted(recall, reverse=True) and recall[0] > recall[-1]


def test_precision_recall_ends_where_all_is_predicted() -> None:
    random = np.random.default_rng(0)
    labels = random.random((50, 4)) < 0.3
    points = precision_recall(random.random((50, 4)).astype(np.float32), labels, points=20)
    assert len(points) == 20
    assert points[-1].recall == 1 and points[-1].precision == pytest.approx(labels.mean())
    assert [p.recall for p in points] == sorted(p.recall for p in points)


def test_nearest_recall_by_hand() -> None:
    said = np.array([[1, 1, 0, 0], [0, 0, 0, 1], [1, 1, 1, 1]], np.bool_)
    references = np.array(
        # The first image: a short one that is said whole; one that is nearer, of which 2 of 3 are
        # said. The second: nothing of it, and one without tags. The third has none with tags.
        [[1, 0, 0, 0], [1, 1, 1, 0], [0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]],
        np.bool_,
    )
    owners = np.array([0, 0, 1, 1, 2])
    assert nearest_recall(said, references, owners) == pytest.approx((2 / 3 + 0) / 2)
    assert math.isnan(nearest_recall(said, references[4:], owners[4:]))
    order = [3, 1, 4, 0, 2]
    assert nearest_recall(said, references[order], owners[order]) == pytest.approx(1 / 3)


def test_recalls_by_hand() -> None:
    scores = np.zeros((3, 20), np.float32)
    scores[:, :12] = np.arange(12, 0, -1)
    right = np.zeros((3, 20), np.bool_)
    right[0, 0] = right[1, 4] = right[1, 9] = right[2, 10] = True
    found = recalls(scores, right)
    assert tuple(found) == pytest.approx((1 / 3, 2 / 3, 2 / 3))


def test_scores_that_say_nothing_find_nothing() -> None:
    right = np.eye(20, dtype=np.bool_)
    assert tuple(recalls(np.zeros((20, 20), np.float32), right)) == (0, 0, 0)


@given(st.integers(2, 8).flatmap(lambda n: st.permutations(range(n))))
def test_recalls_follow_the_items_wherever_they_stand(order: list[int]) -> None:
    random = np.random.default_rng(len(order))
    scores = random.random((5, len(order))).astype(np.float32)
    right = np.zeros_like(scores, np.bool_)
    right[np.arange(5), random.integers(len(order), size=5)] = True
    assert recalls(scores, right) == recalls(scores[:, order], right[:, order])


def test_what_cannot_be_measured_is_said() -> None:
    labels = np.ones((2, 2), np.bool_)
    with pytest.raises(InputError, match="both must be the same"):
        average_precision(np.zeros((2, 3), np.float32), labels)
    with pytest.raises(InputError, match="NaN"):
        average_precision(np.full((2, 2), np.nan, np.float32), labels)
    with pytest.raises(InputError, match="no image"):
        average_precision(np.zeros((0, 2), np.float32), labels[:0])
    with pytest.raises(InputError, match="query 1 has no right item"):
        recalls(np.zeros((2, 2), np.float32), np.array([[1, 0], [0, 0]], np.bool_))
