"""Users' calls on a small untrained model: tags, captions, answers, matches, saving, changing."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from model.card import card
from model.network import Network
from model.preprocess import ImageError
from model.recognition import TagScore, choose, label_ids, thresholds
from model.tag2text import Tag2Text
from model.tokenizer import train_tokenizer
from model.transfer import with_classes
from tests.model.tiny import TAGS, tiny_model, tiny_vocabulary
from vocab.errors import InputError
from vocab.graph import Tag
from vocab.vocabulary import Entry, Vocabulary

cached_model = cache(tiny_model)


@pytest.fixture
def model() -> Tag2Text:
    return cached_model()


@pytest.fixture(scope="module")
def images() -> list[Image.Image]:
    drawn = np.random.default_rng(0).integers(256, size=(3, 50, 70, 3), dtype=np.uint8)
    return [Image.fromarray(pixels) for pixels in drawn]


def scores(found: Sequence[TagScore]) -> dict[Tag, float]:
    return {Tag(t.kind, t.tag): t.score for t in found}


def close(one: dict[Tag, float], other: dict[Tag, float]) -> bool:
    return one.keys() == other.keys() and all(abs(one[t] - other[t]) < 1e-5 for t in one)


def test_tags_pass_their_own_threshold_and_the_surest_come_first(
    model: Tag2Text, images: list[Image.Image]
) -> None:
    everything = [scores(row) for row in model.tag(images, threshold=0)]
    assert all(set(row) == set(TAGS) for row in everything)
    for row, every in zip(model.tag(images), everything, strict=True):
        limits = {tag: 0.7 if tag == Tag("object", "person") else 0.68 for tag in TAGS}
        assert close(scores(row), {t: s for t, s in every.items() if s > limits[t]})
        assert [t.score for t in row] == sorted((t.score for t in row), reverse=True)
    assert any(map(len, model.tag(images)))


def test_threshold_for_all_tags(model: Tag2Text, images: list[Image.Image]) -> None:
    for row, every in zip(
        model.tag(images, threshold=0.9), model.tag(images, threshold=0), strict=True
    ):
        assert row == [t for t in every if t.score > 0.9]
    assert model.tag(images, threshold=1) == [[], [], []]


def test_top_takes_the_surest_whatever_their_threshold(
    model: Tag2Text, images: list[Image.Image]
) -> None:
    every = model.tag(images, threshold=0)
    assert model.tag(images, top=9) == [row[:9] for row in every]
    assert model.tag(images, top=9, threshold=0.9) == [
        [t for t in row if t.score > 0.9][:9] for row in every
    ]


@given(st.permutations(TAGS).flatmap(lambda tags: st.integers(1, 10).map(lambda n: tags[:n])))
def test_a_few_labels_in_any_order_have_the_scores_that_they_have_among_all(
    tags: list[Tag],
) -> None:
    model, image = cached_model(), Image.new("RGB", (64, 64), "teal")
    (every,) = model.tag([image], threshold=0)
    (some,) = model.tag([image], labels=[f"{tag.kind}:{tag.tag}" for tag in tags])
    assert close(scores(some), {tag: scores(every)[tag] for tag in tags})


def test_one_by_one_equals_batches(model: Tag2Text, images: list[Image.Image]) -> None:
    for batch_size in (1, 2, 16):
        rows = model.tag(images, threshold=0, batch_size=batch_size)
        singles = [model.tag([image], threshold=0)[0] for image in images]
        assert all(close(scores(a), scores(b)) for a, b in zip(rows, singles, strict=True))
        captions = [c.text for c in model.caption(images, batch_size=batch_size)]
        assert captions == [model.caption([image])[0].text for image in images]


def test_labels_by_name_alias_and_inflection() -> None:
    vocabulary = tiny_vocabulary()

    def named(*labels: str) -> list[Tag]:
        return [vocabulary.tags[i] for i in label_ids(vocabulary, labels)]

    assert named("orange") == [Tag("object", "orange"), Tag("attribute", "orange")]
    assert named("attribute:orange", "dog") == [Tag("attribute", "orange"), Tag("object", "dog")]
    assert named("puppy", "dog", "dogs") == [Tag("object", "dog")]
    assert named("running") == [Tag("action", "run")]
    with pytest.raises(InputError, match=r"label 'doge' is not .*near: dog"):
        named("doge")
    with pytest.raises(InputError, match="label 'scene:dig'"):
        named("scene:dig")
    with pytest.raises(InputError, match="no labels"):
        named()
    with pytest.raises(InputError, match="give a list of them"):
        label_ids(vocabulary, "dog")


def test_choose_breaks_ties_by_class() -> None:
    tags = [Tag("object", name) for name in "abc"]
    found = choose(torch.tensor([0.5, 0.9, 0.5]), torch.zeros(3), tags, None)
    assert [t.tag for t in found] == ["b", "a", "c"]


def test_thresholds_are_the_vocabulary_s() -> None:
    assert thresholds(tiny_vocabulary())[[2, 3]].tolist() == pytest.approx([0.68, 0.7])


def test_captions_are_guided_by_recognised_tags_in_the_order_of_the_classes(
    model: Tag2Text, images: list[Image.Image]
) -> None:
    for made, tags in zip(model.caption(images), model.tag(images), strict=True):
        found = {Tag(t.kind, t.tag) for t in tags}
        assert made.tags == tuple(dict.fromkeys(t.tag for t in TAGS if t in found))
        assert made.text
        assert made.score < 0


def test_user_tags_replace_recognised_ones(model: Tag2Text, images: list[Image.Image]) -> None:
    same = model.caption(images, ["zebra", "grass"])
    assert {c.tags for c in same} == {("zebra", "grass")}
    own = model.caption(images, [["zebra", "grass"], ["dog"], ["cat"]])
    assert [c.tags for c in own] == [("zebra", "grass"), ("dog",), ("cat",)]
    assert own[0].text == same[0].text
    assert own[0].score == pytest.approx(same[0].score, abs=1e-4)
    with pytest.raises(InputError, match="2 lists of tags for 3 images"):
        model.caption(images, [["dog"], ["cat"]])


def test_caption_options_have_an_effect(model: Tag2Text, images: list[Image.Image]) -> None:
    letters = [len(c.text) for c in model.caption(images)]
    short = model.caption(images, min_tokens=12, max_tokens=14)
    assert max(len(c.text) for c in short) < min(letters)
    drawn = [model.caption(images, nucleus=0.9, seed=seed) for seed in (0, 1, 0)]
    assert drawn[0] == drawn[2] != drawn[1]
    assert model.caption(images, threshold=1)[0].tags == ()


def test_answers(model: Tag2Text, images: list[Image.Image]) -> None:
    asked = ["what animal is it", "what colour is it", "where is it"]
    free = model.answer(images, asked)
    assert len(free) == 3
    for answer, caption in zip(free, model.caption(images), strict=True):
        assert set(answer.tags) <= set(caption.tags)  # the question may take the room of some
    choices = ["dog", "red", "beach"]
    ranked = model.answer(images, asked, answers=choices, tags=["dog"])
    assert all(a.text in choices and a.tags == ("dog",) for a in ranked)
    single = model.answer(images[1:2], asked[1:2], answers=choices, tags=["dog"])
    assert single[0].text == ranked[1].text
    assert single[0].score == pytest.approx(ranked[1].score, abs=1e-3)
    with pytest.raises(InputError, match="3 images: give a list of as many questions"):
        model.answer(images, ["what is it"])


def test_match_compares_each_image_with_each_text(
    model: Tag2Text, images: list[Image.Image]
) -> None:
    texts = ["a red dog", "a person at the beach"]
    found = model.match(images, texts, batch_size=2)
    vectors, words = model.encode_image(images, batch_size=2), model.encode_text(texts)
    assert found.similarity.shape == found.probability.shape == (3, 2)
    assert torch.allclose(vectors.norm(dim=1), torch.ones(3), atol=1e-5)
    assert torch.allclose(found.similarity, vectors @ words.T, atol=1e-5)
    single = model.match(images[2:], texts[1:])
    assert torch.allclose(found.probability[2:, 1:], single.probability, atol=1e-5)
    assert model.match([], texts).similarity.shape == (0, 2)
    assert model.encode_image([]).shape == (0, 64)
    with pytest.raises(InputError, match="give a list"):
        model.encode_text("a red dog")


def test_without_alignment_there_is_nothing_to_match(images: list[Image.Image]) -> None:
    with pytest.raises(InputError, match="compares no images with texts"):
        tiny_model(alignment=False).match(images, ["a dog"])


def test_wrong_calls_are_one_clear_line(
    model: Tag2Text, images: list[Image.Image], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="give a list of them"):
        model.tag("photo.jpg")
    with pytest.raises(InputError, match="give a list of them"):
        model.tag(images[0])
    with pytest.raises(InputError, match="top -1"):
        model.tag(images, top=-1)
    with pytest.raises(InputError, match="1 images: give a list of as many questions"):
        model.answer(images[:1], "w")
    with pytest.raises(InputError, match="object:unicorn"):
        model.heatmaps(images[0], [Tag("object", "unicorn")])
    with pytest.raises(InputError, match="no labels"):
        model.heatmaps(images[0], [])
    with pytest.raises(InputError, match="batch size 0"):
        model.tag(images, batch_size=0)
    with pytest.raises(InputError, match="threshold 68"):
        model.tag(images, threshold=68)
    with pytest.raises(ImageError, match=r"none\.jpg: cannot be read"):
        model.tag([tmp_path / "none.jpg"])


@pytest.mark.parametrize("tagging", ["shared", "unshared", "linear"])
def test_what_is_saved_loads_and_does_the_same(
    tagging: str, tmp_path: Path, images: list[Image.Image]
) -> None:
    saved = tiny_model(tagging=tagging)
    saved.save_pretrained(tmp_path / "a")
    loaded = Tag2Text.from_pretrained(tmp_path / "a", device="cpu")
    assert loaded.config == saved.config
    assert loaded.vocabulary == saved.vocabulary
    assert loaded.tag(images, threshold=0) == saved.tag(images, threshold=0)
    assert loaded.caption(images) == saved.caption(images)
    loaded.save_pretrained(tmp_path / "b")
    for path in (tmp_path / "a").rglob("*.*"):
        other = tmp_path / "b" / path.relative_to(tmp_path / "a")
        assert path.is_dir() or path.read_bytes() == other.read_bytes()


def test_what_lies_in_the_directory(tmp_path: Path, model: Tag2Text) -> None:
    model.save_pretrained(tmp_path)
    assert {"README.md", "config.json", "model.safetensors", "tokenizer", "vocabulary"} == {
        path.name for path in tmp_path.iterdir()
    }
    text = card(model.network, model.vocabulary)
    assert model.vocabulary.fingerprint[:12] in text
    assert f"{sum(p.numel() for p in model.network.parameters()):,}" in text


def test_a_vocabulary_of_another_model_is_refused(tmp_path: Path, model: Tag2Text) -> None:
    model.save_pretrained(tmp_path)
    other = Vocabulary(tuple(Entry(tag) for tag in TAGS[1::-1] + TAGS[2:]))  # as many classes
    other.save(tmp_path / "vocabulary")
    with pytest.raises(InputError, match=other.fingerprint[:12]):
        Tag2Text.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    "name", ["model.safetensors", "config.json", "vocabulary/vocabulary.json", "tokenizer"]
)
def test_a_directory_that_is_not_whole_is_one_clear_line(
    name: str, tmp_path: Path, model: Tag2Text
) -> None:
    model.save_pretrained(tmp_path)
    path = tmp_path / name
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(InputError) as raised:
        Tag2Text.from_pretrained(tmp_path)
    assert str(tmp_path) in str(raised.value)
    assert "\n" not in str(raised.value)


def test_parts_that_do_not_fit_are_refused(model: Tag2Text) -> None:
    fewer = Vocabulary(tiny_vocabulary().entries[:3])
    with pytest.raises(InputError, match="10 classes, the vocabulary 3"):
        Tag2Text(model.network, fewer, model.tokenizer)
    other = train_tokenizer(["a dog"], words=len(model.tokenizer) - 1)
    with pytest.raises(InputError, match="400 words, the tokenizer 399"):
        Tag2Text(model.network, model.vocabulary, other)


@pytest.mark.parametrize("tagging", ["shared", "linear"])
def test_another_vocabulary_keeps_what_was_learned_of_common_tags(
    tagging: str, images: list[Image.Image]
) -> None:
    model = tiny_model(tagging=tagging)
    common = [Tag("object", "dog"), Tag("object", "cat"), Tag("attribute", "red")]
    tags = [common[0], Tag("object", "zebra"), common[1], Tag("attribute", "big"), common[2]]
    changed = model.with_vocabulary(Vocabulary(tuple(map(Entry, tags))))
    for row, old in zip(
        changed.tag(images, threshold=0), model.tag(images, threshold=0), strict=True
    ):
        assert set(scores(row)) == set(tags)
        assert close({t: scores(row)[t] for t in common}, {t: scores(old)[t] for t in common})
    assert changed.caption(images, ["dog"])[0].text == model.caption(images, ["dog"])[0].text
    with torch.no_grad():
        changed.network.tagging.bias.zero_()
    assert model.network.tagging.bias.abs().sum() > 0  # nothing is shared


def test_as_many_classes_in_another_order_move_their_rows(model: Tag2Text) -> None:
    new = Vocabulary(tuple(map(Entry, (*TAGS[2:6], *TAGS[:2], *TAGS[6:]))))
    made = with_classes(model.network, model.vocabulary, new)
    rows = [model.vocabulary.index(tag) for tag in new.tags]
    for ours, old in zip(
        made.tagging.all_labels(), model.network.tagging.all_labels(), strict=True
    ):
        assert torch.equal(ours, old[rows])


def test_what_does_not_fit_is_the_least_sure_and_is_not_said_to_guide(
    model: Tag2Text, images: list[Image.Image]
) -> None:
    few = replace(model.config, max_tag_tokens=12)
    small = Tag2Text(Network(few, classes=len(model.vocabulary)), model.vocabulary, model.tokenizer)
    small.network.load_state_dict(model.network.state_dict())
    for scores, made in zip(small.tag(images), small.caption(images), strict=True):
        sure = list(dict.fromkeys(score.tag for score in scores))
        assert 0 < len(made.tags) < len(sure)
        assert set(made.tags) == set(sure[: len(made.tags)])
    given = small.caption(images[:1], ["dog", "tennis racket"] + [f"cat {n}" for n in range(9)])
    assert given[0].tags[:2] == ("dog", "tennis racket")
    assert len(given[0].tags) < 11


def test_many_texts_are_worked_on_in_parts(
    model: Tag2Text, images: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = ["a dog", "a red cat sits", "a beach", "two people run", "orange"]
    whole = model.match(images, texts)
    monkeypatch.setattr("model.tag2text.TEXTS", 2)
    monkeypatch.setattr("model.alignment.PAIRS", 2)
    parts = model.match(images, texts)
    torch.testing.assert_close(parts.similarity, whole.similarity)
    torch.testing.assert_close(parts.probability, whole.probability)


def test_the_output_of_a_run_is_no_model_but_holds_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no model.safetensors, so it is no model; check"):
        Tag2Text.from_pretrained(tmp_path)
    tiny_model().save_pretrained(tmp_path / "model")
    with pytest.raises(InputError, match=f"is no model; give {tmp_path / 'model'}$"):
        Tag2Text.from_pretrained(tmp_path)
    with pytest.raises(InputError, match="none: no such directory"):
        Tag2Text.from_pretrained(tmp_path / "none")
