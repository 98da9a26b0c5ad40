"""The alignment paradigm, with a CLIP of a few thousand weights made on the spot."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPProcessor,
    CLIPTokenizerFast,
)

from train.alignment_baseline import ClipScorer, best_single_threshold
from train.evaluation_data import Example
from train.metrics import classification
from vocab.errors import InputError

NAMES = ("dog", "tennis racket", "beach")
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a model and its processor in transformers' form."""
    folder = tmp_path_factory.mktemp("clip")
    words = [*LETTERS, *(f"{c}</w>" for c in LETTERS), "<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({word: n for n, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    size = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
    }
    text = {"vocab_size": 54, "bos_token_id": 52, "eos_token_id": 53, "max_position_embeddings": 40}
    vision = {"image_size": 32, "patch_size": 8}
    torch.manual_seed(0)
    config = CLIPConfig(text_config=size | text, vision_config=size | vision, projection_dim=8)
    CLIPModel(config).save_pretrained(folder)
    images = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    CLIPProcessor(images, CLIPTokenizerFast.from_pretrained(folder)).save_pretrained(folder)
    return folder


def example(number: int) -> Example:
    def read(size: int) -> Tensor:
        generator = torch.Generator().manual_seed(number)
        return torch.randint(256, (3, size, size), generator=generator, dtype=torch.uint8)

    return Example(key=str(number), read=read)


def test_scores_are_cosines_whatever_the_batch(directory: Path) -> None:
    scorer = ClipScorer(str(directory))
    examples = [example(number) for number in range(5)]
    scores = scorer.scores(examples, NAMES, batch_size=2)
    assert scores.shape == (5, 3) and np.abs(scores).max() <= 1
    np.testing.assert_allclose(scores, scorer.scores(examples, NAMES, batch_size=5), atol=1e-5)
    assert np.ptp(scores, 0).min() > 0 and np.ptp(scores, 1).min() > 0
    alone = scorer.scores(examples[3:4], NAMES[1:2])
    assert alone[0, 0] == pytest.approx(scores[3, 1], abs=1e-5)


def test_the_best_threshold_of_a_grid() -> None:
    random = np.random.default_rng(0)
    labels = random.random((300, 4)) < 0.2
    scores = (labels * 0.2 + random.normal(size=labels.shape) * 0.1).astype(np.float32)
    best = best_single_threshold(scores, labels)
    found = classification(scores > best, labels).macro().f1
    for other in (-0.1, 0.0, 0.3, 0.5):
        assert found > classification(scores > other, labels).macro().f1


def test_what_is_no_such_model_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be loaded with transformers"):
        ClipScorer(str(tmp_path))
