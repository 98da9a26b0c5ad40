import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.model.tiny import tiny_vocabulary
from tests.train.labelled import maker, write_shards
from train.reader import IndexedReader, ReaderConfig, epoch_order
from train.samples import Batch
from train.shards import ShardSet, open_shards
from vocab.errors import InputError


@pytest.fixture
def shards(tmp_path: Path) -> ShardSet:
    return open_shards([str(write_shards(tmp_path / "s"))], tiny_vocabulary())


def reader(shards: ShardSet, **changes: Any) -> IndexedReader:
    return IndexedReader(
        shards, maker(), ReaderConfig(**({"batch_size": 4, "workers": 0} | changes))
    )


def same(one: Batch, other: Batch) -> bool:
    return (
        (one.keys, one.sentences, one.epoch, one.number) ==
        (other.keys, other.sentences, other.epoch, other.number)
        and torch.equal(one.images, other.images)
        and torch.equal(one.tags.ids, other.tags.ids)
        and torch.equal(one.union.ids, other.union.ids)
    )  # fmt: skip


@given(st.integers(1, 200), st.integers(0, 5), st.integers(0, 5))
def test_an_epoch_is_every_sample_once_in_an_order_of_its_own(
    samples: int, seed: int, epoch: int
) -> None:
    order = epoch_order(samples, seed, epoch)
    assert sorted(order) == list(range(samples))
    assert (order == epoch_order(samples, seed, epoch)).all()


def test_batches_run_over_epochs(shards: ShardSet) -> None:
    batches = list(reader(shards).batches(0, 7))
    assert [(batch.epoch, batch.number) for batch in batches] == [
        (0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0),
    ]  # fmt: skip
    epochs = [[key for b in batches[n : n + 3] for key in b.keys] for n in (0, 3)]
    assert all(len(set(keys)) == 12 for keys in epochs)
    assert epochs[0] != epochs[1]


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2, 3])
def test_any_number_of_workers_gives_the_same_batches(shards: ShardSet, workers: int) -> None:
    alone = list(reader(shards).batches(2, 9))
    others = list(reader(shards, workers=workers).batches(2, 9))
    assert all(map(same, alone, others)) and len(alone) == len(others) == 7


@pytest.mark.parametrize("start", range(8))
def test_going_on_gives_what_would_have_come(shards: ShardSet, start: int) -> None:
    whole = list(reader(shards).batches(0, 8))
    assert all(map(same, whole[start:], reader(shards).batches(start, 8)))


def test_ranks_share_one_global_batch(shards: ShardSet) -> None:
    whole = list(reader(shards, batch_size=6).batches(0, 4))
    ranks = [
        list(reader(shards, batch_size=2, rank=rank, world=3).batches(0, 4)) for rank in range(3)
    ]
    for batch, *parts in zip(whole, *ranks, strict=True):
        assert batch.keys == tuple(key for part in parts for key in part.keys)
        assert torch.equal(batch.images, torch.cat([part.images for part in parts]))


def test_reading_leaves_the_global_generator_alone(shards: ShardSet) -> None:
    before = torch.get_rng_state()
    list(reader(shards).batches(0, 2))
    assert torch.equal(before, torch.get_rng_state())


def test_once_is_every_sample_in_order(shards: ShardSet) -> None:
    keys = [key for batch in reader(shards).once() for key in batch.keys]
    assert keys == [f"s-{n:09d}" for n in range(15)]
    ranks = [reader(shards, rank=r, world=2).once() for r in (0, 1)]
    shares = [[key for batch in rank for key in batch.keys] for rank in ranks]
    assert list(map(len, shares)) == [8, 7]
    assert sorted(shares[0] + shares[1]) == keys


def test_a_sample_that_cannot_be_used_is_replaced_and_counted(tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "s", broken=[3, 4])
    shards = open_shards([str(folder)], tiny_vocabulary())
    batches = list(reader(shards, batch_size=5, max_bad_ratio=1).batches(0, 6))
    assert all(len(batch) == 5 for batch in batches)
    counts = [batch.bad.get("broken_image", 0) for batch in batches]
    assert sum(counts) >= 4  # twice in each of two epochs, and when drawn instead
    again = list(reader(shards, batch_size=5, max_bad_ratio=1).batches(3, 6))
    assert all(map(same, batches[3:], again))
    found = list(reader(shards, batch_size=5).once())
    assert [len(batch) for batch in found] == [3, 5, 5]
    assert found[0].bad == {"broken_image": 2}


def test_too_many_broken_samples_stop_training(tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "s", shards=2, samples=10, broken=range(10))
    shards = open_shards([str(folder)], tiny_vocabulary())
    with pytest.raises(InputError, match=r"broken_image \d+\), more than --max-bad-ratio 0.01"):
        list(reader(shards).batches(0, 100))


def test_a_shard_that_vanishes_costs_its_samples_and_no_more(tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "s")
    shards = open_shards([str(folder)], tiny_vocabulary())
    batches = reader(shards, max_bad_ratio=1).batches(0, 12)
    next(batches)
    os.truncate(folder / "s-000000.tar", 600)
    (folder / "s-000001.tar").unlink()
    rest = list(batches)
    assert all(len(batch) == 4 for batch in rest)
    assert sum(batch.bad.get("truncated", 0) for batch in rest) > 5


def test_nothing_left_to_read_stops_whatever_the_ratio(tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "s", broken=range(15))
    shards = open_shards([str(folder)], tiny_vocabulary())
    with pytest.raises(InputError, match="cannot be used"):
        list(reader(shards, max_bad_ratio=1).batches(0, 3))


@pytest.mark.slow
def test_a_killed_worker_is_one_line(shards: ShardSet) -> None:
    batches = reader(shards, workers=2, prefetch=1).batches()
    next(batches)
    os.kill(_workers(batches)[0], signal.SIGKILL)
    with pytest.raises(InputError, match="a data worker died") as caught:
        for _ in range(50):
            next(batches)
    assert "\n" not in str(caught.value)
    assert "--resume latest" in str(caught.value)


@pytest.mark.slow
def test_workers_leave_signals_of_others_to_the_main_process(shards: ShardSet) -> None:
    batches = reader(shards, workers=2, prefetch=1).batches(0, 12)
    next(batches)
    workers = _workers(batches)
    for worker in workers:
        os.kill(worker, signal.SIGINT)
        if os.fork() == 0:  # not the parent: as `kill` or a scheduler sends it
            os.kill(worker, signal.SIGTERM)
            os._exit(0)
    assert len(list(batches)) == 11


def _workers(batches: Iterator[Batch]) -> list[int]:
    """Return the process ids of the data workers: the children of this process."""
    tasks = Path(f"/proc/{os.getpid()}/task")
    children = " ".join((task / "children").read_text() for task in tasks.iterdir())
    found = [int(child) for child in children.split()]
    named = [c for c in found if b"resource_tracker" not in Path(f"/proc/{c}/cmdline").read_bytes()]
    return [c for c in named if Path(f"/proc/{c}/stat").read_text().split()[2] != "Z"]


def test_a_place_in_training_is_kept(shards: ShardSet) -> None:
    state = reader(shards).state(5)
    assert reader(shards, workers=3, batch_size=2, world=2).resume(state) == 5
    for changes, name in (({"batch_size": 5}, "global batch"), ({"seed": 1}, "data seed")):
        with pytest.raises(InputError, match=f"cannot resume: {name}"):
            reader(shards, **changes).resume(state)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 16}, "do not fill a batch"),
        ({"batch_size": 6, "world": 3}, "do not fill a batch of 18"),
        ({"batch_size": 0}, "1 or more"),
        ({"rank": 2, "world": 2}, "rank 2"),
        ({"max_bad_ratio": 1.5}, "0 to 1"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(
    shards: ShardSet, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        list(reader(shards, **changes).batches(0, 1))


def test_a_batch_that_cannot_be_filled_stops_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("train.reader.ATTEMPTS", 1)
    shards = open_shards([str(write_shards(tmp_path / "s", broken=[3]))], tiny_vocabulary())
    with pytest.raises(InputError, match=r"\(broken_image 1\), too many to fill a batch; run"):
        list(reader(shards, batch_size=5, max_bad_ratio=1).batches(0, 3))
