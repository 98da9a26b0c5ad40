"""Weights in files: safetensors of ours, and PyTorch's of others, which may hide programs."""

from __future__ import annotations

import os
import pickle
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from vocab.errors import InputError


def unique_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Return the tensors of a module, each once, under the first of its names."""
    names: dict[int, str] = {}
    state = module.state_dict(keep_vars=True)
    for name, tensor in state.items():
        names.setdefault(id(tensor), name)
    return {name: state[name].detach() for name in names.values()}


def save_weights(module: nn.Module, path: Path, *, vocabulary: str) -> None:
    """Write a module's unique tensors as safetensors: beside, to the disk, then renamed.

    The header names the vocabulary by its fingerprint, and nothing else: several entries would
    come in an order of chance, and the same weights must be the same bytes.
    """
    tensors = {name: tensor.contiguous() for name, tensor in unique_tensors(module).items()}
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        save_file(tensors, temporary, {"vocabulary": vocabulary})
        temporary.chmod(0o644)  # safetensors makes files that only their owner can read
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def load_weights(module: nn.Module, path: Path) -> None:
    """Fill a module from a file of :func:`save_weights`; every tensor must fit."""
    try:
        weights = load_file(path)
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, error) from error
    fill(module, weights, str(path))


def read_fingerprint(path: Path) -> str:
    """Return the fingerprint of the vocabulary that the weights in a file are for."""
    try:
        with safe_open(path, "pt") as file:
            return str((file.metadata() or {}).get("vocabulary", ""))
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, error) from error


def check_shapes(module: nn.Module, path: Path) -> None:
    """Refuse a file whose tensors are not the module's in name and shape; reads its header only.

    The module may be on the meta device, where sizes cost no memory.
    """
    try:
        with safe_open(path, "pt") as file:
            shapes = {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, error) from error
    state = module.state_dict(keep_vars=True)
    _check_names(state, shapes, str(path))
    for name, shape in shapes.items():
        _check_shape(name, shape, state[name], str(path))


def _check_shape(name: str, shape: Sequence[int], target: Tensor, origin: str) -> None:
    if list(target.shape) != list(shape):
        raise InputError(
            f"{origin}: {name} is {list(shape)}, the model's is {list(target.shape)}; "
            "the weights are of another configuration or vocabulary"
        )


def fill(module: nn.Module, weights: Mapping[str, Tensor], origin: str) -> None:
    """Copy weights into a module; every one is used, none is missing, all shapes are equal.

    A tensor that the module uses under several names may come under any of them; where it comes
    twice, both must be equal. :class:`InputError` begins with ``origin``.
    """
    state = module.state_dict(keep_vars=True)
    _check_names(state, weights, origin)
    filled: set[int] = set()
    for name, value in weights.items():
        target = state[name]
        _check_shape(name, value.shape, target, origin)
        if target.is_floating_point() != value.is_floating_point():
            raise InputError(f"{origin}: {name} holds {value.dtype}, the model {target.dtype}")
        if id(target) in filled and not torch.equal(target, value.to(target)):
            raise InputError(f"{origin}: {name} differs from its twin, and the model has but one")
        with torch.no_grad():
            target.copy_(value)
        if not target.isfinite().all():
            raise InputError(f"{origin}: {name} holds numbers that are not finite; it is broken")
        filled.add(id(target))


def _check_names(state: Mapping[str, Tensor], weights: Mapping[str, object], origin: str) -> None:
    given = {id(state[name]) for name in weights if name in state}
    missing = [name for name, tensor in state.items() if id(tensor) not in given]
    for what, names in (
        ("not the model's", sorted(weights.keys() - state.keys())),
        ("missing", missing),
    ):
        if names:
            shown = ", ".join(names[:3]) + (", ..." if names[3:] else "")
            raise InputError(f"{origin}: weights {what} ({len(names)}): {shown}")


def read_pickle(path: Path) -> dict[str, Any]:
    """Return what a ``.pth`` file holds: tensors and plain values, nothing that runs.

    :class:`InputError` for a file that asks for anything else, is cut short, or holds no
    dictionary.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd files torch asks to be told
            # Mapped where the form permits: of a file with an optimizer only the weights are read.
            content = torch.load(
                path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path)
            )
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path}: holds more than weights, or is no checkpoint; it was not run or loaded"
        ) from error
    except Exception as error:  # what is broken fails anywhere: bit flips raised ten types of error
        raise _unreadable(path, error) from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds {type(content).__name__}, not a dictionary of weights")
    return content


def _unreadable(path: Path, error: Exception) -> InputError:
    if isinstance(error, OSError) and error.strerror:
        return InputError(f"{path}: cannot be read ({error.strerror}); check the path")
    detail = " ".join(str(error).split())[:200]
    return InputError(f"{path}: is cut short or no checkpoint ({detail})")
