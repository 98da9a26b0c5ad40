from __future__ import annotations

import os
import pickle
from pathlib import Path

import pytest
import torch

from tests.model.tiny import tiny_model
from train.state import (
    STATE,
    State,
    checkpoints,
    clear,
    load_checkpoint,
    load_latest,
    publish,
    save_checkpoint,
)
from vocab.errors import InputError


def _state(step: int) -> State:
    momentum = {"state": {0: {"step": torch.tensor(3.0), "exp_avg": torch.ones(2)}}}
    return State(
        step=step,
        optimizer={**momentum, "param_groups": [{"lr": 0.1, "betas": (0.9, 0.999)}]},
        reader={"position": step},
        config={"lr": 0.1},
        recent=(1.0, 2.0),
        best=("mAP", 0.5, 2),
    )


def _save(folder: Path, *steps: int, keep: int = 3) -> list[Path]:
    return [save_checkpoint(folder, tiny_model(), _state(step), keep=keep) for step in steps]


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    (made,) = _save(tmp_path, 5)
    model, state = load_checkpoint(made)
    expected = tiny_model()
    assert state.step == 5
    assert state.best == ("mAP", 0.5, 2)
    assert state.recent == (1.0, 2.0)
    assert torch.equal(state.optimizer["state"][0]["exp_avg"], torch.ones(2))
    assert model.vocabulary == expected.vocabulary
    assert torch.equal(model.network.tagging.labels, expected.network.tagging.labels)


def test_the_newest_stay(tmp_path: Path) -> None:
    _save(tmp_path, 1, 2, 9, 10, keep=2)
    assert [path.name for path in checkpoints(tmp_path)] == ["00000009", "00000010"]


@pytest.mark.parametrize(("keep", "left"), [(1, [5]), (2, [4, 5]), (9, [2, 4, 5])])
def test_those_of_a_course_that_was_left_go(tmp_path: Path, keep: int, left: list[int]) -> None:
    _save(tmp_path, 2, 4, 6, 8, keep=9)
    _save(tmp_path, 5, keep=keep)
    assert [int(path.name) for path in checkpoints(tmp_path)] == left


def test_a_checkpoint_of_the_same_step_takes_the_others_place(tmp_path: Path) -> None:
    _save(tmp_path, 4)
    _save(tmp_path, 4)
    assert [path.name for path in tmp_path.iterdir()] == ["00000004"]


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "made"
    target.mkdir()
    (target / "old").touch()

    def fill(directory: Path) -> None:
        (directory / "part").write_text("x")
        raise OSError(28, os.strerror(28))

    with pytest.raises(InputError, match=r"No space left.*--resume latest"):
        publish(target, fill)
    assert [path.name for path in tmp_path.rglob("*")] == ["made", "old"]


def test_what_a_kill_left_is_cleared(tmp_path: Path) -> None:
    _save(tmp_path, 1)
    (tmp_path / ".00000002.77.tmp").mkdir()
    clear(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["00000001"]


def test_what_a_kill_had_put_aside_is_back(tmp_path: Path) -> None:
    aside = tmp_path / ".best.77.old.tmp"
    aside.mkdir()
    (aside / "whole").touch()
    clear(tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["best", "whole"]
    aside.mkdir()
    clear(tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["best", "whole"]


@pytest.mark.parametrize("name", [STATE, "model.safetensors", "config.json"])
def test_latest_passes_over_what_is_cut_short(tmp_path: Path, name: str) -> None:
    _, newest = _save(tmp_path, 1, 2)
    data = (newest / name).read_bytes()
    (newest / name).write_bytes(data[: len(data) // 2])
    said: list[str] = []
    found = load_latest(tmp_path, said.append)
    assert found is not None
    assert found[1].step == 1
    assert len(said) == 1
    assert "00000002" in said[0]
    with pytest.raises(InputError, match=name):
        load_checkpoint(newest)


def test_latest_of_none_is_none_and_of_broken_ones_an_error(tmp_path: Path) -> None:
    assert load_latest(tmp_path, print) is None
    (made,) = _save(tmp_path, 1)
    (made / STATE).write_bytes(b"")
    with pytest.raises(InputError, match="no checkpoint there can be read"):
        load_latest(tmp_path, lambda _: None)


class _Hostile:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch pwned",)


@pytest.mark.parametrize("whole_file", [True, False])
def test_a_hostile_state_is_refused_and_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole_file: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    (made,) = _save(tmp_path / "c", 1)
    if whole_file:
        (made / STATE).write_bytes(pickle.dumps(_Hostile()))
    else:
        torch.save({"format": 1, "step": _Hostile()}, made / STATE)
    with pytest.raises(InputError, match="not run or loaded"):
        load_checkpoint(made)
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize(
    "changed", [{"step": "5"}, {"step": True}, {"optimizer": []}, {"best": 0.5}, {"recent": None}]
)
def test_a_state_of_other_types_is_refused(tmp_path: Path, changed: dict[str, object]) -> None:
    (made,) = _save(tmp_path, 1)
    content = torch.load(made / STATE, weights_only=True)
    torch.save({**content, **changed}, made / STATE)
    with pytest.raises(InputError, match="not of this version"):
        load_checkpoint(made)


def test_weights_of_another_vocabulary_are_refused(tmp_path: Path) -> None:
    (made,) = _save(tmp_path, 1)
    listed = made / "vocabulary" / "tag_list.txt"
    listed.write_text(listed.read_text().replace("cat", "cow"))
    with pytest.raises(InputError, match="vocabulary"):
        load_checkpoint(made)
