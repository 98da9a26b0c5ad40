"""One pass of a model over an evaluation set: the image encoder runs once an image."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from model.alignment import AlignmentEncoder
from model.generation import generate
from model.preprocess import ImageError, normalise
from model.recognition import thresholds
from model.tag2text import Tag2Text
from train.evaluation_data import EvaluationSet, Example
from train.metrics import Flags, Floats
from train.shards import BadSampleError
from vocab.errors import InputError

Advance = Callable[[int], None]
OWN: Final = -1.0  # for a threshold: each tag's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to compute: captions at these thresholds, and what comparing with texts needs."""

    captions: tuple[float, ...] = ()
    alignment: bool = False
    beams: int = 3
    batch_size: int = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """What the model makes of the images that could be read, ``examples``; ``bad`` counts others.

    ``scores`` (images, tags) are probabilities; ``captions`` are by threshold; ``features`` are
    image tokens (images, tokens, width) and ``vectors`` (images, projection) unit vectors, on the
    CPU, where alignment was wanted.
    """

    examples: tuple[Example, ...]
    bad: Mapping[str, int]
    scores: Floats
    captions: Mapping[float, tuple[str, ...]]
    features: Tensor
    vectors: Tensor


@torch.no_grad()
def run(
    model: Tag2Text, data: EvaluationSet, wanted: Wanted, *, advance: Advance | None = None
) -> Outputs:
    """Return the model's outputs; ``advance`` is told of each batch how many images it had."""
    examples: list[Example] = []
    bad: Counter[str] = Counter()
    scores: list[Tensor] = []
    features: list[Tensor] = []
    vectors: list[Tensor] = []
    captions: dict[float, list[str]] = {at: [] for at in wanted.captions}
    for count, read, pixels in _batches(model, data.examples, wanted.batch_size, bad):
        if read:
            tokens, found = _look(model, pixels)
            examples += read
            scores.append(found)
            for at in wanted.captions:
                captions[at] += _captions(model, tokens, found, at, wanted.beams)
            if wanted.alignment:
                features.append(tokens.cpu())
                vectors.append(alignment_of(model).encode_image(tokens).cpu())
        if advance:
            advance(count)
    if not examples:
        raise InputError(f"{data.name}: none of the images can be read ({_causes(bad)})")
    return Outputs(
        examples=tuple(examples),
        bad=bad,
        scores=torch.cat(scores).numpy(),
        captions={at: tuple(texts) for at, texts in captions.items()},
        features=torch.cat(features) if features else torch.empty(0),
        vectors=torch.cat(vectors) if vectors else torch.empty(0),
    )


def alignment_of(model: Tag2Text) -> AlignmentEncoder:
    """Return the part that compares images with texts; :class:`InputError` when there is none."""
    if model.network.alignment is None:
        raise InputError("this model was made without alignment: it cannot do retrieval")
    return model.network.alignment


def passed(model: Tag2Text, scores: Floats) -> Flags:
    """Return which tags (images, tags) pass their own threshold."""
    return scores > thresholds(model.vocabulary).numpy()


def _batches(
    model: Tag2Text, examples: Sequence[Example], size: int, bad: Counter[str]
) -> Iterator[tuple[int, list[Example], list[Tensor]]]:
    """Yield of each batch how many images it has, those that can be read, and their pixels."""

    def read(example: Example) -> Tensor | str:
        try:
            return example.read(model.config.image_size)
        except ImageError:
            return "broken_image"
        except BadSampleError as error:
            return error.cause

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(examples), size):
            batch = examples[start : start + size]
            found = list(pool.map(read, batch))
            bad.update(one for one in found if isinstance(one, str))
            pairs = zip(batch, found, strict=True)
            good = [(example, one) for example, one in pairs if not isinstance(one, str)]
            yield len(batch), [example for example, _ in good], [pixels for _, pixels in good]


def _look(model: Tag2Text, pixels: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return image tokens, on the device, and the scores of all tags."""
    images = normalise(torch.stack(list(pixels)).to(model.device), model.config)
    tokens = model.network.image_encoder(images)
    return tokens, torch.sigmoid(model.network.tagging(tokens).float()).cpu()


def _captions(
    model: Tag2Text, tokens: Tensor, scores: Tensor, threshold: float, beams: int
) -> list[str]:
    own = thresholds(model.vocabulary)
    floor = own if threshold == OWN else torch.full_like(own, threshold)
    rows = [model.guide.recognised(one, floor) for one in scores]
    ids, mask = model.tokenizer.encode_tags(rows, max_tokens=model.config.max_tag_tokens)
    ids, mask = ids.to(model.device), mask.to(model.device)
    made = generate(
        model.network,
        tokens,
        ids,
        mask,
        model.tokenizer,
        beams=beams,
        min_tokens=10,
        max_tokens=30,
    )
    return [caption.text for caption in made]


def _causes(bad: Counter[str]) -> str:
    return ", ".join(f"{number:,} {cause}" for cause, number in bad.most_common())
