"""Alignment: contrast, negatives and matching, against the same thing written out."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.alignment import (
    RANGE,
    AlignmentEncoder,
    contrastive_loss,
    hard_negatives,
    matching_loss,
)
from model.config import ModelConfig, preset
from model.momentum import Momentum
from model.network import Network
from vocab.errors import InputError

CONFIG = preset(
    "tiny", width=32, heads=4, feed_forward=64, dropout=0.0, words=50, positions=40, projection=8
)


def make(config: ModelConfig = CONFIG) -> Network:
    torch.manual_seed(0)
    return Network(config, classes=5).eval()


def encoder(network: Network) -> AlignmentEncoder:
    assert network.alignment is not None
    return network.alignment


def texts(count: int = 4, length: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    ids = torch.randint(1, CONFIG.words, (count, length), generator=generator)
    mask = torch.ones_like(ids)
    mask[1:, 4:] = 0
    return ids, mask


def tokens(network: Network, count: int = 4) -> torch.Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.randn(count, 5, network.image_encoder.width, generator=generator)


def units(count: int, seed: int) -> torch.Tensor:
    vectors = torch.randn(count, 8, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.normalize(vectors.double(), dim=-1)


def test_cross_attention_is_the_decoders_and_the_rest_is_not():
    network = make()
    for ours, theirs in zip(encoder(network).layers, network.decoder.layers, strict=True):
        assert ours.cross_attention is theirs.cross_attention
        assert ours.self_attention is not theirs.self_attention
        assert ours.feed_forward is not theirs.feed_forward
    assert make(replace(CONFIG, alignment=False)).alignment is None


def test_image_tokens_are_projected_only_where_the_widths_differ():
    assert isinstance(encoder(make()).image_width, torch.nn.Linear)
    same = make(replace(CONFIG, width=make().image_encoder.width))
    assert isinstance(encoder(same).image_width, torch.nn.Identity)
    assert encoder(same).encode_image(tokens(same)).shape == (4, 8)


def test_vectors_are_of_length_one_and_padding_changes_nothing():
    network = make()
    ids, mask = texts()
    text = encoder(network).encode_text(ids, mask)
    image = encoder(network).encode_image(tokens(network))
    for vectors in (text, image):
        torch.testing.assert_close(vectors.norm(dim=-1), torch.ones(4))
    torch.testing.assert_close(encoder(network).encode_text(ids[1:, :4], mask[1:, :4]), text[1:])
    assert not torch.allclose(encoder(network).encode_text(ids[:1, :4], mask[:1, :4]), text[:1])


def test_a_batch_matches_as_its_pairs_one_by_one():
    network = make()
    ids, mask = texts()
    image = tokens(network)
    model = encoder(network)
    together = model.match(ids, mask, model.look_up(image))
    single = [
        model.match(ids[i : i + 1], mask[i : i + 1], model.look_up(image[i : i + 1]))
        for i in range(4)
    ]
    torch.testing.assert_close(together, torch.cat(single))
    assert not torch.allclose(together, model.match(ids, mask, model.look_up(image.flip(0))))


def test_contrast_is_equation_4():
    image, text = units(4, 1), units(4, 2)
    found = contrastive_loss(image, text, torch.arange(4), temperature=0.1)
    expected = 0.0
    for one, other in ((image, text), (text, image)):
        for i in range(4):
            scores = [math.exp(float(one[i] @ other[j]) / 0.1) for j in range(4)]
            expected -= math.log(scores[i] / sum(scores)) / 4
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_two_texts_of_one_image_are_both_right():
    image, text = units(3, 1), units(3, 2)
    image[1] = image[0]
    text[1] = text[0]
    keys = torch.tensor([7, 7, 9])
    easy = contrastive_loss(image, text, keys, temperature=0.01)
    assert contrastive_loss(image, text, torch.arange(3), temperature=0.01) == pytest.approx(easy)
    image, text = torch.eye(3)[[0, 0, 2]], torch.eye(3)[[0, 0, 2]]
    pulled = contrastive_loss(image, text, keys, temperature=0.05)
    assert pulled.item() == pytest.approx(2 * (2 / 3) * math.log(2), abs=1e-4)


def test_ranks_that_gather_have_the_loss_of_the_whole_batch():
    image, text, keys = units(6, 1), units(6, 2), torch.tensor([0, 1, 1, 2, 3, 0])
    whole = contrastive_loss(image, text, keys, temperature=0.1)
    parts = []
    for rank in (slice(0, 3), slice(3, 6)):
        pieces = [rows[rank] for rows in (image, text, keys)]
        full = {id(piece): rows for piece, rows in zip(pieces, (image, text, keys), strict=True)}
        parts.append(
            contrastive_loss(
                *pieces, temperature=0.1, gather=lambda piece, full=full: full[id(piece)]
            )
        )
    torch.testing.assert_close(sum(parts) / 2, whole)


def test_contrast_has_a_right_gradient():
    image, text = units(4, 1).requires_grad_(), units(4, 2).requires_grad_()
    keys = torch.tensor([0, 1, 1, 2])
    temperature = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)

    def loss(*arguments):
        return contrastive_loss(*arguments[:2], keys, temperature=arguments[2])

    assert torch.autograd.gradcheck(loss, (image, text, temperature))


@pytest.mark.parametrize("value", [-1.0, 0.0, 0.001, 0.07, 0.5, 2.0])
def test_temperature_stays_in_its_range_and_can_return(value):
    model = encoder(make())
    with torch.no_grad():
        model.temperature.fill_(value)
    kept = model.scale()
    assert RANGE[0] <= kept.item() + 1e-6
    assert kept.item() <= RANGE[1] + 1e-6
    kept.backward()
    assert model.temperature.grad == 1


@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=8),
    st.integers(0, 1000),
    st.sampled_from([0.001, 0.07, 0.5]),
)
def test_negatives_are_of_another_image_or_not_found(labels, seed, temperature):
    keys = torch.tensor(labels)
    similarity = units(len(keys), seed) @ units(len(keys), seed + 1).T / temperature
    found = hard_negatives(similarity, keys)
    assert found.found.tolist() == [any(a != b for b in labels) for a in labels]
    kept = found.found
    assert (keys[found.images] != keys)[kept].all()
    assert (keys[found.texts] != keys)[kept].all()


def test_similarities_that_are_not_finite_draw_something():
    similarity = torch.zeros(3, 3)
    similarity[1] = math.nan
    found = hard_negatives(similarity, torch.arange(3))
    assert found.found.all()
    assert ((found.images >= 0) & (found.images < 3)).all()


def test_negatives_are_drawn_in_proportion_to_similarity():
    similarity = torch.tensor([[9.0, 1, 2], [0, 9, 1], [3, 0, 9]]).repeat(900, 900)
    keys = torch.arange(3).repeat(900)
    drawn = hard_negatives(similarity, keys, generator=torch.Generator().manual_seed(0))
    texts_of_0, images_of_0 = (keys[rows][::3] for rows in (drawn.texts, drawn.images))
    share = math.e / (1 + math.e)
    assert (texts_of_0 == 2).float().mean().item() == pytest.approx(share, abs=0.05)
    share = math.exp(3) / (1 + math.exp(3))  # image 2 likes text 0 best
    assert (images_of_0 == 2).float().mean().item() == pytest.approx(share, abs=0.05)


def test_a_seed_draws_the_same_negatives():
    similarity, keys = 5 * (units(8, 1) @ units(8, 2).T), torch.arange(8)
    first, second, other = (
        hard_negatives(similarity, keys, generator=torch.Generator().manual_seed(seed))
        for seed in (3, 3, 4)
    )
    assert torch.equal(first.images, second.images)
    assert torch.equal(first.texts, second.texts)
    assert not (torch.equal(first.images, other.images) and torch.equal(first.texts, other.texts))


def test_matching_is_the_mean_over_the_pairs_written_out():
    network = make()
    model, (ids, mask), image = encoder(network), texts(), tokens(network)
    with torch.no_grad():
        model.matching.weight.mul_(50)
    keys = torch.tensor([0, 1, 1, 2])
    negatives = hard_negatives(torch.zeros(4, 4), keys)
    pairs = [(i, i, 1) for i in range(4)]
    pairs += [(i, int(negatives.images[i]), 0) for i in range(4)]
    pairs += [(int(negatives.texts[i]), i, 0) for i in range(4)]
    total = 0.0
    for text, picture, right in pairs:
        source = model.look_up(image[picture][None])
        logit = model.match(ids[text][None], mask[text][None], source)
        total -= torch.nn.functional.logsigmoid(logit if right else -logit).item()
    found = matching_loss(model, ids, mask, image, negatives)
    assert found.item() == pytest.approx(total / 12, rel=1e-5)


def test_a_batch_of_one_image_has_only_its_right_pairs():
    network = make()
    model, (ids, mask), image = encoder(network), texts(), tokens(network)
    negatives = hard_negatives(torch.zeros(4, 4), torch.zeros(4, dtype=torch.long))
    loss = matching_loss(model, ids, mask, image, negatives)
    logits = model.match(ids, mask, model.look_up(image))
    torch.testing.assert_close(loss, -torch.nn.functional.logsigmoid(logits).mean())
    loss.backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


def slow(network: Network, **settings: float) -> Momentum:
    return Momentum(network.image_encoder, encoder(network), **{"size": 6, **settings})


def pictures(count: int = 4) -> torch.Tensor:
    return torch.randn(count, 3, 64, 64, generator=torch.Generator().manual_seed(5))


def test_momentum_is_the_average_and_has_no_gradient():
    network = make()
    momentum = slow(network, rate=0.9)
    name = "layers.0.feed_forward.inner.weight"
    before = momentum.alignment.get_parameter(name).clone()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(1)
    momentum.update(network.image_encoder, encoder(network))
    torch.testing.assert_close(momentum.alignment.get_parameter(name), before + 0.1)
    assert not any(parameter.requires_grad for parameter in momentum.parameters())
    assert not any(module.training for module in momentum.train().modules())
    assert not any("cross_attention" in each for each, _ in momentum.named_parameters())


def test_momentum_sees_what_the_network_sees_at_first():
    network = make()
    ids, mask = texts()
    image, text = slow(network).encode(pictures(), ids, mask)
    model = encoder(network)
    torch.testing.assert_close(image, model.encode_image(network.image_encoder(pictures())))
    torch.testing.assert_close(text, model.encode_text(ids, mask))


def test_an_empty_queue_without_softness_is_plain_contrast():
    momentum = slow(make())
    image, text, keys = units(4, 1).float(), units(4, 2).float(), torch.tensor([0, 1, 1, 2])
    found = momentum.loss(image, text, (image, text), keys, temperature=0.1, alpha=0.0)
    torch.testing.assert_close(found, contrastive_loss(image, text, keys, temperature=0.1))


def test_the_queue_brings_negatives_and_positives_of_its_own():
    momentum = slow(make())
    image, text, keys = units(4, 1).float(), units(4, 2).float(), torch.arange(4)
    settings = {"temperature": 0.1, "alpha": 0.0}
    plain = momentum.loss(image, text, (image, text), keys, **settings)
    momentum.enqueue((units(2, 3).float(), units(2, 4).float()), torch.tensor([8, 9]))
    harder = momentum.loss(image, text, (image, text), keys, **settings)
    assert harder > plain
    momentum.keys[:2] = torch.tensor([0, 1])
    assert momentum.loss(image, text, (image, text), keys, **settings) != harder


def test_soft_targets_are_the_slow_encoders_answer():
    momentum = slow(make())
    image, text, keys = units(4, 1).float(), units(4, 2).float(), torch.arange(4)
    found = momentum.loss(image, text, (image, text), keys, temperature=0.1, alpha=1.0)
    logits = image @ text.T / 0.1
    expected = sum(
        -(torch.softmax(z, 1) * torch.log_softmax(z, 1)).sum(1).mean() for z in (logits, logits.T)
    )
    torch.testing.assert_close(found, expected)


def test_the_queue_goes_round_and_takes_all_ranks_rows():
    momentum = slow(make())
    for start in (0, 4):
        keys = torch.arange(start, start + 4)
        momentum.enqueue((units(4, start).float(), units(4, start + 1).float()), keys)
    assert momentum.keys.tolist() == [6, 7, 2, 3, 4, 5]
    torch.testing.assert_close(momentum.images[:2], units(4, 4).float()[2:])
    torch.testing.assert_close(momentum.texts[2:4], units(4, 1).float()[2:])
    momentum.enqueue(
        (units(2, 0).float(), units(2, 1).float()),
        torch.tensor([20, 21]),
        gather=lambda rows: torch.cat((rows, rows)),
    )
    assert momentum.keys.tolist() == [6, 7, 20, 21, 20, 21]
    with pytest.raises(InputError, match="queue of 6 is too short for a batch of 7"):
        momentum.enqueue((units(7, 0).float(), units(7, 0).float()), torch.arange(7))


def test_a_queue_that_was_saved_goes_on():
    network = make()
    first, second = slow(network), slow(network)
    first.enqueue((units(4, 0).float(), units(4, 1).float()), torch.arange(4))
    second.load_state_dict(first.state_dict())
    assert second.keys.tolist() == first.keys.tolist()
    assert second.next == 4
