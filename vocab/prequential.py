"""How well the keep-model predicts: each decision is predicted first and learnt after.

Testing on what comes next (prequential evaluation, Dawid 1984) needs no data set aside and shows
what the annotator saw.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from vocab.candidates import Candidates
from vocab.graph import Tag
from vocab.learner import KeepModel
from vocab.queue import Queue
from vocab.wordnet import Senses


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model said of a tag, ``p`` for the probability of a keep, before the decision."""

    tag: Tag
    p: float
    kept: bool


def prequential(
    candidates: Candidates,
    decisions: Iterable[tuple[Tag, bool]],
    *,
    senses: Senses | None = None,
) -> list[Prediction]:
    """Return a prediction for each decision, from those before it, in the order they were made.

    Leave out the first few hundred when scoring: the model starts with nothing.
    """
    model = KeepModel(candidates, senses)
    predictions = []
    for tag, kept in decisions:
        predictions.append(Prediction(tag, model.predict(tag), kept))
        model.learn(tag, kept)
    return predictions


def simulate(
    candidates: Candidates,
    decisions: Mapping[Tag, bool],
    *,
    order: str,
    senses: Senses | None = None,
    seed: int | str = 0,
) -> list[Prediction]:
    """Return the predictions as if the tags had been decided on in the queue's own order."""
    model = KeepModel(candidates, senses)
    others = [row.key for row in candidates.rows if row.key not in decisions]
    queue = Queue(candidates, model, order=order, done=others, seed=seed)
    predictions = []
    while ahead := queue.upcoming(1):
        tag, kept = ahead[0], decisions[ahead[0]]
        predictions.append(Prediction(tag, model.predict(tag), kept))
        model.learn(tag, kept)
        queue.done(tag)
    return predictions


def auc(predictions: Iterable[Prediction]) -> float | None:
    """Return the area under the ROC curve: how often a kept tag is predicted above a dropped one.

    Ties count half (Mann-Whitney U); None when nothing was kept, or nothing dropped.
    """
    ordered = sorted(predictions, key=lambda prediction: prediction.p)
    below = kept = 0.0
    wins = 0.0
    for _, group in groupby(ordered, key=lambda prediction: prediction.p):
        outcomes = [prediction.kept for prediction in group]
        hits = sum(outcomes)
        misses = len(outcomes) - hits
        wins += hits * (below + misses / 2)
        below, kept = below + misses, kept + hits
    return wins / (kept * below) if kept and below else None


@dataclass(frozen=True, slots=True)
class Bin:
    """Predictions of about the same probability: their number, mean ``p``, share really kept."""

    n: int
    p: float
    kept: float


def calibration(predictions: Sequence[Prediction], bins: int = 10) -> list[Bin]:
    """Return the bins of a reliability diagram, equal steps of probability, empty ones left out."""
    groups: dict[int, list[Prediction]] = {}
    for prediction in predictions:
        groups.setdefault(min(int(prediction.p * bins), bins - 1), []).append(prediction)
    return [
        Bin(len(g), sum(x.p for x in g) / len(g), sum(x.kept for x in g) / len(g))
        for _, g in sorted(groups.items())
    ]
