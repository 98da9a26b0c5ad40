"""The tagging head: its savings change nothing, and labels do not see each other."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

import model.tagging
from model.config import ModelConfig, preset
from model.layers import join_heads, split_heads
from model.losses import asymmetric, binary, hill
from model.network import Network
from model.tagging import LinearHead, TaggingHead
from model.topk import topk_loss
from tests.model.tiny import SWIN

CLASSES, TOKENS, IMAGE = 23, 5, 12


def make(dropout: float = 0.0, *, double: bool = True) -> TaggingHead:
    torch.manual_seed(0)
    config = preset("tiny", **{**SWIN, "width": 16, "feed_forward": 32, "dropout": dropout})
    head = TaggingHead(config, classes=CLASSES, image_width=IMAGE)
    for parameter in head.parameters():  # biases and norms too: none may hide behind a zero
        torch.nn.init.normal_(parameter, std=0.3)
    return head.double() if double else head


def sample(batch: int = 3, *, double: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    image = torch.randn(batch, TOKENS, IMAGE, generator=generator)
    targets = (torch.rand(batch, CLASSES, generator=generator) < 0.2).float()
    return (image.double() if double else image).requires_grad_(), targets


def plainly(head: TaggingHead, image: torch.Tensor) -> torch.Tensor:
    """Return logits as the release computes them: every step for every image and label."""
    x = head.labels[None].expand(len(image), -1, -1)
    for layer in head.layers:
        attention = layer.cross_attention
        query = split_heads(attention.query(x), head.heads)
        keys, values = attention.look_up(image, head.heads)
        weights = torch.softmax(query @ keys.transpose(-1, -2) / math.sqrt(query.shape[-1]), -1)
        x = attention.norm(attention.output(join_heads(weights @ values)) + x)
        x = layer.feed_forward(x)
    return (x * head.weight).sum(-1) + head.bias


def gradients(loss: torch.Tensor, head: torch.nn.Module, image: torch.Tensor) -> list[torch.Tensor]:
    return list(torch.autograd.grad(loss, [image, *head.parameters()]))


def chunked(monkeypatch, labels: int, batch: int = 3) -> None:
    monkeypatch.setattr(model.tagging, "CHUNK", labels * batch * 32)


def test_logits_are_those_of_the_plain_way():
    head, (image, _) = make(), sample()
    torch.testing.assert_close(head(image), plainly(head, image))


@pytest.mark.parametrize("criterion", [asymmetric, binary, hill])
@pytest.mark.parametrize("size", [1, 4, 23, 100])
def test_chunks_have_the_loss_and_the_gradients_of_the_plain_way(monkeypatch, criterion, size):
    chunked(monkeypatch, size)
    head, (image, targets) = make(), sample()
    assert len(head.chunks(3, CLASSES)) == math.ceil(CLASSES / size)
    loss, logits = head.loss(image, targets, criterion)
    expected = criterion(plainly(head, image), targets)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(logits, plainly(head, image).detach())
    for ours, theirs in zip(
        gradients(2 * loss, head, image), gradients(2 * expected, head, image), strict=True
    ):
        torch.testing.assert_close(ours, theirs)
    assert not logits.requires_grad


def test_chunks_stay_within_their_room_and_an_accelerator_has_more():
    head = TaggingHead(ModelConfig(), classes=3429, image_width=IMAGE)
    assert len(head.chunks(16, 3429)) == 21
    assert len(head.to("meta").chunks(16, 3429)) == 2


def test_chunks_ignore_what_is_unknown(monkeypatch):
    chunked(monkeypatch, 4)
    head, (image, targets) = make(), sample()
    ignore = torch.zeros_like(targets)
    ignore[:, ::3] = 1
    loss, _ = head.loss(image, targets, binary, ignore)
    expected = binary(plainly(head, image), targets, ignore)
    torch.testing.assert_close(loss, expected)
    for ours, theirs in zip(
        gradients(loss, head, image), gradients(expected, head, image), strict=True
    ):
        torch.testing.assert_close(ours, theirs)


def test_gradcheck(monkeypatch):
    chunked(monkeypatch, 2, batch=2)
    torch.manual_seed(0)
    config = ModelConfig(width=4, heads=2, tag_heads=2, feed_forward=6, dropout=0.0)
    head = TaggingHead(config, classes=5, image_width=3).double()
    image = torch.randn(2, 3, 3, dtype=torch.float64, requires_grad=True)
    targets = torch.tensor([[1.0, 0, 0, 1, 0], [0, 1, 0, 0, 0]])
    names = [name for name, _ in head.named_parameters()]

    def loss(image, *parameters):
        # functional_call on the plain path; the chunked one is compared with it above
        weights = dict(zip(names, parameters, strict=True))
        return binary(torch.func.functional_call(head, weights, (image,)), targets)

    assert torch.autograd.gradcheck(loss, (image, *head.parameters()))
    assert torch.autograd.gradcheck(lambda x: head.loss(x, targets, binary)[0], (image,))


def test_dropout_in_chunks_drops_something_and_its_gradient_is_right(monkeypatch):
    chunked(monkeypatch, 4)
    head, (image, targets) = make(dropout=0.3).train(), sample()

    def piece_by_piece() -> torch.Tensor:
        torch.manual_seed(5)
        sources = head.sources(image)
        return sum(
            binary(head.score(head.all_labels().part(part), sources), targets[:, part])
            for part in head.chunks(3, CLASSES)
        )

    expected = piece_by_piece()
    torch.manual_seed(5)
    loss, _ = head.loss(image, targets, binary)
    torch.testing.assert_close(loss, expected)
    assert not torch.isclose(loss, binary(plainly(head.eval(), image), targets))
    head.train()
    for ours, theirs in zip(
        gradients(loss, head, image), gradients(expected, head, image), strict=True
    ):
        torch.testing.assert_close(ours, theirs)


def test_without_gradients_the_loss_is_only_a_number():
    head, (image, targets) = make(), sample()
    with torch.no_grad():
        loss, logits = head.loss(image, targets, binary)
    torch.testing.assert_close(loss, binary(logits, targets))
    assert not loss.requires_grad


def test_a_frozen_layer_gets_no_gradient_and_the_rest_does():
    head, (image, targets) = make(), sample()
    head.layers[0].requires_grad_(False)
    head.loss(image, targets, binary)[0].backward()
    assert head.layers[0].feed_forward.inner.weight.grad is None
    assert head.layers[1].feed_forward.inner.weight.grad.abs().sum() > 0


def test_half_precision_sums_many_chunks_in_float32(monkeypatch):
    head, (image, targets) = make(double=False), sample(double=False)
    exact = gradients(head.loss(image, targets, binary)[0], head, image)
    chunked(monkeypatch, 1)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss, _ = head.loss(image, targets, binary)
    for ours, theirs in zip(gradients(loss, head, image), exact, strict=True):
        assert (ours - theirs).norm() <= 0.05 * theirs.norm() + 1e-3


@given(st.lists(st.integers(0, CLASSES - 1), min_size=1, max_size=CLASSES * 2))
def test_a_subset_has_the_scores_of_the_whole(labels):
    head, (image, _) = make(), sample()
    chosen = torch.tensor(labels)
    torch.testing.assert_close(head(image, chosen), head(image)[:, chosen])


@given(st.permutations(range(CLASSES)))
def test_the_order_of_the_labels_changes_nothing_but_the_order(order):
    head, (image, _) = make(), sample()
    expected = head(image)[:, order]
    with torch.no_grad():
        for table in (head.labels, head.weight, head.bias):
            table.copy_(table[order].clone())
    torch.testing.assert_close(head(image), expected)


@settings(max_examples=10)
@given(st.integers(1, 5))
def test_a_batch_has_the_scores_of_its_images_one_by_one(batch):
    head, (image, _) = make(), sample(batch)
    single = torch.cat([head(each[None]) for each in image])
    torch.testing.assert_close(head(image), single)


@pytest.mark.parametrize("criterion", [asymmetric, binary, hill])
def test_all_labels_as_the_top_give_the_full_gradient(monkeypatch, criterion):
    chunked(monkeypatch, 4)
    head, (image, targets) = make(), sample()
    found = topk_loss(head, image, targets, criterion, queries=CLASSES)
    loss, logits = head.loss(image, targets, criterion)
    assert found.uncovered == 0
    torch.testing.assert_close((found.loss, found.logits), (loss, logits))
    for ours, theirs in zip(
        gradients(found.loss, head, image), gradients(loss, head, image), strict=True
    ):
        torch.testing.assert_close(ours, theirs)


def test_the_top_is_the_full_gradient_where_the_rest_has_none():
    head, (image, targets) = make(), sample()
    with torch.no_grad():
        head.bias -= 20
        head.bias[4] += 40
    targets = torch.zeros_like(targets)
    found = topk_loss(head, image, targets, asymmetric, queries=1)
    full = gradients(head.loss(image, targets, asymmetric)[0], head, image)
    assert found.uncovered == 0
    assert found.loss > 0
    for ours, theirs in zip(gradients(found.loss, head, image), full, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_the_guard_falls_back_to_the_full_gradient():
    head, (image, targets) = make(), sample()
    partial = topk_loss(head, image, targets, binary, queries=2, tolerance=1.0)
    guarded = topk_loss(head, image, targets, binary, queries=2)
    assert partial.uncovered > 0.5
    assert guarded.uncovered == 0
    full = gradients(head.loss(image, targets, binary)[0], head, image)
    for ours, theirs, wrong in zip(
        gradients(guarded.loss, head, image),
        full,
        gradients(partial.loss, head, image),
        strict=True,
    ):
        torch.testing.assert_close(ours, theirs)
        assert not torch.allclose(wrong, theirs, rtol=1e-2, atol=0)


def test_the_top_runs_without_dropout_and_leaves_the_head_in_training():
    head, (image, targets) = make(dropout=0.3).train(), sample()
    head.layers[0].eval()
    once, again = (topk_loss(head, image, targets, binary, queries=CLASSES) for _ in range(2))
    torch.testing.assert_close(once.loss, again.loss)
    assert head.training
    assert head.layers[1].training
    assert not head.layers[0].training


def test_the_top_ignores_what_is_unknown():
    head, (image, targets) = make(), sample()
    ignore = torch.ones_like(targets)
    ignore[:, 3] = 0
    found = topk_loss(head, image, targets, binary, ignore, queries=1)
    assert found.uncovered == 0
    torch.testing.assert_close(found.loss, binary(head(image), targets, ignore))


def test_the_top_works_in_half_precision():
    head, (image, targets) = make(double=False), sample(double=False)
    exact = gradients(head.loss(image, targets, binary)[0], head, image)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = topk_loss(head, image, targets, binary, queries=CLASSES)
    for ours, theirs in zip(gradients(found.loss, head, image), exact, strict=True):
        assert (ours - theirs).norm() <= 0.05 * theirs.norm() + 1e-3


def test_a_full_connection_reads_the_summary_token():
    torch.manual_seed(0)
    head = LinearHead(classes=CLASSES, image_width=IMAGE).double()
    image, targets = sample()
    chosen = torch.tensor([7, 2])
    expected = F.linear(image[:, 0], head.weight, head.bias)
    torch.testing.assert_close(head(image), expected)
    torch.testing.assert_close(head(image, chosen), expected[:, chosen])
    loss, logits = head.loss(image, targets, binary)
    torch.testing.assert_close(loss, binary(expected, targets))
    loss.backward()
    assert not logits.requires_grad
    assert not image.grad[:, 1:].any()


def test_heads_of_table_11_share_or_do_not():
    shared, own, linear = (
        Network(preset("tiny", **SWIN, tagging=kind), classes=CLASSES)
        for kind in ("shared", "unshared", "linear")
    )
    assert shared.interaction.layers[1].feed_forward is shared.tagging.layers[1].feed_forward
    assert own.interaction.layers[1].feed_forward is not own.tagging.layers[1].feed_forward
    image = torch.randn(2, 5, shared.image_encoder.width)
    assert {net.tagging(image).shape for net in (shared, own, linear)} == {(2, CLASSES)}
