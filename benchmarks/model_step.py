"""A training step with all losses, against the same losses written as one would at first.

The naive step repeats label queries for every image, scores every word of captions padded to 40
tokens, pads tags to 40, draws negatives row by row and looks the image up again for every pair.
Same network, same batch; they take turns on one core, timed by its processor time. The losses
that leave nothing to chance must agree.

    python -m benchmarks.model_step [--labels 3429] [--batch 16] [--rounds 5]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.tables import print_table
from benchmarks.tagging_head import plain
from model.alignment import (
    AlignmentEncoder,
    Negatives,
    contrastive_loss,
    hard_negatives,
    matching_loss,
)
from model.config import preset
from model.generation_loss import SMOOTHING, lm_loss
from model.losses import asymmetric
from model.network import Network
from model.tagging import TaggingHead

LONGEST = 40  # tokens that the naive step pads to
PROMPT = 4  # tokens of a caption that are given
WORDS = 8192


class Batch(NamedTuple):
    """Images, targets, and three kinds of token ids with their masks."""

    images: Tensor
    targets: Tensor
    tags: tuple[Tensor, Tensor]
    captions: tuple[Tensor, Tensor]
    texts: tuple[Tensor, Tensor]
    keys: Tensor


Losses = dict[str, Tensor]


def token_ids(batch: int, shortest: int, longest: int) -> tuple[Tensor, Tensor]:
    """Return random ids (batch, longest) and a mask with lengths of a uniform distribution."""
    lengths = torch.randint(shortest, longest + 1, (batch, 1))
    lengths[0] = longest
    mask = (torch.arange(longest)[None] < lengths).long()
    return torch.randint(5, WORDS, mask.shape) * mask, mask


def sample(labels: int, batch: int) -> tuple[Network, Batch]:
    """Return a small network and a batch of what a training step reads."""
    torch.manual_seed(0)
    network = Network(preset("tiny", words=WORDS, dropout=0.0), classes=labels)
    captions = token_ids(batch, 9, 18)
    return network, Batch(
        images=torch.randn(batch, 3, network.config.image_size, network.config.image_size),
        targets=(torch.rand(batch, labels) < 6 / labels).float(),
        tags=token_ids(batch, 8, 20),
        captions=captions,
        texts=captions,
        keys=torch.arange(batch),
    )


def parts(network: Network) -> tuple[TaggingHead, AlignmentEncoder]:
    """Return the two parts that a network may lack."""
    head, alignment = network.tagging, network.alignment
    if not isinstance(head, TaggingHead) or alignment is None:
        raise TypeError("the benchmark needs the decoder as head, and alignment")
    return head, alignment


def lean(network: Network, batch: Batch) -> Losses:
    """Return the losses as the model's own functions compute them."""
    head, alignment = parts(network)
    image = network.image_encoder(batch.images)
    guidance = network.interaction(*batch.tags, image)
    vectors, texts = alignment.encode_image(image), alignment.encode_text(*batch.texts)
    similarity = vectors @ texts.T / alignment.scale()
    negatives = hard_negatives(similarity, batch.keys)
    return {
        "tagging": head.loss(image, batch.targets, asymmetric)[0],
        "generation": lm_loss(
            network.decoder, *batch.captions, guidance, batch.tags[1], prompt_tokens=PROMPT
        ),
        "contrast": contrastive_loss(vectors, texts, batch.keys, temperature=alignment.scale()),
        "matching": matching_loss(alignment, *batch.texts, image, negatives),
    }


def naive(network: Network, batch: Batch) -> Losses:
    """Return the same losses, written step by step."""
    head, alignment = parts(network)
    image = network.image_encoder(batch.images)
    tag_ids, tag_mask = padded(batch.tags)
    guidance = network.interaction(tag_ids, tag_mask, image)
    ids, mask = padded(batch.texts)
    vectors, texts = alignment.encode_image(image), alignment.encode_text(ids, mask)
    similarity = vectors @ texts.T / alignment.scale()
    right = torch.arange(len(ids))
    return {
        "tagging": plain(head, image, batch.targets),
        "generation": every_word(network, padded(batch.captions), guidance, tag_mask),
        "contrast": F.cross_entropy(similarity, right) + F.cross_entropy(similarity.T, right),
        "matching": pair_by_pair(alignment, ids, mask, image, row_by_row(similarity)),
    }


def padded(tokens: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Return ids and mask padded to the longest that is allowed."""
    ids, mask = tokens
    missing = LONGEST - ids.shape[1]
    return F.pad(ids, (0, missing)), F.pad(mask, (0, missing))


def every_word(
    network: Network, tokens: tuple[Tensor, Tensor], guidance: Tensor, guidance_mask: Tensor
) -> Tensor:
    """Return the LM loss with the scores of all words at all positions."""
    ids, mask = tokens
    decoder = network.decoder
    hidden, _ = decoder(ids, decoder.look_up(guidance), guidance_mask)
    wanted = ids.masked_fill(mask == 0, -100)
    wanted[:, :PROMPT] = -100
    logits = decoder.logits(hidden)[:, :-1].flatten(0, 1)
    return F.cross_entropy(logits, wanted[:, 1:].flatten(), label_smoothing=SMOOTHING)


def row_by_row(similarity: Tensor) -> Negatives:
    """Return negatives drawn one after the other."""
    found: list[list[int]] = []
    for scores in (similarity.detach().T, similarity.detach()):
        chances = torch.softmax(scores, 1)
        chances.fill_diagonal_(0)
        found.append([int(torch.multinomial(row, 1).item()) for row in chances])
    images, texts = torch.tensor(found)
    return Negatives(images, texts, torch.ones_like(images, dtype=torch.bool))


def pair_by_pair(
    alignment: AlignmentEncoder, ids: Tensor, mask: Tensor, image: Tensor, negatives: Negatives
) -> Tensor:
    """Return the ITM loss of three passes, each with a look at its own images."""
    here = torch.arange(len(ids))
    logits = [
        alignment.match(ids[texts], mask[texts], alignment.look_up(image[images]))
        for texts, images in ((here, here), (here, negatives.images), (negatives.texts, here))
    ]
    right = torch.cat((torch.ones(len(ids)), torch.zeros(2 * len(ids))))
    return F.binary_cross_entropy_with_logits(torch.cat(logits), right)


def report(labels: int, batch_size: int, rounds: int) -> None:
    """Print how long a step takes, and how far the losses differ."""
    network, batch = sample(labels, batch_size)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-5)
    ways: dict[str, Callable[[Network, Batch], Losses]] = {"naive": naive, "ours": lean}
    network.eval()  # or the image encoder would drop paths
    values = {name: way(network, batch) for name, way in ways.items()}
    network.train()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            start = time.process_time()
            torch.stack(list(way(network, batch).values())).sum().backward()
            optimizer.step()
            optimizer.zero_grad()
            seconds[name].append(time.process_time() - start)
    ratios = [a / b for a, b in zip(seconds["naive"], seconds["ours"], strict=True)]
    spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    rows = [
        ("naive", f"{statistics.median(seconds['naive']):.2f}", "1"),
        ("ours", f"{statistics.median(seconds['ours']):.2f}", spread),
    ]
    title = f"Training step, preset tiny, {labels:,} labels, {WORDS:,} words, batch {batch_size}"
    print_table(title, ("losses", "CPU s", "times as fast"), rows)
    print_table("The losses' values", ("loss", "naive", "ours"), agreement(values))


def agreement(values: dict[str, Losses]) -> list[tuple[str, str, str]]:
    """Return a row for each loss; those without chance must agree."""
    rows = []
    for name in values["naive"]:
        one, other = (float(values[way][name].detach()) for way in ("naive", "ours"))
        if name != "matching" and abs(one - other) > 1e-4 * abs(one):
            raise SystemExit(f"{name}: {one} and {other} should be the same")
        drawn = " (drawn)" if name == "matching" else ""
        rows.append((name + drawn, f"{one:.4f}", f"{other:.4f}"))
    return rows


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--labels", type=int, default=3429)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5)
    flags = parser.parse_args()
    torch.set_num_threads(1)
    report(flags.labels, flags.batch, flags.rounds)


if __name__ == "__main__":
    main()
