"""Start, kill and compare jobs as a user would, through the command line."""

from __future__ import annotations

import filecmp
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

CLI = [sys.executable, "-m", "tag2text.cli"]


def run(line: Sequence[str], *, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run `tag2text` with these arguments to its end."""
    done = subprocess.run([*CLI, *line], check=False, capture_output=True, text=True)
    assert not check or done.returncode == 0, done.stderr
    return done


def start(line: Sequence[str]) -> subprocess.Popen[bytes]:
    """Start `tag2text` with these arguments."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    return subprocess.Popen([*CLI, *line], **quiet)  # type: ignore[call-overload, no-any-return]


def outputs(directory: Path) -> list[str]:
    """Return the files of a directory, without those that belong to the run alone."""
    return sorted(
        str(p.relative_to(directory))
        for p in directory.rglob("*")
        if p.is_file() and p.name not in (".lock", "lock.json") and ".tmp" not in p.parts
    )


def assert_same(one: Path, two: Path) -> None:
    """Fail unless both directories hold the same files with the same bytes."""
    assert outputs(one) == outputs(two)
    different = filecmp.cmpfiles(one, two, outputs(one), shallow=False)[1:]
    assert different == ([], [])


def assert_same_but_times(one: Path, two: Path) -> None:
    """Fail unless two downloads are the same but for the times in their stats and report."""
    assert outputs(one) == outputs(two)
    times = ("duration", "start_time", "end_time")
    for name in outputs(one):
        if name == "download_report.html":
            continue
        contents = [(folder / name).read_bytes() for folder in (one, two)]
        if name.endswith("_stats.json"):
            loaded = [json.loads(content) for content in contents]
            contents = [{k: v for k, v in s.items() if k not in times} for s in loaded]
        assert contents[0] == contents[1], name


def wait_for(condition: Callable[[], bool], *, seconds: float = 60) -> None:
    """Wait until something holds, or fail."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.005)


def finished(directory: Path) -> dict[Path, int]:
    """Return the finished shards' stats files with their times."""
    return {path: path.stat().st_mtime_ns for path in directory.glob("*_stats.json")}


def kill_in_the_middle(line: Sequence[str], output: Path, *, shards: int) -> dict[Path, int]:
    """Start a job, SIGKILL it once a shard is finished; return what is finished then."""
    victim = start(line)
    wait_for(lambda: bool(finished(output)))
    victim.kill()
    victim.wait()
    assert 0 < len(finished(output)) < shards
    assert not (output / "COMPLETED").exists()
    time.sleep(1.5)  # until its workers have noticed that their driver is gone
    return finished(output)


def interrupt_in_the_middle(line: Sequence[str], output: Path) -> subprocess.CompletedProcess[str]:
    """Start a job, press ctrl-C once a shard is finished (a terminal signals all its processes)."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    job = subprocess.Popen([*CLI, *line], start_new_session=True, **pipes)  # type: ignore[call-overload]
    wait_for(lambda: bool(finished(output)))
    os.killpg(job.pid, signal.SIGINT)
    stdout, stderr = job.communicate(timeout=60)
    return subprocess.CompletedProcess(line, job.returncode, stdout, stderr)


def assert_second_run_is_refused(line: Sequence[str], output: Path) -> None:
    """Start a job, hold it still, and fail unless a second one into the same directory refuses."""
    first = start(line)
    try:
        wait_for((output / "lock.json").exists)
        first.send_signal(signal.SIGSTOP)  # so that it cannot finish while the second starts
        second = run(line, check=False)
        assert second.returncode == 1
        assert f"process {first.pid}" in second.stderr
        assert len(second.stderr.splitlines()) == 1
    finally:
        first.send_signal(signal.SIGCONT)
        assert first.wait() == 0
    assert (output / "COMPLETED").exists()


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """Mount a file system of ``size``; skip the test where that is not allowed."""
    mount = folder / "disk"
    mount.mkdir()
    line = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(mount)]
    allowed = os.geteuid() == 0 and shutil.which("mount") is not None
    if not allowed or subprocess.run(line, check=False).returncode:
        pytest.skip("mounting a small tmpfs needs root")
    try:
        yield mount
    finally:
        subprocess.run(["umount", str(mount)], check=True)


def assert_full_disk_is_survived(line: Sequence[str], output: Path, undisturbed: Path) -> None:
    """A job on a disk that is too small ends in one clear line; on a larger one it goes on."""
    failed = run(line, check=False)
    assert failed.returncode == 1
    assert "no space left on the disk" in failed.stderr
    assert len(failed.stderr.splitlines()) == 1
    shards = [name for name in outputs(output) if any(c.isdigit() for c in name)]
    assert shards
    assert filecmp.cmpfiles(output, undisturbed, shards, shallow=False) == (shards, [], [])
    subprocess.run(["mount", "-o", "remount,size=64m", str(output.parent)], check=True)
    run(line)
    assert_same(output, undisturbed)
