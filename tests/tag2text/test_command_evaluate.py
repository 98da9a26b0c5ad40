"""``tag2text evaluate`` on a saved model: the page, the figures, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from tag2text.command_evaluate import evaluate
from tests.model.tiny import tiny_model
from tests.pictures import picture
from tests.train.labelled import write_shards
from vocab.errors import InputError, UsageError
from vocab.vocabulary import Vocabulary

app = typer.Typer()
app.command()(evaluate)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluate")
    tiny_model().save_pretrained(folder / "model")
    write_shards(folder / "shards", shards=2)
    write_shards(folder / "other", shards=2)
    (folder / "images").mkdir()
    (folder / "images" / "a.jpg").write_bytes(picture(size=(40, 30)))
    return folder


def run(place: Path, *flags: str, model: str = "model", output: str = "out/page.html") -> str:
    words = ["--model", str(place / model), "--output", str(place / output), *flags]
    result = CliRunner().invoke(app, words)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def test_shards_are_measured(place: Path) -> None:
    shown = run(place, "--data", str(place / "shards"), "--limit", "6", "--show", "2")
    figures = json.loads((place / "out" / "page.json").read_text())["figures"]
    lines = dict(line.split("\t") for line in shown.splitlines()[1:])
    assert lines["tagging/map"] == f"{figures['tagging/map']:.4f}"
    assert {"captioning/cider", "retrieval/mean"} <= lines.keys()
    assert (place / "out" / "page.html").read_text().count("<article>") == 2


def test_thresholds_are_kept_in_the_model_when_asked(place: Path) -> None:
    flags = ("--data", str(place / "shards"), "--tune", str(place / "other"), "--task", "tagging")
    tiny_model().save_pretrained(place / "kept")
    run(place, *flags, "--show", "0", model="kept")
    before = Vocabulary.load(place / "kept" / "vocabulary")
    assert [e.threshold for e in before.entries].count(None) == 9
    run(place, *flags, "--show", "0", "--write-thresholds", model="kept")
    after = Vocabulary.load(place / "kept" / "vocabulary")
    assert [e.threshold for e in after.entries].count(None) < 9
    assert after.fingerprint == before.fingerprint


def test_a_captions_file_and_a_captioner(place: Path) -> None:
    value = {
        "images": [{"id": 1, "file_name": "a.jpg", "domain": "near-domain"}],
        "annotations": [{"image_id": 1, "caption": "a red dog runs"}],
    }
    (place / "captions.json").write_text(json.dumps(value))
    (place / "results.json").write_text('[{"image_id": 1, "caption": "a red dog runs"}]')
    flags = ("--captions", str(place / "captions.json"), "--image-root", str(place / "images"))
    other = ("--captioner", f"copy={place / 'results.json'}", "--task", "captioning")
    run(place, *flags, *other)
    rows = json.loads((place / "out" / "page.json").read_text())["captioning"]
    assert [(row["method"], row["group"]) for row in rows] == [
        *(("this model", ""), ("this model", "near-domain")),
        *(("copy", ""), ("copy", "near-domain")),
    ]
    assert rows[2]["figures"]["bleu_4"] == pytest.approx(1)


def test_a_benchmark(place: Path) -> None:
    (place / "classes.txt").write_text("dog\ncat\nzebra\n")
    (place / "test.txt").write_text("a.jpg,0\nmissing.jpg,1\n")
    flags = ("--benchmark", str(place / "test.txt"), "--classes", str(place / "classes.txt"))
    run(place, *flags, "--image-root", str(place / "images"), "--task", "tagging")
    found = json.loads((place / "out" / "page.json").read_text())
    assert found["unknown"] == ["zebra"] and found["bad"] == {"broken_image": 1}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ((), "give one of --data"),
        (("--data", "x", "--benchmark", "y"), "give one of --data"),
        (("--benchmark", "y"), "need --image-root"),
        (("--data", "x", "--write-thresholds"), "give --tune as well"),
        (("--data", "x", "--tune", "x"), "the same shards"),
        (("--data", "x", "--task", "sleeping"), "task sleeping: choose tagging"),
        (("--data", "x", "--java", "coffee"), "coffee is no Java figure"),
        (("--data", "x", "--captioner", "y"), "give NAME=FILE"),
    ],
)
def test_flags_that_cannot_be_meant(place: Path, flags: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run(place, *flags)


def test_what_is_not_there(place: Path) -> None:
    with pytest.raises(InputError, match="no such directory; check the path to the model"):
        run(place, "--data", "x", model="none")
    with pytest.raises(InputError, match="no such shard"):
        run(place, "--data", str(place / "none"))
    with pytest.raises(InputError, match="cannot be loaded with transformers"):
        run(place, "--data", str(place / "shards"), "--clip-model", str(place / "images"))
