from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from model.tag2text import Tag2Text
from tests.train.labelled import write_shards
from tests.train.runs import run_config
from train.config import WEIGHTS, TaskName
from train.ranks import Ranks
from train.samples import Batch
from train.setup import new_model, open_reader
from train.tasks import Pretrain, make_task, split_question
from vocab.errors import InputError

ALONE = Ranks(0, 1, torch.device("cpu"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("tasks")
    write_shards(made / "shards")
    return made


def _made(folder: Path, **changes: Any) -> tuple[Pretrain, Batch]:
    config = run_config(folder, **changes)
    model = new_model(config, ALONE)
    task = make_task(model, config, ALONE).train()
    (batch,) = open_reader(config, model, ALONE).batches(0, 1)
    return task, batch


@pytest.fixture
def pretrain(folder: Path) -> Iterator[tuple[Pretrain, Batch]]:
    yield _made(folder)


@pytest.mark.parametrize("name", [name for name in WEIGHTS if name != "vqa"])
def test_each_task_has_its_losses_and_all_have_gradients(folder: Path, name: TaskName) -> None:
    task, batch = _made(folder, task=name)
    losses = task(batch)
    assert set(losses) == set(WEIGHTS[name])
    assert all(torch.isfinite(loss) and loss > 0 for loss in losses.values())
    task.total(losses).backward()
    missing = [n for n, p in task.network.named_parameters() if p.grad is None]
    assert bool(missing) is task.partial


def test_a_loss_without_weight_is_not_computed(folder: Path) -> None:
    task, batch = _made(folder, weights="contrast=0,matching=0")
    assert set(task(batch)) == {"tagging", "generation"}
    assert task.partial


def test_the_total_is_the_weighted_sum(folder: Path) -> None:
    task, batch = _made(folder, weights="tagging=3,generation=0.5,contrast=0,matching=0")
    losses = task(batch)
    expected = 3 * losses["tagging"] + 0.5 * losses["generation"]
    assert torch.allclose(task.total(losses), expected)


def test_a_model_without_alignment_says_how_to_go_on(folder: Path) -> None:
    config = run_config(folder)
    model = new_model(config, ALONE)
    model.network.alignment = None
    with pytest.raises(InputError, match="contrast=0,matching=0"):
        make_task(model, config, ALONE)
    assert make_task(model, replace(config, weights="contrast=0,matching=0"), ALONE)


def test_few_queries_have_the_exact_loss(folder: Path) -> None:
    (exact, batch), (few, _) = _made(folder), _made(folder, top_queries=3)
    assert torch.allclose(exact(batch)["tagging"], few(batch)["tagging"], rtol=1e-5)


def test_the_queue_fills_and_is_part_of_the_state(folder: Path) -> None:
    task, batch = _made(folder, queue=8)
    assert task.momentum is not None
    task(batch)
    assert (task.momentum.keys != -1).sum() == len(batch)
    state = {name: tensor.clone() for name, tensor in task.extra_state().items()}
    other, _ = _made(folder, queue=8)
    other.load_extra_state(state)
    assert other.momentum is not None
    assert torch.equal(other.momentum.keys, task.momentum.keys)
    with pytest.raises(InputError, match="--queue"):
        _made(folder, queue=16)[0].load_extra_state(state)


def test_the_queue_is_left_alone_in_evaluation(folder: Path) -> None:
    task, batch = _made(folder, queue=8)
    assert task.momentum is not None
    task.eval()
    with torch.no_grad():
        task(batch)
    assert (task.momentum.keys == -1).all()


def test_the_slow_encoders_follow_after_a_step(folder: Path) -> None:
    task, _ = _made(folder, queue=8)
    assert task.momentum is not None
    before = task.momentum.alignment.matching.bias.clone()
    with torch.no_grad():
        task.network.alignment.matching.bias.add_(1)  # type: ignore[union-attr]
    task.after_step()
    assert torch.allclose(task.momentum.alignment.matching.bias, before + 0.005, atol=1e-6)


def _sure(model: Tag2Text, name: str) -> None:
    """Make the model recognise one tag in every image, and nothing else."""
    with torch.no_grad():
        model.network.tagging.weight.zero_()
        model.network.tagging.bias.fill_(-9)
        (index,) = [i for i, tag in enumerate(model.vocabulary.tags) if tag.tag == name]
        model.network.tagging.bias[index] = 9


def _guiding(folder: Path, share: float) -> list[str]:
    config = run_config(folder, task="caption", recognised=share, batch_size=8)
    model = new_model(config, ALONE)
    _sure(model, "tennis racket")
    task = make_task(model, config, ALONE)
    (batch,) = open_reader(config, model, ALONE).batches(0, 1)
    image = torch.zeros(len(batch), 2, model.network.image_encoder.width)
    ids, _ = task.guidance(image, batch, None)
    return [model.tokenizer.decode(row) for row in ids.tolist()]


def test_captions_are_guided_by_their_own_tags_or_by_recognised_ones(folder: Path) -> None:
    assert set(_guiding(folder, 1.0)) == {"tennis racket"}
    assert "tennis racket" not in _guiding(folder, 0.0)
    mixed = [text == "tennis racket" for text in _guiding(folder, 0.5)]
    assert 0 < sum(mixed) < len(mixed)
    assert mixed == [text == "tennis racket" for text in _guiding(folder, 0.5)]


def _recognising(folder: Path, name: TaskName) -> tuple[Pretrain, Batch, torch.Tensor]:
    """Return a task, a batch, and logits that recognise five tags, more than tokens hold."""
    config = run_config(folder, task=name, recognised=1.0)
    model = new_model(config, ALONE)
    model.guide = replace(model.guide, max_tokens=10)  # type: ignore[misc]
    task = make_task(model, config, ALONE)
    (batch,) = open_reader(config, model, ALONE).batches(0, 1)
    row = torch.full((len(model.vocabulary),), -9.0)
    row[[0, 1, 3, 5, 7]] = torch.tensor([3.0, 4, 5, 6, 7])
    return task, batch, row.expand(len(batch), -1)


def test_recognised_tags_that_do_not_fit_are_the_least_sure(folder: Path) -> None:
    task, batch, logits = _recognising(folder, "caption")
    sure = [task.vocabulary.tags[index].tag for index in (7, 5, 3, 1, 0)]
    fitting = task.guide.fitting(sure)
    assert 0 < len(fitting) < len(sure)
    rows = task.recognised(torch.zeros(1), logits, batch=batch)
    assert all(sorted(row) == sorted(fitting) for row in rows)
    assert len({tuple(row) for row in rows}) > 1  # shuffled


def test_a_question_leaves_room_for_the_surest(folder: Path) -> None:
    task, batch, logits = _recognising(folder, "vqa")
    questions = ["red dog or red dog"] * len(batch)
    rows = task.recognised(torch.zeros(1), logits, batch=batch, questions=questions)
    without = task.recognised(torch.zeros(1), logits, batch=batch)
    assert all(set(row) < set(all_) for row, all_ in zip(rows, without, strict=True))
    assert all(task.guide.fitting(row, "red dog or red dog") == row for row in rows)


def test_recognising_leaves_no_weights_without_a_graph_behind(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, batch = _made(folder, task="vqa")
    seen = []
    monkeypatch.setattr(
        task.network.tagging,
        "forward",
        lambda image: (
            seen.append(torch.is_autocast_cache_enabled()),
            torch.zeros(len(image), len(task.vocabulary)),
        )[1],
    )
    task.recognised(torch.zeros(len(batch), 2, 3), None, batch=batch)
    assert seen == [False]


def test_questions_are_answered(pretrain: tuple[Pretrain, Batch], folder: Path) -> None:
    _, batch = pretrain
    task, _ = _made(folder, task="vqa")
    asked = replace(batch, sentences=("what is this? a dog",) * len(batch))
    losses = task(asked)
    assert set(losses) == {"answer"}
    task.total(losses).backward()
    assert task.network.interaction.embeddings.word.weight.grad is not None
    with pytest.raises(InputError, match="sample s-.*question"):
        task(batch)


def test_a_question_that_is_too_long_names_its_sample(folder: Path) -> None:
    task, batch = _made(folder, task="vqa")
    asked = replace(batch, sentences=("is it " + "very " * 60 + "red? no",) * len(batch))
    with pytest.raises(InputError, match=rf"^sample {batch.keys[0]}: 'is it very .* shorten it"):
        task(asked)


def test_question_and_answer_part_at_the_mark() -> None:
    assert split_question("Is it red?  yes ", "k") == ("Is it red?", "yes")
    for wrong in ("a dog", "? yes", "why?"):
        with pytest.raises(InputError, match="sample k"):
            split_question(wrong, "k")
