"""The processes that train together, one a device: ``torchrun`` starts them, none is needed.

Host and device talk to their like apart: tensors of a step through the devices' group, small
questions such as "was anybody asked to stop?" through a group of the hosts, which waits for no
device.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import torch
import torch.distributed as dist
from torch import Tensor

from vocab.errors import InputError

PATIENCE: Final = timedelta(minutes=30)  # rank 0 may validate or write for that long


@dataclass(frozen=True, slots=True)
class Ranks:
    """This process among its like, and its device; ``hosts`` is a gloo group of all."""

    rank: int
    world: int
    device: torch.device
    hosts: Any = None

    @property
    def first(self) -> bool:
        """Whether this process writes what is written once."""
        return self.rank == 0

    def gather(self, rows: Tensor) -> Tensor:
        """Return the rows of all ranks, in their order, which must be as many on each.

        Gradients reach the rank that a row came from, summed over the ranks.
        """
        return rows if self.world == 1 else _Gather.apply(rows, self.rank, self.world)

    def share(self, count: Tensor) -> Tensor:
        """Return this rank's count over the ranks' mean count: 1 where all have the same.

        A mean over things, times this, averages over the ranks to the mean over all things.
        """
        if self.world == 1:
            return torch.ones((), device=count.device)
        total = count.detach().float().clone()
        dist.all_reduce(total)
        return count.float() * self.world / total.clamp(min=1)

    def total(self, values: Tensor) -> Tensor:
        """Return the sum over the ranks of a tensor on the device."""
        if self.world > 1:
            values = values.clone()
            dist.all_reduce(values)
        return values

    def any(self, flag: bool) -> bool:
        """Return whether the flag is set on any rank; the hosts wait for each other."""
        if self.world == 1:
            return flag
        flags = torch.tensor([int(flag)])
        dist.all_reduce(flags, dist.ReduceOp.MAX, group=self.hosts)
        return bool(flags.item())

    def from_first(self, value: Any) -> Any:
        """Return rank 0's plain value."""
        if self.world == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values, 0, group=self.hosts)
        return values[0]

    def from_each(self, value: Any) -> list[Any]:
        """Return every rank's plain value, in their order, on all ranks."""
        if self.world == 1:
            return [value]
        values = [None] * self.world
        dist.all_gather_object(values, value, group=self.hosts)
        return values

    def at_first(self, work: Any) -> Any:
        """Return what ``work()`` returns on rank 0; its :class:`InputError` is raised on all."""
        result, problem = None, ""
        if self.first:
            try:
                result = work()
            except InputError as error:
                problem = str(error)
        result, problem = self.from_first((result, problem))
        if problem:
            raise InputError(problem)
        return result


class _Gather(torch.autograd.Function):
    """All-gather whose gradient is the sum of what each rank wants of this rank's rows."""

    @staticmethod
    def forward(ctx, rows, rank, world):  # type: ignore[no-untyped-def]
        ctx.rank, ctx.rows = rank, len(rows)
        parts = [torch.empty_like(rows) for _ in range(world)]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx, gradient):  # type: ignore[no-untyped-def]
        gradient = gradient.clone(memory_format=torch.contiguous_format)  # not ours to change
        dist.all_reduce(gradient)
        start = ctx.rank * ctx.rows
        return gradient[start : start + ctx.rows], None, None


@contextlib.contextmanager
def joined() -> Iterator[Ranks]:
    """Join the processes that ``torchrun`` started with this one, if any; leave at the end."""
    rank, world, local = map(_number, ("RANK", "WORLD_SIZE", "LOCAL_RANK"), (0, 1, 0))
    device = _device(local)
    if world == 1:
        yield Ranks(0, 1, device)
        return
    backend = "nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, timeout=PATIENCE)
    try:
        yield Ranks(rank, world, device, dist.new_group(backend="gloo", timeout=PATIENCE))
    finally:
        dist.destroy_process_group()


def _number(name: str, default: int) -> int:
    return int(os.environ.get(name) or default)


def _device(local: int) -> torch.device:
    if not torch.cuda.is_available():
        return torch.device("cpu")
    if local >= torch.cuda.device_count():
        raise InputError(
            f"process {local} of this machine has no GPU, there are {torch.cuda.device_count()}; "
            "lower --nproc-per-node"
        )
    torch.cuda.set_device(local)
    return torch.device("cuda", local)
