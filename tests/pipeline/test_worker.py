"""Local workers: born of one process, gone with their driver, and missed when they die."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from pipeline import storage
from pipeline.runner import EachShard, RunnerConfig, run_each_shard
from pipeline.worker import end_nursery, start_nursery
from vocab.errors import InputError


class Note(EachShard):
    """Writes down which process made a shard and what it found there."""

    def __init__(self, output: str) -> None:
        self.output = output

    def make(self, stem: str) -> None:
        if stem == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        text = f"{os.getppid()} {'colorsys' in sys.modules} {os.environ.get('WORD')} {Path.cwd()}"
        storage.write_bytes(storage.join(self.output, f"{stem}_stats.json"), text.encode())


def found(folder: Path) -> list[list[str]]:
    return [path.read_text().split() for path in sorted(folder.glob("*_stats.json"))]


def test_workers_come_from_one_process_that_has_imported_what_they_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_nursery("colorsys", "no_such_module")
    monkeypatch.setenv("WORD", "said-later")
    stems = [f"{n:05d}" for n in range(6)]
    run_each_shard(Note(str(tmp_path)), stems, runner=RunnerConfig(2))
    notes = found(tmp_path)
    assert len({parent for parent, *_ in notes}) == 1
    assert [note[1:] for note in notes] == [["True", "said-later", str(Path.cwd())]] * 6
    assert not psutil.pid_exists(int(notes[0][0]))  # the next job has its own


def test_a_worker_that_is_killed_ends_the_job_with_its_signal(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="a worker process ended with code 137"):
        run_each_shard(Note(str(tmp_path)), ["killed"], runner=RunnerConfig(2))
    run_each_shard(Note(str(tmp_path)), ["00000"], runner=RunnerConfig(2))
    assert len(found(tmp_path)) == 1


def test_workers_end_with_their_driver(tmp_path: Path) -> None:
    script = tmp_path / "driver.py"
    script.write_text(
        textwrap.dedent("""
        import os, time
        from pipeline.worker import start_nursery
        nursery = start_nursery("colorsys")
        print(nursery._process.pid, flush=True)
        time.sleep(60)
        """)
    )
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE) as driver:
        assert driver.stdout is not None
        nursery = psutil.Process(int(driver.stdout.readline()))
        driver.kill()
    psutil.wait_procs([nursery], timeout=20)
    assert not nursery.is_running()


def test_a_nursery_that_still_imports_ends_with_its_driver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow_to_import.py").write_text("import time\ntime.sleep(60)\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(__file__).parents[2]}")
    start_nursery("slow_to_import")
    begin = time.monotonic()
    end_nursery()
    assert time.monotonic() - begin < 20


def test_a_nursery_that_nobody_needed_ends_quickly() -> None:
    nursery = start_nursery()
    assert start_nursery() is nursery
    begin = time.monotonic()
    end_nursery()
    end_nursery()
    assert nursery.wait() == 0
    assert time.monotonic() - begin < 20
