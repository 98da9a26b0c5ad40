from __future__ import annotations

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

import train.tasks
from model.tag2text import Tag2Text
from tests.train.labelled import write_shards
from tests.train.runs import events, figures, run, run_config, sizes, weights
from train.config import train_config
from train.loop import Trainer
from train.loop import train as start
from train.state import checkpoints, load_checkpoint
from vocab.errors import InputError, StoppedError, UsageError

ROOT = Path(__file__).parents[2]


class _Killed(BaseException):
    pass


def _cut_off(folder: Path, name: str, after: int, monkeypatch: pytest.MonkeyPatch, **given: Any):
    """Begin a run that ends in the middle, as a kill would end it."""
    step = Trainer._one_step

    def killed(self: Trainer, batches: Any) -> None:
        if self.step == after:
            raise _Killed
        step(self, batches)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_one_step", killed)
        with pytest.raises(_Killed):
            run(folder, name, **given)


def _state(made: Path) -> dict[str, torch.Tensor]:
    """Return all tensors of the last checkpoint's state by where they are."""
    _, state = load_checkpoint(checkpoints(made / "checkpoints")[-1])
    parts = {"task": state.task, "weights": state.weights, **state.optimizer["state"]}
    return {
        f"{part} {name}": tensor
        for part, tensors in parts.items()
        for name, tensor in tensors.items()
    }


def test_a_run_makes_a_model_checkpoints_and_a_log(tmp_path: Path) -> None:
    shards = write_shards(tmp_path / "other")
    made = run(tmp_path, validation_data=(str(shards),), keep=2)
    model = Tag2Text.from_pretrained(made / "model")
    assert len(model.tag([torch.zeros(3, 40, 40, dtype=torch.uint8)], top=3)[0]) == 3
    assert [path.name for path in checkpoints(made / "checkpoints")] == ["00000004", "00000006"]
    assert [record["step"] for record in figures(made)] == [1, 2, 3, 4, 5, 6]
    first = figures(made)[0]
    assert {"loss", "tagging", "generation", "contrast", "matching", "gradient", "lr"} <= set(first)
    weights = train_config("tiny", output="o", train_data=("d",)).loss_weights()
    weighted = sum(weight * first[name] for name, weight in weights.items())
    assert first["loss"] == pytest.approx(weighted, rel=1e-6)
    validated = figures(made, "validation")
    assert [record["step"] for record in validated] == [2, 4, 6]
    assert 0 < validated[-1]["mAP"] <= 1
    assert (made / "best" / "model.safetensors").exists()
    assert not list(made.rglob("*.tmp"))


def test_it_learns(tmp_path: Path) -> None:
    made = run(tmp_path, steps=40, lr=3e-3, log_every=10, save_every=40)
    losses = [record["loss"] for record in figures(made)]
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize(
    "given",
    [{}, {"ema": 0.9, "queue": 8, "accumulate": 2}, {"task": "caption", "workers": 2}],
    ids=["plain", "average, queue, accumulated", "caption, workers"],
)
def test_a_resumed_run_ends_in_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, Any]
) -> None:
    given = {**given, "model_config": sizes(tmp_path, dropout=0.1)}  # draws must be the same, too
    whole = run(tmp_path, "whole", **given)
    _cut_off(tmp_path, "cut", 5, monkeypatch, **given)
    cut = run(tmp_path, "cut", **given, resume="latest")
    assert weights(cut) == weights(whole)
    assert figures(cut) == figures(whole)
    one, other = (_state(made) for made in (whole, cut))
    assert one.keys() == other.keys()
    assert all(map(torch.equal, one.values(), other.values()))


def test_images_that_validation_cannot_use_are_counted(tmp_path: Path) -> None:
    shards = write_shards(tmp_path / "other", broken=[0, 1, 2, 3, 9])
    made = run(tmp_path, validation_data=(str(shards),), steps=2)
    assert [record["unusable"] for record in figures(made, "validation")] == [5]
    whole = run(tmp_path, "whole", validation_data=(str(write_shards(tmp_path / "w")),), steps=2)
    assert "unusable" not in figures(whole, "validation")[0]


def test_validation_changes_nothing(tmp_path: Path) -> None:
    shards = write_shards(tmp_path / "other")
    given = {"model_config": sizes(tmp_path, dropout=0.1)}
    without = run(tmp_path, "without", **given)
    with_ = run(tmp_path, "with", **given, validation_data=(str(shards),))
    assert weights(with_) == weights(without)


def test_a_run_is_not_begun_over_another(tmp_path: Path) -> None:
    made = run(tmp_path)
    before = weights(made)
    with pytest.raises(InputError, match="--resume latest"):
        run(tmp_path)
    assert weights(made) == before
    run(tmp_path, resume="latest")  # is at its end
    assert weights(made) == before


def test_to_resume_what_never_began_begins(tmp_path: Path) -> None:
    assert weights(run(tmp_path, "a", resume="latest")) == weights(run(tmp_path, "b"))


@pytest.mark.parametrize(
    ("given", "named"),
    [({"task": "tagging"}, "--task"), ({"batch_size": 3}, "global batch"), ({"seed": 1}, "seed")],
)
def test_what_would_not_go_on_the_same_is_refused(
    tmp_path: Path, given: dict[str, Any], named: str
) -> None:
    run(tmp_path, steps=2)
    with pytest.raises((UsageError, InputError), match=named):
        run(tmp_path, resume="latest", **given)


def test_a_model_is_the_beginning_of_another_task(tmp_path: Path) -> None:
    made = run(tmp_path, steps=2)
    given = {"init": str(made / "model"), "model_config": "", "task": "caption", "lr": 0.0}
    tuned = run(tmp_path, "tuned", **given, min_lr=0.0, weight_decay=0.0)
    assert weights(tuned) == weights(made)


def test_the_average_is_what_others_get(tmp_path: Path) -> None:
    plain, averaged = run(tmp_path, "plain"), run(tmp_path, "averaged", ema=0.9)
    assert weights(averaged) != weights(plain)
    assert [r["loss"] for r in figures(averaged)] == [r["loss"] for r in figures(plain)]


def _one_bad_step(monkeypatch: pytest.MonkeyPatch, bad: set[int]) -> None:
    calls = iter(range(1000))
    loss = train.tasks.lm_loss

    def broken(*args: Any, **given: Any) -> torch.Tensor:
        return loss(*args, **given) * (math.nan if next(calls) in bad else 1)

    monkeypatch.setattr(train.tasks, "lm_loss", broken)


def test_a_step_that_is_not_finite_is_skipped_and_its_batch_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _one_bad_step(monkeypatch, {2})
    made = run(tmp_path, log_every=6, save_every=6)
    (event,) = events(made)
    assert (event["event"], event["step"]) == ("skipped", 3)
    (batch,) = event["batches"]
    assert (batch["epoch"], batch["batch"]) == (0, 2)
    assert len(batch["keys"]) == 4
    model = Tag2Text.from_pretrained(made / "model")
    assert all(torch.isfinite(p).all() for p in model.network.parameters())


def test_training_ends_when_nothing_is_finite_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _one_bad_step(monkeypatch, set(range(4, 100)))
    with pytest.raises(InputError, match=r"no finite gradient.*lower --lr"):
        run(tmp_path, steps=50, log_every=5)
    model = Tag2Text.from_pretrained(checkpoints(tmp_path / "run" / "checkpoints")[-1])
    assert all(torch.isfinite(p).all() for p in model.network.parameters())


def _ask_to_stop(patch: pytest.MonkeyPatch, *, at: int, number: int = signal.SIGTERM) -> None:
    """Send this process a signal in the middle of a step."""
    backward = Trainer._backward

    def asked(self: Trainer, *args: Any) -> torch.Tensor:
        if self.step == at - 1:
            os.kill(os.getpid(), number)
        return backward(self, *args)

    patch.setattr(Trainer, "_backward", asked)


@pytest.mark.parametrize(("number", "raises"), [(signal.SIGTERM, False), (signal.SIGINT, True)])
def test_a_signal_ends_training_with_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, raises: bool
) -> None:
    whole = run(tmp_path, "whole")
    with monkeypatch.context() as patch:
        _ask_to_stop(patch, at=3, number=number)
        if raises:
            with pytest.raises(StoppedError, match="after step 3"):
                run(tmp_path, "asked")
        else:
            assert start(run_config(tmp_path, "asked")) is None
    assert checkpoints(tmp_path / "asked" / "checkpoints")[-1].name == "00000003"
    assert weights(run(tmp_path, "asked", resume="latest")) == weights(whole)


def test_who_asks_to_stop_does_not_wait_for_a_validation_that_is_not_due(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"validation_data": (str(write_shards(tmp_path / "other")),)}
    whole = run(tmp_path, "whole", **given)
    _ask_to_stop(monkeypatch, at=3)
    made = run(tmp_path, "asked", **given)
    assert checkpoints(made / "checkpoints")[-1].name == "00000003"
    assert [record["step"] for record in figures(made, "validation")] == [2]
    monkeypatch.undo()
    run(tmp_path, "asked", **given, resume="latest")
    assert figures(made, "validation") == figures(whole, "validation")


def test_a_figure_that_validation_lacks_is_refused_before_training(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--best-by map: validation has mAP, loss, tagging"):
        run(tmp_path, best_by="map")
    assert not (tmp_path / "run" / "log.jsonl").exists()


def test_a_full_disk_ends_training_and_the_last_checkpoint_loads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = Tag2Text.save_pretrained

    def full(self: Tag2Text, directory: Path) -> None:
        save(self, directory)
        if "00000004" in str(directory):
            raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Tag2Text, "save_pretrained", full)
        with pytest.raises(InputError, match="No space left"):
            run(tmp_path)
    assert [p.name for p in (tmp_path / "run" / "checkpoints").iterdir()] == ["00000002"]
    assert weights(run(tmp_path, resume="latest")) == weights(run(tmp_path, "whole"))


def test_labels_of_another_vocabulary_are_refused(tmp_path: Path) -> None:
    made = run(tmp_path, steps=2)
    listed = tmp_path / "shards" / "vocabulary"
    vocabulary = Tag2Text.from_pretrained(made / "model").vocabulary
    type(vocabulary)(vocabulary.entries[1:]).save(listed)
    with pytest.raises(InputError, match="another vocabulary"):
        run(tmp_path, resume="latest", steps=4)


def _command(
    folder: Path, name: str, *flags: str, launch: tuple[str, ...] = (), **changes: Any
) -> list[str]:
    config = run_config(folder, name, **changes)
    words = f"-m tag2text.cli train --preset tiny --output {config.output} --workers 1 --warmup 2"
    data = f"--train-data {config.train_data[0]} --model-config {config.model_config}"
    return [*(launch or (sys.executable,)), *words.split(), *data.split(), *flags]


@pytest.mark.slow
def test_a_killed_run_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    flags = "--steps 30 --batch-size 4 --save-every 2 --log-every 1 --resume latest".split()
    noisy = sizes(tmp_path, dropout=0.1)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for name, kills in ("whole", ()), ("killed", (3, 11, 20)):
        for after in kills:
            process = subprocess.Popen(
                _command(tmp_path, name, *flags, model_config=noisy), env=environment
            )
            log = tmp_path / name / "log.jsonl"
            while process.poll() is None and not (
                log.exists() and f'{{"step": {after},' in log.read_text()
            ):
                time.sleep(0.005)
            process.kill()
            assert process.wait() == -signal.SIGKILL
        subprocess.run(
            _command(tmp_path, name, *flags, model_config=noisy), env=environment, check=True
        )
    assert weights(tmp_path / "killed") == weights(tmp_path / "whole")


@pytest.mark.slow
def test_two_processes_are_as_one_with_the_same_global_batch(tmp_path: Path) -> None:
    flags = "--steps 8 --log-every 1 --weights matching=0 --resume latest".split()
    launch = (sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    for name, size, how in ("one", "8", ()), ("two", "4", launch):
        command = _command(tmp_path, name, *flags, "--batch-size", size, launch=how)
        subprocess.run(command, env=environment, check=True)
    for one, two in zip(*(figures(tmp_path / name) for name in ("one", "two")), strict=True):
        for name in ("loss", "tagging", "generation", "contrast", "gradient"):
            assert two[name] == pytest.approx(one[name], rel=1e-5)


@pytest.mark.slow
def test_a_compiled_encoder_learns_the_same(tmp_path: Path) -> None:
    plain, compiled = (
        run(tmp_path, "plain", steps=3),
        run(tmp_path, "compiled", steps=3, compile=True),
    )
    for one, other in zip(figures(plain), figures(compiled), strict=True):
        assert other["loss"] == pytest.approx(one["loss"], rel=1e-4)
    assert Tag2Text.from_pretrained(compiled / "model")
