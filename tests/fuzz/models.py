"""What a model is loaded from: configuration, weights, words, state, others' checkpoints."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import tempfile
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import torch
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn
from torch import nn

from model.checkpoint import load_weights, read_fingerprint, read_pickle, save_weights
from model.config import from_json, preset
from model.released import read_tag_list
from model.tag2text import Tag2Text
from model.tokenizer import load_tokenizer
from tests.fuzz.hostile import DEPTH, DIGITS, broken, broken_folders, broken_json, values
from tests.fuzz.law import Target, lay, taken
from tests.model.tiny import tiny_model, tiny_tokenizer
from train.state import State, load_checkpoint, save_checkpoint

_CONFIG: Final = json.loads(preset("tiny").to_json())


class _Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(3, 2)


@cache
def _weights() -> bytes:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "w.safetensors")
        save_weights(_Small(), path, vocabulary="abc")
        return path.read_bytes()


@cache
def _checkpoint() -> dict[str, bytes]:
    state = State(step=1, optimizer={"a": torch.ones(2)}, reader={"position": 1}, config={"x": 1})
    with tempfile.TemporaryDirectory() as name:
        return taken(save_checkpoint(Path(name), tiny_model(), state, keep=1))


def _config(folder: Path, content: bytes) -> None:
    found = from_json(content.decode("utf-8", "replace"))
    assert from_json(found.to_json()) == found


def _safetensors(folder: Path, content: bytes) -> None:
    path = folder / "w.safetensors"
    path.write_bytes(content)
    assert isinstance(read_fingerprint(path), str)
    load_weights(_Small(), path)


def _tokenizer(folder: Path, files: dict[str, bytes]) -> None:
    found = load_tokenizer(lay(folder, files))
    found.encode_texts(["a dog runs"])
    found.save(folder / "again")
    assert load_tokenizer(folder / "again").words == found.words


def _pickle(folder: Path, content: bytes) -> None:
    path = folder / "x.pth"
    path.write_bytes(content)
    assert isinstance(read_pickle(path), dict)


def _state(folder: Path, content: bytes) -> None:
    files = _checkpoint() | {"state.pt": content}
    _, state = load_checkpoint(lay(folder / "c", files))
    assert type(state.step) is int
    assert type(state.reader["position"]) is int


def _model(folder: Path, files: dict[str, bytes]) -> None:
    assert Tag2Text.from_pretrained(lay(folder / "m", files), device="cpu")


def _tag_list(folder: Path, content: bytes) -> None:
    path = folder / "tags.txt"
    path.write_bytes(content)
    found = read_tag_list(path)
    if b"\r" not in content:
        assert len(found) == len(content.decode("utf-8-sig").rstrip().split("\n"))


@st.composite
def _tensor_files(draw: DrawFn) -> bytes:
    """Return safetensors files with a broken header of the right length, or broken bytes."""
    whole = _weights()
    size = struct.unpack_from("<Q", whole)[0]
    if draw(st.integers(0, 2)) == 0:
        return draw(broken((whole,)))
    header = draw(broken_json(json.loads(whole[8 : 8 + size])))
    return struct.pack("<Q", len(header)) + header + whole[8 + size :]


def _saved(value: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


class _Program:
    """What runs a command when it is unpickled by one who trusts it."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch was-run",)


def _deep(levels: int) -> Any:
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


@cache
def _programs() -> tuple[bytes, ...]:
    zipped = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(_saved({"a": 1}))) as whole,
        zipfile.ZipFile(zipped, "w") as made,
    ):
        for item in whole.infolist():
            program = item.filename.endswith("data.pkl")
            made.writestr(item, pickle.dumps(_Program()) if program else whole.read(item))
    return pickle.dumps(_Program()), pickle.dumps({"a": _Program()}), zipped.getvalue()


@st.composite
def _zips(draw: DrawFn, whole: bytes) -> bytes:
    """Return torch files one of whose parts is broken inside a whole zip, or the zip itself."""
    if draw(st.booleans()):
        return draw(broken((whole,)))
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(whole)) as old, zipfile.ZipFile(made, "w") as new:
        names = old.namelist()
        chosen = draw(st.sampled_from([n for n in names if n.endswith(".pkl")] * 4 + names))
        for name in names:
            content = old.read(name)
            new.writestr(name, draw(broken((content,))) if name == chosen else content)
    return made.getvalue()


@st.composite
def _states(draw: DrawFn) -> bytes:
    """Return states whose fields are of other types, are missing, or are broken as bytes."""
    whole = _checkpoint()["state.pt"]
    if draw(st.booleans()):
        return draw(_zips(whole))
    state = dict(torch.load(io.BytesIO(whole), weights_only=True))
    for name in draw(st.lists(st.sampled_from(sorted(state)), max_size=2)):
        state[name] = draw(values())
    return _saved(state)


def _is_small(content: bytes) -> bool:
    """Leave out names of thousands of letters: torch takes their square to say they are unknown."""
    return len(content) < 20_000


def _models() -> dict[str, bytes]:
    return {name: data for name, data in _checkpoint().items() if name != "state.pt"}


def _config_target() -> Target:
    config = json.dumps(_CONFIG).encode()
    return Target(
        name="config",
        run=_config,
        cases=broken_json(_CONFIG),
        seeds=(config,),
        found=(
            DIGITS.encode(),
            config.replace(b"0.485", b"1" + b"0" * 400),
            b'{"\\u001b[2J\\n": 1}',
            config.replace(b'"width": 128', b'"width": 1' + b"0" * 400),
        ),
    )


def _weights_target() -> Target:
    return Target(name="weights", run=_safetensors, cases=_tensor_files(), seeds=(_weights(),))


def _tokenizer_target() -> Target:
    words = {"vocab.txt": "".join(f"{word}\n" for word in tiny_tokenizer().words).encode()}
    ids = {word: number for number, word in enumerate(tiny_tokenizer().words)}
    other = {"tokenizer.json": json.dumps({"model": {"type": "WordPiece", "vocab": ids}}).encode()}
    return Target(
        name="tokenizer",
        run=_tokenizer,
        cases=st.one_of(broken_folders(words, ("vocab.txt",)), broken_folders(other, tuple(other))),
        seeds=(words, other),
        found=(
            {"tokenizer.json": b"[" * DEPTH},
            {"tokenizer.json": b'{"model": []}'},
            {"tokenizer.json": other["tokenizer.json"].replace(b'"[unused0]"', b'"\\ud800"')},
            {"tokenizer.json": b'{"model": {"vocab": {"a": "b", "c": 1}, "type": "WordPiece"}}'},
            {"tokenizer.json": other["tokenizer.json"].replace(b'"a"', b'"\\ud800"')},
            {"vocab.txt": words["vocab.txt"].replace(b"\nb\n", b"\na\n")},
        ),
    )


def _pickle_target() -> Target:
    whole = _saved({"model": {"a": torch.ones(3)}, "epoch": 1})
    return Target(
        name="pickle",
        run=_pickle,
        cases=_zips(whole).filter(_is_small),
        seeds=(whole,),
        found=(*_programs(), _saved({"a": _deep(300)})),
    )


def _state_target() -> Target:
    state = _checkpoint()["state.pt"]
    loaded = dict(torch.load(io.BytesIO(state), weights_only=True))
    return Target(
        name="state",
        run=_state,
        cases=_states().filter(_is_small),
        seeds=(state,),
        found=(
            _saved(loaded | {"step": "1"}),
            _saved(loaded | {"reader": []}),
            _saved(loaded | {"reader": {}}),
            _saved(loaded | {"config": _deep(300)}),
            _saved(loaded | {"optimizer": None, "task": 1, "recent": 2, "best": 3}),
        ),
        quick=15,
    )


def _model_target() -> Target:
    model = _models()
    return Target(
        name="model",
        run=_model,
        cases=broken_folders(model, ("config.json", "config.json", *model)),
        seeds=(model,),
        found=tuple(
            model | {"config.json": model["config.json"].replace(old, new)}
            for old, new in (
                (b'"words": 400', b'"words": 400000000000'),
                (b'"feed_forward": 512', b'"feed_forward": 1000000000000'),
                (b'"projection": 64', b'"projection": 4611686018427387904'),
                (b'"embed_dim": 32', b'"embed_dim": 1e999'),
                (b'"positions": 64', b'"positions": 300000000'),
            )
        ),
        quick=15,
    )


def _tag_list_target() -> Target:
    tags = b"dog\ncat\nred ball\n"
    return Target(name="tag-list", run=_tag_list, cases=broken((tags,)), seeds=(tags,))


def targets() -> Iterator[Target]:
    """Yield the targets of this module."""
    yield _config_target()
    yield _weights_target()
    yield _tokenizer_target()
    yield _pickle_target()
    yield _state_target()
    yield _model_target()
    yield _tag_list_target()
