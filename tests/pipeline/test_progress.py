"""Progress is shown on standard error and changes nothing."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest

from pipeline import progress


@pytest.mark.parametrize("rows", [0, 1, 5])
def test_tracked_rows_are_the_rows(rows: int) -> None:
    with progress.track(range(rows), "out") as tracked:
        assert list(tracked) == list(range(rows))


def test_plain_lines_tell_how_many_rows_passed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "_LINE_SECONDS", 0.0)
    monkeypatch.setattr(progress, "_TICK_ROWS", 2)
    with progress.track("abcde", "out") as tracked:
        assert "".join(tracked) == "abcde"
    captured = capsys.readouterr()
    counts = [line.split(",")[0] for line in captured.err.splitlines()]
    assert counts == ["out: 2 rows", "out: 4 rows", "out: 5 rows"]
    assert captured.out == ""


def test_a_terminal_shows_a_count(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress.track("abcde", "out") as tracked:
        assert "".join(tracked) == "abcde"
    assert "out 5 rows" in capsys.readouterr().err


NAMES = ("00000.parquet", "00001.parquet", "00002.parquet")


def test_a_terminal_shows_how_many_shards_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress.watch(str(tmp_path / "mined"), NAMES):
        (tmp_path / "mined").mkdir()
        for name in (*NAMES[:2], "info.json"):
            (tmp_path / "mined" / name).touch()
    captured = capsys.readouterr()
    assert "mined" in captured.err
    assert captured.err.rindex("2/3") > captured.err.index("0/3")
    assert captured.out == ""


def test_plain_lines_tell_how_many_shards_stand_when_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "_LINE_SECONDS", 0.01)
    lines, deadline = "", time.monotonic() + 30
    with progress.watch(str(tmp_path), NAMES):
        for count in range(3):
            while f"{tmp_path}: {count} of 3 shards, " not in lines:
                assert time.monotonic() < deadline
                lines += capsys.readouterr().err
                time.sleep(0.01)
            (tmp_path / NAMES[count]).touch()
    assert lines.count(" of 3 shards") == 3  # however often it looked


def test_progress_ends_with_a_job_that_fails(tmp_path: Path) -> None:
    before = threading.active_count()
    with pytest.raises(KeyError), progress.watch(str(tmp_path), NAMES):
        raise KeyError
    assert threading.active_count() == before


def test_an_object_store_is_looked_at_less_often(tmp_path: Path) -> None:
    assert progress.poll_seconds("gs://bucket/mined") > progress.poll_seconds(str(tmp_path))
