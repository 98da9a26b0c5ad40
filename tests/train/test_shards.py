import json
import os
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.model.tiny import tiny_vocabulary
from tests.train.labelled import text, write_shards
from train.shards import BadSampleError, expand, open_shards, read_shard
from vocab.errors import InputError
from vocab.graph import Tag
from vocab.vocabulary import Entry, Vocabulary


def test_every_sample_of_a_directory_is_read_by_number(tmp_path: Path) -> None:
    shards = open_shards([str(write_shards(tmp_path / "s"))], tiny_vocabulary())
    raws = [shards.read(number) for number in range(len(shards))]
    assert [raw.key for raw in raws] == [f"s-{number:09d}" for number in range(15)]
    assert [shards.key(number) for number in (0, 4, 5, 14)] == [
        "s-000000000", "s-000000004", "s-000000005", "s-000000014",
    ]  # fmt: skip
    assert all(raw.image.startswith(b"\xff\xd8") and raw.text == text() for raw in raws)


def test_a_set_goes_to_another_process_without_its_open_files(tmp_path: Path) -> None:
    shards = open_shards([str(write_shards(tmp_path / "s"))], tiny_vocabulary())
    first = shards.read(7)
    copy = pickle.loads(pickle.dumps(shards))
    assert copy._files == {}
    assert copy.read(7) == first


@pytest.mark.parametrize(
    ("spec", "count"),
    [
        ("{d}", 3),
        ("{d}/s-*.tar", 3),
        ("{d}/s-{{000000..000001}}.tar", 2),
        ("{d}/s-000002.tar::{d}/s-000000.tar", 2),
        ("{d}/s-000002.tar::{d}", 3),
    ],
)
def test_shards_are_named_in_the_ways_of_webdataset(tmp_path: Path, spec: str, count: int) -> None:
    folder = write_shards(tmp_path / "s")
    paths = expand([spec.format(d=folder)])
    assert len(paths) == count
    assert len(open_shards([spec.format(d=folder)], tiny_vocabulary())) == 5 * count


def test_addresses_and_pipes_stay_as_they_are() -> None:
    assert expand(["gs://b/s-{0..1}.tar::pipe:cat {x,y}.tar"]) == [
        "gs://b/s-0.tar", "gs://b/s-1.tar", "pipe:cat {x,y}.tar",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ([], "no training data"),
        (["{d}/nothing.tar"], "no such shard"),
        (["{d}/x-*.tar"], "no such shard"),
        (["{d}/s-{{0..1.tar"], "braces do not match"),
        (["s3://bucket/a.tar"], "--reader webdataset"),
        (["{d}/vocabulary"], "no COMPLETED"),
    ],
)
def test_what_cannot_be_meant_is_said_in_one_line(
    tmp_path: Path, spec: list[str], message: str
) -> None:
    folder = write_shards(tmp_path / "s")
    with pytest.raises(InputError, match=message) as caught:
        open_shards([word.format(d=folder) for word in spec], tiny_vocabulary())
    assert "\n" not in str(caught.value)


def test_labels_of_another_vocabulary_are_refused(tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "s")
    other = Vocabulary((Entry(Tag("object", "zebra")),))
    for spec in (str(folder), f"{folder}/s-*.tar"):
        with pytest.raises(InputError, match="labelled with another vocabulary"):
            open_shards([spec], other)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"command": "shards"}'])
def test_what_another_step_made_is_refused_and_named(tmp_path: Path, content: str) -> None:
    folder = write_shards(tmp_path / "data")
    (folder / "info.json").write_text('{"command": "mine"}')
    with pytest.raises(InputError, match="made by `tag2text mine`, no labelled shards; name"):
        expand([str(folder)])
    (folder / "info.json").write_text(content)
    assert expand([str(folder)])


def test_an_unfinished_directory_is_refused(tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "s")
    (folder / "COMPLETED").unlink()
    with pytest.raises(InputError, match="run `tag2text shards` to its end"):
        open_shards([str(folder)], tiny_vocabulary())


@pytest.mark.parametrize(
    "sizes",
    [
        b"",
        b"[]",
        b'{"../x.tar": 1}',
        b'{"a.tar": "many"}',
        b'{"a.tar": 1e999}',
        b"[" * 100_000,
    ],
)
def test_sizes_that_are_none_are_refused(tmp_path: Path, sizes: bytes) -> None:
    folder = write_shards(tmp_path / "s")
    (folder / "sizes.json").write_bytes(sizes)
    with pytest.raises(InputError, match=r"sizes\.json"):
        open_shards([str(folder)], tiny_vocabulary())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("v1.2 5", "v1.2 6"),
        ("v1.2", "v1.1"),
        ("jpg 512 ", "jpg -512 "),
        ("jpg 512 ", "jpg 0 "),
        ("jpg 512 ", "jpg 99999999999999999999999 "),
        ("jpg 512 ", "jpg x "),
        ("jpg 512 ", "exe 512 "),
        ("s-000000000.json", "s-000000009.json"),
        ("s-000000000.jpg json", "s-000000000.jpg"),
        ("s-000000000", "s" * 120),
        ("s-000000000", "s-é"),
    ],
)
def test_an_index_that_does_not_fit_is_refused(tmp_path: Path, old: str, new: str) -> None:
    folder = write_shards(tmp_path / "s")
    index = folder / "s-000000.index"
    assert old in index.read_text()
    index.write_text(index.read_text().replace(old, new))
    with pytest.raises(InputError, match=r"s-000000\.index: not the index of"):
        read_shard(str(folder / "s-000000.tar"))


@given(st.binary(max_size=300), st.integers(0, 500))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
def test_a_hostile_index_costs_a_line_and_nothing_else(
    tmp_path: Path, noise: bytes, place: int
) -> None:
    folder = tmp_path / "s"
    if not folder.exists():
        write_shards(folder)
        (folder / "kept").write_bytes((folder / "s-000000.index").read_bytes())
    kept = (folder / "kept").read_bytes()
    (folder / "s-000000.index").write_bytes(kept[:place] + noise + kept[place + len(noise) :])
    size = (folder / "s-000000.tar").stat().st_size
    try:
        shard = read_shard(str(folder / "s-000000.tar"))
    except InputError:
        return
    assert (shard.offsets + shard.image_sizes + shard.text_sizes <= size).all()


def test_a_tar_that_was_cut_short_is_refused_when_it_is_opened(tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "s")
    tar = folder / "s-000000.tar"
    os.truncate(tar, tar.stat().st_size // 2)
    with pytest.raises(InputError, match="cut short"):
        open_shards([str(folder)], tiny_vocabulary())


@pytest.mark.parametrize("opened", [False, True])
def test_what_happens_to_a_tar_later_costs_its_samples(tmp_path: Path, opened: bool) -> None:
    folder = write_shards(tmp_path / "s")
    shards = open_shards([str(folder)], tiny_vocabulary())
    if opened:
        shards.read(0)
        shards.read(5)
    os.truncate(folder / "s-000000.tar", 2000)
    (folder / "s-000001.tar").write_bytes(bytes(100_000))
    (folder / "s-000002.tar").unlink()
    for number, cause in ((4, "truncated"), (5, "moved"), (10, "missing")):
        with pytest.raises(BadSampleError) as caught:
            shards.read(number)
        assert caught.value.cause == cause


def test_few_files_are_open_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.shards._OPEN", 2)
    folder = write_shards(tmp_path / "s", shards=4, samples=1)
    shards = open_shards([str(folder)], tiny_vocabulary())
    before = len(list(Path("/proc/self/fd").iterdir()))
    assert [shards.read(n % 4).key[-1] for n in range(12)] == list("0123" * 3)
    assert len(list(Path("/proc/self/fd").iterdir())) == before + 2


def test_a_directory_of_nothing_is_refused(tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "s", shards=1, samples=0)
    assert json.loads((folder / "sizes.json").read_text()) == {"s-000000.tar": 0}
    with pytest.raises(InputError, match="hold no sample"):
        open_shards([str(folder)], tiny_vocabulary())


def test_a_tar_that_is_gone_is_refused_when_it_is_opened(tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "s")
    (folder / "s-000001.tar").unlink()
    with pytest.raises(InputError, match=r"s-000001\.tar: cannot be read \(No such file"):
        open_shards([str(folder)], tiny_vocabulary())


def test_threads_share_the_open_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("train.shards._OPEN", 1)
    shards = open_shards([str(write_shards(tmp_path / "s"))], tiny_vocabulary())
    numbers = [number % len(shards) for number in range(3000)]
    with ThreadPoolExecutor(8) as pool:
        keys = [raw.key for raw in pool.map(shards.read, numbers)]
    assert keys == [shards.key(number) for number in numbers]
    assert len(shards._files) == 1
