"""What is searched on images of its own: each tag's threshold, the tags' weight in retrieval."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from model.tag2text import Tag2Text
from train.evaluation_data import EvaluationSet, label_matrix
from train.inference import Advance, Wanted, passed, run
from train.metrics import Floats, best_thresholds
from train.retrieval import TAG_WEIGHT, search_weight, similarities, tag_share, texts_of
from vocab.errors import InputError
from vocab.vocabulary import Vocabulary


class Tuned(NamedTuple):
    """What was searched on images of its own: thresholds in the vocabulary, the tags' weight."""

    vocabulary: Vocabulary
    tag_weight: float
    found: int  # tags that were frequent enough for a threshold


def tune(
    model: Tag2Text, data: EvaluationSet, *, batch_size: int = 16, advance: Advance | None = None
) -> Tuned:
    """Search each tag's threshold (best F1) and the tags' weight in retrieval (best recall).

    The images must not be those that are evaluated on. Tags of few images keep the threshold
    that they have.
    """
    if data.classes is not None or not data.labelled:
        raise InputError(f"{data.name}: thresholds are searched on labelled shards")
    aligned = model.network.alignment is not None
    wanted = Wanted(alignment=aligned, batch_size=batch_size)
    outputs = run(model, data, wanted, advance=advance)
    labels = label_matrix(outputs.examples, len(model.vocabulary))
    thresholds = best_thresholds(outputs.scores, labels)
    vocabulary = with_thresholds(model.vocabulary, thresholds)
    tuned = Tag2Text(model.network, vocabulary, model.tokenizer)
    weight = TAG_WEIGHT
    if aligned:
        texts = texts_of(outputs.examples, len(vocabulary))
        similarity = similarities(model, outputs.vectors, texts.captions)
        share = tag_share(passed(tuned, outputs.scores), texts.tags)
        weight = search_weight(similarity, share, texts.owners)
    return Tuned(vocabulary, weight, int((~np.isnan(thresholds)).sum()))


def with_thresholds(vocabulary: Vocabulary, thresholds: Floats) -> Vocabulary:
    """Return the vocabulary with these thresholds (tags,); NaN leaves a tag's as it is."""
    entries = (
        entry if math.isnan(value) else replace(entry, threshold=float(value))
        for entry, value in zip(vocabulary.entries, thresholds, strict=True)
    )
    return Vocabulary(tuple(entries), vocabulary.dropped, vocabulary.provenance)
