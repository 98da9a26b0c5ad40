"""The report of a download, on directories of the form that `pipeline.download` describes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.download_numbers import (
    BYTE_EDGES,
    Share,
    add_up,
    count_outcomes,
    histogram,
    hosts,
    read_numbers,
    reasons,
    shares,
)
from pipeline.download_report import write_report
from pipeline.job import Job, finish, open_output
from pipeline.reasons import SUCCESS
from pipeline.records import PARQUET, RowWriter, sample_key
from pipeline.shard import STATS, ShardOutput, shard_name
from tests.pipeline.test_inspect import ALLOWED, ATTRIBUTES, HOSTILE, Page
from vocab.errors import InputError

SCHEMA = pa.schema(
    [
        *((name, pa.string()) for name in ("url", "source", "reason")),
        *((name, pa.int64()) for name in ("bytes", "original_width", "original_height")),
    ]
)
Fetched = tuple[str, str, tuple[int, int, int] | None]  # URL, reason, (bytes, width, height)


def write_download(
    directory: Path, shards: Sequence[Sequence[Fetched]], *, source: str = "cc3m"
) -> Path:
    with open_output(Job("download", str(directory), {"source": source}, {})):
        for number, rows in enumerate(shards):
            write_shard(directory, shard_name(number), rows, source)
        finish(Job("download", str(directory), {}, {}), [shard_name(n) for n in range(len(shards))])
    return directory


def write_shard(directory: Path, stem: str, rows: Sequence[Fetched], source: str) -> None:
    with (
        ShardOutput(str(directory), stem, "download", {}) as output,
        RowWriter(output.file(PARQUET), SCHEMA) as writer,
    ):
        for number, (url, reason, size) in enumerate(rows):
            numbers = dict(zip(SCHEMA.names[3:], size or (None,) * 3, strict=True))
            writer.write({"url": url, "source": source, "reason": reason, **numbers})
            output.rows_in += 1
            if reason == SUCCESS:
                output.rows += 1
            else:
                output.bad(sample_key(source, number), reason)
    path = directory / f"{stem}{STATS}"
    images = sum(reason == SUCCESS for _, reason, _ in rows)
    times = {"duration": 20.0, "start_time": 1e9, "end_time": 1e9 + 20}
    theirs = {"count": len(rows), "successes": images, **times}
    path.write_text(json.dumps(json.loads(path.read_text()) | theirs))


IMAGE = (50_000, 640, 480)
ROWS: list[list[Fetched]] = [
    [
        ("http://a.com/1.jpg", SUCCESS, IMAGE),
        ("https://user@A.com:8080/2.jpg?x=http://b.com", SUCCESS, (5_000_000, 4000, 3000)),
        ("http://a.com/3.jpg", "http_404", None),
        ("http://b.com/1.jpg", "timeout", None),
    ],
    [
        ("http://b.com/2.jpg", "timeout", None),
        ("http://b.com/3.jpg", "dns", None),
        ("http://[::1]:80/4.jpg", "forbidden_address", None),
        ("gopher://c.com", "bad_url", None),
    ],
]


@pytest.fixture
def download(tmp_path: Path) -> Path:
    return write_download(tmp_path / "images", ROWS)


def page(download: Path, tmp_path: Path) -> Page:
    write_report(str(download), str(tmp_path / "report.html"))
    return Page((tmp_path / "report.html").read_text())


def test_numbers_add_up(download: Path) -> None:
    numbers = read_numbers(str(download), ["00000", "00001"])
    assert (numbers.urls, numbers.images) == (8, 2)
    assert numbers.fetched_bytes == 5_050_000
    assert numbers.byte_bins == (0, 0, 1, 0, 0, 0, 1, 0)
    assert numbers.side_bins == (0, 0, 0, 1, 0, 0, 0, 1)
    assert [time.seconds for time in numbers.times] == [20.0, 20.0]


def test_shares_by_source_and_host_name_what_failed_most(download: Path) -> None:
    outcomes = read_numbers(str(download), ["00000", "00001"]).outcomes
    assert shares(outcomes, "source") == [Share("cc3m", 8, 2, "timeout")]
    assert shares(outcomes, "host") == [
        Share("b.com", 3, 0, "timeout"),
        Share("", 1, 0, "bad_url"),
        Share("[::1]:80", 1, 0, "forbidden_address"),
        Share("a.com", 2, 1, "http_404"),
        Share("a.com:8080", 1, 1),
    ]
    assert reasons(outcomes) == [
        ("timeout", 2),
        ("bad_url", 1),
        ("dns", 1),
        ("forbidden_address", 1),
        ("http_404", 1),
    ]


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://Example.COM", "example.com"),
        ("https://example.com:443/a:b@c", "example.com:443"),
        ("http://user:word@example.com/", "example.com"),
        ("http://example.com?a@b", "example.com"),
        ("http://example.com#a@b", "example.com"),
        ("http://[2001:db8::1]:8080/a", "[2001:db8::1]:8080"),
        ("train2014/a.jpg", ""),
        ("http://", ""),
        ("", ""),
    ],
)
def test_hosts(url: str, host: str) -> None:
    assert hosts(pa.array([url])).to_pylist() == [host]


@given(st.lists(st.tuples(*map(st.sampled_from, ("ab", "xyz", ("success", "dns", "timeout"))))))
def test_outcomes_count_each_row_once_however_it_is_cut(rows: list[tuple[str, str, str]]) -> None:
    def counted(part: list[tuple[str, str, str]]) -> pa.Table:
        rows = [{"source": s, "url": f"http://{h}/", "reason": r} for s, h, r in part]
        schema = pa.schema([(name, pa.string()) for name in ("source", "url", "reason")])
        return count_outcomes(pa.RecordBatch.from_pylist(rows, schema=schema))

    total = add_up([counted(rows[:3]), counted(rows[3:])])
    found = zip(*(total[name].to_pylist() for name in total.column_names), strict=True)
    assert {tuple(key): urls for *key, urls in found} == Counter(rows)


@given(st.lists(st.one_of(st.none(), st.integers(0, 10**9))))
def test_a_histogram_holds_every_number_and_no_null(values: list[int | None]) -> None:
    bins = histogram(pa.array(values, pa.int64()), BYTE_EDGES)
    assert bins.sum() == sum(value is not None for value in values)
    assert bins[-1] == sum(value is not None and value >= BYTE_EDGES[-1] for value in values)


def test_the_page_shows_totals_reasons_and_hosts(download: Path, tmp_path: Path) -> None:
    text = page(download, tmp_path).text
    for part in ("25.0%", "5.05 MB", "40 s", "2 of 8, 25.0%", "0 of 3, timeout", "no host"):
        assert part in text
    assert "2, worth a retry" in text  # timeouts
    assert "dns1" in text  # and no retry beside it


def test_the_page_is_self_contained_and_forbids_scripts(download: Path, tmp_path: Path) -> None:
    found = page(download, tmp_path)
    policy = [m["content"] for m in found.all("meta") if "http-equiv" in m]
    assert policy == ["default-src 'none'; style-src 'unsafe-inline'"]


def test_hostile_urls_are_inert(tmp_path: Path) -> None:
    evil = "http://" + HOSTILE.replace("/", "") + "/x"
    images = write_download(tmp_path / "i", [[(evil, "dns", None), ("http://a/", SUCCESS, IMAGE)]])
    found = page(images, tmp_path)
    assert {tag for tag, _ in found.tags} <= ALLOWED | {"svg", "rect", "line", "text", "code"}
    drawn = {"role", "aria-label", "viewbox", "x", "y", "x1", "x2", "y1", "y2", "width", "height"}
    assert {name for _, attributes in found.tags for name in attributes} <= ATTRIBUTES | drawn
    assert "<script>alert(1)<script>" in found.text


def test_many_hosts_are_cut_and_many_shards_grouped(tmp_path: Path) -> None:
    shards: list[list[Fetched]] = [[(f"http://host{n}.com/", "dns", None)] for n in range(130)]
    found = page(write_download(tmp_path / "images", shards), tmp_path)
    assert "up to 30 of 130" in " ".join(found.text.split())
    assert found.text.count("0 of 1, dns") == 30
    assert "00000 to 00002: 0.0%" in found.text
    assert "00129: 0.0%" in found.text


def test_nothing_fetched_is_a_page_too(tmp_path: Path) -> None:
    found = page(write_download(tmp_path / "images", [[]]), tmp_path)
    assert "0 URLs" in found.text
    assert "the most failures: images" in found.text


def test_what_is_no_download_is_refused(tmp_path: Path) -> None:
    with open_output(Job("mine", str(tmp_path / "mined"), {}, {})):
        pass
    with pytest.raises(InputError, match="holds no download"):
        write_report(str(tmp_path / "mined"), str(tmp_path / "page.html"))
    with open_output(Job("download", str(tmp_path / "empty"), {}, {})):
        pass
    with pytest.raises(InputError, match="no finished shard"):
        write_report(str(tmp_path / "empty"), str(tmp_path / "page.html"))
