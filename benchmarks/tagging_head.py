"""The tagging head's forward and backward pass: as released, exact in chunks, and top-K.

The plain way follows the released model: label queries repeated for every image, every projection
for every label, attention weights in memory. All take turns in one process on one core, timed by
its processor time; peak memory comes from a process for each. How much the top-K gradient is off
is measured on a small head while it learns synthetic images with as many labels, for it depends
on the logits; the guard is off there. That head's label embeddings start as what the labels look
like.

    python -m benchmarks.tagging_head [--labels 3429] [--batch 4] [--rounds 3] [--steps 800]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from benchmarks.tables import print_table
from model.config import ModelConfig
from model.layers import join_heads, split_heads
from model.losses import asymmetric
from model.tagging import TaggingHead
from model.topk import topk_loss

Step = Callable[[TaggingHead, Tensor, Tensor], Tensor]
TOKENS, IMAGE_WIDTH = 50, 1024
TAGS = 6  # of an image, on average
LEARNT: Final = ModelConfig(width=64, heads=4, feed_forward=128, dropout=0.0)


def plain(head: TaggingHead, image: Tensor, targets: Tensor) -> Tensor:
    """Return the loss as the released model computes it."""
    x = head.labels[None].repeat(len(image), 1, 1)
    for layer in head.layers:
        attention = layer.cross_attention
        query = split_heads(attention.query(x), head.heads)
        keys, values = attention.look_up(image, head.heads)
        weights = torch.softmax(query @ keys.transpose(-1, -2) / query.shape[-1] ** 0.5, -1)
        x = attention.norm(attention.output(join_heads(weights @ values)) + x)
        x = layer.feed_forward(x)
    return asymmetric((x * head.weight).sum(-1) + head.bias, targets)


def exact(head: TaggingHead, image: Tensor, targets: Tensor) -> Tensor:
    """Return the loss, its gradients taken chunk by chunk."""
    return head.loss(image, targets, asymmetric)[0]


def top(head: TaggingHead, image: Tensor, targets: Tensor, *, queries: int) -> Tensor:
    """Return the loss with the gradient of the steepest labels, without the guard."""
    found = topk_loss(head, image, targets, asymmetric, queries=queries, tolerance=1.0)
    return found.loss


STEPS: Final[dict[str, Step]] = {
    "plain, as released": plain,
    "exact, in chunks": exact,
    "top 512": partial(top, queries=512),
    "top 256": partial(top, queries=256),
}


def sample(labels: int, batch: int) -> tuple[TaggingHead, Tensor, Tensor]:
    """Return a head of the paper's size, image tokens and targets."""
    torch.manual_seed(0)
    head = TaggingHead(ModelConfig(dropout=0.0), classes=labels, image_width=IMAGE_WIDTH)
    image = torch.randn(batch, TOKENS, IMAGE_WIDTH, requires_grad=True)
    return head, image, (torch.rand(batch, labels) < TAGS / labels).float()


def times(labels: int, batch: int, rounds: int) -> dict[str, list[float]]:
    """Return seconds of processor time an image, of each way, round by round."""
    head, image, targets = sample(labels, batch)
    found: dict[str, list[float]] = {name: [] for name in STEPS}
    for _ in range(rounds):
        for name, step in STEPS.items():
            start = time.process_time()
            step(head, image, targets).backward()
            found[name].append((time.process_time() - start) / batch)
    return found


def report_times(labels: int, batch: int, rounds: int) -> None:
    """Print a table of times and of ratios to the plain way."""
    found = times(labels, batch, rounds)
    base = found["plain, as released"]
    rows = []
    for name, seconds in found.items():
        ratios = [b / s for b, s in zip(base, seconds, strict=True)]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        rows.append(
            (name, f"{statistics.median(seconds):.2f}", f"{statistics.median(ratios):.2f}", spread)
        )
    title = f"Tagging head, forward and backward, {labels:,} labels, batch {batch}, float32"
    print_table(title, ("way", "CPU s an image", "times as fast", "rounds"), rows)


def peak(name: str, labels: int, batch: int) -> float:
    """Return by how many MB a step's peak memory exceeds what this process held before."""
    head, image, targets = sample(labels, batch)
    before = memory("VmRSS")
    STEPS[name](head, image, targets).backward()
    return memory("VmHWM") - before


def memory(what: str) -> float:
    """Return MB of this process; what ``resource`` tells would hold the parent's peak too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(what))


def report_memory(labels: int, batch: int) -> None:
    """Print a table of peak memory, each way in a process of its own."""
    found = {}
    for name in STEPS:
        line = [sys.executable, "-m", "benchmarks.tagging_head", "--peak", name]
        line += ["--labels", str(labels), "--batch", str(batch)]
        found[name] = float(subprocess.run(line, check=True, capture_output=True).stdout)
    base = found["plain, as released"]
    rows = [(name, f"{mb:,.0f}", f"{mb / base:.2f}") for name, mb in found.items()]
    print_table(f"Peak memory of the head, batch {batch}", ("way", "MB", "of plain"), rows)


class Scenes:
    """Synthetic images: each token shows one of the image's labels, or nothing, under noise."""

    def __init__(self, labels: int, *, tokens: int = 16, width: int = 64) -> None:
        self.generator = torch.Generator().manual_seed(1)
        self.tokens = tokens
        self.looks = torch.randn(labels, width, generator=self.generator)
        self.chances = 1 / torch.arange(10, labels + 10)  # as tags are: a few are everywhere

    def draw(self, batch: int) -> tuple[Tensor, Tensor]:
        """Return image tokens and targets."""
        tags = torch.multinomial(
            self.chances.expand(batch, -1), self.tokens, generator=self.generator
        )
        noise = torch.randn(batch, self.tokens, self.looks.shape[1], generator=self.generator)
        shown = torch.rand(batch, self.tokens, generator=self.generator) < TAGS / self.tokens
        targets = torch.zeros(batch, len(self.looks))
        targets.scatter_(1, tags, shown.float())
        return shown[..., None] * self.looks[tags] + 0.3 * noise, targets


def gradient(head: TaggingHead, image: Tensor, targets: Tensor, step: Step) -> Tensor:
    """Return all gradients, of the image's tokens and the parameters, as one vector."""
    image = image.clone().requires_grad_()
    loss = step(head, image, targets)
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, [image, *head.parameters()])])


def errors(head: TaggingHead, scenes: Scenes, batch: int = 16) -> list[str]:
    """Return recall and precision at 0.5, each K's relative gradient error, the guard's share."""
    image, targets = scenes.draw(batch)
    with torch.no_grad():
        said = torch.sigmoid(head(image)) > 0.5
    hits = (said & targets.bool()).sum()
    full = gradient(head, image, targets, exact)
    cells = [f"{hits / targets.sum():.0%}", f"{hits / said.sum().clamp(min=1):.0%}"]
    for queries in (128, 256, 512):
        off = gradient(head, image, targets, partial(top, queries=queries)) - full
        cells.append(f"{off.norm() / full.norm():.1e}")
    found = topk_loss(head, image, targets, asymmetric, queries=512, tolerance=1.0)
    return [*cells, f"{found.uncovered:.1e}"]


def report_errors(labels: int, steps: int) -> None:
    """Train a small head and print how far the top-K gradient is off, as it learns."""
    torch.manual_seed(0)
    scenes = Scenes(labels)
    head = TaggingHead(LEARNT, classes=labels, image_width=64)
    blank = TaggingHead(LEARNT, classes=labels, image_width=64)
    torch.nn.init.zeros_(blank.bias)
    with torch.no_grad():  # or the small head would need hours to tell labels apart
        head.labels.copy_(scenes.looks)
    rows = [("0, classifier's bias 0", *errors(blank, scenes)), ("0", *errors(head, scenes))]
    optimizer = torch.optim.Adam(head.parameters(), lr=3e-3)
    for step in range(1, steps + 1):
        optimizer.zero_grad()
        exact(head, *scenes.draw(8)).backward()
        optimizer.step()
        if step in (steps // 6, steps // 3, steps // 2, 2 * steps // 3, steps):
            rows.append((str(step), *errors(head, scenes)))
    print_table(
        f"Relative error of the top-K gradient, a head of width 64 that learns {labels:,} labels",
        (
            "steps of training",
            "recall",
            "precision",
            "K = 128",
            "K = 256",
            "K = 512",
            "left out at 512",
        ),
        rows,
    )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labels", type=int, default=3429)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=800)
    parser.add_argument("--peak", choices=STEPS, help=argparse.SUPPRESS)
    flags = parser.parse_args()
    torch.set_num_threads(1)
    if flags.peak:
        print(peak(flags.peak, flags.labels, flags.batch))
        return
    report_errors(flags.labels, flags.steps)
    report_times(flags.labels, flags.batch, flags.rounds)
    report_memory(flags.labels, 16)


if __name__ == "__main__":
    main()
