"""One run a directory, one configuration a directory, COMPLETED last."""

from __future__ import annotations

import dataclasses
import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.job import (
    COMPLETED,
    INFO,
    LOCK,
    Job,
    begin_work,
    finish,
    open_output,
    read_completed,
    read_info,
)
from pipeline.shard import ShardOutput
from vocab.errors import InputError


def job(directory: Path, **changes: object) -> Job:
    plain = Job("mine", str(directory), {"parser": "rules", "source": "coco"}, {"manifest": "1"})
    return dataclasses.replace(plain, **changes)  # type: ignore[arg-type]


def make_shard(directory: Path, stem: str, *, bad: int = 0, rows: int = 10) -> None:
    with ShardOutput(str(directory), stem, "mine", {}) as output:
        output.rows_in, output.rows = rows, rows - bad
        output.counts["images"] = 3
        for _ in range(bad):
            output.bad("k", "no_words")


def test_finish_adds_up_and_writes_completed(tmp_path: Path) -> None:
    with open_output(job(tmp_path)):
        make_shard(tmp_path, "00000")
        make_shard(tmp_path, "00001", bad=1)
        summary = finish(job(tmp_path), ["00000", "00001"])
    assert (summary.shards, summary.rows_in, summary.rows) == (2, 20, 19)
    assert read_completed(str(tmp_path), "mine") == summary
    assert not (tmp_path / LOCK).exists()


def test_too_many_bad_rows_fail_and_name_the_heaviest_reason(tmp_path: Path) -> None:
    strict = job(tmp_path, max_bad_ratio=0.05)
    with open_output(strict):
        make_shard(tmp_path, "00000", bad=1)
        with pytest.raises(InputError, match=r"1 of 10 rows are bad .*no_words \(1\)"):
            finish(strict, ["00000"])
    assert not (tmp_path / COMPLETED).exists()


def test_the_threshold_itself_is_allowed(tmp_path: Path) -> None:
    allowed = job(tmp_path, max_bad_ratio=0.1)
    with open_output(allowed):
        make_shard(tmp_path, "00000", bad=1)
        assert finish(allowed, ["00000"]).rows == 9


def test_missing_shards_fail_with_the_recorded_reason(tmp_path: Path) -> None:
    with open_output(job(tmp_path)):
        (tmp_path / "failed").mkdir()
        (tmp_path / "failed/00001.txt").write_text("the tar is torn")
        make_shard(tmp_path, "00000")
        with pytest.raises(InputError, match="1 of 2 shards failed, first 00001: the tar is torn"):
            finish(job(tmp_path), ["00000", "00001"])


def test_other_settings_are_refused_and_named(tmp_path: Path) -> None:
    with open_output(job(tmp_path)):
        make_shard(tmp_path, "00000")
    other = job(tmp_path, config={"parser": "sng", "source": "coco"})
    with pytest.raises(InputError, match="parser was 'rules', now 'sng'"), open_output(other):
        pass
    with pytest.raises(InputError, match="made by `tag2text mine`"):
        with open_output(job(tmp_path, command="manifest")):
            pass


def test_settings_of_a_run_that_made_nothing_bind_nobody(tmp_path: Path) -> None:
    with open_output(job(tmp_path)):
        pass
    with open_output(job(tmp_path, config={"parser": "sng", "source": "coco"})):
        pass
    assert read_info(str(tmp_path))["config"]["parser"] == "sng"


def test_completed_is_believed_only_while_the_shards_are_those_it_was_written_for(
    tmp_path: Path,
) -> None:
    with open_output(job(tmp_path)):
        make_shard(tmp_path, "00000")
        make_shard(tmp_path, "00001")
        finish(job(tmp_path), ["00000", "00001"])
    (tmp_path / "00001_stats.json").unlink()
    with pytest.raises(InputError, match="its shards are not those"):
        read_completed(str(tmp_path), "mine")


def test_work_takes_completed_back(tmp_path: Path) -> None:
    with open_output(job(tmp_path)):
        finish(job(tmp_path), [])
        begin_work(str(tmp_path))
    with pytest.raises(InputError, match="not finished"):
        read_completed(str(tmp_path), "mine")


def test_another_command_is_refused(tmp_path: Path) -> None:
    with open_output(job(tmp_path)):
        finish(job(tmp_path), [])
    with pytest.raises(InputError, match="made by `tag2text mine`"):
        read_completed(str(tmp_path), "manifest")


def test_an_unfinished_directory_is_refused(tmp_path: Path) -> None:
    with open_output(job(tmp_path)):
        pass
    with pytest.raises(InputError, match="not finished"):
        read_completed(str(tmp_path), "mine")


def test_info_is_reproducible_and_strict(tmp_path: Path) -> None:
    with open_output(job(tmp_path)):
        pass
    assert read_info(str(tmp_path))["config"]["parser"] == "rules"
    (tmp_path / INFO).write_text("{")
    with pytest.raises(InputError, match="broken"):
        read_info(str(tmp_path))


def test_no_directory_of_ours_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no info.json there"):
        read_info(str(tmp_path))


def test_output_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"), open_output(job(tmp_path / "file")):
        pass


HOLD = """
import sys, time
from pipeline.job import Job, open_output
config = {"parser": "rules", "source": "coco"}
with open_output(Job("mine", sys.argv[1], config, {"manifest": "1"})):
    print("held", flush=True)
    time.sleep(60)
"""


def hold(directory: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", HOLD, str(directory)]
    holder = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_a_second_run_is_refused_while_the_first_lives_and_let_in_once_it_is_killed(
    tmp_path: Path,
) -> None:
    holder = hold(tmp_path)
    try:
        with pytest.raises(InputError, match=f"process {holder.pid}"), open_output(job(tmp_path)):
            pass
    finally:
        holder.kill()
        holder.wait()
    time.sleep(0.1)
    assert (tmp_path / LOCK).exists()  # left by the killed run
    with open_output(job(tmp_path)):
        assert json.loads((tmp_path / LOCK).read_text())["host"] == socket.gethostname()


def test_the_lock_of_another_host_needs_the_flag(tmp_path: Path) -> None:
    foreign = {"host": "elsewhere", "pid": 1, "since": "2026-01-01"}
    (tmp_path / LOCK).write_text(json.dumps(foreign))
    with pytest.raises(InputError, match="host elsewhere.*--take-over"), open_output(job(tmp_path)):
        pass
    with open_output(job(tmp_path, take_over=True)):
        pass
    assert not (tmp_path / LOCK).exists()


def test_leftovers_of_a_killed_run_are_cleared(tmp_path: Path) -> None:
    for folder in (".tmp", "bad/.tmp", "failed"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "00000.parquet.1").write_text("half")
    with open_output(job(tmp_path)):
        assert not list(tmp_path.rglob("00000*"))


def test_a_file_is_no_directory_of_a_command(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").touch()
    with pytest.raises(InputError, match=r"a\.tsv: is a file; name the output directory of an"):
        read_info(str(tmp_path / "a.tsv"))
