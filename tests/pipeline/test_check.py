import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.check import Problem, check_directory
from pipeline.shard import ShardOutput, dumps
from pipeline.shards import ShardsConfig, write_shards
from tests.factories import write_manifest, write_mined
from tests.pictures import picture
from vocab.errors import InputError
from vocab.graph import Tag
from vocab.vocabulary import Entry, Vocabulary

DOG, RED = Tag("object", "dog"), Tag("attribute", "red")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a labelled directory of two shards, once, and what it is made from."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "images").mkdir()
    for number in range(4):
        (folder / "images" / f"{number}.jpg").write_bytes(picture())
    images = [(f"{n}.jpg", [("a red dog", [RED, DOG]), ("dog", [DOG])]) for n in range(4)]
    write_mined(folder / "mined", [images[:2], images[2:]], source="s")
    Vocabulary((Entry(DOG), Entry(RED))).save(folder / "vocabulary")
    write_shards(
        ShardsConfig(
            mined=str(folder / "mined"),
            vocabulary=str(folder / "vocabulary"),
            output=str(folder / "out"),
            image_root=str(folder / "images"),
        )
    )
    return folder


@pytest.fixture
def out(made: Path, tmp_path: Path) -> Path:
    """Copy the directory, to be damaged."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path / "out"


def replace(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))


def restate(directory: Path, stem: str) -> None:
    """Make the stats agree with files that were changed, as a faulty writer would."""
    path = directory / f"{stem}_stats.json"
    stats = json.loads(path.read_bytes())
    with ShardOutput(str(directory / "copy"), stem, "shards", stats["inputs"]) as output:
        for name in stats["files"]:
            output.named(name).write_bytes((directory / name).read_bytes())
    copied = json.loads((directory / "copy" / f"{stem}_stats.json").read_bytes())
    path.write_bytes(dumps({**stats, "files": copied["files"]}))


def edit_table(
    directory: Path, stem: str, edit: Callable[[list[dict[str, object]]], object]
) -> None:
    path = directory / f"{stem}.parquet"
    table = pq.read_table(path)
    rows = table.to_pylist()
    edit(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)
    restate(directory, stem)


def problems(directory: Path) -> list[str]:
    """Return the problems but the one that COMPLETED has after every edit of stats."""
    found = check_directory(str(directory))
    assert all("\n" not in str(problem) for problem in found)
    return [str(p).replace(f"{directory}/", "") for p in found if "COMPLETED" not in p.file]


def test_whole_directories_of_every_job_have_no_problem(out: Path, tmp_path: Path) -> None:
    manifest = write_manifest(
        tmp_path / "manifest", [("a.jpg", ["a"])] * 5, source="s", shard_rows=2
    )
    assert [check_directory(str(p)) for p in (out, tmp_path / "mined", manifest)] == [[], [], []]


def test_what_no_job_made_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no info\.json"):
        check_directory(str(tmp_path))


def test_an_unfinished_job_is_named(out: Path) -> None:
    (out / "COMPLETED").unlink()
    (problem,) = check_directory(str(out))
    assert problem.file.endswith("COMPLETED")
    assert "tag2text shards` again" in problem.message


@pytest.mark.parametrize("content", [b"{", b"{}", b"[]", b"\xff"])
def test_a_broken_completed_is_named(out: Path, content: bytes) -> None:
    (out / "COMPLETED").write_bytes(content)
    assert all(p.file.endswith("COMPLETED") for p in check_directory(str(out)))
    assert check_directory(str(out))


def test_a_lost_shard_is_noticed(out: Path) -> None:
    for file in out.glob("s-000001*"):
        file.unlink()
    found = [str(problem) for problem in check_directory(str(out))]
    assert any("COMPLETED: shards is 2, the shards' stats add up to 1" in line for line in found)


@pytest.mark.parametrize("suffix", [".tar", ".index", ".parquet"])
def test_damage_to_any_file_is_found_once(out: Path, suffix: str) -> None:
    file = out / f"s-000000{suffix}"
    content = file.read_bytes()
    flipped = bytes([content[40] ^ 1])
    file.write_bytes(content[:40] + flipped + content[41:])
    (problem,) = problems(out)
    assert problem.startswith(f"{file.name}: changed since it was written")
    file.write_bytes(content[:-1])
    (problem,) = problems(out)
    assert problem.startswith(f"{file.name}: {len(content) - 1} bytes, but {len(content)}")
    file.unlink()
    (problem,) = problems(out)
    assert problem.startswith(f"{file.name}: missing")


def test_broken_stats_are_named(out: Path) -> None:
    (out / "s-000000_stats.json").write_text("{}")
    assert any(p.file.endswith("s-000000_stats.json") for p in check_directory(str(out)))


def test_a_lost_row_is_found(out: Path) -> None:
    edit_table(out, "s-000000", lambda rows: rows.pop())
    found = problems(out)
    assert (
        "s-000000.parquet: 1 rows, but 2 were written; "
        "remove s-000000_stats.json and run its `tag2text shards` again" in found
    )
    assert any("sample None" in line for line in found)


def test_a_key_out_of_order_is_found(out: Path) -> None:
    edit_table(out, "s-000000", lambda rows: rows.reverse())
    assert any("out of order, or double" in line for line in problems(out))


def test_a_key_in_two_shards_is_found(tmp_path: Path) -> None:
    directory = write_manifest(tmp_path / "m", [("a.jpg", ["a"])] * 4, source="s", shard_rows=2)
    edit_table(directory, "00001", lambda rows: rows[0].update(key="s-000000001"))
    (problem,) = problems(directory)
    assert problem.startswith("00001.parquet: ('s-000000001',) follows ('s-000000001',)")


def test_labels_that_disagree_are_found(out: Path) -> None:
    edit_table(out, "s-000001", lambda rows: rows[1].update(tags=[0]))
    (problem,) = problems(out)
    assert problem.startswith("s-000001.tar: sample s-000000003: its captions' tags are [0, 1]")


def test_captions_that_disagree_are_found(out: Path) -> None:
    edit_table(out, "s-000001", lambda rows: rows[0].update(captions=["x", "dog"]))
    assert "its captions are not those of its row" in problems(out)[0]


def test_tags_in_the_tar_that_disagree_are_found(out: Path) -> None:
    replace(out / "s-000000.tar", b"[[0, 1], [0]]", b"[[0, 0], [0]]")
    restate(out, "s-000000")
    assert "its captions' tags are [0]" in problems(out)[0]


def test_a_label_that_no_caption_has_is_found(out: Path) -> None:
    tar = out / "s-000000.tar"
    content = bytearray(tar.read_bytes())
    at = content.index(b"labels.npy")
    at = content.index(b"\x93NUMPY", at) + 128  # the only byte of the label
    content[at] |= 0b100
    tar.write_bytes(content)
    restate(out, "s-000000")
    assert "its labels.npy is not that of its captions' tags" in problems(out)[0]


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (b"[[0, 9], [0]]", "ids 0 to 9 are not all classes"),
        (b'[["", 1],[0]]', "its JSON cannot be used"),
        (b"[[0, 1], [0}]", "its JSON cannot be used"),
    ],
)
def test_tags_that_are_no_classes_are_found(out: Path, tags: bytes, expected: str) -> None:
    replace(out / "s-000000.tar", b"[[0, 1], [0]]", tags)
    restate(out, "s-000000")
    assert expected in problems(out)[0]


def test_an_index_of_another_tar_is_found(out: Path) -> None:
    (out / "s-000000.index").write_bytes((out / "s-000001.index").read_bytes())
    restate(out, "s-000000")
    assert problems(out) == [
        "s-000000.tar: its members are not those of its .index; "
        "remove s-000000_stats.json and run its `tag2text shards` again"
    ]


def test_sizes_that_disagree_are_found(out: Path) -> None:
    (out / "sizes.json").write_bytes(dumps({"s-000000.tar": 2, "s-000001.tar": 3}))
    (problem,) = problems(out)
    assert problem.startswith("s-000001.tar: 2 samples, but sizes.json says 3")
    (out / "sizes.json").write_text("[1]")
    assert any(line.startswith("sizes.json: not readable") for line in problems(out))
    (out / "sizes.json").unlink()
    assert any(line.startswith("sizes.json: ") for line in problems(out))


def test_another_vocabulary_is_found(out: Path) -> None:
    Vocabulary((Entry(DOG), Entry(Tag("attribute", "blue")))).save(out / "vocabulary")
    (problem,) = problems(out)
    assert problem.startswith("vocabulary: not the vocabulary that the shards were made with")
    (out / "vocabulary" / "vocabulary.json").unlink()
    assert any("vocabulary" in line for line in problems(out))


def test_captions_of_a_mined_shard_come_in_order(tmp_path: Path) -> None:
    directory = write_mined(tmp_path / "m", [[("a", [("x", []), ("y", [])])]], source="s")
    edit_table(directory, "00000", lambda rows: rows.reverse())
    assert any("out of order" in line for line in problems(directory))


@pytest.mark.parametrize("name", ["s-000009.tar", "s-000009.parquet", "other.index"])
def test_a_file_that_no_job_wrote_is_found(out: Path, name: str) -> None:
    (out / name).write_bytes((out / "s-000000.tar").read_bytes())
    (out / "notes.txt").write_text("of a person")
    assert problems(out) == [
        f"{name}: no shard's stats name it; remove it, or run its `tag2text shards` again"
    ]


def test_broken_stats_do_not_make_their_files_foreign(out: Path) -> None:
    (out / "s-000000_stats.json").write_text("{}")
    assert not any("no shard's stats name it" in line for line in problems(out))


def test_a_problem_is_a_line_that_starts_with_its_file() -> None:
    assert str(Problem("a.tar", "missing; run again")) == "a.tar: missing; run again"
