"""The demo, as `make demo` runs it: everything there, true of the drawings, the same every time."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import webdataset

from pipeline.drawn.render import scene_index
from pipeline.drawn.scenes import ground_truth, scene
from tests.e2e.jobs import CLI, assert_same, run
from vocab.install import install_hint
from vocab.vocabulary import Vocabulary


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    done = run(["demo", "--scenes", "300", "--steps", "0", "--output", str(folder / "demo")])
    (folder / "output.txt").write_text(done.stdout)
    return folder / "demo"


def test_it_says_what_it_made_and_what_to_do_next(demo: Path) -> None:
    text = (demo.parent / "output.txt").read_text()
    for step in ("scenes", "manifest", "mine", "count", "review", "vocab", "shards", "check"):
        assert re.search(rf"^ *{step} ", text, re.MULTILINE), step
    assert "tag2text manifest" in text
    precision, recall = (float(x) for x in re.findall(r"([\d.]+)%", text))
    assert precision >= 97
    assert recall >= 97


def test_its_shards_are_whole(demo: Path) -> None:
    assert run(["check", str(demo / "shards")]).returncode == 0


def test_any_webdataset_reader_reads_them_and_labels_are_true(demo: Path) -> None:
    import numpy as np

    vocabulary = Vocabulary.load(demo / "shards/vocabulary")
    sizes = json.loads((demo / "shards/sizes.json").read_text())
    urls = [str(demo / "shards" / name) for name in sizes]
    samples = list(webdataset.WebDataset(urls, shardshuffle=False).decode("pil"))
    assert len(samples) == sum(sizes.values()) == 300
    hits = labels = 0
    for sample in samples:
        assert sample["jpg"].size == (128, 128)
        bits = np.unpackbits(sample["labels.npy"], bitorder="little")[: len(vocabulary)]
        ids = set(np.flatnonzero(bits).tolist())
        assert ids == {i for tags in sample["json"]["tags"] for i in tags}
        assert len(sample["json"]["tags"]) == len(sample["json"]["captions"])
        truth = ground_truth(scene(scene_index(sample["json"]["url"]), 0))
        hits += len(truth & {vocabulary.tags[i] for i in ids})
        labels += len(ids)
    assert hits / labels >= 0.97


def test_twice_gives_the_same_bytes_with_two_workers_and_another_hash_seed(
    demo: Path, tmp_path: Path
) -> None:
    line = [*CLI, "demo", "--scenes", "300", "--steps", "0", "--workers", "2"]
    line += ["--output", str(tmp_path / "demo")]
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    subprocess.run(line, check=True, capture_output=True, env=environment)
    assert_same(tmp_path / "demo", demo)


@pytest.mark.slow
def test_a_model_learns_is_measured_and_searched(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    folder = tmp_path / "demo"
    text = run(["demo", "--scenes", "240", "--steps", "4", "--output", str(folder)]).stdout
    for step in (
        "train",
        "captions",
        "tune",
        "evaluate",
        "tag",
        "caption",
        "index",
        "search",
        "report",
    ):
        assert re.search(rf"^ *{step} ", text, re.MULTILINE), step
    assert "on 40 scenes that it has not seen" in text
    page = (folder / "report.html").read_text()
    for section in ("Training", "Tagging", "Captions", "Retrieval", "Example images"):
        assert f"<h2>{section}</h2>" in page
    assert run(["tag", "--model", str(folder / "model/model"), str(folder / "scenes/images")])


def test_without_torch_the_rest_runs_and_one_line_says_what_is_missing(tmp_path: Path) -> None:
    code = (
        "import importlib.util as u, sys; find = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name == 'torch' else find(name, *rest)\n"
        "sys.modules['torch'] = None\n"
        "from tag2text.cli import main; main()"
    )
    line = [sys.executable, "-c", code, "demo", "--scenes", "12", "--output", str(tmp_path / "d")]
    done = subprocess.run(line, check=True, capture_output=True, text=True)
    found = [text for text in done.stdout.splitlines() if "missing" in text]
    assert found == [f"    train  left out, for torch is missing: {install_hint('train')}"]
    assert (tmp_path / "d/inspect.html").exists() and not (tmp_path / "d/model").exists()
