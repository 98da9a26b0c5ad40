"""Evaluation of a small model: its figures are those of the model's own calls."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from model.tag2text import Tag2Text
from tests.model.tiny import TAGS, tiny_model, tiny_vocabulary
from tests.train.labelled import CAPTIONS, write_shards
from train.caption_metrics import caption_figures
from train.evaluate import MODEL, EvaluationConfig, Helpers, evaluate
from train.evaluation import Evaluation
from train.evaluation_data import EvaluationSet, label_matrix, read_shards
from train.evaluation_report import render, write_report
from train.inference import OWN, Wanted, run
from train.metrics import classification, mean_average_precision
from train.tuning import tune
from vocab.errors import InputError
from vocab.graph import SceneGraph, Tag

cached_model = cache(tiny_model)


def parse(texts: object) -> list[SceneGraph]:
    """Find tags by their words: real parsing is tested elsewhere."""
    return [
        SceneGraph(tags=tuple(tag for tag in TAGS if tag.tag in text.split()))
        for text in texts  # type: ignore[attr-defined]
    ]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> EvaluationSet:
    folder = tmp_path_factory.mktemp("data") / "shards"
    return read_shards([str(write_shards(folder, broken=(3,)))], tiny_vocabulary())


@pytest.fixture(scope="module")
def whole(data: EvaluationSet) -> Evaluation:
    config = EvaluationConfig(control=(0.3, 0.8), shown=4, beams=2)
    others = {"other": dict.fromkeys((e.key for e in data.examples), "a red dog")}
    return evaluate(cached_model(), data, config, Helpers(parse=parse, captioners=others))


def pictures(data: EvaluationSet, model: Tag2Text) -> list[object]:
    return [one.read(model.config.image_size) for n, one in enumerate(data.examples) if n != 3]


def test_progress_counts_images_and_captions_are_guided_as_the_models(data: EvaluationSet) -> None:
    model = tiny_model(max_tag_tokens=10)
    seen: list[int] = []
    outputs = run(model, data, Wanted(captions=(OWN,), batch_size=4), advance=seen.append)
    assert seen == [4, 4, 4, 3]
    made = model.caption(pictures(data, model))  # type: ignore[arg-type]
    assert list(outputs.captions[OWN]) == [one.text for one in made]
    assert any(
        len(one.tags) < len(tags)
        for one, tags in zip(made, model.tag(pictures(data, model)), strict=True)
    )  # type: ignore[arg-type]


def test_scores_and_captions_are_the_models_own(data: EvaluationSet) -> None:
    model = cached_model()
    outputs = run(model, data, Wanted(captions=(OWN, 0.2), beams=3, batch_size=4))
    images = pictures(data, model)
    for scores, row in zip(outputs.scores, model.tag(images, threshold=0), strict=True):  # type: ignore[arg-type]
        own = {Tag(t.kind, t.tag): t.score for t in row}
        np.testing.assert_allclose(scores, [own[tag] for tag in TAGS], atol=1e-5)
    for at, threshold in ((OWN, None), (0.2, 0.2)):
        own_texts = [d.text for d in model.caption(images, threshold=threshold)]  # type: ignore[arg-type]
        assert list(outputs.captions[at]) == own_texts


def test_broken_images_are_left_out_and_counted(whole: Evaluation) -> None:
    assert whole.images == 14 and whole.bad == {"broken_image": 1}


def test_figures_of_tagging(data: EvaluationSet, whole: Evaluation) -> None:
    model = cached_model()
    outputs = run(model, data, Wanted())
    labels = label_matrix(outputs.examples, len(TAGS))
    own, frequency, said, other = whole.tagging
    assert own.mean_ap == pytest.approx(mean_average_precision(outputs.scores, labels))
    limits = [0.7 if tag == Tag("object", "person") else 0.68 for tag in TAGS]
    right = classification(outputs.scores > np.array(limits, np.float32), labels).macro()
    assert own.figures == right
    assert frequency.mean_ap == pytest.approx(whole.chance) == pytest.approx(1.0)
    assert said.paradigm == other.paradigm == "captioning"
    # "a red dog" says 2 of the 7 tags of each image, and nothing else.
    assert other.figures is not None
    assert other.figures.recall == other.figures.precision == pytest.approx(2 / 7)
    assert [row.name for row in whole.per_class][:2] == ["cat", "dog"]


def test_figures_of_captions(data: EvaluationSet, whole: Evaluation) -> None:
    own, other = whole.captioning
    assert (own.method, own.images, other.method) == (MODEL, 14, "other")
    assert other.figures == caption_figures(["a red dog"] * 14, [CAPTIONS] * 14)
    assert other.tag_recall == pytest.approx(2 / 3)  # of "the red dog runs"


def test_every_way_of_retrieval_is_measured(whole: Evaluation) -> None:
    assert [row.method for row in whole.retrieval] == [
        *("ITC", "ITC + tags", "ITC + ITM", "ITC + tags + ITM"),
    ]
    assert whole.texts == 3 * 14


def test_control_has_a_point_a_threshold(whole: Evaluation) -> None:
    assert [point.threshold for point in whole.control] == [0.3, 0.8]
    assert whole.control[0].tagging.recall >= whole.control[1].tagging.recall


def test_tasks_are_done_alone(data: EvaluationSet) -> None:
    found = evaluate(cached_model(), data.take(4), EvaluationConfig(tasks=("tagging",)))
    assert found.tagging and not (found.captioning or found.retrieval or found.shown)
    assert set(found.figures()) == {
        f"tagging/{name}" for name in ("map", "image_ap", "precision", "recall", "f1")
    }
    with pytest.raises(InputError, match="task sleeping: choose tagging"):
        EvaluationConfig(tasks=("sleeping",))


def test_what_cannot_be_measured_is_noted(data: EvaluationSet) -> None:
    found = evaluate(tiny_model(alignment=False), data.take(4), EvaluationConfig())
    assert not found.retrieval
    assert [note.split(":")[0] for note in found.notes] == [
        "No retrieval",
        "Captions were not parsed to tags",
    ]


def test_groups_are_sets_of_their_own(data: EvaluationSet) -> None:
    examples = tuple(
        replace(one, group="near" if n % 2 else "far") for n, one in enumerate(data.examples[4:10])
    )
    grouped = replace(data, examples=examples)
    found = evaluate(cached_model(), grouped, EvaluationConfig(tasks=("captioning",), beams=1))
    assert [(row.group, row.images) for row in found.captioning] == [
        ("", 6),
        ("far", 3),
        ("near", 3),
    ]


def test_a_benchmark_is_matched_by_name(data: EvaluationSet) -> None:
    examples = tuple(
        replace(one, captions=(), tags=((0, 2) if n % 2 else (1,),))
        for n, one in enumerate(data.examples[4:12])
    )
    classes = (("cats",), ("zebra",), ("hound", "dog"))
    benchmark = EvaluationSet(name="b", examples=examples, classes=classes)
    found = evaluate(cached_model(), benchmark, EvaluationConfig(beams=1), Helpers(parse=parse))
    assert (found.classes, found.unknown, found.chance) == (2, ("zebra",), 0.5)
    assert [row.paradigm for row in found.tagging] == ["tagging", "captioning"]
    assert not found.captioning and not found.retrieval
    assert "2 of 3 classes are known to the model. mAP ranks" in render(found)


def test_tuned_thresholds_are_better_on_what_they_were_tuned_on(tmp_path: Path) -> None:
    model = cached_model()
    random = np.random.default_rng(0)
    data = read_shards([str(write_shards(tmp_path / "shards", shards=4))], model.vocabulary)
    rows = [tuple(np.flatnonzero(random.random(10) < 0.5).tolist()) for _ in data.examples]
    varied = replace(
        data,
        examples=tuple(replace(e, tags=(r,) * 3) for e, r in zip(data.examples, rows, strict=True)),
    )
    tuned = tune(model, varied)
    frequent = label_matrix(varied.examples, 10).sum(0) >= 5
    assert tuned.found == frequent.sum() > 5
    kept = [entry.threshold is not None for entry in tuned.vocabulary.entries]
    assert kept == [many or n == 3 for n, many in enumerate(frequent)]  # "person" had one
    assert tuned.vocabulary.fingerprint == model.vocabulary.fingerprint
    config = EvaluationConfig(tasks=("tagging",))
    before = evaluate(model, varied, config).figures()["tagging/f1"]
    after = Tag2Text(model.network, tuned.vocabulary, model.tokenizer)
    assert evaluate(after, varied, config).figures()["tagging/f1"] > before
    tuned.vocabulary.save(tmp_path / "vocabulary")  # thresholds survive their file
    again = type(tuned.vocabulary).load(tmp_path / "vocabulary")
    assert again.entries == tuned.vocabulary.entries
    with pytest.raises(InputError, match="searched on labelled shards"):
        tune(model, replace(varied, classes=(("dog",),)))


def test_numbers_are_json(whole: Evaluation) -> None:
    value = json.loads(json.dumps(whole.to_json(), allow_nan=False))
    assert value["images"] == 14 and "shown" not in value
    assert value["figures"] == pytest.approx(whole.figures())
    assert value["retrieval"][0]["figures"]["image_to_text"]["at_1"] is not None


def test_the_page_is_whole_and_the_same_again(whole: Evaluation, tmp_path: Path) -> None:
    write_report(tmp_path / "report.html", whole)
    page = (tmp_path / "report.html").read_text()
    assert page == render(whole)
    for heading in ("Tagging", "Captions", "Retrieval", "Example images"):
        assert f"<h2>{heading}</h2>" in page
    assert page.count("<article>") == 4 and page.count("data:image/jpeg;base64,") == 4
    assert "14 images of" in page and "1 could not be read (1 broken image)" in page
    assert "nan" not in page[page.index("<main>") : page.index("<article>")].lower()


def test_hostile_words_are_only_words(whole: Evaluation) -> None:
    shown = replace(whole.shown[0], caption='"><script>alert(1)</script>', references=("<b>",))
    page = render(replace(whole, shown=(shown,), data="<i>data</i>"))
    assert "<script" not in page and "<i>data" not in page and "<b>" not in page


def test_an_empty_evaluation_has_a_page() -> None:
    empty = Evaluation(model=MODEL, data="none", images=0, bad={})
    assert "<h2>" not in render(empty) and empty.figures() == {}
    assert empty.to_json()["chance"] is None and math.isnan(empty.chance)


def test_no_image_can_be_read(data: EvaluationSet) -> None:
    broken = replace(data, examples=data.examples[3:4])
    with pytest.raises(InputError, match=r"none of the images can be read \(1 broken_image\)"):
        evaluate(cached_model(), broken, EvaluationConfig())
