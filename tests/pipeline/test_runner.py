"""Beam's flags are checked, untrustworthy runners refused, errors come out as they went in."""

from __future__ import annotations

from pathlib import Path

import pytest
from apache_beam.options.pipeline_options import DirectOptions, StandardOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipeline import storage
from pipeline.runner import EachShard, RunnerConfig, new_pipeline, run_each_shard
from vocab.errors import InputError


def test_the_default_is_the_local_runner() -> None:
    pipeline = new_pipeline(RunnerConfig(workers=2))
    assert isinstance(pipeline.runner, FnApiRunner)
    assert pipeline.options.view_as(DirectOptions).direct_num_workers == 2


def test_beam_flags_pass_through() -> None:
    flags = ("--runner=PortableRunner", "--job_endpoint=localhost:1")
    options = RunnerConfig(flags=flags).options()
    assert options.view_as(StandardOptions).runner == "PortableRunner"
    assert "job_endpoint" in options.get_all_options(drop_default=True)


@pytest.mark.parametrize("name", ["DaskRunner", "dask.DaskRunner", "PrismRunner", "DirectRunner"])
def test_runners_that_cannot_be_trusted_are_refused_with_the_reason(name: str) -> None:
    with pytest.raises(InputError, match=f"--runner={name}: refused, it"):
        RunnerConfig(flags=(f"--runner={name}",))


@pytest.mark.parametrize("flag", ["--top_k=3", "--runer=FnApiRunner", "--no-such"])
def test_flags_that_beam_would_drop_fail(flag: str) -> None:
    name = flag.partition("=")[0]
    with pytest.raises(InputError, match=f"^{name}: Beam has no such flag"):
        RunnerConfig(flags=(flag,))


def test_a_flag_with_a_wrong_value_fails_in_one_line() -> None:
    with pytest.raises(InputError, match="direct_num_workers") as caught:
        RunnerConfig(flags=("--direct_num_workers=two",))
    assert "\n" not in str(caught.value)


def test_no_workers_are_refused() -> None:
    with pytest.raises(InputError, match="at least one"):
        RunnerConfig(workers=0)


class Touch(EachShard):
    """Writes an empty stats file, or fails in the way that its stem names."""

    def __init__(self, output: str) -> None:
        self.output = output

    def make(self, stem: str) -> None:
        if stem == "broken":
            raise InputError("the input of this shard is torn; download it again")
        if stem == "full":
            raise OSError(28, "No space left on device")
        storage.write_bytes(storage.join(self.output, f"{stem}_stats.json"), b"")


def test_every_shard_is_made(tmp_path: Path) -> None:
    stems = [f"{i:05d}" for i in range(7)]
    run_each_shard(Touch(str(tmp_path)), stems, runner=RunnerConfig())
    assert storage.list_names(str(tmp_path)) == [f"{stem}_stats.json" for stem in stems]


def test_a_broken_shard_costs_one_shard_and_leaves_its_reason(tmp_path: Path) -> None:
    run_each_shard(Touch(str(tmp_path)), ["00000", "broken", "00001"], runner=RunnerConfig())
    assert storage.list_names(str(tmp_path)) == ["00000_stats.json", "00001_stats.json"]
    assert "torn" in (tmp_path / "failed/broken.txt").read_text()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_full_disk_stops_the_job_with_one_line(tmp_path: Path, workers: int) -> None:
    with pytest.raises(InputError, match="no space left on the disk") as caught:
        run_each_shard(Touch(str(tmp_path)), ["full"], runner=RunnerConfig(workers))
    assert "\n" not in str(caught.value)
    assert "while running" not in str(caught.value)


def test_no_shards_run_nothing(tmp_path: Path) -> None:
    run_each_shard(Touch(str(tmp_path)), [], runner=RunnerConfig())
    assert storage.list_names(str(tmp_path)) == []


@pytest.mark.parametrize(
    ("name", "words"), [("NoSuchRunner", "NoSuchRunner"), ("DataflowRunner", "project")]
)
def test_what_beam_says_of_a_runner_is_one_line(name: str, words: str) -> None:
    config = RunnerConfig(flags=(f"--runner={name}",))
    with pytest.raises(InputError, match=f"^Beam's flags after `--`: .*{words}"):
        new_pipeline(config)
