"""An index on disk: what is in it is what the model says; what is wrong with it is one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from model.preprocess import ImageError
from tests.model.tiny import tiny_model
from tests.pictures import picture
from tests.train.labelled import write_shards
from train.index import Entry, Index, build_index, file_entries, shard_entries
from vocab.errors import InputError
from vocab.graph import Tag

MODEL = tiny_model()


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    """Five images of different sizes, so that none is another."""
    made = [tmp_path / f"{number}.jpg" for number in range(5)]
    for number, path in enumerate(made):
        path.write_bytes(picture(size=(40 + 30 * number, 50)))
    return made


def test_it_holds_the_vectors_and_the_tags_of_the_images(paths: list[Path], tmp_path: Path) -> None:
    seen: list[int] = []
    made = build_index(
        MODEL, file_entries(paths), tmp_path / "index", batch_size=2, advance=seen.append
    )
    assert made == (5, 0) and seen == [2, 2, 1]
    index = Index.open(tmp_path / "index")
    assert [entry.name for entry in index.entries] == list(map(str, paths))
    torch.testing.assert_close(torch.tensor(np.array(index.vectors)), MODEL.encode_image(paths))
    for bits, found in zip(index.tags, MODEL.tag(paths), strict=True):
        own = [index.vocabulary.tags[i] for i in index.vocabulary.unpack(np.asarray(bits))]
        assert set(own) == {Tag(tag.kind, tag.tag) for tag in found}
    assert index.tags.any()
    index.check(MODEL)


def test_images_of_shards_are_read_where_they_lie(tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "shards")
    build_index(MODEL, shard_entries([str(folder)]), tmp_path / "index")
    index = Index.open(tmp_path / "index")
    assert [entry.name for entry in index.entries] == [f"s-{n:09d}" for n in range(15)]
    for number in (0, 7, 14):
        expected = tmp_path / "one.jpg"
        expected.write_bytes(picture(size=(40 + number, 30)))
        (own,) = file_entries([expected])
        assert torch.equal(index.entries[number].pixels(64), own.pixels(64))


def test_what_cannot_be_used_is_set_aside_with_its_reason(
    paths: list[Path], tmp_path: Path
) -> None:
    paths[1].write_text("no image")
    paths[3].write_bytes(picture()[:600])
    made = build_index(MODEL, file_entries([*paths, tmp_path / "gone.jpg"]), tmp_path / "index")
    assert made == (3, 3)
    index = Index.open(tmp_path / "index")
    kept = [paths[0], paths[2], paths[4]]
    assert [entry.name for entry in index.entries] == list(map(str, kept))
    torch.testing.assert_close(torch.tensor(np.array(index.vectors)), MODEL.encode_image(kept))
    rows = [json.loads(line) for line in (tmp_path / "index/bad.jsonl").read_text().splitlines()]
    assert [Path(row["name"]).name for row in rows] == ["1.jpg", "3.jpg", "gone.jpg"]
    assert "No such file" in rows[2]["reason"]


def test_twice_gives_the_same_bytes(paths: list[Path], tmp_path: Path) -> None:
    for name in ("one", "two"):
        build_index(MODEL, file_entries(paths), tmp_path / name)
    for path in sorted((tmp_path / "one").rglob("*.*")):
        assert (
            path.read_bytes()
            == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()
        )


def test_nothing_is_left_where_nothing_was_made(tmp_path: Path) -> None:
    broken = tmp_path / "a.jpg"
    broken.write_text("no image")
    with pytest.raises(InputError, match="none of the 1 images can be used: .*a.jpg"):
        build_index(MODEL, file_entries([broken]), tmp_path / "index")
    with pytest.raises(InputError, match="none of the 0 images"):
        build_index(MODEL, [], tmp_path / "index")
    assert [path.name for path in tmp_path.iterdir()] == ["a.jpg"]


def test_an_index_that_is_there_stays(paths: list[Path], tmp_path: Path) -> None:
    build_index(MODEL, file_entries(paths), tmp_path / "index")
    with pytest.raises(InputError, match="is there already"):
        build_index(MODEL, file_entries(paths[:1]), tmp_path / "index")
    assert len(Index.open(tmp_path / "index").entries) == 5


def test_a_model_without_alignment_has_no_vectors(paths: list[Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="without alignment"):
        build_index(tiny_model(alignment=False), file_entries(paths), tmp_path / "index")


def test_another_model_is_refused(paths: list[Path], tmp_path: Path) -> None:
    build_index(MODEL, file_entries(paths), tmp_path / "index")
    other = tiny_model()
    index = Index.open(tmp_path / "index")
    index.check(other)
    with torch.no_grad():
        other.network.alignment.text_projection.weight[0, 0] += 1e-4  # type: ignore[union-attr]
    with pytest.raises(InputError, match="another model"):
        index.check(other)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("index.json", None, "no index.json"),
        ("index.json", "[]\n", "not of an index"),
        ("index.json", '{"format": 1, "images": true, "projection": 64}\n', "not of an index"),
        ("images.jsonl", "{}\n", "images.jsonl:1: is no image"),
        ("images.jsonl", '{"name": "a", "file": "a", "offset": -1}\n', "jsonl:1: is no image"),
        ("images.jsonl", "", "0 lines for 5 images"),
        ("vectors.f32", "short", "does not hold 5 images"),
        ("vectors.f32", "longer" * 999, "does not hold 5 images"),
        ("vectors.f32", None, "vectors.f32: cannot be read"),
        ("tags.bits", "", "does not hold 5 images"),
        ("vocabulary/vocabulary.json", None, "no whole vocabulary"),
    ],
)
def test_a_broken_index_is_one_line(
    paths: list[Path], tmp_path: Path, name: str, content: str | None, words: str
) -> None:
    build_index(MODEL, file_entries(paths), tmp_path / "index")
    (tmp_path / "index" / name).unlink()
    if content is not None:
        (tmp_path / "index" / name).write_text(content)
    with pytest.raises(InputError, match=words) as caught:
        Index.open(tmp_path / "index")
    assert "\n" not in str(caught.value)


def test_an_image_that_went_away_says_so(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="gone: No such file"):
        Entry("gone", str(tmp_path / "gone.jpg")).pixels(32)


@pytest.mark.parametrize("projection", [63, 1 << 62, 10**30])
def test_sizes_that_the_files_do_not_have_are_refused(
    paths: list[Path], tmp_path: Path, projection: int
) -> None:
    build_index(MODEL, file_entries(paths), tmp_path / "index")
    info = json.loads((tmp_path / "index" / "index.json").read_text())
    changed = json.dumps({**info, "projection": projection}) + "\n"
    (tmp_path / "index" / "index.json").write_text(changed)
    with pytest.raises(InputError, match="does not hold 5 images"):
        Index.open(tmp_path / "index")
