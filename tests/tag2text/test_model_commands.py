"""``convert``, ``tag`` and ``caption`` as a user meets them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import Result

from model import released
from model.network import Network
from model.tag2text import Tag2Text
from tag2text.commands_model import image_paths
from tests.model.released import drawn_weights
from tests.model.tiny import WORDS, tiny_model, tiny_tokenizer
from tests.pictures import picture
from tests.tag2text.commands import invoke
from vocab.errors import InputError
from vocab.graph import Tag


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images, one of them deeper, one file of text and one broken image."""
    images = tmp_path / "images"
    (images / "deeper").mkdir(parents=True)
    (images / "a.jpg").write_bytes(picture())
    (images / "b.PNG").write_bytes(picture("PNG", size=(300, 20)))
    (images / "deeper" / "a.jpg").write_bytes(picture(size=(64, 64)))
    (images / "notes.txt").write_text("no image")
    return images


def lines(result: Result) -> list[dict[str, object]]:
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_tags_as_json_are_the_model_s(model: Path, folder: Path) -> None:
    found = lines(invoke("tag", folder, "--model", model, "--json", "--batch-size", 2))
    paths = [folder / name for name in ("a.jpg", "b.PNG", "deeper/a.jpg")]
    assert [row["image"] for row in found] == list(map(str, paths))
    for row, expected in zip(found, Tag2Text.from_pretrained(model).tag(paths), strict=True):
        assert [(t["kind"], t["tag"]) for t in row["tags"]] == [(t[0], t[1]) for t in expected]
        scores = [t["score"] for t in row["tags"]]
        assert scores == pytest.approx([t.score for t in expected], abs=1e-5)


def test_tag_options(model: Path, folder: Path) -> None:
    def tags(*options: object) -> list[list[str]]:
        rows = lines(invoke("tag", folder / "a.jpg", "--model", model, "--json", *options))
        return [[f"{t['kind']}:{t['tag']}" for t in row["tags"]] for row in rows]

    (every,) = tags("--threshold", 0)
    assert len(every) == 10
    assert tags("--top", 4) == [every[:4]]
    assert tags("--threshold", 1) == [[]]
    assert sorted(tags("--labels", "puppy, orange")[0]) == [
        "attribute:orange",
        "object:dog",
        "object:orange",
    ]


def test_tags_for_a_person(model: Path, folder: Path) -> None:
    text = invoke("tag", folder / "a.jpg", "--model", model).stdout
    (found,) = Tag2Text.from_pretrained(model).tag([folder / "a.jpg"])
    assert text.splitlines()[0] == str(folder / "a.jpg")
    assert all(f"{t.tag} {t.score:.2f}" in text for t in found)
    none = invoke("tag", folder / "a.jpg", "--model", model, "--threshold", 1).stdout
    assert "no tag above its threshold" in none


def test_captions(model: Path, folder: Path) -> None:
    rows = lines(invoke("caption", folder, "--model", model, "--json"))
    paths = [Path(str(row["image"])) for row in rows]
    expected = Tag2Text.from_pretrained(model).caption(paths)
    assert [row["caption"] for row in rows] == [made.text for made in expected]
    assert [row["tags"] for row in rows] == [list(made.tags) for made in expected]
    guided = lines(invoke("caption", folder, "--model", model, "--json", "--tags", "dog, red ball"))
    assert {tuple(row["tags"]) for row in guided} == {("dog", "red ball")}
    text = invoke("caption", folder, "--model", model).stdout
    assert all(made.text in text for made in expected)


def test_caption_options(model: Path, folder: Path) -> None:
    def captions(*options: object) -> list[object]:
        found = lines(invoke("caption", folder, "--model", model, "--json", *options))
        return [row["caption"] for row in found]

    drawn = captions("--nucleus", 0.9, "--seed", 1)
    assert drawn == captions("--nucleus", 0.9, "--seed", 1)
    assert drawn != captions("--nucleus", 0.9, "--seed", 2)
    assert captions("--beams", 1) != captions("--beams", 4)
    assert captions("--min-tokens", 12, "--max-tokens", 14) != captions()


def test_what_cannot_be_read_fails_alone(model: Path, folder: Path) -> None:
    (folder / "aa.jpg").write_bytes(picture()[:300])
    missing = folder / "none.jpg"
    done = invoke("tag", folder, missing, "--model", model, "--json")
    assert done.exit_code == 1
    errors = done.stderr.splitlines()
    assert len(errors) == 2
    assert errors[0].startswith(f"error: {folder / 'aa.jpg'}: is broken")
    assert errors[1] == f"error: {missing}: cannot be read (No such file or directory)"
    rows = lines(done)
    assert ["tags" in row for row in rows] == [True, False, True, True, False]
    assert rows[1]["error"] == errors[0].removeprefix("error: ")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (["tag", "{folder}", "--model", "/no/model"], "/no/model: no such directory"),
        (["tag", "{folder}", "--model", "{model}", "--labels", "doge"], r"near: dog"),
        (["caption", "{folder}/*.gif", "--model", "{model}"], "no image there"),
        (["caption", "{folder}", "--model", "{model}", "--max-tokens", "900"], "max_tokens 900"),
    ],
)
def test_bad_input_is_one_clear_line(
    line: list[str], message: str, model: Path, folder: Path
) -> None:
    result = invoke(*(word.format(model=model, folder=folder) for word in line))
    assert isinstance(result.exception, InputError)
    assert message in str(result.exception)


def test_image_paths(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert image_paths(["a.jpg", "none.jpg"]) == [Path("a.jpg"), Path("none.jpg")]
    assert image_paths(["*.jpg", "a.jpg"]) == [Path("a.jpg")]
    assert image_paths(["**/*.jpg"]) == [Path("a.jpg"), Path("deeper/a.jpg")]
    assert image_paths(["deeper", "."]) == [Path("deeper/a.jpg"), Path("a.jpg"), Path("b.PNG")]
    Path("odd[1].jpg").write_bytes(picture())
    assert image_paths(["odd[1].jpg"]) == [Path("odd[1].jpg")]
    with pytest.raises(InputError, match="empty: no image there"):
        Path("empty").mkdir()
        image_paths(["empty"])


def test_heatmaps(model: Path, folder: Path, tmp_path: Path) -> None:
    maps = tmp_path / "maps"
    result = invoke("tag", folder, "--model", model, "--labels", "tennis racket", "--heatmap", maps)
    assert result.exit_code == 0
    found = sorted(str(p.relative_to(maps)) for p in maps.rglob("*.jpg"))
    assert found == [f"{name}/object-tennis_racket.jpg" for name in ("a-2", "a", "b")]
    with Image.open(maps / "b" / "object-tennis_racket.jpg") as image:
        assert image.size == (300, 20)


@pytest.fixture
def checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoint as released, but as small as the tests' model."""
    small = replace(tiny_model().config, attend_padding=True, alignment=False)
    monkeypatch.setattr(released, "RELEASED", small)
    torch.save({"model": drawn_weights(Network(small, classes=4))}, tmp_path / "released.pth")
    (tmp_path / "tag_list.txt").write_text("orange\nman\nrun\norange\n")
    tiny_tokenizer().save(tmp_path / "words")
    return tmp_path / "released.pth"


def test_convert(checkpoint: Path, tmp_path: Path) -> None:
    line = ["convert", "--checkpoint", checkpoint, "--vocabulary", tmp_path / "tag_list.txt"]
    line += ["--tokenizer", tmp_path / "words", "--output", tmp_path / "model"]
    result = invoke(*line, "--blocks", "2,1,1", "--image-size", 96)
    assert result.exit_code == 0, result.exception
    assert "4 tags: 2 objects and scenes, 1 actions, 1 attributes" in result.stdout
    made = Tag2Text.from_pretrained(tmp_path / "model")
    assert made.config.attend_padding
    assert made.config.image_size == 96
    assert made.config.words == WORDS
    assert made.vocabulary.tags[3] == Tag("attribute", "orange")
    again = invoke(
        *line[:-1], tmp_path / "again", "--vocabulary", tmp_path / "model" / "vocabulary"
    )
    assert again.exit_code == 0, again.exception
    assert Tag2Text.from_pretrained(tmp_path / "again").vocabulary == made.vocabulary


def test_convert_refuses(checkpoint: Path, tmp_path: Path) -> None:
    line = ["convert", "--checkpoint", checkpoint, "--vocabulary", tmp_path / "tag_list.txt"]
    line += ["--tokenizer", tmp_path / "words", "--output", tmp_path / "model"]
    assert "is class 0 and class 3" in str(invoke(*line).exception)
    assert "--blocks two" in str(invoke(*line, "--blocks", "two").exception)
    checkpoint.write_bytes(b"PK")
    failed = invoke(*line, "--blocks", "2,1,1").exception
    assert isinstance(failed, InputError)
    assert not (tmp_path / "model").exists()


@pytest.mark.slow
def test_convert_writes_onnx(checkpoint: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    line = ["convert", "--checkpoint", checkpoint, "--vocabulary", tmp_path / "tag_list.txt"]
    line += ["--tokenizer", tmp_path / "words", "--output", tmp_path / "model", "--onnx"]
    result = invoke(*line, "--blocks", "2,1,1")
    assert "of PyTorch's" in result.stdout
    assert (tmp_path / "model" / "tagging.onnx").exists()


def test_heatmaps_stay_in_their_folder(model: Path, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for name in ("...jpg", "..jpg"):
        (images / name).write_bytes(picture())
    maps = tmp_path / "deep" / "maps"
    paths = (images / "...jpg", images / "..jpg")
    result = invoke("tag", *paths, "--model", model, "--labels", "dog", "--heatmap", maps)
    assert result.exit_code == 0
    found = sorted(str(path.relative_to(tmp_path / "deep")) for path in maps.parent.rglob("*.jpg"))
    assert found == ["maps/image-2/object-dog.jpg", "maps/image/object-dog.jpg"]


@pytest.mark.parametrize("command", ["tag", "caption"])
def test_names_of_files_are_never_more_than_text(command: str, model: Path, tmp_path: Path) -> None:
    names = ["\x1b[31mred.jpg", "caf\udce9.jpg", "two\nlines.jpg"]
    for name in names:
        (tmp_path / name).write_bytes(picture())
    (tmp_path / "\x1b[2Jbroken.jpg").write_bytes(b"no image")
    shown = invoke(command, tmp_path, "--model", model)
    assert "\x1b" not in shown.output
    for name in ("\\x1b[31mred.jpg", "caf\\udce9.jpg", "two\\nlines.jpg"):
        assert f"/{name}\n" in shown.stdout
    found = lines(invoke(command, tmp_path, "--model", model, "--json"))
    assert {Path(str(row["image"])).name for row in found} == {*names, "\x1b[2Jbroken.jpg"}
