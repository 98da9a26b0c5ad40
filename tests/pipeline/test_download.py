"""`download`: what lands in the shards, from a loopback server and from a folder."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import webdataset
from PIL import Image

from pipeline import download as module
from pipeline.check import check_directory
from pipeline.download import download
from pipeline.fetch import FetchSettings
from pipeline.job import Summary
from pipeline.mine import MineConfig, mine
from pipeline.politeness import Politeness
from pipeline.reasons import is_reason
from pipeline.resized import ResizeSettings
from pipeline.shard import read_stats
from pipeline.shards import ShardsConfig, write_shards
from tests.downloads import LOCAL, configured, manifest, members, table
from tests.image_server import ImageServer, gzip_bomb, serving
from tests.pictures import opened, picture
from vocab.errors import InputError
from vocab.graph import Tag
from vocab.vocabulary import Entry, Vocabulary

pytest.importorskip("img2dataset", reason="needs the extra: pip install 'tag2text[download]'")

EXPECTED = {
    "ok/1": "success",
    "status/404": "http_404",
    "status/410": "http_410",
    "status/403": "http_403",
    "busy/1": "success",
    "status/429": "http_429",
    "recovers/1": "success",
    "redirect/1": "success",
    "loop": "too_many_redirects",
    "other": "forbidden_address",
    "metadata": "forbidden_address",
    "stall": "timeout",
    "cut": "connection_lost",
    "html": "not_an_image",
    "svg": "not_an_image",
    "empty": "empty_file",
    "half": "truncated",
    "short-length": "truncated",
    "tiny": "too_small",
    "long": "too_elongated",
    "bomb": "too_many_pixels",
    "cmyk": "success",
    "rotated": "success",
    "webp": "success",
    "animated": "success",
    "gzip": "success",
    "gzip-bomb": "too_many_bytes",
    "no-length": "success",
    "huge-length": "too_many_bytes",
    "drip": "timeout",
    "noai": "opted_out",
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Summary]:
    """All that can go wrong, in one shard."""
    folder = tmp_path_factory.mktemp("download")
    gzip_bomb()  # made once, which takes a while
    with serving(ImageServer()) as server:
        manifest(folder, [server.url(path) for path in EXPECTED])
        resize = ResizeSettings(min_image_size=10, max_aspect_ratio=10)
        summary = download(configured(folder, resize=resize))
    return folder, summary


@pytest.mark.parametrize(("path", "reason"), EXPECTED.items())
def test_every_url_has_its_row_and_reason(
    run: tuple[Path, Summary], path: str, reason: str
) -> None:
    row = table(run[0])[list(EXPECTED).index(path)]
    assert row["url"].endswith(f"/{path}")
    assert row["reason"] == reason
    assert is_reason(reason) or reason == "success"
    assert (row["error_message"] or "success").split(":")[0] == reason
    fetched = {"not_an_image", "empty_file", "truncated", "too_small", "too_elongated"}
    if reason == "success":
        assert row["status"] == "success"
        assert min(row["width"], row["height"]) > 0
    elif reason in fetched | {"too_many_pixels"}:
        assert row["status"] == "failed_to_resize"
    else:
        assert row["status"] == "failed_to_download"
        assert row["bytes"] is None


def test_the_layout_is_that_of_img2dataset_with_our_keys(run: tuple[Path, Summary]) -> None:
    folder, summary = run
    rows, files = table(folder), members(folder)
    good = [row for row in rows if row["status"] == "success"]
    assert [row["key"] for row in rows] == [f"web-{n:09d}" for n in range(len(EXPECTED))]
    assert list(files) == [f"{r['key']}.{end}" for r in good for end in ("jpg", "json", "txt")]
    first = rows[0]
    assert first["captions"] == ["0 cats chase a dog", "it barks"]
    assert first["caption"] == "0 cats chase a dog"
    assert files["web-000000000.txt"] == b"0 cats chase a dog"
    assert json.loads(files["web-000000000.json"]) == first
    assert first["sha256"] == hashlib.sha256(picture()).hexdigest()
    assert first["bytes"] == len(picture())
    assert summary.rows == len(good)
    assert summary.rows_in == len(rows)


def test_the_stats_hold_both_forms(run: tuple[Path, Summary]) -> None:
    folder, summary = run
    stats = json.loads((folder / "images/00000_stats.json").read_text())
    assert stats["count"] == stats["rows_in"] == len(EXPECTED)
    assert stats["successes"] == stats["rows"] == summary.rows
    assert stats["failed_to_download"] + stats["failed_to_resize"] == sum(summary.bad.values())
    assert stats["status_dict"] == {"success": summary.rows, **summary.bad}
    assert stats["end_time"] - stats["start_time"] == pytest.approx(stats["duration"])
    lines = (folder / "images/bad/00000.jsonl").read_text().splitlines()
    assert len(lines) == sum(summary.bad.values())
    assert check_directory(str(folder / "images")) == []


def test_pictures_are_upright_and_rgb(run: tuple[Path, Summary]) -> None:
    folder, _ = run
    rows, files = table(folder), members(folder)
    by_path = {row["url"].split("/", 3)[3]: row for row in rows}
    assert (by_path["rotated"]["width"], by_path["rotated"]["height"]) == (30, 40)
    plain = opened(files[f"{by_path['ok/1']['key']}.jpg"])
    for path in ("cmyk", "animated", "webp", "gzip"):
        image = opened(files[f"{by_path[path]['key']}.jpg"])
        assert (image.mode, image.format, image.size) == ("RGB", "JPEG", (40, 30))
        difference = [abs(a - b) for a, b in zip(_mean(image), _mean(plain), strict=True)]
        assert max(difference) < 12, path


def _mean(image: Image.Image) -> tuple[int, ...]:
    return image.convert("RGB").resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))  # type: ignore[return-value]


def test_webdataset_reads_it(run: tuple[Path, Summary]) -> None:
    folder, summary = run
    path = str(folder / "images/00000.tar")
    samples = list(webdataset.WebDataset(path, shardshuffle=False).decode("pil"))
    assert len(samples) == summary.rows
    assert all(sample["jpg"].size[0] > 0 and sample["txt"] for sample in samples)


def test_a_rerun_asks_for_nothing(tmp_path: Path) -> None:
    with serving(ImageServer()) as server:
        manifest(tmp_path, [server.url(f"ok/{n}") for n in range(10)], shard_rows=4)
        first = download(configured(tmp_path))
        times = {p: p.stat().st_mtime_ns for p in (tmp_path / "images").glob("0*")}
        assert download(configured(tmp_path)) == first
        assert {p: p.stat().st_mtime_ns for p in times} == times
        assert server.requests.total() == 10


def test_a_run_that_ended_before_its_report_gets_it(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(picture())
    manifest(tmp_path, ["a.jpg"])
    download(configured(tmp_path, image_root=str(tmp_path)))
    (tmp_path / "images" / module.REPORT).unlink()
    download(configured(tmp_path, image_root=str(tmp_path)))
    assert (tmp_path / "images" / module.REPORT).exists()


def test_two_runs_give_the_same_bytes(tmp_path: Path) -> None:
    with serving(ImageServer()) as server:
        paths = [p for p in EXPECTED if not p.startswith(("busy", "recovers"))]
        for name in ("one", "two"):
            manifest(tmp_path / name, [server.url(p) for p in paths], shard_rows=10)
            download(configured(tmp_path / name))
    for file in sorted((tmp_path / "one/images").rglob("*")):
        other = tmp_path / "two/images" / file.relative_to(tmp_path / "one/images")
        if file.is_file() and file.name.endswith("_stats.json"):
            assert read_stats(str(file.parent), file.name[:5]) == read_stats(
                str(other.parent), file.name[:5]
            )
        elif file.is_file() and file.name != module.REPORT:
            assert file.read_bytes() == other.read_bytes(), file.name


def test_retrying_fetches_what_may_pass_and_keeps_the_rest(tmp_path: Path) -> None:
    with serving(ImageServer()) as server:
        quick = Politeness(pause=0.05, retries=0, failures=100)
        paths = ["ok/0", "recovers/1", "status/404", "ok/3", "busy/0", "ok/5", "ok/6", "status/410"]
        manifest(tmp_path, [server.url(path) for path in paths], shard_rows=4)
        before = download(configured(tmp_path, politeness=quick))
        assert before.bad == {"http_500": 1, "http_404": 1, "http_429": 1, "http_410": 1}
        kept, asked = members(tmp_path), server.requests.copy()
        after = download(configured(tmp_path, politeness=quick, retry_failed=True))
        assert after.bad == {"http_404": 1, "http_410": 1}
        assert server.requests - asked == {"/recovers/1": 1, "/busy/0": 1}
        files = members(tmp_path)
        assert {name: files[name] for name in kept} == kept
        assert list(files) == sorted(files, key=lambda n: n.split(".")[0])
        assert "web-000000001.jpg" in files
        assert check_directory(str(tmp_path / "images")) == []
        asked = server.requests.copy()
        assert download(configured(tmp_path, retry_failed=True)) == after
        assert server.requests == asked


def test_retrying_rewrites_only_the_shards_that_need_it(tmp_path: Path) -> None:
    with serving(ImageServer()) as server:
        quick = Politeness(retries=0)
        manifest(tmp_path, [server.url(p) for p in ("ok/0", "recovers/1")], shard_rows=1)
        download(configured(tmp_path, politeness=quick))
        untouched = (tmp_path / "images/00000.tar").stat().st_mtime_ns
        download(configured(tmp_path, politeness=quick, retry_failed=True))
        assert (tmp_path / "images/00000.tar").stat().st_mtime_ns == untouched
        assert table(tmp_path, "00001")[0]["status"] == "success"


def test_too_many_failures_fail_the_job(tmp_path: Path) -> None:
    with serving(ImageServer()) as server:
        manifest(tmp_path, [server.url("ok/1"), server.url("status/404")])
        with pytest.raises(InputError, match=r"1 of 2 rows are bad .* http_404"):
            download(configured(tmp_path, max_bad_ratio=0.4))
    assert "http_404" in (tmp_path / "images" / module.REPORT).read_text()


def test_other_settings_are_refused_but_not_other_patience(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(picture())
    manifest(tmp_path, ["a.jpg"])
    download(configured(tmp_path, image_root=str(tmp_path)))
    patient = FetchSettings(timeout=99, max_bytes=LOCAL.max_bytes)
    download(configured(tmp_path, image_root=str(tmp_path), fetch=patient, threads=7))
    with pytest.raises(InputError, match="image_size was 384, now 256"):
        resize = ResizeSettings(image_size=256)
        download(configured(tmp_path, image_root=str(tmp_path), resize=resize))


def test_from_manifest_to_labelled_shards(tmp_path: Path) -> None:
    with serving(ImageServer()) as server:
        paths = ["ok/1", "status/404", "ok/2", "html", "ok/3"]
        manifest(tmp_path, [server.url(path) for path in paths], shard_rows=3)
        download(configured(tmp_path))
    mine(MineConfig(manifest=str(tmp_path / "manifest"), output=str(tmp_path / "mined")))
    Vocabulary((Entry(Tag("object", "dog")),)).save(tmp_path / "vocabulary")
    config = ShardsConfig(
        mined=str(tmp_path / "mined"),
        vocabulary=str(tmp_path / "vocabulary"),
        output=str(tmp_path / "shards"),
        images=str(tmp_path / "images"),
    )
    summary = write_shards(config)
    assert (summary.rows, summary.bad) == (3, {"download_failed": 2})
    assert summary.counts["object_labels"] == 3
    bad = (tmp_path / "shards/bad/web-000000.jsonl").read_text()
    assert "failed_to_download: http_404" in bad
    assert check_directory(str(tmp_path / "shards")) == []


def test_beams_counters_have_the_same_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import apache_beam as beam

    results: list[Any] = []
    run = beam.Pipeline.run
    monkeypatch.setattr(
        beam.Pipeline, "run", lambda *a, **k: results.append(run(*a, **k)) or results[-1]
    )
    with serving(ImageServer()) as server:
        manifest(tmp_path, [server.url(p) for p in ("ok/1", "ok/2", "status/404")], shard_rows=2)
        summary = download(configured(tmp_path))
    counters = results[0].metrics().query()["counters"]
    found = {
        c.key.metric.name: c.committed for c in counters if c.key.metric.namespace == "download"
    }
    assert found == {
        "images": 3,
        "success": 2,
        "http_404": 1,
        "failed_to_download": 1,
        "bytes": summary.counts["bytes"],
    }


def test_settings_of_the_job(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--threads 0"):
        configured(tmp_path, threads=0)
    with pytest.raises(InputError, match="--image-root .*no such local folder"):
        configured(tmp_path, image_root=str(tmp_path / "nowhere"))
    assert module.COMMAND == "download"
