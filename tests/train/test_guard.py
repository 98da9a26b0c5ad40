from __future__ import annotations

import math

import pytest

from train.guard import FEW, PATIENCE, Guard, Origin, Step
from vocab.errors import InputError

ORIGIN = Origin(2, 7, ("s-1", "s-2"))


def _steps(*losses: float, length: float = 1.0) -> list[Step]:
    return [Step(number, loss, length, (ORIGIN,)) for number, loss in enumerate(losses, 1)]


def test_usual_losses_are_nothing_to_speak_of() -> None:
    assert Guard().watch(_steps(*[5.0] * 50, 9.0)) == []


def test_a_leap_is_named_with_its_batch() -> None:
    (finding,) = Guard([5.0] * FEW).watch(_steps(20.0))
    assert finding.event == "spike"
    assert "epoch 2, batch 7 (s-1, s-2)" in finding.text


def test_early_losses_leap_unseen() -> None:
    assert Guard([1.0] * (FEW - 1)).watch(_steps(50.0)) == []


@pytest.mark.parametrize(("loss", "length"), [(math.nan, 1.0), (1.0, math.inf)])
def test_what_is_not_finite_is_named_and_not_remembered(loss: float, length: float) -> None:
    guard = Guard([1.0])
    (finding,) = guard.watch(_steps(loss, length=length))
    assert finding.event == "skipped"
    assert "batch 7" in finding.text
    assert guard.recent == (1.0,)


def test_too_many_in_a_row_end_training() -> None:
    guard = Guard()
    guard.watch(_steps(*[math.nan] * (PATIENCE - 1), 1.0, *[math.nan] * (PATIENCE - 1)))
    with pytest.raises(InputError, match=r"no finite gradient.*batch 7.*lower --lr"):
        guard.watch(_steps(math.nan))
