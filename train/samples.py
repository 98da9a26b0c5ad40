"""Samples and batches: what training and evaluation get to see, whichever reader brings it.

One caption of an image is drawn at random, and comes with its own tags; the labels for tagging are
those of all its captions. Every draw is from a generator of (seed, epoch, key), so a sample is the
same whatever process makes it, and whatever came before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from random import Random
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from torch import Tensor

from model.config import ModelConfig
from model.guidance import shuffled
from model.preprocess import ImageError
from model.tokenizer import Tokenizer, Tokens
from train.augment import augment
from train.decode import evaluation_pixels, training_pixels
from train.shards import BadSampleError, Raw
from vocab.keys import encodable
from vocab.vocabulary import Vocabulary

# What such a caption says is no longer true of the mirrored image.
_SIDED: Final = re.compile(r"\b(?:left|right)(?:most|hand|wards?)?\b", re.IGNORECASE)


class Sample(NamedTuple):
    """One image with one of its captions; pixels are uint8 (size, size, 3).

    ``tags`` are the names of the caption's tags in the order in which the model reads them,
    ``labels`` the class ids of all the image's captions.
    """

    key: str
    pixels: Tensor
    caption: str
    tags: list[str]
    labels: list[int]


class Ragged(NamedTuple):
    """Class ids of a batch: image number and class id of each label, int64, both (labels,)."""

    rows: Tensor
    ids: Tensor


@dataclass(frozen=True, slots=True)
class Batch:
    """Samples together, as small as they can be on their way to the device.

    ``images`` are uint8 (batch, 3, size, size), channels last in memory, to be normalised by
    :func:`model.preprocess.normalise`. ``captions`` are for generation (``[DEC]`` prompt caption),
    ``texts`` for alignment (``[CLS]`` caption), ``tags`` the caption's own, shuffled, for guidance
    (``[ENC]`` tag | tag). ``image_keys`` (batch,) tell images apart, int64. ``bad`` counts what
    could not be used, by cause; ``epoch`` and ``number`` say which batch this is.
    """

    images: Tensor
    captions: Tokens
    texts: Tokens
    tags: Tokens
    union: Ragged
    image_keys: Tensor
    keys: tuple[str, ...]
    sentences: tuple[str, ...]
    epoch: int = 0
    number: int = 0
    bad: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.keys)

    def to(self, device: str | torch.device) -> Batch:
        """Return the batch on a device; from pinned memory the copy does not wait."""
        return self._mapped(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> Batch:
        """Return the batch in page-locked memory (the data loader calls this)."""
        return self._mapped(Tensor.pin_memory)

    def labels(self, classes: int) -> Tensor:
        """Return the labels of all captions, float32 zeros and ones (batch, classes)."""
        dense = torch.zeros(len(self), classes, device=self.union.ids.device)
        dense[self.union.rows, self.union.ids] = 1
        return dense

    def __reduce__(self) -> tuple[Any, ...]:
        # From a worker only the images come through shared memory: to map and to hand over a
        # file for each of the small tensors takes longer than to copy them.
        small = self._mapped(Tensor.numpy)
        return _received, (self.images, [getattr(small, one.name) for one in fields(self)[1:]])

    def _mapped(self, function: Any) -> Batch:
        changed: dict[str, Any] = {}
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, (Tensor, np.ndarray)):
                changed[one.name] = function(value)
            elif isinstance(value, (Tokens, Ragged)):
                changed[one.name] = type(value)(*map(function, value))
        return replace(self, **changed)


def _received(images: Tensor, others: Sequence[Any]) -> Batch:
    return Batch(images, *others)._mapped(torch.as_tensor)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleMaker:
    """Makes samples and batches for a model.

    ``training`` draws: a caption, the order of its tags, a flip, and with ``augmented`` a part of
    the image, and RandAugment. Otherwise a sample is the first caption, its tags in the order of
    the classes, and the whole image as :func:`model.preprocess.to_pixels` gives it.
    """

    config: ModelConfig
    vocabulary: Vocabulary
    tokenizer: Tokenizer
    training: bool = True
    augmented: bool = True
    seed: int = 0

    def __post_init__(self) -> None:
        names = [[tag.tag] for tag in self.vocabulary.tags]
        self.tokenizer.encode_tags(names, max_tokens=self.config.max_tag_tokens)  # all must fit

    def sample(self, raw: Raw, epoch: int) -> Sample:
        """Return a sample; :class:`BadSampleError` when its image or its JSON cannot be used."""
        captions, tags = parse(raw.text, len(self.vocabulary))
        random = Random(f"{self.seed} {epoch} {raw.key}")  # noqa: S311
        chosen = random.randrange(len(captions)) if self.training else 0
        names = [self.vocabulary.tags[index].tag for index in tags[chosen]]
        names = list(dict.fromkeys(names))
        return Sample(
            key=raw.key,
            caption=captions[chosen],
            tags=shuffled(names, random) if self.training else names,
            labels=sorted(set().union(*tags)),
            pixels=self._pixels(raw.image, random, may_flip=not _SIDED.search(captions[chosen])),
        )

    def _pixels(self, image: bytes, random: Random, *, may_flip: bool) -> Tensor:
        size = self.config.image_size
        try:
            whole = not (self.training and self.augmented)
            pixels = (
                evaluation_pixels(image, size) if whole else training_pixels(image, size, random)
            )
        except ImageError:
            raise BadSampleError("broken_image") from None
        if self.training and random.random() < 0.5 and may_flip:
            pixels = pixels.flip(1)
        return pixels if whole else augment(pixels, random)

    def batch(
        self, samples: Sequence[Sample], *, epoch: int, number: int, bad: Mapping[str, int]
    ) -> Batch:
        """Return samples together as a batch."""
        config, tokenizer = self.config, self.tokenizer
        sentences = tuple(sample.caption for sample in samples)
        longest = config.max_caption_tokens
        return Batch(
            images=_stacked([sample.pixels for sample in samples], config.image_size),
            captions=tokenizer.encode_captions(sentences, prompt=config.prompt, max_tokens=longest),
            texts=tokenizer.encode_texts(sentences, max_tokens=longest),
            tags=tokenizer.encode_tags(
                [sample.tags for sample in samples], max_tokens=config.max_tag_tokens
            ),
            union=_ragged([sample.labels for sample in samples]),
            image_keys=torch.tensor([image_key(s.key) for s in samples], dtype=torch.int64),
            keys=tuple(sample.key for sample in samples),
            sentences=sentences,
            epoch=epoch,
            number=number,
            bad=dict(bad),
        )


def parse(text: bytes, classes: int) -> tuple[list[str], list[list[int]]]:
    """Return captions and the class ids of each, of a sample's JSON, which may be anything.

    :class:`BadSampleError`, with the cause ``broken_json``, ``no_caption`` or ``broken_labels``.
    """
    try:
        value = json.loads(text)
        captions, tags = value["captions"], value["tags"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BadSampleError("broken_json") from None
    if not isinstance(captions, list) or not all(
        type(text) is str and encodable(text) for text in captions
    ):
        raise BadSampleError("broken_json")
    if not captions:
        raise BadSampleError("no_caption")
    if not isinstance(tags, list) or len(tags) != len(captions):
        raise BadSampleError("broken_labels")
    if not all(type(ids) is list and _are_classes(ids, classes) for ids in tags):
        raise BadSampleError("broken_labels")
    return captions, tags


def _are_classes(ids: list[Any], classes: int) -> bool:
    return all(type(index) is int and 0 <= index < classes for index in ids)


def image_key(key: str) -> int:
    """Return a number for a sample key, 0 to 2^63 - 1, the same in every process."""
    value = 0xCBF29CE484222325  # FNV-1a: keys are a dozen letters, and collisions must be rare
    for byte in key.encode():
        value = (value ^ byte) * 0x100000001B3 % (1 << 64)
    return value >> 1


def _stacked(pixels: Sequence[Tensor], size: int) -> Tensor:
    images = torch.empty(len(pixels), size, size, 3, dtype=torch.uint8)
    for place, one in enumerate(pixels):
        images[place] = one
    return images.permute(0, 3, 1, 2)


def _ragged(rows: Sequence[Sequence[int]]) -> Ragged:
    numbers = [number for number, row in enumerate(rows) for _ in row]
    ids = [index for row in rows for index in row]
    return Ragged(*(torch.tensor(values, dtype=torch.int64) for values in (numbers, ids)))
