"""`shards`: killed, out of disk, started twice; the same bytes with one worker and two."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from tests.e2e import jobs
from tests.factories import write_mined
from vocab.graph import Tag
from vocab.vocabulary import Entry, Vocabulary

SHARDS, SAMPLES, PICTURES = 12, 24, 8
TAGS = [Tag("object", "noise"), Tag("attribute", "gray")]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures that take a while to encode anew, a mined directory and a vocabulary."""
    folder = tmp_path_factory.mktemp("shards")
    (folder / "images").mkdir()
    for number in range(PICTURES):
        # Left of a gradient, right of noise: large enough that a shard takes 0.2 s.
        picture = Image.linear_gradient("L").resize((700, 700)).rotate(40 * number)
        picture.paste(Image.radial_gradient("L").resize((350, 700)), (350, 0))
        picture.convert("RGB").save(folder / f"images/{number}.png")
    captions = [("a gray noise", TAGS)]
    shards = [[(f"{i % PICTURES}.png", captions) for i in range(SAMPLES)] for _ in range(SHARDS)]
    write_mined(folder / "mined", shards, source="noise")
    Vocabulary(tuple(Entry(tag) for tag in TAGS)).save(folder / "vocabulary")
    jobs.run(shards_line(folder, folder / "undisturbed"))
    return folder


def shards_line(folder: Path, output: Path, *flags: str) -> list[str]:
    names = {"--mined": "mined", "--vocabulary": "vocabulary", "--image-root": "images"}
    given = [part for flag, name in names.items() for part in (flag, str(folder / name))]
    return ["shards", *given, "--output", str(output), "--image-size", "512", *flags]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_killed_in_the_middle_then_run_again_gives_the_same_bytes(
    inputs: Path, tmp_path: Path, workers: str
) -> None:
    line = shards_line(inputs, tmp_path / "shards", "--workers", workers)
    done = jobs.kill_in_the_middle(line, tmp_path / "shards", shards=SHARDS)
    jobs.run(line)
    jobs.assert_same(tmp_path / "shards", inputs / "undisturbed")
    again = jobs.finished(tmp_path / "shards")
    assert {path: again[path] for path in done} == done  # nothing was made twice


def test_a_second_run_into_the_same_directory_is_refused(inputs: Path, tmp_path: Path) -> None:
    jobs.assert_second_run_is_refused(shards_line(inputs, tmp_path / "shards"), tmp_path / "shards")


def test_a_full_disk_is_one_clear_line_and_nothing_half_written(
    inputs: Path, tmp_path: Path
) -> None:
    whole = sum(path.stat().st_size for path in (inputs / "undisturbed").rglob("*"))
    with jobs.small_disk(tmp_path, str(whole // 2)) as disk:
        output = disk / "shards"
        jobs.assert_full_disk_is_survived(
            shards_line(inputs, output), output, inputs / "undisturbed"
        )


def test_the_portable_runner_gives_the_same_bytes(
    inputs: Path, tmp_path: Path, portable_runner: list[str]
) -> None:
    jobs.run(shards_line(inputs, tmp_path / "shards", *portable_runner))
    jobs.assert_same(tmp_path / "shards", inputs / "undisturbed")


def test_the_finished_directory_is_whole(inputs: Path) -> None:
    checked = jobs.run(["check", str(inputs / "undisturbed"), str(inputs / "mined")])
    assert checked.stdout.count(": whole") == 2
