"""`mine`: killed, out of disk, started twice, on every local runner."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.drawn.captions import captions
from pipeline.drawn.scenes import scene
from tests.e2e import jobs
from tests.factories import write_manifest

SHARDS, SHARD_ROWS = 12, 60


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    images = [(f"{i}.jpg", captions(scene(i))) for i in range(SHARDS * SHARD_ROWS)]
    directory = tmp_path_factory.mktemp("faults") / "manifest"
    return write_manifest(directory, images, source="scenes", shard_rows=SHARD_ROWS)


@pytest.fixture(scope="module")
def undisturbed(manifest: Path) -> Path:
    """A mined directory that nothing happened to."""
    output = manifest.parent / "undisturbed"
    jobs.run(mine(manifest, output))
    return output


def mine(manifest: Path, output: Path, *flags: str) -> list[str]:
    return ["mine", "--manifest", str(manifest), "--output", str(output), *flags]


@pytest.mark.parametrize("workers", ["1", "2"])
def test_killed_in_the_middle_then_run_again_gives_the_same_bytes(
    manifest: Path, undisturbed: Path, tmp_path: Path, workers: str
) -> None:
    line = mine(manifest, tmp_path / "mined", "--workers", workers)
    done = jobs.kill_in_the_middle(line, tmp_path / "mined", shards=SHARDS)
    jobs.run(line)
    jobs.assert_same(tmp_path / "mined", undisturbed)
    again = jobs.finished(tmp_path / "mined")
    assert {path: again[path] for path in done} == done  # nothing was made twice


@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c_is_one_line_and_a_rerun_goes_on(
    manifest: Path, undisturbed: Path, tmp_path: Path, workers: str
) -> None:
    line = mine(manifest, tmp_path / "mined", "--workers", workers)
    stopped = jobs.interrupt_in_the_middle(line, tmp_path / "mined")
    assert stopped.returncode == 130
    assert stopped.stderr.splitlines() == [
        "error: stopped; run the same command again to go on where it was"
    ]
    assert not (tmp_path / "mined/COMPLETED").exists()
    jobs.run(line)
    jobs.assert_same(tmp_path / "mined", undisturbed)


def test_a_second_run_into_the_same_directory_is_refused(manifest: Path, tmp_path: Path) -> None:
    jobs.assert_second_run_is_refused(mine(manifest, tmp_path / "mined"), tmp_path / "mined")


def test_a_full_disk_is_one_clear_line_and_nothing_half_written(
    manifest: Path, undisturbed: Path, tmp_path: Path
) -> None:
    with jobs.small_disk(tmp_path, "96k") as disk:
        jobs.assert_full_disk_is_survived(
            mine(manifest, disk / "mined"), disk / "mined", undisturbed
        )


def test_the_portable_runner_gives_the_same_bytes(
    manifest: Path, undisturbed: Path, tmp_path: Path, portable_runner: list[str]
) -> None:
    jobs.run(mine(manifest, tmp_path / "mined", *portable_runner))
    jobs.assert_same(tmp_path / "mined", undisturbed)
    counted = ["count", "--mined", str(undisturbed), "--output"]
    jobs.run([*counted, str(tmp_path / "local")])
    jobs.run([*counted, str(tmp_path / "two"), "--workers", "2"])
    jobs.run([*counted, str(tmp_path / "portable"), *portable_runner])
    jobs.assert_same(tmp_path / "two", tmp_path / "local")
    jobs.assert_same(tmp_path / "portable", tmp_path / "local")


def test_dask_is_refused_with_the_reason(manifest: Path, tmp_path: Path) -> None:
    line = mine(manifest, tmp_path / "mined", "--", "--runner=DaskRunner")
    refused = jobs.run(line, check=False)
    assert refused.returncode == 2
    assert "writes empty files" in refused.stderr
    assert not (tmp_path / "mined").exists()
