"""Retrieval: shares of tags, recalls both ways, re-ranking as the model matches pairs."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch import Tensor

from model.tag2text import Tag2Text
from tests.model.tiny import tiny_model
from train.evaluation_data import EvaluationSet, Example
from train.inference import Outputs, Wanted, run
from train.metrics import Flags
from train.retrieval import (
    rerank,
    retrieval,
    search_weight,
    similarities,
    tag_share,
    texts_of,
)
from vocab.errors import InputError

CAPTIONS = ("a red dog", "the beach", "a cat sits on a tennis racket", "two dogs run", "a person")
OWNERS = np.array([0, 0, 1, 2, 2])
cached_model = cache(tiny_model)


def example(number: int) -> Example:
    def read(size: int) -> Tensor:
        generator = torch.Generator().manual_seed(number)
        return torch.randint(256, (3, size, size), generator=generator, dtype=torch.uint8)

    captions = tuple(np.array(CAPTIONS)[number == OWNERS].tolist())
    return Example(
        key=str(number), read=read, captions=captions, tags=((1,), (2, 3))[: len(captions)]
    )


DATA = EvaluationSet(name="three", examples=tuple(map(example, range(3))))


@pytest.fixture(scope="module")
def outputs() -> Outputs:
    return run(cached_model(), DATA, Wanted(alignment=True, batch_size=2))


def pictures(model: Tag2Text) -> list[Tensor]:
    return [one.read(model.config.image_size) for one in DATA.examples]


def test_similarities_and_reranking_are_the_models_own(outputs: Outputs) -> None:
    model = cached_model()
    match = model.match(pictures(model), CAPTIONS)
    cosines = similarities(model, outputs.vectors, CAPTIONS)
    np.testing.assert_allclose(cosines, match.similarity, atol=1e-5)
    scores = rerank(model, outputs.features, CAPTIONS, cosines)
    found = torch.sigmoid(torch.from_numpy(scores - cosines))
    np.testing.assert_allclose(found, match.probability, atol=1e-5)


def test_only_candidates_are_looked_at_and_stand_first(outputs: Outputs) -> None:
    model = cached_model()
    cosines = similarities(model, outputs.vectors, CAPTIONS)
    whole = rerank(model, outputs.features, CAPTIONS, cosines)
    few = rerank(model, outputs.features, CAPTIONS, cosines, candidates=1)
    looked = few > -100
    np.testing.assert_allclose(few[looked], whole[looked], atol=1e-5)
    best = np.zeros_like(looked)
    best[np.arange(3), cosines.argmax(1)] = best[cosines.argmax(0), np.arange(5)] = True
    assert (looked == best).all()
    assert few[~looked].max() < few[looked].min()
    order = np.argsort(few[0][~looked[0]])
    assert (order == np.argsort(cosines[0][~looked[0]])).all()  # the rest by similarity


def test_texts_of_images() -> None:
    texts = texts_of(DATA.examples, 4)
    assert texts.captions == CAPTIONS and (texts.owners == OWNERS).all()
    assert [row.nonzero()[0].tolist() for row in texts.tags] == [[1], [2, 3], [1], [1], [2, 3]]
    untagged = [Example(key="x", read=DATA.examples[0].read, captions=("a", "b"))]
    assert not texts_of(untagged, 4).tags.any()


def test_tag_share_by_hand() -> None:
    images = np.array([[1, 1, 0], [0, 0, 1]], np.bool_)
    texts = np.array([[1, 0, 1], [0, 1, 0], [0, 0, 0]], np.bool_)
    assert tag_share(images, texts).tolist() == [[0.5, 1, 0], [0.5, 0, 0]]


FLAGS = arrays.arrays(np.bool_, (4, 6))


@given(FLAGS, FLAGS)
def test_more_recognised_tags_never_match_less(images: Flags, texts: Flags) -> None:
    share = tag_share(images, texts)
    assert ((share >= 0) & (share <= 1)).all()
    assert (tag_share(images | texts, texts) >= share).all()


def test_retrieval_both_ways() -> None:
    scores = np.zeros((3, 5), np.float32)
    scores[[0, 0, 1, 2, 2], [0, 1, 2, 3, 4]] = (0.9, 0.1, 0.8, 0.7, 0.6)
    scores[1, 1] = 0.5  # the second image takes the first one's second text
    found = retrieval(scores, OWNERS)
    assert found.image_to_text == (1, 1, 1)
    assert found.text_to_image.at_1 == pytest.approx(4 / 5)
    assert found.mean() == pytest.approx((5 + 4 / 5) / 6)


@given(st.integers(0, 1000))
def test_the_weight_is_the_least_of_the_best(seed: int) -> None:
    random = np.random.default_rng(seed)
    similarity = random.random((3, 5)).astype(np.float32)
    share = random.integers(0, 3, (3, 5)).astype(np.float32) / 2
    weight = search_weight(similarity, share, OWNERS, [0.5, 0.0, 2.0])
    means = {w: retrieval(similarity + w * share, OWNERS).mean() for w in (0.0, 0.5, 2.0)}
    assert weight == min(w for w in means if means[w] == max(means.values()))


def test_a_model_without_alignment_says_so() -> None:
    with pytest.raises(InputError, match="without alignment"):
        run(tiny_model(alignment=False), DATA, Wanted(alignment=True))
