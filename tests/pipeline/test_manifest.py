"""Manifest shards: complete, repeatable, and without the images that were to be left out."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pipeline.exclude import exclusions, read_exclusions
from pipeline.job import COMPLETED, INFO, Summary, read_completed
from pipeline.manifest import ManifestConfig, write_manifest
from pipeline.records import ManifestRow, read_manifest
from pipeline.shard import BAD, STATS
from pipeline.source_rows import REASONS, SourceRow
from pipeline.sources import SourceConfig, input_files
from vocab.errors import InputError

DATA = Path(__file__).parents[2].parent / "shared" / "data"


def config(tmp_path: Path, content: str | bytes | None = None, **changes: Any) -> ManifestConfig:
    path = tmp_path / "captions.tsv"
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    options = {"inputs": (str(path),), "output": str(tmp_path / "out"), "format": "cc3m"}
    return ManifestConfig(**{**options, **changes})


def lines(count: int, *, bad: int = 0) -> str:
    good = [f"a dog {n}\thttp://x/{n}.jpg\n" for n in range(count)]
    return "".join([*good[:1], *["no url\t\n"] * bad, *good[1:]])


def rows(directory: str | Path) -> list[ManifestRow]:
    shards = sorted(Path(directory).glob("*.parquet"))
    return [row for shard in shards for row in read_manifest(str(shard))]


def content(directory: str | Path) -> dict[str, bytes]:
    files = (path for path in Path(directory).rglob("*") if path.is_file())
    return {str(p.relative_to(directory)): p.read_bytes() for p in files if p.name != ".lock"}


def test_shards_hold_rows_with_stable_keys(tmp_path: Path) -> None:
    summary = write_manifest(config(tmp_path, lines(5, bad=1), shard_rows=2, max_bad_ratio=0.5))
    assert [row.key for row in rows(tmp_path / "out")] == [
        f"cc3m-{number:09d}" for number in (0, 2, 3, 4, 5)
    ]
    assert rows(tmp_path / "out")[1] == ManifestRow(
        "cc3m-000000002", "cc3m", "http://x/1.jpg", ("a dog 1",)
    )
    assert (summary.shards, summary.rows_in, summary.rows) == (3, 6, 5)
    assert summary.bad == {"no_url": 1}
    assert summary.counts == {"captions": 5}
    assert read_completed(str(tmp_path / "out"), "manifest") == summary


def test_a_bad_row_is_written_down(tmp_path: Path) -> None:
    write_manifest(config(tmp_path, lines(2, bad=1), max_bad_ratio=0.5))
    noted = json.loads((tmp_path / "out" / BAD / "00000.jsonl").read_text())
    assert noted == {
        "key": "cc3m-000000001",
        "stage": "manifest",
        "reason": "no_url",
        "detail": "no url",
    }


def test_too_many_bad_rows_end_the_job_and_a_higher_limit_lets_it_pass(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"3 of 5 rows are bad .*most of them no_url"):
        write_manifest(config(tmp_path, lines(2, bad=3)))
    assert not (tmp_path / "out" / COMPLETED).exists()
    assert write_manifest(config(tmp_path, max_bad_ratio=0.6)).rows == 2


def test_the_same_input_gives_the_same_bytes_wherever_it_lies(tmp_path: Path) -> None:
    write_manifest(config(tmp_path, lines(50, bad=2), shard_rows=7))
    elsewhere = tmp_path / "moved"
    elsewhere.mkdir()
    shutil.copy(tmp_path / "captions.tsv", elsewhere)
    write_manifest(config(elsewhere, shard_rows=7))
    assert content(tmp_path / "out") == content(elsewhere / "out")


def test_a_rerun_makes_only_what_is_missing(tmp_path: Path) -> None:
    job = config(tmp_path, lines(50, bad=2), shard_rows=10)
    summary = write_manifest(job)
    before, out = content(job.output), Path(job.output)
    kept = out / "00000.parquet"
    modified = kept.stat().st_mtime_ns
    for name in (COMPLETED, f"00001{STATS}", f"00003{STATS}", "00003.parquet"):
        (out / name).unlink()
    (out / "00002.parquet").write_bytes(b"cut")
    assert write_manifest(job) == summary
    assert content(job.output) == before
    assert kept.stat().st_mtime_ns == modified


def test_other_settings_or_other_content_are_refused(tmp_path: Path) -> None:
    write_manifest(config(tmp_path, lines(3)))
    with pytest.raises(InputError, match="shard_rows was 10000, now 5"):
        write_manifest(config(tmp_path, shard_rows=5))
    with pytest.raises(InputError, match=r"input 1 captions\.tsv was"):
        write_manifest(config(tmp_path, lines(4)))
    (tmp_path / "leave.txt").write_text("0.jpg\n")
    with pytest.raises(InputError, match=r"exclude 1 leave\.txt was None"):
        write_manifest(config(tmp_path, lines(3), exclude=(str(tmp_path / "leave.txt"),)))


def test_info_tells_where_the_rows_come_from(tmp_path: Path) -> None:
    write_manifest(config(tmp_path, lines(3), source="mine"))
    info = json.loads((tmp_path / "out" / INFO).read_text())
    assert info["config"]["source"] == "mine"
    assert info["config"]["format"] == "cc3m"
    assert list(info["inputs"]) == ["input 1 captions.tsv"]
    assert str(tmp_path) not in json.dumps(info)


def test_a_file_that_is_cut_short_leaves_whole_shards_only(tmp_path: Path) -> None:
    packed = gzip.compress(lines(30_000).encode())[:-100]
    with pytest.raises(InputError, match="broken gzip"):
        write_manifest(config(tmp_path, packed))
    out = tmp_path / "out"
    assert not (out / COMPLETED).exists()
    stems = {path.name.removesuffix(STATS) for path in out.glob(f"*{STATS}")}
    assert stems == {path.stem for path in out.glob("*.parquet")} != set()


@pytest.mark.parametrize("form", ["cc3m", "coco", "vg"])
def test_a_file_without_rows_is_refused(tmp_path: Path, form: str) -> None:
    empty = "" if form == "cc3m" else "{}"
    with pytest.raises(InputError, match=rf"no rows found; is it --format {form}\?"):
        write_manifest(config(tmp_path, empty, format=form))
    assert not (tmp_path / "out" / COMPLETED).exists()


def test_a_limit_takes_the_first_rows(tmp_path: Path) -> None:
    summary = write_manifest(config(tmp_path, lines(9), limit=4, shard_rows=3))
    assert (summary.shards, summary.rows_in) == (2, 4)


def test_captions_without_images_are_kept_on_demand(tmp_path: Path) -> None:
    summary = write_manifest(config(tmp_path, lines(2, bad=2), no_image=True))
    assert (summary.rows, summary.bad) == (4, {})
    assert [row.image for row in rows(tmp_path / "out")][1:3] == ["", ""]


class TestExclusion:
    @pytest.mark.parametrize(
        ("name", "left_out"),
        [
            ("coco-000000005", True),
            ("val2014/COCO_val2014_000000000042.jpg", True),
            ("COCO_val2014_000000000042.jpg", True),
            ("/data/coco/val2014/COCO_val2014_000000000042.jpg", True),
            ("http://images.cocodataset.org/val2017/000000000042.jpg", True),
            ("000000000042", True),
            ("42", True),
            ("4", False),
            ("coco-000000004", False),
            ("COCO_val2014_000000000043.jpg", False),
            ("train/COCO_val2014.jpg", False),
        ],
    )
    def test_a_coco_image_has_many_names(self, name: str, left_out: bool) -> None:
        row = SourceRow(5, "val2014/COCO_val2014_000000000042.jpg", ("a",), ("42", "000000000042"))
        assert exclusions([name]).fit("coco-000000005", row) is left_out

    @pytest.mark.parametrize(
        ("name", "left_out"),
        [
            ("http://x/b/201503041234.jpg", True),
            ("b/201503041234.jpg", True),
            ("201503041234.jpg", True),
            ("c/201503041234.jpg", False),
            ("03041234.jpg", False),
            ("201503041234", False),
            ("42", False),
        ],
    )
    def test_another_image_has_its_url_and_the_tails_of_it(self, name: str, left_out: bool) -> None:
        row = SourceRow(0, "http://x/b/201503041234.jpg", ("a",))
        assert exclusions([name]).fit("cc3m-000000000", row) is left_out

    @pytest.mark.parametrize(
        ("name", "left_out"),
        [("VG_100K/7.jpg", True), ("/data/VG_100K/7.jpg", True), ("VG_100K/17.jpg", False)],
    )
    def test_a_list_may_name_more_folders_than_the_source(self, name: str, left_out: bool) -> None:
        assert exclusions([name]).fit("vg-000000000", SourceRow(0, "7.jpg", ("a",))) is left_out

    def test_nothing_is_left_out_by_default(self) -> None:
        assert not exclusions([])
        assert not exclusions([]).fit("tsv-000000000", SourceRow(0, "", ("a",)))

    def test_an_image_column_of_coco_names_needs_no_coco_format(self) -> None:
        row = SourceRow(0, "train2014/COCO_train2014_000000000042.jpg", ("a",))
        assert exclusions(["000000000042.jpg"]).fit("tsv-000000000", row)

    def test_coco_images_are_found_in_visual_genome(self, tmp_path: Path) -> None:
        images = [{"id": n, "regions": [{"phrase": "a dog"}] * n} for n in (1, 2, 42)]
        known = [{"image_id": 2, "coco_id": 42, "url": "http://x/2.jpg"}]
        (tmp_path / "image_data.json").write_text(json.dumps(known))
        (tmp_path / "leave.txt").write_text("\nCOCO_val2014_000000000042.jpg\n")
        job = config(
            tmp_path,
            json.dumps(images),
            format="vg",
            image_data=str(tmp_path / "image_data.json"),
            exclude=(str(tmp_path / "leave.txt"),),
        )
        summary = write_manifest(job)
        assert [row.image for row in rows(job.output)] == ["1.jpg", "42.jpg"]
        assert summary.counts == {"captions": 43, "excluded": 1, "excluded_captions": 2}
        assert (summary.rows_in, summary.bad) == (45, {})
        (noted,) = (Path(job.output) / BAD / "00000.jsonl").read_text().splitlines()
        assert json.loads(noted) == {
            "key": "vg-000000001",
            "stage": "manifest",
            "reason": "excluded",
            "detail": "http://x/2.jpg",
        }

    def test_what_was_left_out_on_purpose_is_not_bad(self, tmp_path: Path) -> None:
        (tmp_path / "leave.txt").write_text("".join(f"{n}.jpg\n" for n in range(8)))
        left_out = (str(tmp_path / "leave.txt"),)
        job = config(tmp_path, lines(9, bad=1), exclude=left_out, max_bad_ratio=0.1)
        summary = write_manifest(job)
        assert (summary.rows, summary.bad, summary.counts["excluded"]) == (1, {"no_url": 1}, 8)
        noted = (Path(job.output) / BAD / "00000.jsonl").read_text().splitlines()
        assert [json.loads(line)["reason"] for line in noted].count("excluded") == 8

    def test_a_bare_number_is_an_image_of_visual_genome_there(self, tmp_path: Path) -> None:
        images = [{"id": n, "regions": [{"phrase": "a dog"}]} for n in (1, 42)]
        (tmp_path / "leave.txt").write_text("42\n")
        job = config(
            tmp_path, json.dumps(images), format="vg", exclude=(str(tmp_path / "leave.txt"),)
        )
        write_manifest(job)
        assert [row.image for row in rows(job.output)] == ["1.jpg"]

    def test_coco_names_without_their_table_would_leave_nothing_out(self, tmp_path: Path) -> None:
        (tmp_path / "leave.txt").write_text("000000000042.jpg\n")
        with pytest.raises(InputError, match="add --image-data"):
            write_manifest(
                config(tmp_path, "[]", format="vg", exclude=(str(tmp_path / "leave.txt"),))
            )

    def test_lists_are_checked(self, tmp_path: Path) -> None:
        path = tmp_path / "leave.txt"
        with pytest.raises(InputError, match=r"leave\.txt: no such file"):
            read_exclusions([str(path)])
        path.write_bytes(b"\n")
        with pytest.raises(InputError, match=r"leave\.txt: empty"):
            read_exclusions([str(path)])
        path.write_bytes(b"\xff\n")
        with pytest.raises(InputError, match=r"leave\.txt: not UTF-8"):
            read_exclusions([str(path)])


class TestConfig:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"source": "My-Source"}, "--source My-Source"),
            ({"shard_rows": 0}, "--shard-rows 0"),
            ({"limit": -1}, "--limit -1"),
            ({"max_bad_ratio": 1.5}, "--max-bad-ratio 1.5"),
            ({"max_bad_ratio": float("nan")}, "--max-bad-ratio nan"),
            ({"format": "xml"}, "--format xml"),
        ],
    )
    def test_values_out_of_range_are_refused(
        self, tmp_path: Path, changes: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(InputError, match=message):
            config(tmp_path, **changes)

    def test_the_source_is_named_after_the_format(self, tmp_path: Path) -> None:
        assert config(tmp_path).source == "cc3m"
        assert config(tmp_path, format="sbu-text", inputs=("a", "b")).source == "sbu"


@pytest.mark.data
@pytest.mark.skipif(not DATA.is_dir(), reason="the real captions are not here")
@pytest.mark.parametrize(
    ("file", "form", "options", "counts", "bad"),
    [
        ("cc3m/Validation_GCC-dev.tsv.gz", "cc3m", {}, (7939, 7939), {}),
        ("cc12m_shaped/laion400m_10k.tsv.gz", "cc12m", {}, (10_000, 9999), {"no_url": 1}),
        (
            "sbu_shaped/fsa.json.gz",
            "sbu",
            {"max_bad_ratio": 0.31},
            (102_754, 71_038),
            {"no_url": 31_716},
        ),
        ("sbu_shaped/fsa.json.gz", "sbu", {"no_image": True}, (102_754, 102_754), {}),
        ("coco/captions_dev.json.gz", "coco", {}, (75_324, 32_509), {}),
        ("coco/captions_images.json", "coco", {}, (1195, 239), {}),
        ("flickr8k/captions.tsv", "tsv", {"image_column": "file"}, (5000, 1000), {}),
        (
            "vg/factual_regions.tsv.gz",
            "tsv",
            {"image_column": "vg_image_id"},
            (37_871, 37_871),
            {},
        ),
        (
            "captions/fashion_iq.tsv.gz",
            "tsv",
            {"no_image": True},
            (60_268, 60_252),
            {"empty_caption": 16},
        ),
        (
            "captions/msrvtt_video.tsv.gz",
            "tsv",
            {"image_column": "video"},
            (200_000, 10_000),
            {},
        ),
        (
            "captions/flickrstyle_funny.tsv.gz",
            "tsv",
            {"columns": ("style", "caption"), "no_image": True},
            (7000, 7000),
            {},
        ),
        ("captions/ikea_products.txt.gz", "lines", {"no_image": True}, (3896, 3896), {}),
    ],
)
def test_real_files_have_all_their_rows(
    tmp_path: Path,
    file: str,
    form: str,
    options: dict[str, Any],
    counts: tuple[int, int],
    bad: dict[str, int],
) -> None:
    summary = write_manifest(config(tmp_path, inputs=(str(DATA / file),), format=form, **options))
    assert (summary.rows_in, summary.rows) == counts
    assert summary.bad == bad
    assert accounted(summary)
    assert len(rows(tmp_path / "out")) == summary.rows


def accounted(summary: Summary) -> bool:
    """Say whether every caption that came in was written, left out or bad."""
    assert summary.bad.keys() <= REASONS.keys()
    kept = summary.counts["captions"] + summary.counts["excluded_captions"]
    return summary.rows_in == kept + sum(summary.bad.values())


@pytest.mark.parametrize("blank", ["", "   ", "\t\t"])
def test_a_blank_line_is_no_bad_row_and_shifts_no_key(tmp_path: Path, blank: str) -> None:
    summary = write_manifest(config(tmp_path, f"a dog\thttp://x/1\n{blank}\na cat\thttp://x/2\n\n"))
    assert not summary.bad
    assert [row.key for row in rows(tmp_path / "out")] == ["cc3m-000000000", "cc3m-000000002"]


@pytest.mark.parametrize(
    "path", ["a.tsv", "b/a.tsv", "/c/b/a.tsv", "https://host/b/a.tsv", "b/a.tsv//"]
)
def test_the_name_of_an_input_survives_moving_it(path: str) -> None:
    config = SourceConfig(inputs=(path,), format="cc3m")
    assert list(input_files(config)) == [("input 1 a.tsv", path)]
