"""Images by text and texts by image: similarity, tags as alignment indicators, matching.

The paper's Section 3.4 (Figure 3d). Matrices are (images, texts).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from model.tag2text import Tag2Text
from model.tokenizer import Tokens
from train.evaluation_data import Example
from train.inference import alignment_of
from train.metrics import Flags, Floats, Recalls, recalls

Owners = npt.NDArray[np.int64]  # (texts,): the image that each text is of
WEIGHTS: Final = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0)
TAG_WEIGHT: Final = 0.1  # of the share of matching tags beside a cosine, where none was searched
CANDIDATES: Final = 128  # of each image and each text that matching looks at (Li et al., 2021)
_TEXTS: Final = 64  # matched with an image at once
_BEHIND: Final = 1000.0  # more than any score: what was not looked at comes after what was


class Retrieval(NamedTuple):
    """Shares of images that find a text of theirs, and of texts that find their image."""

    image_to_text: Recalls
    text_to_image: Recalls

    def mean(self) -> float:
        """Return the mean of the six figures."""
        return float(np.mean([*self.image_to_text, *self.text_to_image]))


class Texts(NamedTuple):
    """Captions of a set of images, the images they are of, and their tags (texts, tags)."""

    captions: tuple[str, ...]
    owners: Owners
    tags: Flags


def texts_of(examples: Iterable[Example], tags: int) -> Texts:
    """Return all captions of the images, whose they are, and their tags (texts, tags)."""
    captions: list[str] = []
    owners: list[int] = []
    rows: list[tuple[int, ...]] = []
    for number, example in enumerate(examples):
        captions += example.captions
        owners += [number] * len(example.captions)
        rows += example.tags or [()] * len(example.captions)
    flags = np.zeros((len(rows), tags), np.bool_)
    for row, ids in enumerate(rows):
        flags[row, list(ids)] = True
    return Texts(tuple(captions), np.array(owners, np.int64), flags)


def retrieval(scores: Floats, owners: Owners) -> Retrieval:
    """Return the recalls of scores both ways; each text is of one image, an image has several."""
    right = owners[None] == np.arange(len(scores))[:, None]
    return Retrieval(recalls(scores, right), recalls(scores.T, right.T))


@torch.no_grad()
def similarities(model: Tag2Text, vectors: Tensor, captions: Sequence[str]) -> Floats:
    """Return the cosines of images' unit vectors (images, projection) and captions."""
    encoder, parts = alignment_of(model), []
    for start in range(0, len(captions), _TEXTS):
        ids, mask = _tokens(model, captions[start : start + _TEXTS])
        parts.append(encoder.encode_text(ids.to(model.device), mask.to(model.device)).cpu())
    cosines: Floats = (vectors @ torch.cat(parts).T).numpy()
    return cosines


def tag_share(images: Flags, texts: Flags) -> Floats:
    """Return the share of each text's tags that each image has; 0 for a text without tags.

    Both are (rows, tags): what was recognised, and what was parsed.
    """
    common: Floats = images.astype(np.float32) @ texts.astype(np.float32).T
    common /= np.maximum(texts.sum(1), 1).astype(np.float32)
    return common


def search_weight(
    similarity: Floats, share: Floats, owners: Owners, weights: Iterable[float] = WEIGHTS
) -> float:
    """Return the weight of the share that gives the best mean recall; of equals the least."""
    return max(sorted(weights), key=lambda w: retrieval(similarity + w * share, owners).mean())


@torch.no_grad()
def rerank(
    model: Tag2Text,
    features: Tensor,
    captions: Sequence[str],
    similarity: Floats,
    *,
    candidates: int = CANDIDATES,
) -> Floats:
    """Return scores that put looked-at pairs first: their matching logit added to the similarity.

    Looked at are the ``candidates`` most similar texts of each image and images of each text.
    ``features`` are image tokens (images, tokens, width): their keys and values are looked up
    once an image.
    """
    encoder = alignment_of(model)
    ids, mask = _tokens(model, captions)
    scores = similarity - _BEHIND
    pairs = _top(similarity, candidates) | _top(similarity.T, candidates).T
    for image, chosen in enumerate(pairs):
        source = encoder.look_up(features[image : image + 1].to(model.device))
        for texts in np.array_split(np.flatnonzero(chosen), -(-int(chosen.sum()) // _TEXTS)):
            rows = torch.from_numpy(texts)
            length = int(mask[rows].sum(1).max())
            same = torch.zeros(len(rows), dtype=torch.int64, device=model.device)
            logits = encoder.match(
                ids[rows, :length].to(model.device),
                mask[rows, :length].to(model.device),
                [layer.select(same) for layer in source],
            )
            scores[image, texts] = similarity[image, texts] + logits.float().cpu().numpy()
    return scores


def _tokens(model: Tag2Text, captions: Sequence[str]) -> Tokens:
    return model.tokenizer.encode_texts(captions, max_tokens=model.config.max_caption_tokens)


def _top(scores: Floats, count: int) -> Flags:
    """Return (rows, columns): True at the ``count`` highest of each row."""
    count = min(count, scores.shape[1])
    picks = np.argpartition(-scores, count - 1, axis=1)[:, :count]
    chosen = np.zeros(scores.shape, np.bool_)
    np.put_along_axis(chosen, picks, True, 1)
    return chosen
