from __future__ import annotations

import math

import pytest

from train.validation import MAP, better, metric_of
from vocab.errors import InputError


def test_more_is_better_of_map_and_less_of_a_loss() -> None:
    assert better(MAP, 0.6, 0.5) and not better(MAP, 0.5, 0.5)
    assert better("loss", 0.4, 0.5) and not better("loss", 0.5, 0.5)


@pytest.mark.parametrize("metric", [MAP, "loss"])
def test_a_number_is_better_than_none(metric: str) -> None:
    assert better(metric, 0.1, math.nan)
    assert not better(metric, math.nan, 0.1)
    assert not better(metric, math.nan, math.nan)


def test_the_best_is_chosen_by_what_validation_has() -> None:
    weights = {"tagging": 1.0, "generation": 0.0}
    assert metric_of("", weights) == MAP
    assert metric_of("", {"answer": 1.0}) == "loss"
    assert metric_of("tagging", weights) == "tagging"
    with pytest.raises(InputError, match="--best-by generation: validation has mAP, loss, tagging"):
        metric_of("generation", weights)
