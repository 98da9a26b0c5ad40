"""The examples of docs/formats.md are what the commands write, but for digests, sizes and times."""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq
import pytest

from tests.pictures import picture
from tests.tag2text import world
from tests.tag2text.documents import ROOT, blocks, invoke

DOCUMENT: Final = ROOT / "docs" / "formats.md"
CHAIN: Final = (
    "manifest pairs.tsv --format tsv --source mine --max-bad-ratio 0.5 --output manifest",
    "mine --manifest manifest --output mined",
    "count --mined mined --output counts",
    "vocab build --candidates counts/candidates.tsv --output vocabulary",
    "shards --mined mined --vocabulary vocabulary --image-root images --output shards",
)


def settled(text: str) -> str:
    """Return the text without the numbers that differ from run to run."""
    return re.sub(r"[0-9a-f]{10,}|\d+(\.\d+)?", "#", text)


def example(start: str) -> str:
    """Return the one JSON example that begins so."""
    (found,) = (block for block in blocks(DOCUMENT, "json") if block.startswith(start))
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give what the commands make of the document's own captions, as the current directory."""
    folder = tmp_path_factory.mktemp("formats")
    table, *_ = blocks(DOCUMENT, "tsv")
    (folder / "pairs.tsv").write_text(table)
    (folder / "images").mkdir()
    for name in ("dog", "piano"):
        (folder / f"images/{name}.jpg").write_bytes(picture(size=(96, 64)))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for line in CHAIN:
            assert invoke(line.split()).exit_code == 0
        yield folder


def rows(path: str) -> list[dict[str, Any]]:
    return pq.read_table(path).to_pylist()  # type: ignore[no-any-return]


def test_rows_of_the_jobs(place: Path) -> None:
    manifest = json.loads(example('{"key": "mine-000000002", "source"'))
    assert manifest in rows("manifest/00000.parquet")
    bad = example('{"key": "mine-000000004", "stage"')
    assert Path("manifest/bad/00000.jsonl").read_text() == bad
    mined = json.loads(example('{"key": "mine-000000000", "source"'))
    assert rows("mined/00000.parquet")[0] == mined


def test_tables(place: Path) -> None:
    _, candidates, meta = blocks(DOCUMENT, "tsv")
    assert Path("counts/candidates.tsv").read_text().startswith(candidates)
    assert Path("vocabulary/tag_meta.tsv").read_text().startswith(meta)
    vocabulary = example('{\n  "counts": {\n    "action": 4')
    assert Path("vocabulary/vocabulary.json").read_text().startswith(vocabulary)


def test_a_decision(place: Path) -> None:
    shown = example('{"v":1')
    Path("review").mkdir()
    Path("review/candidates.tsv").write_bytes(Path("counts/candidates.tsv").read_bytes())
    world.write_project(Path("review"))
    line = ["vocab", "review", "--project", "review", "--annotator", "ann", "--plain"]
    assert invoke(line, answers="/hot dog\ndrop vague\nq\n").exit_code == 0
    assert settled(Path("review/log/ann.jsonl").read_text()) == settled(shown)
    assert json.loads(shown)["cand"] == json.loads(Path("review/log/ann.jsonl").read_text())["cand"]


def test_a_labelled_shard(place: Path) -> None:
    with tarfile.open("shards/mine-000000.tar") as tar:
        file = tar.extractfile("mine-000000000.json")
        assert file is not None
        assert file.read().decode() == example('{"captions"').rstrip("\n")
    shown = re.findall(r"```\n(v1\.2.*?)```", DOCUMENT.read_text(), re.DOTALL)[0]
    index = Path("shards/mine-000000.index").read_text()
    assert settled(index).startswith(settled(shown))
    stats = Path("shards/mine-000000_stats.json").read_text()
    assert settled(stats).startswith(settled(example('{\n  "bad"')))


@pytest.mark.slow
def test_a_model_its_log_and_an_index(place: Path) -> None:
    pytest.importorskip("torch", reason="the model needs its extra")
    train = "train --preset tiny --train-data shards --output run --steps 2 --batch-size 2"
    for line in (f"{train} --log-every 1", "index images --model run/model --output index"):
        assert invoke(line.split()).exit_code == 0
    config = Path("run/model/config.json").read_text()
    assert settled(config).startswith(settled(example('{\n  "alignment"')))
    written = json.loads(Path("run/log.jsonl").read_text().splitlines()[0])
    assert list(json.loads(example('{"step"'))) == list(written)
    shown = json.loads(example('{\n  "format"'))
    assert list(shown) == list(json.loads(Path("index/index.json").read_text()))
