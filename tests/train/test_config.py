from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from tag2text import command_train
from train.config import PRESETS, WEIGHTS, TrainConfig, changes, flag, train_config
from vocab.errors import UsageError

GIVEN: dict[str, Any] = {"output": "o", "train_data": ("d",)}


def test_at_most_forty_flags() -> None:
    assert len(fields(TrainConfig)) <= 40


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_valid_and_what_is_given_wins(name: str) -> None:
    assert train_config(name, **GIVEN).preset == name
    assert train_config(name, **GIVEN, lr=0.5, epochs=None).lr == 0.5


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"lr": -1.0}, "--lr"),
        ({"batch_size": 0}, "--batch-size"),
        ({"max_bad_ratio": 2.0}, "--max-bad-ratio"),
        ({"task": "sing"}, "--task"),
        ({"tagging_loss": "mse"}, "--tagging-loss"),
        ({"weights": "tags=1"}, "tags=1"),
        ({"weights": "tagging=x"}, "tagging=x"),
        ({"weights": "tagging=-1"}, "tagging=-1"),
        ({"task": "tagging", "weights": "tagging=0"}, "--weights"),
        ({"ema": 1.0}, "--ema"),
        ({"min_lr": 1.0}, "--min-lr"),
        ({"train_data": ()}, "--train-data"),
        ({"init": "m", "pretrained": True}, "--init"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_its_flag(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(UsageError, match=named):
        train_config("base", **{**GIVEN, **wrong})


def test_an_unknown_preset_is_refused() -> None:
    with pytest.raises(UsageError, match="--preset small"):
        train_config("small", **GIVEN)


def test_weights_that_are_not_given_keep_their_default() -> None:
    config = train_config("base", **GIVEN, weights="matching=0,tagging=2.5")
    assert config.loss_weights() == {
        "tagging": 2.5, "generation": 1, "contrast": 1, "matching": 0
    }  # fmt: skip
    assert train_config("base", **GIVEN).loss_weights() == WEIGHTS["pretrain"]


def test_a_resumed_run_says_what_changed_and_keeps_what_cannot() -> None:
    before = {"lr": 0.1, "task": "pretrain", "output": "elsewhere"}
    assert changes(train_config("base", **GIVEN, lr=0.2), before) == ["--lr 0.1 -> 0.2"]
    with pytest.raises(UsageError, match="--task"):
        changes(train_config("base", **GIVEN, task="tagging"), before)


def _command_line(monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[int, list[TrainConfig]]:
    got: list[TrainConfig] = []
    monkeypatch.setattr("train.loop.train", got.append)
    app = typer.Typer()
    app.command()(command_train.train)
    result = CliRunner().invoke(app, list(words))
    return result.exit_code, got


def test_every_field_is_a_flag_of_the_command_line() -> None:
    names = set(command_train.train.__signature__.parameters)  # type: ignore[attr-defined]
    assert names == {field.name for field in fields(TrainConfig)}


def test_flags_reach_the_trainer(monkeypatch: pytest.MonkeyPatch) -> None:
    words = "--preset tiny --output o --train-data a --train-data b --no-augment --lr 0.5 --compile"
    code, got = _command_line(monkeypatch, *words.split())
    assert code == 0
    assert got == [
        train_config("tiny", output="o", train_data=("a", "b"), augment=False, lr=0.5, compile=True)
    ]


def test_an_unknown_flag_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _command_line(monkeypatch, "--output", "o", "--learning-rate", "1")[0] == 2


def test_flags_are_hyphenated() -> None:
    assert flag("save_every") == "--save-every"


def test_a_presets_weights_are_those_of_pre_training() -> None:
    weights = train_config("tiny", **GIVEN).loss_weights()
    assert weights == {"tagging": 1, "generation": 0.3, "contrast": 0.3, "matching": 0.1}
    for task in ("tagging", "caption", "retrieval", "vqa"):
        assert train_config("tiny", **GIVEN, task=task).loss_weights() == WEIGHTS[task]
