"""A trained network for another vocabulary."""

from __future__ import annotations

import torch

from model.checkpoint import fill, unique_tensors
from model.config import ModelConfig
from model.network import Network
from vocab.vocabulary import Vocabulary


def with_classes(network: Network, old: Vocabulary, new: Vocabulary) -> Network:
    """Return a network for the new vocabulary, on the CPU; common tags keep what was learned.

    Tags are the same where kind and text are; the rows of the others are those of an untrained
    network. Nothing is shared with the network given.
    """
    made = Network(network.config, classes=len(new))
    common = [tag for tag in new.tags if tag in old]
    rows = torch.tensor([new.index(tag) for tag in common], dtype=torch.int64)
    learned = torch.tensor([old.index(tag) for tag in common], dtype=torch.int64)
    fresh = unique_tensors(made)
    weights = {name: tensor.cpu() for name, tensor in unique_tensors(network).items()}
    for name in _class_tensors(network.config):
        weights[name] = fresh[name].clone().index_copy_(0, rows, weights[name][learned])
    fill(made, weights, "the model")
    return made


def _class_tensors(config: ModelConfig) -> list[str]:
    """Return the names of tensors with a row for each class: those that grow with the classes."""
    with torch.device("meta"):
        one, two = (unique_tensors(Network(config, classes=n)) for n in (1, 2))
    return [name for name in one if one[name].shape != two[name].shape]
