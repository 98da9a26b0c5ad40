"""How fast a download is, as a line a shard and as a bar."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from pipeline.download import download
from pipeline.download_progress import LiveCounts, Meter, Tally, watch_download
from tests.downloads import configured, manifest
from tests.image_server import ImageServer, serving

pytest.importorskip("img2dataset", reason="needs the extra: pip install 'tag2text[download]'")


def test_progress_is_a_line_a_shard_off_a_terminal(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with serving(ImageServer()) as server:
        manifest(tmp_path, [server.url(f"ok/{n}") for n in range(5)], shard_rows=2)
        download(configured(tmp_path))
    lines = capfd.readouterr().err.splitlines()
    assert [line.split(":")[0] for line in lines] == ["00000", "00001", "00002"]
    assert "2 images" in lines[0]
    assert "100.0% succeed" in lines[0]
    assert "5 of 5, about 0 s left" in lines[-1]


def test_shards_at_work_say_how_far_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.download_progress._LIVE_SECONDS", -1.0)
    (tmp_path / ".tmp").mkdir()
    meter = Meter(str(tmp_path), {"00000": 10, "00001": 10})
    with LiveCounts(str(tmp_path), "00001") as live:
        live.add({"reason": "success", "bytes": 100})
        live.add({"reason": "http_404", "bytes": None})
        assert meter.total() == Tally(2, 1, 100)
    assert meter.total() == Tally()


def test_a_retried_shard_counts_what_is_new(tmp_path: Path) -> None:
    stats = tmp_path / "00000_stats.json"
    stats.write_text(json.dumps({"rows_in": 10, "rows": 4, "counts": {"bytes": 40}, "end_time": 1}))
    meter = Meter(str(tmp_path), {"00000": 6})
    assert meter.finish() == []
    stats.write_text(json.dumps({"rows_in": 10, "rows": 9, "counts": {"bytes": 90}, "end_time": 2}))
    assert meter.finish() == ["00000"]
    assert meter.total() == Tally(6, 5, 50)
    assert meter.finish() == []


def test_the_bar_of_a_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    screen.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr("sys.stderr", screen)
    with watch_download(str(tmp_path), {"00000": 4}):
        stats = {"rows_in": 4, "rows": 3, "counts": {"bytes": 4_000_000}}
        (tmp_path / "00000_stats.json").write_text(json.dumps(stats))
    assert "4/4" in screen.getvalue()
    assert "75.0% succeed" in screen.getvalue()
    assert "MB/s" in screen.getvalue()


def test_rates_over_no_time_are_no_error() -> None:
    assert Tally().describe(0.0) == "0 images/s, 0.0% succeed, 0.0 MB/s"
