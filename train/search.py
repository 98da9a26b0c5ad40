"""Search an index by a sentence or by keywords; tags show why an image was found (Section 3.4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from torch import Tensor

from model.preprocess import ImageError
from model.tag2text import Tag2Text
from train.evaluation_data import Parse
from train.index import Bits, Entry, Index
from train.metrics import Floats
from train.retrieval import TAG_WEIGHT
from vocab.errors import InputError
from vocab.graph import Tag
from vocab.highlight import find_tags
from vocab.vocabulary import Vocabulary

TOP: Final = 12
BLOCK: Final = 1 << 16  # images compared at once
_SURE: Final = 1e-6  # a probability's distance from 0 and 1, at least


class Hit(NamedTuple):
    """A found image: its score, the cosine, the query's tags that it has and those it lacks.

    ``probability`` is that of text and image belonging together, where it was looked at.
    """

    entry: Entry
    score: float
    similarity: float
    matching: tuple[Tag, ...]
    missing: tuple[Tag, ...]
    probability: float | None = None


class Found(NamedTuple):
    """A query, the tags that were understood of it, and the images, the best first."""

    query: str
    tags: tuple[Tag, ...]
    hits: tuple[Hit, ...]


def query_tags(query: str, vocabulary: Vocabulary, parse: Parse | None = None) -> tuple[Tag, ...]:
    """Return the tags of the vocabulary that a sentence or keywords speak of.

    Those that the caption parser finds; without a parser, or where it finds none, those whose
    words stand in the query in any inflection.
    """
    if parse is not None:
        (graph,) = parse([query])
        if ids := vocabulary.encode(graph.tags):
            return tuple(vocabulary.tags[index] for index in ids)
    return tuple(dict.fromkeys(span.tag for span in find_tags(query, vocabulary.tags)))


def search(
    index: Index,
    model: Tag2Text,
    query: str,
    *,
    parse: Parse | None = None,
    top: int = TOP,
    tag_weight: float = TAG_WEIGHT,
    rerank: int = 0,
) -> Found:
    """Return the ``top`` images by cosine and ``tag_weight`` times the share of matching tags.

    The first ``rerank`` are then looked at together with the query, and ordered by how well they
    match (ITM); one whose file is gone or broken by now comes after them. :class:`InputError` for
    an empty query, or an index of another model.
    """
    if not query.strip():
        raise InputError("the query is empty; give a sentence or keywords")
    index.check(model)
    tags = query_tags(query, index.vocabulary, parse)
    similarity = _cosines(index, model, query)
    share = tag_shares(index.tags, [index.vocabulary.index(tag) for tag in tags])
    scores = similarity + np.float32(tag_weight) * share
    best = _best(scores, max(top, rerank))
    hits = [_hit(index, row, float(scores[row]), float(similarity[row]), tags) for row in best]
    if rerank:
        hits = _reranked(model, query, hits[:rerank]) + hits[rerank:]
    return Found(query, tags, tuple(hits[:top]))


def tag_shares(bits: Bits, ids: Sequence[int]) -> Floats:
    """Return the share of the tags ``ids`` that each image (images, bytes) has; 0 without any."""
    count = np.zeros(len(bits), np.float32)
    for index in ids:
        count += bits[:, index >> 3] >> (index & 7) & 1
    return count / max(1, len(ids))


def _cosines(index: Index, model: Tag2Text, query: str) -> Floats:
    vector = model.encode_text([query])[0].numpy()
    starts = range(0, len(index.vectors), BLOCK)
    return np.concatenate([index.vectors[start : start + BLOCK] @ vector for start in starts])


def _best(scores: Floats, count: int) -> list[int]:
    """Return the rows of the highest scores, the highest first; of equals the first row."""
    count = min(count, len(scores))
    rows = np.sort(np.argpartition(-scores, count - 1)[:count])
    return rows[np.argsort(-scores[rows], kind="stable")].tolist()  # type: ignore[no-any-return]


def _hit(index: Index, row: int, score: float, similarity: float, tags: Sequence[Tag]) -> Hit:
    own = set(index.vocabulary.unpack(np.asarray(index.tags[row])))
    has = [index.vocabulary.index(tag) in own for tag in tags]
    matching = tuple(tag for tag, there in zip(tags, has, strict=True) if there)
    missing = tuple(tag for tag, there in zip(tags, has, strict=True) if not there)
    return Hit(index.entries[row], score, similarity, matching, missing)


def _reranked(model: Tag2Text, query: str, hits: Sequence[Hit]) -> list[Hit]:
    pixels = [_pixels(hit.entry, model.config.image_size) for hit in hits]
    unseen = [hit for hit, one in zip(hits, pixels, strict=True) if one is None]
    seen = [hit for hit, one in zip(hits, pixels, strict=True) if one is not None]
    found = model.match([one for one in pixels if one is not None], [query]).probability[:, 0]
    gains = zip(seen, found.tolist(), found.logit(_SURE).tolist(), strict=True)
    made = [hit._replace(score=hit.score + logit, probability=p) for hit, p, logit in gains]
    return sorted(made, key=lambda hit: -hit.score) + unseen


def _pixels(entry: Entry, side: int) -> Tensor | None:
    try:
        return entry.pixels(side)
    except ImageError:
        return None
