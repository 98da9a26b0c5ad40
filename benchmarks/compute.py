"""What a training step of the paper's model computes, counted; and the GPU hours that would be.

A full step (tagging, generation, contrast, matching; forward and backward) of the `base` preset
is run on the CPU and its floating point operations are counted, by PyTorch's own formulas. Hours
follow for a GPU that reaches `--utilisation` of its peak in matrix products: counted work over
assumed speed, not a measurement of any GPU.

    python -m benchmarks.compute [--batch 4] [--utilisation 0.35]
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import Any, Final

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from benchmarks.model_step import WORDS, Batch, lean, token_ids
from benchmarks.tables import print_table
from model.config import preset
from model.network import Network

LABELS: Final = 3429
PEAKS: Final = {"A100": 312e12, "H100": 989e12}  # operations a second, bf16, dense, by data sheet
RUNS: Final = {
    "4 M images, 20 epochs": 4e6 * 20,
    "14 M images, 20 epochs": 14e6 * 20,
}


class Counter(TorchDispatchMode):
    """Adds up the operations of matrix products and convolutions, backward ones too.

    PyTorch's own counter follows modules with hooks, which a gradient inside a forward forbids.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Run an operation and count it."""
        out = func(*args, **(kwargs or {}))
        count = flop_registry.get(func._overloadpacket)
        self.total += count(*args, **(kwargs or {}), out_val=out) if count else 0
        return out


def operations(name: str, batch: int) -> tuple[int, int]:
    """Return floating point operations of one image's part of a step, and parameters."""
    torch.manual_seed(0)
    config = preset(name)
    config = replace(config, words=max(WORDS, config.words))
    network = Network(config, classes=LABELS)
    captions = token_ids(batch, 9, 18)
    made = Batch(
        images=torch.randn(batch, 3, config.image_size, config.image_size),
        targets=(torch.rand(batch, LABELS) < 6 / LABELS).float(),
        tags=token_ids(batch, 8, 20),
        captions=captions,
        texts=captions,
        keys=torch.arange(batch),
    )
    with sdpa_kernel(SDPBackend.MATH), Counter() as counter:  # the CPU's own kernel has no formula
        torch.stack(list(lean(network, made).values())).sum().backward()
    return counter.total // batch, sum(p.numel() for p in network.parameters())


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--utilisation", type=float, default=0.35)
    flags = parser.parse_args()
    counted = {name: operations(name, flags.batch) for name in ("tiny", "base")}
    rows = [(name, f"{n / 1e6:.1f}", f"{work / 1e9:,.1f}") for name, (work, n) in counted.items()]
    print_table(
        f"A step with all losses, {LABELS:,} labels",
        ("preset", "parameters, M", "GFLOP an image, forward and backward"),
        rows,
    )
    work, _ = counted["base"]
    hours = [
        (run, *(f"{images * work / peak / flags.utilisation / 3600 / gpus:,.0f}"
                for peak in PEAKS.values() for gpus in (1, 8)))
        for run, images in RUNS.items()
    ]  # fmt: skip
    header = [f"{gpus} x {gpu}" for gpu in PEAKS for gpus in (1, 8)]
    title = f"Hours of `base` at {flags.utilisation:.0%} of the peak (assumed, not measured)"
    print_table(title, ("run", *header), hours)


if __name__ == "__main__":
    main()
