"""Losses against the formulas written out in float64, one number at a time."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from model.losses import TAGGING, asymmetric, binary, hill, self_paced, tagging_loss
from vocab.errors import InputError

LOGITS = arrays(
    "float64", array_shapes(min_dims=2, max_dims=2, max_side=6), elements=st.floats(-12, 12)
)


def sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


def by_hand(name: str, z: float, t: int) -> float:
    p, shifted = sigmoid(z), sigmoid(z - 1)
    focal = -math.log(shifted) * (1 - shifted) ** 2
    if name == "asl":
        kept = max(p - 0.05, 0)
        return -math.log(p) if t else -(kept**7) * math.log(1 - kept)
    if name == "bce":
        return -math.log(p) if t else -math.log(1 - p)
    if name == "hill":
        return focal if t else (1.5 - p) * p**2
    return focal if t or p > 0.6 else -math.log(1 - p) * p**2


def sample(rows: int = 4, classes: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    logits = 4 * torch.randn(rows, classes, generator=generator, dtype=torch.float64)
    return logits, (torch.rand(rows, classes, generator=generator) < 0.3).double()


@pytest.mark.parametrize("name", TAGGING)
@given(LOGITS, st.integers(0, 2**32 - 1))
def test_is_the_formula(name, array, seed):
    z = torch.from_numpy(array)
    t = torch.randint(2, z.shape, generator=torch.Generator().manual_seed(seed))
    terms = [
        by_hand(name, *pair)
        for pair in zip(z.flatten().tolist(), t.flatten().tolist(), strict=True)
    ]
    assert TAGGING[name](z, t).item() == pytest.approx(sum(terms) / len(z), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", TAGGING)
def test_float32_and_its_gradient_are_near_float64(name):
    z, t = sample()
    wide, narrow = z.clone().requires_grad_(), z.float().requires_grad_()
    loss, other = TAGGING[name](wide, t), TAGGING[name](narrow, t)
    loss.backward()
    other.backward()
    assert other.item() == pytest.approx(loss.item(), rel=1e-5)
    torch.testing.assert_close(narrow.grad.double(), wide.grad, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("loss", [binary, hill, self_paced])
def test_gradcheck(loss):
    z, t = sample()
    assert torch.autograd.gradcheck(lambda x: loss(x, t), z.requires_grad_())


def test_gradcheck_of_the_asymmetric_loss_with_weights_that_do_not_move():
    z, t = sample()
    plain = {"negative": 0.0, "positive": 0.0}
    assert torch.autograd.gradcheck(lambda x: asymmetric(x, t, **plain), z.requires_grad_())


def test_the_weights_of_the_asymmetric_loss_carry_no_gradient():
    z, t = sample()
    z.requires_grad_()
    asymmetric(z, t, negative=3.0, positive=2.0).backward()
    p = torch.sigmoid(z.detach())
    kept = (p - 0.05).clamp(min=0)
    positive = -((1 - p) ** 2) * (1 - p)
    negative = kept**3 / (1 - kept) * p * (1 - p) * (kept > 0)
    torch.testing.assert_close(z.grad, (t * positive + (1 - t) * negative) / len(z))


@pytest.mark.parametrize("name", TAGGING)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_extreme_logits_stay_finite(name, dtype):
    z = torch.tensor([[-1e4, -80.0, 0.0, 80.0, 1e4]], dtype=dtype)
    for t in (torch.zeros(1, 5), torch.ones(1, 5)):
        x = z.clone().requires_grad_()
        loss = TAGGING[name](x, t)
        loss.backward()
        assert loss.isfinite()
        assert x.grad.isfinite().all()


@pytest.mark.parametrize("name", ["asl", "bce"])
def test_a_missed_positive_keeps_its_gradient_at_any_logit(name):
    z = torch.tensor([[-18.5, -60.0, -1e4]], requires_grad=True)
    TAGGING[name](z, torch.ones(1, 3)).backward()
    torch.testing.assert_close(z.grad, -torch.ones(1, 3))


def test_a_negative_below_the_clip_costs_nothing():
    z = torch.logit(torch.tensor([[0.049, 0.001, 0.051]])).requires_grad_()
    asymmetric(z, torch.zeros(1, 3)).backward()
    assert (z.grad != 0).tolist() == [[False, False, True]]


@pytest.mark.parametrize("name", TAGGING)
def test_ignored_labels_neither_cost_nor_teach(name):
    z, t = sample()
    ignore = torch.zeros_like(t)
    ignore[:, 3:] = 1
    z.requires_grad_()
    loss = TAGGING[name](z, t, ignore)
    loss.backward()
    assert loss.item() == pytest.approx(TAGGING[name](z[:, :3], t[:, :3]).item())
    assert not z.grad[:, 3:].any()


@pytest.mark.parametrize("name", TAGGING)
def test_parts_of_the_classes_sum_to_the_whole(name):
    z, t = sample()
    loss = TAGGING[name]
    parts = loss(z[:, :2], t[:, :2]) + loss(z[:, 2:], t[:, 2:])
    torch.testing.assert_close(loss(z, t), parts)


def test_self_paced_takes_a_confident_negative_for_a_positive():
    z = torch.tensor([[3.0]])
    assert self_paced(z, torch.zeros(1, 1)) == self_paced(z, torch.ones(1, 1))
    assert self_paced(z, torch.zeros(1, 1), trust=0.99) > self_paced(z, torch.ones(1, 1))


def test_a_loss_is_named_and_set():
    z, t = sample()
    assert tagging_loss("asl", negative=4.0)(z, t) == asymmetric(z, t, negative=4.0)
    with pytest.raises(InputError, match="choose one of asl, bce, hill, splc"):
        tagging_loss("focal")
