from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from model.generation import encode_guidance, generate
from model.generation_loss import lm_loss
from model.network import Network
from model.tokenizer import clean_caption
from tests.model.texts import CAPTIONS, small_images, small_network, small_tokenizer

PROMPT = len(small_tokenizer().encode_prompt())


def setting() -> tuple[Network, Tensor, Tensor, Tensor, Tensor]:
    """A network in float64, captions with padding, and what the decoder attends to."""
    network = copy.deepcopy(small_network(0)).double()
    ids, mask = small_tokenizer().encode_captions(CAPTIONS)
    tags = small_tokenizer().encode_tags([["dog"], ["cat", "sofa"], [], ["man", "blue"]])
    states, keep = encode_guidance(network, small_images(4).double(), *tags)
    assert keep is not None
    return network, ids, mask, states.detach(), keep


def plain_loss(
    network: Network, ids: Tensor, mask: Tensor, states: Tensor, keep: Tensor, smoothing: float
) -> Tensor:
    """All logits of all positions, and the definition of smoothing word by word."""
    hidden, _ = network.decoder(ids, network.decoder.look_up(states), keep)
    scores = network.decoder.logits(hidden).log_softmax(-1)
    terms = []
    for row in range(len(ids)):
        for place in range(PROMPT, int(mask[row].sum())):
            found = scores[row, place - 1]
            hit = found[ids[row, place]]
            terms.append(-(1 - smoothing) * hit - smoothing * found.mean())
    return torch.stack(terms).mean()


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_loss_and_gradients_are_those_of_the_definition(smoothing: float) -> None:
    network, ids, mask, states, keep = setting()
    states.requires_grad_()
    inputs = [states, *network.decoder.parameters()]
    own = lm_loss(
        network.decoder, ids, mask, states, keep, prompt_tokens=PROMPT, smoothing=smoothing
    )
    peer = plain_loss(network, ids, mask, states, keep, smoothing)
    torch.testing.assert_close(own, peer)
    for found, expected in zip(
        torch.autograd.grad(own, inputs), torch.autograd.grad(peer, inputs), strict=True
    ):
        torch.testing.assert_close(found, expected)


def test_gradcheck() -> None:
    network, ids, mask, states, keep = setting()

    def loss(source: Tensor) -> Tensor:
        return lm_loss(
            network.decoder, ids[:1], mask[:1], source, keep[:1, :3], prompt_tokens=PROMPT
        )

    assert torch.autograd.gradcheck(loss, states[:1, :3].requires_grad_(), fast_mode=True)


def test_padding_and_prompt_are_not_scored() -> None:
    network, ids, mask, states, keep = setting()
    before = mask.clone()

    def loss(tokens: Tensor, prompt: int) -> float:
        return float(
            lm_loss(network.decoder, tokens, mask, states, keep, prompt_tokens=prompt).detach()
        )

    whole = loss(ids, PROMPT)
    assert loss(torch.where(mask, ids, 7), PROMPT) == pytest.approx(whole)
    assert torch.equal(mask, before)  # the caller's stays as it was
    assert loss(ids, 1) != pytest.approx(whole)
    changed = ids.clone()
    changed[:, PROMPT] = 9  # the first word after the prompt is scored
    assert loss(changed, PROMPT) != pytest.approx(whole)


def test_nothing_to_score_costs_nothing() -> None:
    network, ids, mask, states, keep = setting()
    loss = lm_loss(network.decoder, ids, mask, states, keep, prompt_tokens=ids.shape[1])
    loss.backward()
    assert float(loss.detach()) == 0


def test_padding_labels_from_torch_agree() -> None:
    network, ids, mask, states, keep = setting()
    hidden, _ = network.decoder(ids, network.decoder.look_up(states), keep)
    targets = ids.masked_fill(~mask, -100)
    targets[:, :PROMPT] = -100
    peer = F.cross_entropy(
        network.decoder.logits(hidden)[:, :-1].flatten(0, 1),
        targets[:, 1:].flatten(),
        label_smoothing=0.1,
    )
    own = lm_loss(network.decoder, ids, mask, states, keep, prompt_tokens=PROMPT)
    torch.testing.assert_close(own, peer)


def test_what_is_learned_is_said() -> None:
    """Training and generation mean the same prompt, tags and ends."""
    tokenizer, image = small_tokenizer(), small_images(4)
    torch.manual_seed(0)
    network = Network(small_network(0).config, classes=3).eval()  # no dropout: four captions only
    tags = tokenizer.encode_tags([["dog"], ["cat"], ["woman"], ["man"]])
    ids, mask = tokenizer.encode_captions(CAPTIONS)
    weights = [*network.interaction.parameters(), *network.decoder.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=2e-3)
    for _ in range(60):
        source = encode_guidance(network, image, *tags)
        loss = lm_loss(network.decoder, ids, mask, *source, prompt_tokens=PROMPT)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    found = generate(network, image, *tags, tokenizer, beams=2, min_tokens=5)
    assert [one.text for one in found] == [clean_caption(caption) for caption in CAPTIONS]
