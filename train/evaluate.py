"""A model's figures on a set of images: tags, captions, retrieval (paper, Section 4)."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

import numpy as np
from PIL import Image

from model.tag2text import Tag2Text
from train.alignment_baseline import ClipScorer, best_single_threshold
from train.caption_metrics import caption_figures
from train.classes import ClassMap, Synonyms, match_classes, own_classes
from train.evaluation import (
    CaptionRow,
    ClassRow,
    ControlPoint,
    Evaluation,
    RetrievalRow,
    Shown,
    ShownTag,
    TagRow,
)
from train.evaluation_data import EvaluationSet, Example, Parse, by_key, label_matrix
from train.inference import OWN, Advance, Outputs, Wanted, passed, run
from train.java_metrics import check_java, java_figure
from train.metrics import (
    Flags,
    Floats,
    average_precision,
    best_thresholds,
    chance,
    classification,
    mean_average_precision,
    mean_of,
    nearest_recall,
    precision_recall,
    threshold_curve,
)
from train.retrieval import (
    CANDIDATES,
    TAG_WEIGHT,
    rerank,
    retrieval,
    similarities,
    tag_share,
    texts_of,
)
from vocab.errors import InputError
from vocab.graph import KINDS

TASKS: Final = ("tagging", "captioning", "retrieval")
GRID: Final = tuple(n / 20 for n in range(1, 20))  # thresholds of the curve
CONTROL: Final = (0.1, 0.3, 0.5, 0.6, 0.68, 0.8, 0.9, 0.97)  # of the controllability curve
MODEL: Final = "this model"
_SIDE: Final = 288  # of the example images
_MISSED: Final = 6  # tags shown that were not recognised


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationConfig:
    """What to measure, and how: ``tag_weight`` is that of the share of matching tags.

    ``java`` names further figures of captions, ``meteor`` and ``spice``. ``control`` are
    thresholds for all tags at which captions are made anew; ``shown`` is how many example images
    to keep.
    """

    tasks: tuple[str, ...] = TASKS
    beams: int = 3
    batch_size: int = 16
    candidates: int = CANDIDATES
    tag_weight: float = TAG_WEIGHT
    control: tuple[float, ...] = ()
    shown: int = 0
    java: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for task in self.tasks:
            if task not in TASKS:
                raise InputError(f"task {task}: choose {', '.join(TASKS)}")
        check_java(self.java)


@dataclass(frozen=True, slots=True, kw_only=True)
class Helpers:
    """What stands beside the model: a caption parser, a dictionary, other models' results.

    ``captioners`` are captions by name and image key.
    """

    parse: Parse | None = None
    synonyms: Synonyms | None = None
    clip: ClipScorer | None = None
    captioners: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def evaluate(
    model: Tag2Text,
    data: EvaluationSet,
    config: EvaluationConfig,
    helpers: Helpers | None = None,
    *,
    advance: Advance | None = None,
) -> Evaluation:
    """Return the model's figures; ``advance`` is told how many images are done.

    What the data or the model cannot give is left out, and a note says so: a benchmark has no
    captions to compare with, a model without alignment compares nothing.
    """
    return _Run(model, data, config, helpers or Helpers()).evaluate(advance)


class _Speaker(NamedTuple):
    """A captioner's captions, and the classes that each says (captions, classes)."""

    name: str
    captions: Sequence[str]
    said: Flags | None


class _Run:
    """One evaluation: what it needs all along."""

    def __init__(
        self, model: Tag2Text, data: EvaluationSet, config: EvaluationConfig, helpers: Helpers
    ) -> None:
        self.model, self.data, self.config, self.helpers = model, data, config, helpers
        self.notes: list[str] = []
        self.benchmark = data.classes is not None
        self.tagging = "tagging" in config.tasks and data.labelled
        self.retrieval = self._does_retrieval()
        self.classes = self._classes()

    def _classes(self) -> ClassMap:
        if self.data.classes is None:
            return own_classes(self.model.vocabulary)
        return match_classes(self.data.classes, self.model.vocabulary, self.helpers.synonyms)

    def _does_retrieval(self) -> bool:
        if "retrieval" not in self.config.tasks or self.benchmark:
            return False
        if self.model.network.alignment is None:
            self.notes.append("No retrieval: this model was made without alignment.")
        return self.model.network.alignment is not None

    def evaluate(self, advance: Advance | None) -> Evaluation:
        control = () if self.benchmark or not self.data.labelled else self.config.control
        speaks = "captioning" in self.config.tasks or bool(self.config.shown)
        wanted = Wanted(
            captions=((OWN,) if speaks else ()) + control,
            alignment=self.retrieval,
            beams=self.config.beams,
            batch_size=self.config.batch_size,
        )
        outputs = run(self.model, self.data, wanted, advance=advance)
        total = len(self.data.classes or self.model.vocabulary)
        labels = label_matrix(outputs.examples, total)[:, list(self.classes.columns)]
        made = Evaluation(
            model=MODEL,
            data=self.data.name,
            images=len(outputs.examples),
            bad=outputs.bad,
            classes=len(self.classes),
            unknown=self._unknown(),
        )
        speakers = self._speakers(outputs)
        if self.tagging:
            made = self._with_tagging(made, outputs, labels, speakers)
        if speakers and not self.benchmark:
            rows = self._captioning(outputs.examples, speakers)
            made = replace(made, captioning=tuple(rows))
        if self.retrieval:
            made = self._with_retrieval(made, outputs)
        made = replace(made, control=tuple(self._control(outputs, labels, control)))
        shown = tuple(self._shown(outputs, labels))
        return replace(made, shown=shown, notes=tuple(self.notes))

    def _unknown(self) -> tuple[str, ...]:
        known = set(self.classes.columns)
        rows = enumerate(self.data.classes or ())
        return tuple(forms[0] for place, forms in rows if place not in known)

    def _with_tagging(
        self, made: Evaluation, outputs: Outputs, labels: Flags, speakers: Iterable[_Speaker]
    ) -> Evaluation:
        scores = self.classes.scores(outputs.scores)
        rows = [self._tagging_row(outputs, scores, labels)]
        if not self.benchmark:
            rows.append(self._frequency_row(labels))
        for name, _, said in speakers:
            if said is not None:  # the captioning paradigm
                figures = classification(said, labels).macro()
                rows.append(TagRow(name, "captioning", None, None, figures))
        if self.helpers.clip is not None:
            rows.append(self._clip_row(self.helpers.clip, outputs.examples, labels))
        return replace(
            made,
            chance=chance(labels),
            tagging=tuple(rows),
            per_class=tuple(self._per_class(outputs, scores, labels)),
            curve=tuple(threshold_curve(scores, labels, GRID)),
            precision_recall=tuple(precision_recall(scores, labels)),
        )

    def _tagging_row(self, outputs: Outputs, scores: Floats, labels: Flags) -> TagRow:
        predicted = self.classes.predicted(passed(self.model, outputs.scores))
        return _scored_row(MODEL, "tagging", scores, labels, predicted)

    def _frequency_row(self, labels: Flags) -> TagRow:
        images = [entry.images for entry in self.model.vocabulary.entries]
        scores = np.broadcast_to(np.array(images, np.float32), labels.shape)
        note = "The tags of most images, the same for every image."
        return _scored_row("frequency", "no image", scores, labels, None, note)

    def _speakers(self, outputs: Outputs) -> list[_Speaker]:
        """Return ours and others' captions, parsed where there is a parser."""
        texts: dict[str, Sequence[str]] = {}
        if "captioning" in self.config.tasks:
            texts[MODEL] = outputs.captions[OWN]
        for name, captions in self.helpers.captioners.items():
            texts[name] = by_key(captions, outputs.examples, name)
        parse = self.helpers.parse
        if texts and parse is None:
            self.notes.append("Captions were not parsed to tags: the parser is not installed.")
        return [
            _Speaker(name, captions, None if parse is None else self.classes.said(parse(captions)))
            for name, captions in texts.items()
        ]

    def _clip_row(self, clip: ClipScorer, examples: Sequence[Example], labels: Flags) -> TagRow:
        scores = clip.scores(examples, self.classes.names, batch_size=self.config.batch_size)
        at = best_single_threshold(scores, labels)
        note = f"One threshold for all, {at:.3f}: the best on these very images."
        return _scored_row(clip.name, "alignment", scores, labels, scores > at, note)

    def _per_class(self, outputs: Outputs, scores: Floats, labels: Flags) -> Iterable[ClassRow]:
        predicted = self.classes.predicted(passed(self.model, outputs.scores))
        found, ranked = classification(predicted, labels), average_precision(scores, labels)
        thresholds = best_thresholds(scores, labels)
        columns = zip(self.classes.names, labels.sum(0), ranked, *found, thresholds, strict=True)
        for name, images, *figures in columns:
            if images:
                yield ClassRow(name, int(images), *map(float, figures))

    def _captioning(
        self, examples: Sequence[Example], speakers: Iterable[_Speaker]
    ) -> Iterable[CaptionRow]:
        """Yield each captioner's figures on all images, and on each group as a set of its own."""
        for speaker in speakers:
            for group in ("", *sorted({example.group for example in examples} - {""})):
                rows = [n for n, one in enumerate(examples) if group in ("", one.group)]
                chosen = [examples[row] for row in rows]
                made = [speaker.captions[row] for row in rows]
                figures = caption_figures(made, [example.captions for example in chosen])
                recall = None
                if speaker.said is not None and self.data.labelled:
                    texts = texts_of(chosen, len(self.classes))
                    recall = nearest_recall(speaker.said[rows], texts.tags, texts.owners)
                java = self._java(made, [example.captions for example in chosen])
                yield CaptionRow(speaker.name, group, len(rows), figures, recall, java)

    def _java(
        self, captions: Sequence[str], references: Sequence[Sequence[str]]
    ) -> dict[str, float]:
        """Return what the Java programs say; one that fails must not cost the other figures."""
        found = {}
        for name in self.config.java:
            try:
                found[name] = java_figure(name, captions, references)
            except InputError as error:
                self.notes.append(f"No {error}.")
        return found

    def _with_retrieval(self, made: Evaluation, outputs: Outputs) -> Evaluation:
        texts = texts_of(outputs.examples, len(self.model.vocabulary))
        cosines = similarities(self.model, outputs.vectors, texts.captions)
        ways = {"ITC": cosines}
        if self.data.labelled:
            share = tag_share(passed(self.model, outputs.scores), texts.tags)
            ways["ITC + tags"] = cosines + self.config.tag_weight * share
        for name, similarity in list(ways.items()):
            ways[f"{name} + ITM"] = rerank(
                self.model,
                outputs.features,
                texts.captions,
                similarity,
                candidates=self.config.candidates,
            )
        rows = (RetrievalRow(name, retrieval(way, texts.owners)) for name, way in ways.items())
        weight = self.config.tag_weight if self.data.labelled else math.nan
        return replace(made, retrieval=tuple(rows), texts=len(texts.captions), tag_weight=weight)

    def _control(
        self, outputs: Outputs, labels: Flags, thresholds: Iterable[float]
    ) -> Iterable[ControlPoint]:
        scores = self.classes.scores(outputs.scores)
        references = [example.captions for example in outputs.examples]
        for point in threshold_curve(scores, labels, thresholds):
            captions = caption_figures(outputs.captions[point.threshold], references)
            yield ControlPoint(point.threshold, point.figures, captions)

    def _shown(self, outputs: Outputs, labels: Flags) -> Iterable[Shown]:
        """Yield images spread evenly over the set."""
        total = len(outputs.examples)
        predicted = self.classes.predicted(passed(self.model, outputs.scores))
        scores = self.classes.scores(outputs.scores)
        for row in sorted({n * total // self.config.shown for n in range(self.config.shown)}):
            example = outputs.examples[row]
            yield Shown(
                key=example.key,
                jpeg=_jpeg(example),
                caption=outputs.captions[OWN][row],
                references=example.captions,
                tags=tuple(self._shown_tags(scores[row], predicted[row], labels[row])),
            )

    def _shown_tags(self, scores: Floats, predicted: Flags, labels: Flags) -> list[ShownTag]:
        """Return the recognised tags, then the surest of those that were missed."""
        tags = [
            ShownTag(
                kind=self.classes.texts.tags[index].kind,
                name=self.classes.names[index],
                score=float(scores[index]),
                recognised=bool(predicted[index]),
                right=bool(labels[index]),
            )
            for index in np.argsort(-scores, kind="stable").tolist()
            if predicted[index] or labels[index]
        ]
        tags.sort(key=lambda tag: (not tag.recognised, KINDS.index(tag.kind)))
        return tags[: int(predicted.sum()) + _MISSED]


def _scored_row(
    method: str,
    paradigm: str,
    scores: Floats,
    labels: Flags,
    predicted: Flags | None,
    note: str = "",
) -> TagRow:
    figures = None if predicted is None else classification(predicted, labels).macro()
    by_image = mean_of(average_precision(scores.T, labels.T))
    return TagRow(method, paradigm, mean_average_precision(scores, labels), by_image, figures, note)


def _jpeg(example: Example) -> bytes:
    buffer = io.BytesIO()
    pixels = example.read(_SIDE).permute(1, 2, 0).numpy()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=82)
    return buffer.getvalue()
