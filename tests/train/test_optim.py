from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import nn

from tests.model.tiny import tiny_model
from train.config import train_config
from train.optim import Average, clip_and_step, learning_rate, make_optimizer, set_rate


def _rates(steps: int, **given: Any) -> list[float]:
    config = train_config("base", output="o", train_data=("d",), **given)
    rate = learning_rate(config, steps=steps, per_epoch=10)
    return [rate(step) for step in range(steps)]


def test_the_papers_rate_warms_up_then_falls_by_a_tenth_an_epoch() -> None:
    rates = _rates(40, lr=1e-4, warmup=10)
    assert rates[:10] == pytest.approx([1e-5 * n for n in range(1, 11)])
    assert rates[10:20] == pytest.approx([0.9e-4] * 10)
    assert rates[30:] == pytest.approx([0.729e-4] * 10)


def test_the_papers_rate_has_a_floor() -> None:
    assert _rates(1000, lr=1e-4, min_lr=5e-7, warmup=0)[-1] == 5e-7


def test_the_cosine_ends_at_the_lowest_rate() -> None:
    rates = _rates(50, lr=1e-3, min_lr=1e-5, warmup=10, schedule="cosine")
    assert rates[9] == rates[10] == 1e-3
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] == pytest.approx(1e-5)


def test_norms_and_biases_and_position_tables_do_not_decay() -> None:
    network = tiny_model().network
    config = train_config("tiny", output="o", train_data=("d",))
    decaying, free = make_optimizer(network, config, {"relative_position_bias_table"}).param_groups
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    assert decaying["weight_decay"] == config.weight_decay
    assert free["weight_decay"] == 0
    assert all(p.dim() >= 2 for p in decaying["params"])
    assert {names[id(p)].rsplit(".")[-1] for p in free["params"]} == {
        "bias", "weight", "temperature", "relative_position_bias_table"
    }  # fmt: skip
    assert len(decaying["params"]) + len(free["params"]) == len(list(network.parameters()))


def _linear() -> tuple[nn.Linear, Any]:
    torch.manual_seed(0)
    layer = nn.Linear(3, 2)
    config = train_config("tiny", output="o", train_data=("d",))
    return layer, make_optimizer(layer, config)


def test_the_gradient_is_clipped_and_its_length_told() -> None:
    layer, optimizer = _linear()
    (layer(torch.ones(4, 3)) * 100).sum().backward()
    length = clip_and_step(optimizer, layer.parameters(), 1.0)
    assert float(length) == pytest.approx(400 * math.sqrt(2 * 4))
    assert all(parameter.grad is None for parameter in layer.parameters())


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_gradient_that_is_not_finite_moves_nothing(broken: float) -> None:
    layer, optimizer = _linear()
    layer(torch.ones(1, 3)).sum().backward()
    clip_and_step(optimizer, layer.parameters(), 1.0)
    before = [parameter.detach().clone() for parameter in layer.parameters()]
    (layer(torch.ones(1, 3)) * broken).sum().backward()
    assert not torch.isfinite(clip_and_step(optimizer, layer.parameters(), 1.0))
    assert all(map(torch.equal, before, layer.parameters()))
    layer(torch.ones(1, 3)).sum().backward()
    clip_and_step(optimizer, layer.parameters(), 1.0)
    assert not torch.equal(before[0], layer.weight)
    assert torch.isfinite(layer.weight).all()


def test_the_rate_is_set_for_all_weights() -> None:
    _, optimizer = _linear()
    set_rate(optimizer, 0.25)
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.25]


def test_an_average_follows_slowly_and_shares_nothing() -> None:
    network = tiny_model().network
    average = Average(network, 0.9)
    before = average.network.tagging.bias.clone()
    with torch.no_grad():
        network.tagging.bias.add_(1)
    average.update(network, 10_000)
    assert torch.allclose(average.network.tagging.bias, before + 0.1, atol=1e-6)
    average.update(network, 1)  # early on, it looks back by less
    assert torch.allclose(average.network.tagging.bias, before + 1, atol=0.2)
