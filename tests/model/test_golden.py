"""The released model's figures, from weights and inputs that anyone can draw again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from model.generation import generate
from model.losses import asymmetric
from model.network import Network
from model.released import RELEASED, convert_weights
from model.tokenizer import Tokenizer
from tests.model.released import GOLDEN, drawn_weights, released_names

CLASSES = 3429
TOLERANCE = 1e-4
POSITIVES = ((0, 10, 3100), (5, 2828, 3300, 3400))
PROMPT = 4
# Of bert-base-uncased's 30,522 words those that the captions need, at their ids.
WORDS = {
    **{"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, "[MASK]": 103, "|": 1064},
    **{"a": 1037, "of": 1997, "picture": 3861, "prosecutor": 12478, "waistband": 27553},
    **{"[DEC]": 30522, "[ENC]": 30523},
}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def golden() -> dict[str, Tensor]:
    with np.load(GOLDEN) as found:
        return {
            name: torch.from_numpy(found[name]) for name in found if found[name].dtype.kind in "fi"
        }


@pytest.fixture(scope="module")
def weights() -> Iterator[dict[str, Tensor]]:
    with torch.device("meta"):
        shapes = Network(RELEASED, classes=CLASSES)
    yield drawn_weights(shapes)


@pytest.fixture(scope="module")
def network(weights: dict[str, Tensor]) -> Network:
    return convert_weights(weights, classes=CLASSES)


@pytest.fixture(scope="module")
def image(network: Network) -> Tensor:
    drawn = np.random.default_rng(7).standard_normal((2, 3, 224, 224), dtype=np.float32)
    with torch.no_grad():
        return network.image_encoder(torch.from_numpy(drawn))


@pytest.fixture(scope="module")
def encoded(network: Network, image: Tensor, golden: dict[str, Tensor]) -> Tensor:
    with torch.no_grad():
        return network.interaction(golden["tag_ids"], golden["tag_mask"], image)


@pytest.fixture(scope="module")
def decoded(network: Network, encoded: Tensor, golden: dict[str, Tensor]) -> Tensor:
    with torch.no_grad():
        hidden, _ = network.decoder(golden["caption_ids"], network.decoder.look_up(encoded), None)
        return network.decoder.logits(hidden)


def difference(ours: Tensor, theirs: Tensor) -> float:
    """Return the relative difference in norm."""
    return float((ours.double() - theirs.double()).norm() / theirs.double().norm())


def test_the_weights_are_the_golden_ones(
    weights: dict[str, Tensor], golden: dict[str, Tensor]
) -> None:
    assert sorted(weights) == sorted(released_names())
    sums = torch.stack([weights[name].double().sum() for name in released_names()])
    assert difference(sums, golden["weight_sums"]) < 1e-5


def test_unique_parameters(network: Network) -> None:
    assert sum(p.numel() for p in network.parameters()) == 371_871_833


def test_unique_parameters_at_384() -> None:
    with torch.device("meta"):
        large = Network(replace(RELEASED, image_size=384), classes=CLASSES)
    assert sum(p.numel() for p in large.parameters()) == 372_007_193


def test_image_tokens(image: Tensor, golden: dict[str, Tensor]) -> None:
    assert difference(image[..., :16], golden["image_embeds_first16"]) < TOLERANCE
    assert difference(image.norm(dim=-1), golden["image_embeds_norm"]) < TOLERANCE


def test_tagging(network: Network, image: Tensor, golden: dict[str, Tensor]) -> None:
    with torch.no_grad():
        logits = network.tagging(image)
    assert difference(logits, golden["tag_logits"]) < TOLERANCE
    targets = torch.zeros(2, CLASSES)
    for row, ids in enumerate(POSITIVES):
        targets[row, list(ids)] = 1
    loss = len(logits) * asymmetric(logits, targets)  # ours is a mean over images
    assert difference(loss, golden["loss_tag"]) < TOLERANCE


def test_interaction_encoder(encoded: Tensor, golden: dict[str, Tensor]) -> None:
    assert difference(encoded[..., :16], golden["encoder_first16"]) < TOLERANCE


def test_decoder(decoded: Tensor, golden: dict[str, Tensor]) -> None:
    """What stands at padding is no figure: nothing is scored there, and nothing reads it."""
    words = golden["caption_mask"] == 1
    ours, ids = decoded[words], golden["decoder_top10_ids"][words].long()
    assert torch.equal(ours.topk(10).indices, ids)
    theirs = golden["decoder_top10_logits"][words]
    assert difference(ours.gather(-1, ids), theirs) < TOLERANCE
    assert difference(ours.logsumexp(-1), golden["decoder_logsumexp"][words]) < TOLERANCE
    assert difference(decoded.logsumexp(-1), golden["decoder_logsumexp"]) < TOLERANCE


def test_caption_loss(decoded: Tensor, golden: dict[str, Tensor]) -> None:
    targets = golden["caption_ids"].long().masked_fill(golden["caption_mask"] == 0, -100)
    targets[:, :PROMPT] = -100
    loss = F.cross_entropy(
        decoded[:, :-1].flatten(0, 1), targets[:, 1:].flatten(), label_smoothing=0.1
    )
    assert difference(loss, golden["loss_lm"]) < TOLERANCE


@pytest.mark.parametrize("alone", [True, False])
def test_greedy_captions(
    alone: bool, network: Network, image: Tensor, golden: dict[str, Tensor]
) -> None:
    places = {index: word for word, index in WORDS.items()}
    tokenizer = Tokenizer([places.get(i, f"word{i}") for i in range(RELEASED.words)])
    made = [
        found.text
        for rows in ([slice(0, 1), slice(1, 2)] if alone else [slice(0, 2)])
        for found in generate(
            network,
            image[rows],
            golden["tag_ids"][rows].long(),
            golden["tag_mask"][rows].bool(),
            tokenizer,
            min_tokens=5,
            max_tokens=20,
        )
    ]
    with np.load(GOLDEN) as figures:
        assert made == figures["greedy"].tolist()
