"""The part of the report on the model that learns: its curve over time."""

from __future__ import annotations

import random

import pytest

from vocab.graph import Tag
from vocab.prequential import Prediction
from vocab.report_people import _auc_curve, _window


def predictions(n: int, right: float) -> list[Prediction]:
    """Answers of a model whose guess is on the right side so often."""
    draw = random.Random(0)
    made = []
    for k in range(n):
        kept = draw.random() < 0.6
        said = kept if draw.random() < right else not kept
        made.append(Prediction(Tag("object", f"tag {k}"), 0.9 if said else 0.1, kept))
    return made


def test_the_curve_begins_at_100_decisions_and_looks_back_on_500() -> None:
    wrong, right = predictions(600, 0.0), predictions(600, 1.0)
    points = dict(_window(wrong + right))
    assert min(points) == 100
    assert (points[100], points[600]) == (0.0, 0.0)
    assert points[1200] == 1.0
    assert 0.2 < points[850] < 0.8


@pytest.mark.parametrize(("right", "ticks"), [(0.9, ["0.60", "0.80"]), (0.1, ["0.25", "0.75"])])
def test_the_axis_begins_at_chance_unless_the_model_is_worse(
    right: float, ticks: list[str]
) -> None:
    page = _auc_curve([("keep-model", "a", predictions(400, right))])
    assert all(f">{tick}<" in page for tick in ticks)
    assert "keep-model" in page
    assert "0.5 is chance" in page


def test_too_few_decisions_have_no_curve() -> None:
    few = [("keep-model", "a", predictions(99, 1.0))]
    assert "Too few decisions, or all on one side." in _auc_curve(few)
    one_side = [Prediction(Tag("object", "dog"), 0.5, True)] * 300
    assert "Too few decisions, or all on one side." in _auc_curve([("keep-model", "a", one_side)])
