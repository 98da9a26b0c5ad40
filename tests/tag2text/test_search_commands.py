"""``index`` and ``search`` as a user meets them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.pictures import picture
from tests.tag2text.commands import invoke
from tests.train.labelled import write_shards
from train.index import Index
from vocab.errors import InputError, UsageError


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(4):
        (folder / f"{number}.jpg").write_bytes(picture(size=(40 + 30 * number, 50)))
    (folder / "broken.jpg").write_text("no image")
    return folder


def test_a_folder_is_indexed_and_searched(model: Path, images: Path, tmp_path: Path) -> None:
    made = invoke("index", images, "--model", model, "--output", tmp_path / "index")
    assert made.exit_code == 0
    assert made.stdout == f"{tmp_path}/index: 4 images; 1 could not be used (bad.jsonl)\n"
    line = ("search", "a red dog runs", "cat, beach", "--index", tmp_path / "index")
    options = ("--model", model, "--top", 3, "--rerank", 2, "--output", tmp_path / "page.html")
    found = invoke(*line, *options, "--json")
    rows = [json.loads(text) for text in found.stdout.splitlines()]
    assert [row["query"] for row in rows] == ["a red dog runs", "cat, beach"]
    assert set(rows[0]["tags"]) == {"object:dog", "attribute:red", "action:run"}
    assert {"object:cat", "scene:beach"} <= set(rows[1]["tags"])
    for row in rows:
        assert len(row["images"]) == 3
        assert ["probability" in image for image in row["images"]] == [True, True, False]
        for image in row["images"]:
            assert sorted(image["matching"] + image["missing"]) == sorted(row["tags"])
            assert Path(image["file"]).parent == images
    page = (tmp_path / "page.html").read_text()
    assert "a red dog runs" in page and page.count("<img ") == 6
    shown = invoke(*line, *options).stdout
    assert shown.splitlines()[0].startswith("a red dog runs  (") and len(shown.splitlines()) == 8


def test_the_weight_of_tags_has_an_effect(model: Path, images: Path, tmp_path: Path) -> None:
    invoke("index", images, "--model", model, "--output", tmp_path / "index")

    def scores(weight: float) -> list[tuple[float, float, int]]:
        line = ("search", "cat dog orange person red run sit", "--index", tmp_path / "index")
        found = invoke(*line, "--model", model, "--tag-weight", weight, "--json")
        hits = json.loads(found.stdout)["images"]
        return [(hit["score"], hit["similarity"], len(hit["matching"])) for hit in hits]

    for score, similarity, _ in scores(0):
        assert score == pytest.approx(similarity)
    weighed = scores(5)
    assert any(matching for _, _, matching in weighed)
    for score, similarity, matching in weighed:
        assert (score > similarity + 0.1) == bool(matching)


def test_shards_are_indexed(model: Path, tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "shards")
    made = invoke("index", "--data", folder, "--model", model, "--output", tmp_path / "index")
    assert made.exit_code == 0
    assert len(Index.open(tmp_path / "index").entries) == 15


@pytest.mark.parametrize("words", [(), ("images", "--data", "shards")])
def test_images_or_shards(model: Path, tmp_path: Path, words: tuple[str, ...]) -> None:
    result = invoke("index", *words, "--model", model, "--output", tmp_path / "index")
    assert isinstance(result.exception, UsageError)


def test_what_is_no_index_is_one_line(model: Path, tmp_path: Path) -> None:
    result = invoke("search", "dog", "--index", tmp_path, "--model", model)
    assert isinstance(result.exception, InputError)
    assert (
        str(result.exception)
        == f"{tmp_path}: has no index.json, so it is no index; run `tag2text index`"
    )
