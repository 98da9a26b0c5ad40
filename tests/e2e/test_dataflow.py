"""The jobs as Dataflow would get them: built offline with Beam's own runner, never sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from apache_beam.internal import pickler
from apache_beam.portability.api import beam_runner_api_pb2 as proto
from apache_beam.runners.dataflow import dataflow_runner

from pipeline.count import CountConfig, WriteCounts, count
from pipeline.download import DownloadConfig, DownloadShard, download
from pipeline.mine import MineConfig, MineShard, mine
from pipeline.runner import RunnerConfig
from pipeline.shards import LabelShard, ShardsConfig, write_shards
from tests.e2e import jobs
from tests.factories import write_manifest, write_mined
from vocab.errors import InputError
from vocab.graph import Tag
from vocab.vocabulary import Entry, Vocabulary

apiclient = pytest.importorskip(
    "apache_beam.runners.dataflow.internal.apiclient",
    reason="Dataflow needs the extra: pip install -e '.[gcp]'",
    exc_type=ImportError,
)

DOG = Tag("object", "dog")
IMAGE = "us-docker.pkg.dev/my-project/tag2text/tag2text:0.1.0"
FLAGS = (
    "--runner=DataflowRunner",
    "--dry_run=True",
    "--no_auth",
    "--project=my-project",
    "--region=us-central1",
    "--temp_location=gs://my-bucket/temp",
    f"--sdk_container_image={IMAGE}",
    "--sdk_location=container",
    "--machine_type=n2-standard-4",
    "--num_workers=8",
    "--autoscaling_algorithm=NONE",
    "--disk_size_gb=50",
    "--number_of_worker_harness_threads=1",
)
DATAFLOW = RunnerConfig(flags=FLAGS)

Build = Callable[[Callable[[], object]], Any]


@pytest.fixture
def build(monkeypatch: pytest.MonkeyPatch) -> Build:
    """Give a function that runs a job and returns what Dataflow would have got."""
    built: list[Any] = []
    run = dataflow_runner.DataflowRunner.run_pipeline

    def recorded(*args: Any, **options: Any) -> Any:
        result = run(*args, **options)
        built.append(result.job)
        return result

    def run_dry(job: Callable[[], object]) -> Any:
        monkeypatch.setattr(dataflow_runner.DataflowRunner, "run_pipeline", recorded)
        with pytest.raises(InputError, match="--dry_run: the Dataflow job was built, and neither"):
            job()
        (found,) = built
        return found

    return run_dry


def steps(job: Any) -> set[str]:
    return {step.unique_name for step in job.proto_pipeline.components.transforms.values()}


def function(job: Any, name: str) -> Any:
    """Return the function of a step, unpickled from the job as a worker would."""
    (step,) = (
        step
        for step in job.proto_pipeline.components.transforms.values()
        if step.unique_name == name and step.spec.urn == "beam:transform:pardo:v1"
    )
    payload = proto.ParDoPayload.FromString(step.spec.payload)
    return pickler.loads(payload.do_fn.payload)[0]


def assert_in_our_image(job: Any) -> None:
    environments = job.proto_pipeline.components.environments.values()
    images = {proto.DockerPayload.FromString(e.payload).container_image for e in environments}
    assert images == {IMAGE}
    # The code of the workers is that of the image: what is uploaded holds none of ours.
    files = {
        proto.ArtifactStagingToRolePayload.FromString(dependency.role_payload).staged_name
        for environment in environments
        for dependency in environment.dependencies
    }
    assert files <= {"submission_environment_dependencies.txt", "pickled_main_session"}


@pytest.fixture
def manifest(tmp_path: Path) -> str:
    images = [(f"http://127.0.0.1/{n}.jpg", ["a dog runs"]) for n in range(6)]
    return str(write_manifest(tmp_path / "manifest", images, source="web", shard_rows=2))


@pytest.fixture
def mined(tmp_path: Path) -> str:
    shards = [[(f"{n}.jpg", [("a dog", [DOG])])] for n in range(3)]
    return str(write_mined(tmp_path / "mined", shards, source="web"))


def test_mine(build: Build, manifest: str, tmp_path: Path) -> None:
    output = str(tmp_path / "out")
    job = build(lambda: mine(MineConfig(manifest=manifest, output=output, runner=DATAFLOW)))
    assert {"Shards", "Spread", "Make"} <= steps(job)
    make = function(job, "Make")
    assert isinstance(make, MineShard)
    assert (make.manifest, make.output, make.parser) == (manifest, output, "rules")
    assert_in_our_image(job)


def test_download(build: Build, manifest: str, tmp_path: Path) -> None:
    pytest.importorskip("img2dataset", reason="pip install -e '.[download]'")
    config = DownloadConfig(manifest=manifest, output=str(tmp_path / "out"), runner=DATAFLOW)
    job = build(lambda: download(config))
    assert {"Shards", "Spread", "Make"} <= steps(job)
    make = function(job, "Make")
    assert isinstance(make, DownloadShard)
    assert make.config == config
    assert_in_our_image(job)


def test_shards(build: Build, mined: str, tmp_path: Path) -> None:
    Vocabulary((Entry(DOG),)).save(tmp_path / "vocabulary")
    config = ShardsConfig(
        mined=mined,
        vocabulary=str(tmp_path / "vocabulary"),
        output=str(tmp_path / "out"),
        images=str(tmp_path / "images"),
        runner=DATAFLOW,
    )
    job = build(lambda: write_shards(config))
    assert {"Shards", "Spread", "Make"} <= steps(job)
    make = function(job, "Make")
    assert isinstance(make, LabelShard)
    assert make.config == config
    assert_in_our_image(job)


def test_count(build: Build, mined: str, tmp_path: Path) -> None:
    output = str(tmp_path / "out")
    job = build(lambda: count(CountConfig(mined=(mined,), output=output, runner=DATAFLOW)))
    assert {"Shards", "Spread", "Count shard", "Add up/CombinePerKey", "Write"} <= steps(job)
    assert isinstance(function(job, "Write"), WriteCounts)
    assert_in_our_image(job)


def test_the_flags_reach_the_workers(build: Build, manifest: str, tmp_path: Path) -> None:
    config = MineConfig(manifest=manifest, output=str(tmp_path / "out"), runner=DATAFLOW)
    job = build(lambda: mine(config))
    staged = "gs://my-bucket/temp/pipeline.pb"
    sent = apiclient.Environment([], job.options, "2.0", staged, job.proto_pipeline).proto
    (pool,) = sent.worker_pools
    assert (pool.num_workers, pool.machine_type, pool.disk_size_gb) == (8, "n2-standard-4", 50)
    assert pool.num_threads_per_worker == 1
    assert pool.worker_harness_container_image == IMAGE


def test_a_dry_run_on_the_command_line_is_one_line(manifest: str, tmp_path: Path) -> None:
    line = ["mine", "--manifest", manifest, "--output", str(tmp_path / "out"), "--", *FLAGS]
    done = jobs.run(line, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("error: --dry_run: ")
    assert len(done.stderr.splitlines()) == 1
    info = json.loads((tmp_path / "out" / "info.json").read_text())
    assert info["command"] == "mine"
    assert not list((tmp_path / "out").glob("*.parquet"))


def test_a_job_that_names_no_project_is_refused(manifest: str, tmp_path: Path) -> None:
    flags = ("--runner=DataflowRunner", "--no_auth", "--region=us-central1")
    config = MineConfig(
        manifest=manifest, output=str(tmp_path / "out"), runner=RunnerConfig(flags=flags)
    )
    with pytest.raises(Exception, match="project"):
        mine(config)
