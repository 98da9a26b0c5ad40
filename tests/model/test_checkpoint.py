"""Weights in files: whole, strict, each once, and never a program."""

from __future__ import annotations

import math
import os
import re
import warnings
from pathlib import Path
from random import Random

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from model.checkpoint import (
    fill,
    load_weights,
    read_fingerprint,
    read_pickle,
    save_weights,
    unique_tensors,
)
from vocab.errors import InputError


class Tied(nn.Module):
    """Two names for one layer, one of its own, a buffer that is saved and one that is not."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 2)
        self.second = self.first
        self.own = nn.Linear(2, 3, bias=False)
        self.register_buffer("queue", torch.randn(4))
        self.register_buffer("table", torch.randn(4), persistent=False)


NAMES = ["first.bias", "first.weight", "own.weight", "queue"]


def test_each_tensor_once_under_its_first_name() -> None:
    assert sorted(unique_tensors(Tied())) == NAMES


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    saved, loaded = Tied(), Tied()
    path = tmp_path / "w.safetensors"
    save_weights(saved, path, vocabulary="abc")
    load_weights(loaded, path)
    assert sorted(load_file(path)) == NAMES
    assert all(
        torch.equal(a, b) for a, b in zip(saved.parameters(), loaded.parameters(), strict=True)
    )
    assert torch.equal(saved.queue, loaded.queue)
    assert loaded.second is loaded.first
    assert read_fingerprint(path) == "abc"
    assert list(tmp_path.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(Tied(), path, vocabulary="")
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save_weights(Tied(), path, vocabulary="")
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def changed(**changes: Tensor | None) -> dict[str, Tensor]:
    weights = {**unique_tensors(Tied()), **changes}
    return {name: tensor for name, tensor in weights.items() if tensor is not None}


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (changed(queue=None), r"x: weights missing \(1\): queue"),
        (changed(more=torch.ones(1)), r"x: weights not the model's \(1\): more"),
        (changed(queue=torch.ones(5)), r"x: queue is \[5\], the model's is \[4\]"),
        (changed(**{"second.bias": torch.ones(2)}), "x: second.bias differs from its twin"),
    ],
)
def test_whatever_does_not_fit_is_refused(weights: dict[str, Tensor], message: str) -> None:
    with pytest.raises(InputError, match=message):
        fill(Tied(), weights, "x")


def test_either_name_of_a_shared_tensor_will_do() -> None:
    weights = changed()
    weights["second.bias"] = weights.pop("first.bias")
    module = Tied()
    fill(module, weights, "x")
    assert torch.equal(module.first.bias, weights["second.bias"])


@pytest.mark.parametrize("keep", [0, 7, 100, -1])
def test_a_file_cut_short_is_one_clear_line(keep: int, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_weights(Tied(), path, vocabulary="")
    path.write_bytes(path.read_bytes()[:keep])
    for read in (lambda: load_weights(Tied(), path), lambda: read_fingerprint(path)):
        with pytest.raises(InputError, match=re.escape(f"{path}: is cut short or no checkpoint")):
            read()


class Hostile:
    """Runs a command when it is unpickled by those who do not look."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_hides_a_program_is_refused_and_not_run(zipped: bool, tmp_path: Path) -> None:
    path, trace = tmp_path / "w.pth", tmp_path / "trace"
    content = {"model": {"a": torch.ones(2)}, "more": Hostile(f"touch {trace}")}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(InputError, match="holds more than weights") as raised:
        read_pickle(path)
    assert "\n" not in str(raised.value)
    assert not trace.exists()


@pytest.mark.parametrize("zipped", [True, False])
def test_plain_pickles_are_read(zipped: bool, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    content = {"model": {"a": torch.ones(2)}, "epoch": 3, "config": {"lr": 1e-4}}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    found = read_pickle(path)
    assert torch.equal(found["model"]["a"], torch.ones(2))
    assert found["config"] == {"lr": 1e-4}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_pickle_cut_short_is_one_clear_line(zipped: bool, share: float, tmp_path: Path) -> None:
    path = tmp_path / "w.pth"
    torch.save({"a": torch.ones(500)}, path, _use_new_zipfile_serialization=zipped)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=re.escape(str(path))) as raised:
        read_pickle(path)
    assert "\n" not in str(raised.value)


def test_no_file_and_no_dictionary(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_pickle(tmp_path / "none.pth")
    torch.save([torch.ones(1)], tmp_path / "list.pth")
    with pytest.raises(InputError, match="holds list, not a dictionary"):
        read_pickle(tmp_path / "list.pth")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (torch.tensor([1.0, math.nan]), "not finite"),
        (torch.tensor([1.0, 1e300], dtype=torch.float64), "not finite"),
        (torch.tensor([1, 2]), "int64"),
        (torch.tensor([True, False]), "bool"),
        (torch.tensor([1 + 1j, 0]), "complex64"),
    ],
)
def test_numbers_that_are_no_weights_are_refused(value: Tensor, message: str) -> None:
    module = nn.Linear(1, 2)
    with pytest.raises(InputError, match=message):
        fill(module, {"weight": torch.ones(2, 1), "bias": value}, "x")


@pytest.mark.parametrize("zipped", [True, False])
def test_flipped_bits_are_one_clear_line(zipped: bool, tmp_path: Path) -> None:
    path, random = tmp_path / "a.pth", Random(0)
    torch.save({"a": torch.ones(4)}, path, _use_new_zipfile_serialization=zipped)
    whole = path.read_bytes()
    lines, read = [], 0
    for _ in range(400):
        broken = bytearray(whole)
        for _ in range(3):
            broken[random.randrange(len(broken))] = random.randrange(256)
        path.write_bytes(broken)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:  # an error of any other kind fails
                read_pickle(path)
                read += 1
            except InputError as error:
                lines.append(str(error))
    assert len(lines) > 40 and read + len(lines) == 400
    assert all(str(path) in line and "\n" not in line for line in lines)
