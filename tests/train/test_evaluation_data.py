"""Files to evaluate on: shards, captions, benchmarks; what is wrong with them is one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from model.preprocess import ImageError
from tests.model.tiny import tiny_vocabulary
from tests.pictures import picture
from tests.train.labelled import CAPTIONS, write_shards
from train.evaluation_data import (
    by_key,
    label_matrix,
    read_benchmark,
    read_captions,
    read_results,
    read_shards,
)
from vocab.errors import InputError
from vocab.graph import SceneGraph, Tag


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("a.jpg", "b.jpg"):
        (folder / name).write_bytes(picture(size=(40, 30)))
    return folder


def test_shards(tmp_path: Path) -> None:
    data = read_shards([str(write_shards(tmp_path / "shards"))], tiny_vocabulary())
    assert len(data.examples) == 15 and data.labelled and data.classes is None
    first = data.examples[0]
    assert first.key == "s-000000000" and first.captions == CAPTIONS
    assert first.read(32).shape == (3, 32, 32)
    labels = label_matrix(data.examples, 10)
    assert labels[0].nonzero()[0].tolist() == [0, 1, 2, 5, 6, 7, 9]


def test_fewer_images_are_spread_evenly(tmp_path: Path) -> None:
    data = read_shards([str(write_shards(tmp_path / "shards"))], tiny_vocabulary())
    numbers = [int(example.key[2:]) for example in data.take(5).examples]
    assert numbers == [0, 3, 6, 9, 12]
    assert data.take(99) is data and data.take(None) is data


def captions_file(folder: Path) -> Path:
    value = {
        "images": [
            {"id": 1, "file_name": "a.jpg", "domain": "in-domain"},
            {"id": 2, "file_name": "b.jpg", "domain": "out-domain"},
            {"id": 3, "file_name": "c.jpg"},
        ],
        "annotations": [
            {"image_id": 1, "caption": "A red dog."},
            {"image_id": 2, "caption": "A cat."},
            {"image_id": 1, "caption": "The beach."},
        ],
    }
    path = folder / "captions.json"
    path.write_text(json.dumps(value))
    return path


def test_captions_with_domains_and_without_a_parser(tmp_path: Path, images: Path) -> None:
    data = read_captions(captions_file(tmp_path), images, tiny_vocabulary(), None)
    assert [example.key for example in data.examples] == ["1", "2"]  # the third has no caption
    assert data.examples[0].captions == ("A red dog.", "The beach.")
    assert [example.group for example in data.examples] == ["in-domain", "out-domain"]
    assert not data.labelled and data.examples[0].read(16).shape == (3, 16, 16)


def test_captions_get_tags_by_the_parser(tmp_path: Path, images: Path) -> None:
    def parse(texts: object) -> list[SceneGraph]:
        words = {"dog": "object", "cat": "object", "red": "attribute", "beach": "scene"}
        return [
            SceneGraph(tags=tuple(Tag(words[w], w) for w in text.strip(".").split() if w in words))
            for text in texts  # type: ignore[attr-defined]
        ]

    data = read_captions(captions_file(tmp_path), images, tiny_vocabulary(), parse)
    assert data.labelled and data.examples[0].tags == ((1, 9), (5,))
    assert data.examples[1].tags == ((0,),)


def test_openimages_form(tmp_path: Path, images: Path) -> None:
    (tmp_path / "classes.txt").write_text("Dog,Hound\nCat\nCar\n")
    path = tmp_path / "images.txt"
    path.write_text("a.jpg,0,2\n\nb.jpg\n")
    data = read_benchmark(path, images, tmp_path / "classes.txt")
    assert data.classes == (("dog", "hound"), ("cat",), ("car",))
    assert label_matrix(data.examples, 3).tolist() == [[True, False, True], [False, False, False]]


def test_coco_instances(tmp_path: Path, images: Path) -> None:
    value = {
        "categories": [{"id": 18, "name": "dog"}, {"id": 90, "name": "toothbrush"}],
        "images": [{"id": 5, "file_name": "a.jpg"}, {"id": 6, "file_name": "b.jpg"}],
        "annotations": [{"image_id": 6, "category_id": 90}, {"image_id": 6, "category_id": 90}],
    }
    (tmp_path / "instances.json").write_text(json.dumps(value))
    data = read_benchmark(tmp_path / "instances.json", images)
    assert data.classes == (("dog",), ("toothbrush",))
    assert label_matrix(data.examples, 2).tolist() == [[False, False], [False, True]]


def test_an_image_that_is_not_there_fails_alone(tmp_path: Path, images: Path) -> None:
    (tmp_path / "classes.txt").write_text("dog\n")
    (tmp_path / "images.txt").write_text("missing.jpg,0\n")
    data = read_benchmark(tmp_path / "images.txt", images, tmp_path / "classes.txt")
    with pytest.raises(ImageError):
        data.examples[0].read(16)


@pytest.mark.parametrize(
    "line", ["a.jpg,1", "a.jpg,x", "a.jpg,-1", "a.jpg,²", "a.jpg," + "1" * 5000]
)
def test_ids_past_the_classes_are_refused(tmp_path: Path, images: Path, line: str) -> None:
    (tmp_path / "classes.txt").write_text("dog\n")
    (tmp_path / "images.txt").write_text(f"b.jpg,0\n{line}\n")
    with pytest.raises(InputError, match=r"images\.txt:2: ids must be numbers below 1"):
        read_benchmark(tmp_path / "images.txt", images, tmp_path / "classes.txt")


@pytest.mark.parametrize(
    "text", ["[", "[]", "3", '{"images": [], "annotations": [{}]}', '{"images": 1}', "[" * 100_000]
)
def test_broken_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "broken.json"
    path.write_text(text)
    for read in (
        lambda: read_captions(path, tmp_path, tiny_vocabulary(), None),
        lambda: read_benchmark(path, tmp_path),
    ):
        with pytest.raises(InputError, match=r"broken\.json"):
            read()
    with pytest.raises(InputError, match="cannot be read"):
        read_captions(tmp_path / "none.json", tmp_path, tiny_vocabulary(), None)
    with pytest.raises(InputError, match="--classes"):
        read_benchmark(tmp_path / "list.txt", tmp_path)


def test_results_of_another_captioner(tmp_path: Path, images: Path) -> None:
    data = read_captions(captions_file(tmp_path), images, tiny_vocabulary(), None)
    path = tmp_path / "results.json"
    path.write_text('[{"image_id": 1, "caption": "a dog"}, {"image_id": "2", "caption": "a cat"}]')
    assert by_key(read_results(path), data.examples, "x") == ["a dog", "a cat"]
    path.write_text('[{"image_id": 1, "caption": "a dog"}]')
    with pytest.raises(InputError, match="has no caption for 2 and 0 more"):
        by_key(read_results(path), data.examples, "x")
    path.write_text('{"1": "a dog"}')
    with pytest.raises(InputError, match="not a list"):
        read_results(path)
