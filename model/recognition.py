"""From scores to tags: labels by name, thresholds, the surest first."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Final, NamedTuple

import torch
from torch import Tensor

from vocab.errors import InputError
from vocab.graph import KINDS, Tag
from vocab.keys import key_of
from vocab.vocabulary import Vocabulary

THRESHOLD: Final = 0.68  # of a tag for which the vocabulary names none, as released


class TagScore(NamedTuple):
    """A recognised tag and its probability."""

    kind: str
    tag: str
    score: float


def thresholds(vocabulary: Vocabulary) -> Tensor:
    """Return each class's threshold (classes,): the vocabulary's, or ``THRESHOLD``."""
    found = (entry.threshold for entry in vocabulary.entries)
    return torch.tensor([THRESHOLD if value is None else value for value in found])


def label_ids(vocabulary: Vocabulary, labels: Sequence[str]) -> list[int]:
    """Return the class ids that labels name: ``object:dog``, or ``dog`` in any kind.

    A label that no class bears may be an alias or an inflected form of one;
    :class:`InputError` otherwise, with the nearest tags.
    """
    if isinstance(labels, str):
        raise InputError(f"labels {labels!r}: give a list of them, such as [{labels!r}]")
    ids = list(dict.fromkeys(index for label in labels for index in _named(vocabulary, label)))
    if not ids:
        raise InputError("no labels to score; name some, or leave labels out to score all")
    return ids


def _named(vocabulary: Vocabulary, label: str) -> list[int]:
    kind, _, text = label.partition(":")
    tags = [Tag(kind, text)] if kind in KINDS and text else [Tag(k, label) for k in KINDS]
    exact = [vocabulary.index(tag) for tag in tags if tag in vocabulary]
    if found := exact or vocabulary.encode(tags):
        return found
    names = {name for tag in vocabulary.tags for name in (tag.tag, key_of(tag))}
    near = ", ".join(difflib.get_close_matches(label, names)) or "none; see its tag_list.txt"
    raise InputError(f"label {label!r} is not in the model's vocabulary (near: {near})")


def choose(scores: Tensor, floor: Tensor, tags: Sequence[Tag], top: int | None) -> list[TagScore]:
    """Return the tags whose scores (n,) are above their floor (n,), the surest first."""
    order = scores.argsort(descending=True, stable=True)
    passing = order[scores[order] > floor[order]][:top].tolist()
    return [TagScore(tags[i].kind, tags[i].tag, float(scores[i])) for i in passing]
