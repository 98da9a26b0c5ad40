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
# A Swin, as the released models have, and a tagging head of two layers, with dropout.
SWIN: dict[str, Any] = {
    "image_encoder": "swin_tiny_patch4_window7_224",
    "image_options": {"embed_dim": 32, "depths": [1, 1, 2], "num_heads": [2, 4, 8]},
    "feed_forward": 512,
    "dropout": 0.1,
    "layers": 2,
    "tag_layers": 2,
    "tag_heads": 4,
    "alignment_layers": 2,
}
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
    """Return an untrained model of the ``tiny`` preset, but with a Swin, and these changes."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = preset("tiny", **{**SWIN, "words": WORDS, **changes})
        made = Tag2Text.new(config, tiny_vocabulary(), tiny_tokenizer())
        with torch.no_grad():
            made.network.tagging.bias.normal_(std=2)  # some tags pass their threshold, some do not
    return made
