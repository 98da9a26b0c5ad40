"""A model so small that tests can build, save and call it: untrained, the same every time."""

from __future__ import annotations

from functools import cache
from typing import Any

import torch

from model.config import preset
from model.tag2text import Tag2Text
from model.tokenizer import Tokenizer, train_tokenizer
from vocab.graph import Tag
from vocab.vocabulary import Entry, Vocabulary

WORDS = 400
TAGS = (
    *(Tag("object", name) for name in ("cat", "dog", "orange", "person", "tennis racket")),
    Tag("scene", "beach"),
    *(Tag("action", name) for name in ("run", "sit")),
    *(Tag("attribute", name) for name in ("orange", "red")),
)
CAPTIONS = (
    "a red dog runs along the beach",
    "a person with a tennis racket sits beside an orange cat",
    "two dogs and a person sit at the beach with a red racket",
)


def tiny_vocabulary() -> Vocabulary:
    """Return ten classes of all kinds: an alias, a threshold, a string in two kinds."""
    entries = [Entry(tag) for tag in TAGS]
    entries[1] = Entry(TAGS[1], aliases=(Tag("object", "puppy"),))
    entries[3] = Entry(TAGS[3], threshold=0.7)
    return Vocabulary(tuple(entries))


@cache
def tiny_tokenizer() -> Tokenizer:
    """Return a tokenizer of ``WORDS`` words."""
    return train_tokenizer(CAPTIONS, words=WORDS)


def tiny_model(**changes: Any) -> Tag2Text:
    """Return an untrained model of the ``tiny`` preset with these changes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = preset("tiny", words=WORDS, **changes)
        made = Tag2Text.new(config, tiny_vocabulary(), tiny_tokenizer())
        with torch.no_grad():
            made.network.tagging.bias.normal_(std=2)  # some tags pass their threshold, some do not
    return made
