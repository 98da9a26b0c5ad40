import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.model.tiny import tiny_vocabulary
from tests.train.labelled import maker, write_shards
from train.reader import IndexedReader, ReaderConfig
from train.shards import open_shards
from train.web_reader import WebReader, open_web_shards, read_web_shard
from vocab.errors import InputError
from vocab.graph import Tag
from vocab.vocabulary import Entry, Vocabulary


def reader(folder: Path, spec: str = "{d}", **changes: Any) -> WebReader:
    shards = open_web_shards(
        [spec.format(d=folder)], tiny_vocabulary(), described_by=changes.pop("described_by", None)
    )
    return WebReader(shards, maker(), ReaderConfig(**({"batch_size": 3, "workers": 0} | changes)))


def keys(reader: WebReader, stop: int, start: int = 0) -> list[tuple[str, ...]]:
    return [batch.keys for batch in reader.batches(start, stop)]


def test_samples_are_those_of_the_indexed_reader(tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "s")
    web = {b.keys[0]: b for b in reader(folder, batch_size=1).batches(0, 15)}
    config = ReaderConfig(batch_size=1, workers=0)
    shards = open_shards([str(folder)], tiny_vocabulary())
    for batch in IndexedReader(shards, maker(), config).batches(0, 15):
        other = web[batch.keys[0]]
        assert torch.equal(batch.images, other.images)
        assert torch.equal(batch.tags.ids, other.tags.ids)
        assert batch.sentences == other.sentences


@pytest.mark.parametrize("workers", [0, 2])
def test_the_order_is_shuffled_and_repeatable(tmp_path: Path, workers: int) -> None:
    folder = write_shards(tmp_path / "s")
    once = keys(reader(folder, workers=workers), 10)
    assert once == keys(reader(folder, workers=workers), 10)
    assert once != keys(reader(folder, workers=workers, seed=1), 10)
    assert once[:5] != once[5:]
    assert {key for batch in once for key in batch} == {f"s-{n:09d}" for n in range(15)}


def test_ranks_read_shards_of_their_own(tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "s", shards=4)
    ranks = [keys(reader(folder, rank=rank, world=2), 3) for rank in (0, 1)]
    seen = [{key for batch in rank for key in batch} for rank in ranks]
    assert not seen[0] & seen[1]
    assert len(seen[0]) == len(seen[1]) == 9


def test_more_ranks_than_shards_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="3 shards for 4 ranks"):
        reader(write_shards(tmp_path / "s"), rank=0, world=4)


def test_more_workers_than_shards_are_not_started(tmp_path: Path) -> None:
    assert reader(write_shards(tmp_path / "s"), workers=8).config.workers == 3


@pytest.mark.parametrize(
    "spec", ["pipe:cat {d}/s-000001.tar", "file://{d}/s-000001.tar", "{d}/s-00000?.tar"]
)
def test_pipes_and_addresses_are_read(tmp_path: Path, spec: str) -> None:
    folder = write_shards(tmp_path / "s")
    changes = {"described_by": str(folder)} if spec.startswith("pipe") else {}
    found = keys(reader(folder, spec, **changes), 1)
    assert len(found[0]) == 3


def test_a_pipe_needs_a_description(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--train-described-by"):
        reader(write_shards(tmp_path / "s"), "pipe:cat {d}/s-000001.tar")


def test_a_pipe_that_fails_is_counted(tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "s")
    spec = "pipe:cat {d}/gone/s-000001.tar::{d}/s-000000.tar"
    made = reader(folder, spec, described_by=str(folder), max_bad_ratio=1)
    bad: Counter[str] = Counter()
    for batch in made.batches(0, 3):
        bad.update(batch.bad)
    assert bad.total() >= 5


def test_labels_of_another_vocabulary_are_refused(tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "s")
    with pytest.raises(InputError, match="labelled with another vocabulary"):
        open_web_shards([str(folder)], Vocabulary((Entry(Tag("object", "zebra")),)))


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("http://127.0.0.1:9/s-000000.tar", "vocabulary.json: cannot be read"),
        ("nonsense://x/s-000000.tar", "cannot be read"),
        ("{d}/vocabulary", "no COMPLETED"),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path: Path, spec: str, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        reader(write_shards(tmp_path / "s"), spec)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("cut", [0, 700, 3000, 4096])
def test_what_a_cut_tar_lacks_is_counted(tmp_path: Path, cut: int) -> None:
    tar = write_shards(tmp_path / "s") / "s-000000.tar"
    os.truncate(tar, cut)
    bad: Counter[str] = Counter()
    found = list(read_web_shard(str(tar), 5, bad))
    assert len(found) + bad.total() == 5
    assert bad.total() > 0


def test_a_missing_tar_is_counted(tmp_path: Path) -> None:
    bad: Counter[str] = Counter()
    assert not list(read_web_shard(str(tmp_path / "no.tar"), 5, bad))
    assert bad == {"missing": 5}


def test_nothing_to_read_ends_instead_of_turning_for_ever(tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "s", broken=range(15))
    with pytest.raises(InputError, match="cannot be used"):
        keys(reader(folder, max_bad_ratio=1), 5)


def test_going_on_in_an_epoch_draws_its_rest_anew(tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "s")
    made = reader(folder)
    place = made.resume(made.state(7))
    batches = list(made.batches(place, 11))
    assert [(batch.epoch, batch.number) for batch in batches] == [(1, 2), (1, 3), (1, 4), (2, 0)]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    moto_server = pytest.importorskip("moto.server", reason="the dev extra brings moto")
    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    import boto3

    boto3.client("s3").create_bucket(Bucket="shards")
    yield "s3://shards"
    server.stop()


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_a_store_gives_what_a_disk_gives(tmp_path: Path, bucket: str, workers: int) -> None:
    import boto3

    folder = write_shards(tmp_path / "s")
    for path in sorted(folder.rglob("*.*")):
        name = f"here/{path.relative_to(folder)}"
        boto3.client("s3").upload_file(str(path), "shards", name)
    here = reader(folder, workers=workers)
    there = reader(tmp_path, f"{bucket}/here", workers=workers)
    assert [Path(url).name for url in there.shards.sizes] == [
        Path(path).name for path in here.shards.sizes
    ]
    assert keys(here, 6) == keys(there, 6)
    with pytest.raises(InputError, match="cannot be read"):
        reader(tmp_path, f"{bucket}/gone")
