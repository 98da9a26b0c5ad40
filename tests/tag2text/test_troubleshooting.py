"""Every message in docs/troubleshooting.md is raised here, and is what a user reads."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from pipeline.job import Job, open_output
from tests.tag2text import world
from tests.tag2text.documents import ROOT, invoke
from vocab.errors import InputError
from vocab.log import log_path, open_log

DOCUMENT: Final = ROOT / "docs" / "troubleshooting.md"
# What differs from run to run: digests, and who holds a lock.
_CHANGING: Final = (
    (re.compile(r"\b[0-9a-f]{64}\b"), "2b9e52ba..."),
    (re.compile(r"host [\w.-]+, process \d+, since [\d:T+-]+"), "host vm, process 4711, since ..."),
    (re.compile(r"process \d+ on [\w.-]+ since [\d:]+"), "process 4711 on vm since 14:05"),
    (re.compile(r"pip install .*?\[(\w+)\][^']*'"), r"pip install -e '.[\1]'"),
)
Prepare = Callable[[], object]


def nothing() -> None:
    """Prepare nothing."""


def settled(message: str) -> str:
    for pattern, text in _CHANGING:
        message = pattern.sub(text, message)
    return message


def write(path: str, text: str) -> Prepare:
    def act() -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text)

    return act


def remove(path: str) -> Prepare:
    return lambda: Path(path).unlink()


def other_model() -> None:
    from model.tag2text import Tag2Text
    from tests.model.tiny import tiny_model

    made = tiny_model(projection=32)
    assert isinstance(made, Tag2Text)
    made.save_pretrained("other")


def no_alignment() -> None:
    from tests.model.tiny import tiny_model

    tiny_model(alignment=False).save_pretrained("plain")


def a_few_shards() -> None:
    from tests.train.labelled import write_shards

    write_shards(Path("few"), shards=2, samples=2)


TRAIN: Final = "train --preset tiny --workers 0 --steps 1 --batch-size 2"
# By line: what is done before, and what is typed.
DATA: Final[tuple[tuple[Prepare, str], ...]] = (
    (nothing, "manifest none.tsv --format tsv --output x1"),
    (
        write("named.tsv", "picture\tcaption\n1.jpg\ta dog\n"),
        "manifest named.tsv --format tsv --output x2",
    ),
    (write("empty.tsv", ""), "manifest empty.tsv --format cc3m --output x3"),
    (nothing, "manifest captions.txt --format lines --output x4"),
    (
        write("half.tsv", "image\tcaption\n1.jpg\t \n2.jpg\ta dog\n"),
        "manifest half.tsv --format tsv --output x5",
    ),
    (nothing, "manifest pairs.tsv --format tsv --shard-rows 5 --output data/manifest"),
    (nothing, "mine --manifest images --output x6"),
    (nothing, "count --mined data/manifest --output x7"),
    (nothing, "mine --manifest data/manifest --output x8 -- --no_such_flag=1"),
    (
        nothing,
        "shards --mined data/mined --vocabulary images --image-root images --output x9",
    ),
    (
        nothing,
        "shards --mined data/mined --vocabulary data/vocabulary --image-root none --output x10",
    ),
    (
        nothing,
        "shards --mined data/mined --vocabulary data/vocabulary --image-root photos --output x11",
    ),
    (
        write(
            "data/manifest/lock.json",
            '{"host": "elsewhere", "pid": 4711, "since": "2026-11-24T14:05"}',
        ),
        "manifest pairs.tsv --format tsv --source mine --output data/manifest",
    ),
    (remove("data/mined/COMPLETED"), "count --mined data/mined --output x12"),
)
REVIEW: Final[tuple[tuple[Prepare, str], ...]] = (
    (nothing, "vocab status --project images"),
    (nothing, "vocab build --project review"),
    (
        write("tags.tsv", "key\tdecision\nobject:dog\tkep\n"),
        "vocab import tags.tsv --project review --annotator ann",
    ),
    (
        write("tags.tsv", "key\tdecision\nobject:dog\tkeep\n"),
        "vocab import tags.tsv --project review --annotator ann",
    ),
    (
        write("review/candidates.tsv", "rank\tkind\ttag\n"),
        "vocab status --project review",
    ),
)
MODEL: Final[tuple[tuple[Prepare, str], ...]] = (
    (nothing, "tag photo.jpg --model images"),
    (nothing, "tag photo.jpg --model DIR --labels dgo"),
    (nothing, f"{TRAIN} --train-data none --output r1"),
    (nothing, f"{TRAIN} --train-data data/manifest --output r2"),
    (a_few_shards, "train --preset tiny --workers 0 --train-data few --output r3"),
    (
        write("r4/checkpoints/00000001/state.pt", ""),
        f"{TRAIN} --train-data few --output r4",
    ),
    (no_alignment, f"{TRAIN} --init plain --train-data few --output r5"),
    (nothing, "search dog --index images --model DIR"),
    (nothing, "index photos --model DIR --output index"),
    (other_model, "search dog --index index --model other"),
    (nothing, "evaluate --model DIR --data data/shards --output r.html"),
)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a small world with data and a review, as the current directory."""
    monkeypatch.chdir(tmp_path)
    world.write_files(tmp_path)
    for line in (
        "manifest pairs.tsv --format tsv --source mine --output data/manifest",
        "mine --manifest data/manifest --output data/mined",
        "count --mined data/mined --output review",
        "vocab build --candidates review/candidates.tsv --output data/vocabulary",
    ):
        assert invoke(line.split()).exit_code == 0
    world.write_project(tmp_path / "review")
    yield tmp_path
    shutil.rmtree(tmp_path)


def said(prepare: Prepare, line: str) -> str:
    """Return what a command says is wrong, without what differs from run to run."""
    prepare()
    done = invoke(line.split())
    assert isinstance(done.exception, InputError), f"{line}: {done.exception!r} {done.output}"
    return settled(str(done.exception))


def documented() -> set[str]:
    """Return the headings that are messages; two backticks hold one that has backticks itself."""
    found = re.findall(r"^### (`+)(.+?)\1$", DOCUMENT.read_text("utf-8"), re.MULTILINE)
    return {message.strip() for _, message in found}


def test_data_and_review(place: Path) -> None:
    messages = [said(prepare, line) for prepare, line in (*REVIEW, *DATA)]
    assert [m for m in messages if m not in documented()] == []


def test_what_is_held_by_another(place: Path) -> None:
    with open_output(Job("mine", "data/locked", {}, {})):
        held = said(nothing, "mine --manifest data/manifest --output data/locked")
    assert held in documented()
    with open_log(log_path(Path("review/log"), "ann")):
        held = said(nothing, "vocab review --project review --annotator ann")
    assert held in documented()


@pytest.mark.parametrize(
    ("missing", "line"),
    [
        ("img2dataset", "download --manifest data/manifest --output x"),
        ("torch", "tag photo.jpg --model DIR"),
    ],
)
def test_what_is_not_installed(
    place: Path, monkeypatch: pytest.MonkeyPatch, missing: str, line: str
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "model"]:
        monkeypatch.delitem(sys.modules, name)  # imported by another test
    monkeypatch.setitem(sys.modules, missing, None)
    assert said(nothing, line) in documented()


@pytest.mark.slow
def test_models(place: Path) -> None:
    pytest.importorskip("torch", reason="the model needs its extra")
    from tests.model.tiny import tiny_model

    tiny_model().save_pretrained("DIR")
    for line in (
        "shards --mined data/mined --vocabulary data/vocabulary --image-root images"
        " --output data/shards",
        "index photos --model DIR --output index",
    ):
        assert invoke(line.split()).exit_code == 0
    messages = [said(prepare, line) for prepare, line in MODEL]
    assert [m for m in messages if m not in documented()] == []


def test_nothing_else_is_documented() -> None:
    assert len(documented()) == len(DATA) + len(REVIEW) + len(MODEL) + 4
