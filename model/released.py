"""A released checkpoint and a plain tag list become a model of ours."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn import functional as F

from model.checkpoint import fill, read_pickle
from model.config import ModelConfig
from model.image import STRIDE
from model.network import Network
from model.released_names import convert_names
from vocab.errors import InputError
from vocab.graph import Tag
from vocab.vocabulary import Entry, Vocabulary

RELEASED: Final = ModelConfig(attend_padding=True, alignment=False)
BLOCK_KINDS: Final = ("object", "action", "attribute")
# Where the release departs from one threshold for all.
THRESHOLDS: Final = {"person": 0.7, "man": 0.7, "woman": 0.7}
_TABLE: Final = ".relative_position_bias_table"


def read_released(path: Path) -> dict[str, Tensor]:
    """Return the weights of a released ``.pth``, which lie under ``model``, by released names."""
    content: Any = read_pickle(path)
    weights = content.get("model", content)
    if not isinstance(weights, dict) or not all(map(_is_weight, weights.items())):
        raise InputError(f"{path}: has no weights under 'model'; is it a released Tag2Text?")
    return weights


def _is_weight(item: tuple[Any, Any]) -> bool:
    name, value = item
    if not isinstance(name, str) or not isinstance(value, Tensor):
        return False
    return value.layout == torch.strided and not value.is_meta


def convert_weights(
    weights: Mapping[str, Tensor],
    *,
    classes: int,
    image_size: int | None = None,
    config: ModelConfig = RELEASED,
) -> Network:
    """Return a network with released weights, every one used or known to be needless.

    The image size in pixels is the checkpoint's own, told by its windows; for another one the
    tables of relative positions are resized. ``config`` gives the sizes of all else.
    :class:`InputError` when ``classes`` is not the number of labels, or weights do not fit.
    """
    ours = convert_names(weights)
    labels = ours["tagging.labels"].shape[:1].numel() if "tagging.labels" in ours else 0
    if labels != classes:
        raise InputError(
            f"the checkpoint has {labels} labels, the vocabulary {classes}; give the tag list "
            "that it was trained with"
        )
    size = _image_size(ours, config) if image_size is None else image_size
    network = Network(replace(config, image_size=size), classes=classes)
    resized = {name: _resized(name, tensor, size // STRIDE) for name, tensor in ours.items()}
    fill(network, resized, "the checkpoint")
    return network.eval()


def read_tag_list(path: Path, blocks: Sequence[int] | None = None) -> Vocabulary:
    """Return the vocabulary of a plain list, one tag a line in the order of the class ids.

    ``blocks`` are the sizes of its three parts: objects and scenes, actions, attributes. Without
    them all are objects, and a string may stand only once. Person, man and woman get the
    released threshold of 0.7.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8; convert the file") from error
    names = [line.strip() for line in text.rstrip().split("\n")]
    if "" in names:
        raise InputError(f"{path}:{names.index('') + 1}: is empty; every line is a class")
    sizes = tuple(blocks or (len(names), 0, 0))
    if len(sizes) != len(BLOCK_KINDS) or sum(sizes) != len(names) or min(sizes) < 0:
        raise InputError(
            f"{path}: has {len(names)} tags; the sizes of its blocks (objects and scenes, "
            f"actions, attributes) are given as {', '.join(map(str, sizes))}"
        )
    kinds = [kind for kind, size in zip(BLOCK_KINDS, sizes, strict=True) for _ in range(size)]
    tags = map(Tag, kinds, names)
    try:
        return Vocabulary(tuple(map(_entry, tags)), provenance={"tag_list": path.name})
    except InputError as error:
        hint = "" if blocks else "; say which lines are actions and attributes (--blocks)"
        raise InputError(f"{path}: {error}{hint}") from error


def _entry(tag: Tag) -> Entry:
    return Entry(tag, threshold=THRESHOLDS.get(tag.tag) if tag.kind == "object" else None)


def _image_size(weights: Mapping[str, Tensor], config: ModelConfig) -> int:
    """Return the image size in pixels: Swin's window is a 32nd of it, its table (2w - 1)^2."""
    windows = (_window(table) for name, table in weights.items() if name.endswith(_TABLE))
    window = next(windows, 0)
    return window * STRIDE if window else config.image_size


def _window(table: Tensor) -> int:
    """Return the side w of the window of a table ((2w - 1)^2, heads); 0 when it is none."""
    rows = len(table) if table.dim() == 2 else 0
    side = math.isqrt(rows)
    return (side + 1) // 2 if side % 2 and side * side == rows else 0


def _resized(name: str, table: Tensor, window: int) -> Tensor:
    """Return a table of relative positions ((2w - 1)^2, heads) for another window, bicubic."""
    own = _window(table) if name.endswith(_TABLE) else 0
    if own in (0, window):
        return table
    side, wanted = 2 * own - 1, 2 * window - 1
    grid = table.float().T.reshape(1, -1, side, side)
    with torch.no_grad():
        resized = F.interpolate(grid, (wanted, wanted), mode="bicubic", align_corners=False)
    return resized.flatten(2)[0].T
