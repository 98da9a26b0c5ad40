"""What an evaluation found: plain records, as numbers for programs and for the report."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

from train.caption_metrics import CaptionFigures
from train.metrics import CurvePoint, MacroFigures, Point
from train.retrieval import Retrieval


class TagRow(NamedTuple):
    """One way to tag, as in the paper's Table 1; means over the classes that some image is of.

    ``mean_ap`` ranks images for each class; ``image_ap`` ranks classes for each image. Both are
    ``None`` for a way that gives no scores, ``figures`` for one that decides nothing.
    """

    method: str
    paradigm: str
    mean_ap: float | None
    image_ap: float | None
    figures: MacroFigures | None
    note: str = ""


class ClassRow(NamedTuple):
    """What the model makes of one class; ``best_threshold`` is that of the best F1 here."""

    name: str
    images: int
    average_precision: float
    precision: float
    recall: float
    f1: float
    best_threshold: float


class CaptionRow(NamedTuple):
    """One captioner on the images of one group ("" is all).

    ``tag_recall`` is :func:`train.metrics.nearest_recall`, ``None`` without parsed captions;
    ``java`` holds METEOR and SPICE where they were asked for.
    """

    method: str
    group: str
    images: int
    figures: CaptionFigures
    tag_recall: float | None = None
    java: Mapping[str, float] = MappingProxyType({})


class RetrievalRow(NamedTuple):
    """One way to compare images with texts."""

    method: str
    figures: Retrieval


class ControlPoint(NamedTuple):
    """Tags and captions at one threshold for all tags (the paper's Figure 6)."""

    threshold: float
    tagging: MacroFigures
    captions: CaptionFigures


class ShownTag(NamedTuple):
    """A tag beside an example image: recognised or not, and whether the labels have it."""

    kind: str
    name: str
    score: float
    recognised: bool
    right: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """An example image: JPEG bytes, what the model says, what people said."""

    key: str
    jpeg: bytes
    caption: str
    references: tuple[str, ...]
    tags: tuple[ShownTag, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """All figures of a model on one set of images; what was not asked for is empty."""

    model: str
    data: str
    images: int
    bad: Mapping[str, int]
    classes: int = 0
    unknown: tuple[str, ...] = ()
    chance: float = math.nan
    tagging: tuple[TagRow, ...] = ()
    per_class: tuple[ClassRow, ...] = ()
    curve: tuple[CurvePoint, ...] = ()
    precision_recall: tuple[Point, ...] = ()
    captioning: tuple[CaptionRow, ...] = ()
    retrieval: tuple[RetrievalRow, ...] = ()
    texts: int = 0
    tag_weight: float = math.nan
    control: tuple[ControlPoint, ...] = ()
    shown: tuple[Shown, ...] = ()
    notes: tuple[str, ...] = ()

    def figures(self) -> dict[str, float]:
        """Return the model's own headline figures by name, such as ``tagging/map``.

        Retrieval's are those of the way that finds most.
        """
        found: dict[str, float] = {}
        for row in self.tagging:
            if row.method == self.model:
                found |= _prefixed("tagging/" if row.mean_ap is not None else "said/", row)
        for caption in self.captioning:
            if caption.method == self.model and not caption.group:
                found |= {f"captioning/{k}": v for k, v in caption.figures._asdict().items()}
                found |= {f"captioning/{name}": value for name, value in caption.java.items()}
                if caption.tag_recall is not None:
                    found["captioning/tag_recall"] = caption.tag_recall
        way = self.best_retrieval()
        if way is not None:
            found["retrieval/mean"] = way.figures.mean()
            found["retrieval/image_to_text_1"] = way.figures.image_to_text.at_1
            found["retrieval/text_to_image_1"] = way.figures.text_to_image.at_1
        return found

    def best_retrieval(self) -> RetrievalRow | None:
        """Return the way to compare images with texts that finds most, if there are any."""
        return max(self.retrieval, key=lambda way: way.figures.mean(), default=None)

    def to_json(self) -> dict[str, Any]:
        """Return everything but the example images, as JSON knows it; NaN is null."""
        names = [name for name in self.__dataclass_fields__ if name != "shown"]
        value = {name: _plain(getattr(self, name)) for name in names}
        return {**value, "figures": _plain(self.figures())}


def _prefixed(prefix: str, row: TagRow) -> dict[str, float]:
    values = {"map": row.mean_ap, "image_ap": row.image_ap}
    values |= row.figures._asdict() if row.figures else {}
    return {prefix + name: value for name, value in values.items() if value is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if hasattr(value, "_asdict"):
        return {name: _plain(one) for name, one in value._asdict().items()}
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, tuple) else value
