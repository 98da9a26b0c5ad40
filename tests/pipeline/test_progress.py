"""Progress is shown on standard error and changes nothing."""

from __future__ import annotations

import sys

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
