"""Faults in the middle of a job: killed, out of disk, started twice; on every local runner."""

from __future__ import annotations

import filecmp
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from pipeline.scene_captions import captions
from pipeline.scenes import scene
from tests.factories import write_manifest

CLI = [sys.executable, "-m", "tag2text.cli"]
SHARDS, SHARD_ROWS = 8, 60


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    images = [(f"{i}.jpg", captions(scene(i))) for i in range(SHARDS * SHARD_ROWS)]
    directory = tmp_path_factory.mktemp("faults") / "manifest"
    return write_manifest(directory, images, source="scenes", shard_rows=SHARD_ROWS)


@pytest.fixture(scope="module")
def undisturbed(manifest: Path) -> Path:
    """A mined directory that nothing happened to."""
    output = manifest.parent / "undisturbed"
    run("mine", manifest, output)
    return output


def run(
    command: str, manifest: Path, output: Path, *flags: str, check: bool = True
) -> subprocess.CompletedProcess[str]:
    line = [*CLI, command, "--manifest", str(manifest), "--output", str(output), *flags]
    return subprocess.run(line, check=check, capture_output=True, text=True)


def outputs(directory: Path) -> list[str]:
    return sorted(
        str(p.relative_to(directory))
        for p in directory.rglob("*")
        if p.is_file() and p.name not in (".lock", "lock.json") and ".tmp" not in p.parts
    )


def assert_same(one: Path, two: Path) -> None:
    assert outputs(one) == outputs(two)
    different = filecmp.cmpfiles(one, two, outputs(one), shallow=False)[1:]
    assert different == ([], [])


def wait_for(condition: Callable[[], bool], *, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.005)


def finished(directory: Path) -> list[Path]:
    return sorted(directory.glob("*_stats.json"))


def start(line: Sequence[str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_killed_in_the_middle_then_run_again_gives_the_same_bytes(
    manifest: Path, undisturbed: Path, tmp_path: Path, workers: str
) -> None:
    output = tmp_path / "mined"
    line = [*CLI, "mine", "--manifest", str(manifest), "--output", str(output)]
    victim = start([*line, "--workers", workers])
    wait_for(lambda: bool(finished(output)))
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    done = {path: path.stat().st_mtime_ns for path in finished(output)}
    assert 0 < len(done) < SHARDS
    assert not (output / "COMPLETED").exists()
    time.sleep(1.5)  # workers notice that their driver is gone
    done |= {path: path.stat().st_mtime_ns for path in finished(output)}

    run("mine", manifest, output, "--workers", workers)
    assert_same(output, undisturbed)
    assert {path: path.stat().st_mtime_ns for path in done} == done  # nothing made again


def test_a_second_run_into_the_same_directory_is_refused(manifest: Path, tmp_path: Path) -> None:
    output = tmp_path / "mined"
    first = start([*CLI, "mine", "--manifest", str(manifest), "--output", str(output)])
    try:
        wait_for((output / "lock.json").exists)
        second = run("mine", manifest, output, check=False)
        assert second.returncode == 1
        assert f"process {first.pid}" in second.stderr
        assert len(second.stderr.splitlines()) == 1
    finally:
        assert first.wait() == 0
    assert (output / "COMPLETED").exists()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for a few shards only."""
    mount = tmp_path / "disk"
    mount.mkdir()
    line = ["mount", "-t", "tmpfs", "-o", "size=96k", "tmpfs", str(mount)]
    allowed = os.geteuid() == 0 and shutil.which("mount") is not None
    if not allowed or subprocess.run(line, check=False).returncode:
        pytest.skip("mounting a small tmpfs needs root")
    yield mount
    subprocess.run(["umount", str(mount)], check=True)


def test_a_full_disk_is_one_clear_line_and_nothing_half_written(
    manifest: Path, undisturbed: Path, small_disk: Path
) -> None:
    output = small_disk / "mined"
    failed = run("mine", manifest, output, check=False)
    assert failed.returncode == 1
    assert "no space left on the disk" in failed.stderr
    assert len(failed.stderr.splitlines()) == 1
    shards = [name for name in outputs(output) if name[0] == "0"]
    assert 0 < len(shards) < 2 * SHARDS
    same = filecmp.cmpfiles(output, undisturbed, shards, shallow=False)
    assert same == (shards, [], [])
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    run("mine", manifest, output)
    assert_same(output, undisturbed)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def job_service() -> Iterator[str]:
    """Beam's own portable job service on a loopback port."""
    port = free_port()
    module = "apache_beam.runners.portability.local_job_service_main"
    service = start([sys.executable, "-m", module, "--port", str(port)])

    def listening() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    wait_for(listening)
    yield f"localhost:{port}"
    service.terminate()
    service.wait()


def test_the_portable_runner_gives_the_same_bytes(
    manifest: Path, undisturbed: Path, tmp_path: Path, job_service: str
) -> None:
    flags = [f"--job_endpoint={job_service}", "--environment_type=LOOPBACK"]
    run("mine", manifest, tmp_path / "mined", "--", "--runner=PortableRunner", *flags)
    assert_same(tmp_path / "mined", undisturbed)


def test_dask_is_refused_with_the_reason(manifest: Path, tmp_path: Path) -> None:
    refused = run("mine", manifest, tmp_path / "mined", "--", "--runner=DaskRunner", check=False)
    assert refused.returncode == 1
    assert "writes empty files" in refused.stderr
    assert finished(tmp_path / "mined") == []
