"""Captions with and without the cache of keys and values: 8 images, beam 3, 20 tokens.

    python -m benchmarks.captioning [--preset base] [--images 8] [--beams 3] [--tokens 20]

The peer runs the same search with a decoder that keeps nothing: at each word it reads every
sequence from the start, and looks up what it attends to anew, as the release does. Between the two
stands one that keeps only what is looked up of image and tags. Weights are random, so all run to
the full length; methods take turns; the interaction encoder runs in each, and counts. Time is the
process's own (CPU seconds).
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from torch import Tensor, nn

from benchmarks.tables import print_table
from model.config import PRESETS, ModelConfig, preset
from model.generation import Caption, generate
from model.layers import KeysValues, LookedUp
from model.network import Network
from model.text import GenerationDecoder
from model.tokenizer import Tokenizer, train_tokenizer

TARGET = 3.0
_TAGS = ["dog", "frisbee", "grass", "jump", "catch", "green"]


class Rereader(nn.Module):
    """A decoder whose "past" is what was read, as ids: it reads all of it again each time."""

    def __init__(self, decoder: GenerationDecoder) -> None:
        super().__init__()
        self.inner = decoder
        self.look_up, self.logits = decoder.look_up, decoder.logits

    def forward(
        self, ids: Tensor, source: LookedUp, source_mask: Tensor | None, past: LookedUp = ()
    ) -> tuple[Tensor, list[KeysValues]]:
        """Return hidden states of ids (batch, length), and all ids so far in place of keys."""
        read = torch.cat((past[0].keys[:, 0, :, 0], ids), 1) if past else ids
        hidden, _ = self.inner(read, source, source_mask)
        kept = read[:, None, :, None]
        return hidden[:, -ids.shape[1] :], [KeysValues(kept, kept)]


class Forgetful(Rereader):
    """One that also looks up anew, each time, what it attends to."""

    def __init__(self, decoder: GenerationDecoder) -> None:
        super().__init__(decoder)
        self.look_up = lambda states: [KeysValues(states, states)]

    def forward(
        self, ids: Tensor, source: LookedUp, source_mask: Tensor | None, past: LookedUp = ()
    ) -> tuple[Tensor, list[KeysValues]]:
        """As the parent's; ``source`` holds the states themselves."""
        return super().forward(ids, self.inner.look_up(source[0].keys), source_mask, past)


def with_decoder(network: Network, decoder: type[Rereader]) -> Network:
    """Return a network of the same weights that generates with another decoder."""
    other = Network.__new__(Network)
    nn.Module.__init__(other)
    other.config = network.config
    other.interaction, other.decoder = network.interaction, decoder(network.decoder)
    return other.eval()


def caption(
    network: Network, image: Tensor, tokenizer: Tokenizer, **settings: int
) -> list[Caption]:
    """Caption image tokens (batch, tokens, width) with fixed tags."""
    ids, mask = tokenizer.encode_tags([_TAGS[: 2 + index % 5] for index in range(len(image))])
    return generate(network, image, ids, mask, tokenizer, **settings)


def measure(config: ModelConfig, runs: int, images: int, **settings: int) -> dict[str, list[float]]:
    """Return CPU seconds by method, run by run; the captions must be the same."""
    torch.manual_seed(0)
    network = Network(config, classes=8).eval()
    contest = {
        "keeps nothing": with_decoder(network, Forgetful),
        "keeps keys and values of image and tags": with_decoder(network, Rereader),
        "keeps all keys and values": network,
    }
    tokenizer = train_tokenizer([config.prompt, *_TAGS] * 2, words=config.words)
    image = torch.randn(images, 50, network.image_encoder.width)
    seconds: dict[str, list[float]] = {name: [] for name in contest}
    for _ in range(runs):
        texts = set()
        for name, one in contest.items():
            start = time.process_time()
            found = caption(one, image, tokenizer, **settings)
            seconds[name].append(time.process_time() - start)
            texts.add(tuple(each.text for each in found))
        if len(texts) > 1:
            raise SystemExit("the captions differ: one of the methods is wrong")
    return seconds


def main() -> None:
    """Parse the flags and print the table."""
    flags = argparse.ArgumentParser(description=__doc__)
    flags.add_argument("--preset", choices=sorted(PRESETS), default="base")
    flags.add_argument("--images", type=int, default=8)
    flags.add_argument("--beams", type=int, default=3)
    flags.add_argument("--tokens", type=int, default=20)
    flags.add_argument("--runs", type=int, default=3)
    given = flags.parse_args()
    torch.set_num_threads(1)
    seconds = measure(
        preset(given.preset, alignment=False),
        given.runs,
        given.images,
        beams=given.beams,
        min_tokens=given.tokens - 1,
        max_tokens=given.tokens,
    )
    peer = next(iter(seconds.values()))
    rows = []
    for name, taken in seconds.items():
        ratios = [late / early for late, early in zip(peer, taken, strict=True)]
        spread = f"{statistics.median(ratios):.1f} ({min(ratios):.1f}-{max(ratios):.1f})"
        rows.append((name, f"{statistics.median(taken):.2f}", spread))
    print_table(
        f"Captioning, {given.preset}: {given.images} images, beam {given.beams}, {given.tokens} "
        f"tokens, one core (target: {TARGET:g}x)",
        ("decoder", "CPU seconds", "ratio, median (range)"),
        rows,
    )


if __name__ == "__main__":
    main()
