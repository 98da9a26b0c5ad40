"""Figures of tagging and retrieval: pure functions of arrays.

Rows are images (or queries), columns classes (or items). Images that a class does not tell apart
(equal scores) count together, so no figure depends on the order of the images.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

from vocab.errors import InputError

Floats = npt.NDArray[np.floating]
Flags = npt.NDArray[np.bool_]
FEW: Final = 5  # images of a class below which a threshold searched on them would mean nothing
RANKS: Final = (1, 5, 10)


class Classification(NamedTuple):
    """Precision, recall and F1 of each class (classes,); NaN where no image is of the class.

    A class that is never predicted has the precision 0.
    """

    precision: Floats
    recall: Floats
    f1: Floats

    def macro(self) -> MacroFigures:
        """Return the means over the classes that some image is of."""
        return MacroFigures(*(mean_of(values) for values in self))


class MacroFigures(NamedTuple):
    """Means over classes, 0 to 1."""

    precision: float
    recall: float
    f1: float


class CurvePoint(NamedTuple):
    """The macro figures where all tags share one threshold."""

    threshold: float
    figures: MacroFigures


class Point(NamedTuple):
    """A point of the precision-recall curve."""

    recall: float
    precision: float


class Recalls(NamedTuple):
    """Shares of queries whose right item is among the first 1, 5 and 10."""

    at_1: float
    at_5: float
    at_10: float


class _Steps(NamedTuple):
    """What lies at or above each distinct score of a class, from the highest down."""

    scores: Floats
    hits: npt.NDArray[np.int64]
    images: npt.NDArray[np.int64]


def average_precision(scores: Floats, labels: Flags) -> Floats:
    """Return each class's average precision (classes,); NaN where no image is of the class.

    Both are (images, classes). The sum of the precision at each right image over their number,
    images by falling score.
    """
    _check(scores, labels)
    return np.array([_average_precision(*column) for column in _columns(scores, labels)])


def mean_average_precision(scores: Floats, labels: Flags) -> float:
    """Return the mean of :func:`average_precision` over the classes that some image is of."""
    return mean_of(average_precision(scores, labels))


def chance(labels: Flags) -> float:
    """Return the mean average precision of scores that say nothing: the classes' mean share."""
    shares = labels.mean(0)
    return mean_of(np.where(shares > 0, shares, np.nan))


def classification(predicted: Flags, labels: Flags) -> Classification:
    """Return precision, recall and F1 of each class; both arguments are (images, classes)."""
    _check(predicted, labels)
    hits = (predicted & labels).sum(0).astype(np.float64)
    right, found = labels.sum(0), predicted.sum(0)
    known = right > 0

    def over(part: Floats, whole: npt.NDArray[np.int64]) -> Floats:
        return np.where(known, part / np.maximum(whole, 1), np.nan)

    return Classification(over(hits, found), over(hits, right), over(2 * hits, right + found))


def threshold_curve(scores: Floats, labels: Flags, thresholds: Iterable[float]) -> list[CurvePoint]:
    """Return the macro figures where every tag with a score above a threshold is predicted."""
    return [
        CurvePoint(at, classification(scores > at, labels).macro()) for at in map(float, thresholds)
    ]


def precision_recall(scores: Floats, labels: Flags, *, points: int = 100) -> list[Point]:
    """Return the curve of all (image, class) pairs together, ``points`` of it at most."""
    _check(scores, labels)
    steps = _steps(scores.ravel(), labels.ravel())
    picks = np.unique(np.linspace(0, len(steps.hits) - 1, points).round().astype(np.int64))
    hits, total = steps.hits[picks], max(int(labels.sum()), 1)
    return [
        Point(float(recall), float(precision))
        for recall, precision in zip(hits / total, hits / steps.images[picks], strict=True)
    ]


def best_thresholds(scores: Floats, labels: Flags, *, few: int = FEW) -> Floats:
    """Return each class's threshold (classes,) of the highest F1, a score above it predicting.

    It lies half-way between the last score taken and the next one. NaN where fewer than ``few``
    images are of the class.
    """
    _check(scores, labels)
    columns = _columns(scores, labels)
    return np.array([_best_threshold(*column, few=few) for column in columns])


def recalls(scores: Floats, right: Flags) -> Recalls:
    """Return how many of the queries find a right item among the first 1, 5 and 10.

    Both are (queries, items), a query with one right item or more. A wrong item of the same score
    stands before a right one.
    """
    _check(scores, right)
    if not right.any(1).all():
        raise InputError(f"query {int(np.argmin(right.any(1)))} has no right item")
    best = np.where(right, scores, -np.inf).max(1, keepdims=True)
    before = ((scores >= best) & ~right).sum(1)
    return Recalls(*(float((before < k).mean()) for k in RANKS))


def nearest_recall(said: Flags, references: Flags, owners: npt.NDArray[np.int64]) -> float:
    """Return how much of what one person said of an image a caption says, by tags.

    ``said`` (images, tags) is of captions, ``references`` (texts, tags) of people's, ``owners``
    (texts,) are the images they are of. Of each image the reference counts that the caption is
    most like (F1 of tags), of which the share that is said; the mean over images.
    """
    sizes = references.sum(1)
    common = (said[owners] & references).sum(1)
    recall = common / np.maximum(sizes, 1)
    f1 = 2 * common / np.maximum(said[owners].sum(1) + sizes, 1)
    order = np.lexsort((recall, f1, owners))
    order = order[sizes[order] > 0]
    last = np.append(owners[order][1:] != owners[order][:-1], True)[: len(order)]
    return mean_of(recall[order][last])


def mean_of(values: Floats | Sequence[float]) -> float:
    """Return the mean of what is known (not NaN); NaN where nothing is."""
    known = np.asarray(values)[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _columns(scores: Floats, labels: Flags) -> Iterable[tuple[Floats, Flags]]:
    return zip(np.ascontiguousarray(scores.T), np.ascontiguousarray(labels.T), strict=True)


def _steps(scores: Floats, labels: Flags) -> _Steps:
    order = np.argsort(-scores)
    ranked = scores[order]
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    return _Steps(ranked[last], np.cumsum(labels[order], dtype=np.int64)[last], last + 1)


def _average_precision(scores: Floats, labels: Flags) -> float:
    total = int(labels.sum())
    if not total:
        return float("nan")
    steps = _steps(scores, labels)
    gained = np.diff(steps.hits, prepend=0)
    return float((gained * steps.hits / steps.images).sum() / total)


def _best_threshold(scores: Floats, labels: Flags, *, few: int) -> float:
    total = int(labels.sum())
    if total < max(few, 1):
        return float("nan")
    steps = _steps(scores, labels)
    if not steps.scores[0] > 0:
        return float("nan")
    # No threshold is below 0, so what scores 0 is never predicted.
    f1 = np.where(steps.scores > 0, 2 * steps.hits / (total + steps.images), 0)
    best = int(np.argmax(f1))
    return _between(np.append(steps.scores, 0)[best + 1], steps.scores[best])


def _between(after: np.floating, taken: np.floating) -> float:
    """Return a number of few digits near the middle, below ``taken`` and not below ``after``."""
    middle = (float(after) + float(taken)) / 2
    shorter = (round(middle, digits) for digits in range(2, 9))
    fitting = (value for value in shorter if after <= value and taken.dtype.type(value) < taken)
    return next(fitting, float(np.nextafter(taken, taken.dtype.type(0))))


def _check(scores: npt.NDArray[np.generic], labels: Flags) -> None:
    if scores.shape != labels.shape or scores.ndim != 2:
        raise InputError(f"scores are {scores.shape}, labels {labels.shape}; both must be the same")
    if not len(scores):
        raise InputError("no image to measure on")
    if scores.dtype.kind == "f" and np.isnan(scores).any():
        raise InputError("scores are not numbers (NaN): the model's weights are broken")
