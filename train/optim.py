"""How weights move: AdamW, its learning rate as a function of the step, and averages of weights."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable
from typing import Final

import torch
from torch import Tensor, nn
from torch.optim import AdamW

from model.network import Network
from train.config import TrainConfig

DECAY: Final = 0.9  # of the learning rate, an epoch (paper, Appendix A.1)
BETAS: Final = (0.9, 0.999)
SMOOTHED: Final = 10  # steps after which an average may look back by a tenth of all steps

Rate = Callable[[int], float]


def learning_rate(config: TrainConfig, *, steps: int, per_epoch: int) -> Rate:
    """Return the learning rate of a step, from 0: a function, so there is no state to keep.

    Linear from nothing to ``lr`` over ``warmup`` steps; then ``paper`` multiplies it by 0.9 an
    epoch, ``cosine`` lets it fall to ``min_lr`` at the last of ``steps``.
    """

    def rate(step: int) -> float:
        if step < config.warmup:
            return config.lr * (step + 1) / config.warmup
        if config.schedule == "paper":
            return max(config.min_lr, config.lr * DECAY ** (step // per_epoch))
        done = (step - config.warmup) / max(1, steps - 1 - config.warmup)
        fall = 0.5 + 0.5 * math.cos(math.pi * min(1.0, done))
        return config.min_lr + (config.lr - config.min_lr) * fall

    return rate


def make_optimizer(network: nn.Module, config: TrainConfig, still: Iterable[str] = ()) -> AdamW:
    """Return fused AdamW for the trainable weights; vectors (norms, biases) do not decay.

    Nor do tensors one of whose names ends with one of ``still``: timm's position tables.
    """
    decaying: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    ends = tuple(still)
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            vector = parameter.dim() < 2 or (bool(ends) and name.endswith(ends))
            (free if vector else decaying).append(parameter)
    groups = [
        {"params": decaying, "weight_decay": config.weight_decay},
        {"params": free, "weight_decay": 0.0},
    ]
    return AdamW(groups, lr=config.lr, betas=BETAS, fused=True)


def clip_and_step(optimizer: AdamW, parameters: Iterable[nn.Parameter], longest: float) -> Tensor:
    """Clip the gradient, move the weights, and return the gradient's length before, a scalar.

    A gradient that is not finite moves nothing. That is decided on the device: nobody waits.
    """
    length = nn.utils.clip_grad_norm_(parameters, longest or math.inf)
    optimizer.found_inf = (~torch.isfinite(length)).float()  # type: ignore[attr-defined]
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return length.detach()


def set_rate(optimizer: AdamW, rate: float) -> None:
    """Set the learning rate of the next step."""
    for group in optimizer.param_groups:
        group["lr"] = rate


class Average:
    """An exponential moving average of a network's weights; buffers are copied.

    Early on the average looks back by a tenth of the steps so far: the first weights say nothing.
    """

    def __init__(self, network: Network, rate: float) -> None:
        self.network = copy.deepcopy(network).requires_grad_(False).eval()
        self.rate = rate

    @torch.no_grad()
    def update(self, network: Network, step: int) -> None:
        """Move the average towards the weights after a step, from 1."""
        rate = min(self.rate, (1 + step) / (SMOOTHED + step))
        ours, theirs = ([*each.parameters()] for each in (self.network, network))
        torch._foreach_lerp_(ours, theirs, 1 - rate)  # type: ignore[arg-type]
        for own, buffer in zip(self.network.buffers(), network.buffers(), strict=True):
            own.copy_(buffer)
