"""Every official form is read, nothing is lost, and broken input is a bad row with its reason."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sqlite3
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.source_rows import REASONS, BadRow, SourceRow
from pipeline.sources import SourceConfig
from tests.pipeline.reading import bad, good, lost_nothing, read, write
from vocab.errors import InputError


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sources") / "input"


class TestOfficialForms:
    def test_cc3m_has_the_caption_first(self, file: Path) -> None:
        rows = read(write(file, "a dog\thttp://x/1.jpg\r\na cat \thttps://x/2.jpg"), "cc3m")
        assert good(rows) == [(0, "http://x/1.jpg", ("a dog",)), (1, "https://x/2.jpg", ("a cat",))]

    def test_cc12m_has_the_url_first(self, file: Path) -> None:
        rows = read(write(file, "http://x/1.jpg\ta dog\n"), "cc12m")
        assert good(rows) == [(0, "http://x/1.jpg", ("a dog",))]

    def test_swapped_columns_are_not_taken_for_images(self, file: Path) -> None:
        assert bad(read(write(file, "a dog\thttp://x/1.jpg\n"), "cc12m")) == [(0, "no_url")]

    def test_sbu_json(self, file: Path) -> None:
        value = {"image_urls": ["http://x/1.jpg", "", 5], "captions": ["a", "b", None]}
        rows = read(write(file, value), "sbu")
        assert good(rows) == [(0, "http://x/1.jpg", ("a",))]
        assert bad(rows) == [(1, "no_url"), (2, "empty_caption")]

    def test_sbu_lists_of_different_length_are_fatal(self, file: Path) -> None:
        with pytest.raises(InputError, match="captions end after 1 rows.*not parallel"):
            read(write(file, {"image_urls": ["u", "v"], "captions": ["a"]}), "sbu")

    def test_sbu_text_pairs_two_files(self, tmp_path: Path) -> None:
        urls = write(tmp_path / "urls.txt", "http://x/1.jpg\nhttp://x/2.jpg\n")
        captions = write(tmp_path / "captions.txt", "a dog\n\xa0 \n")
        rows = read([urls, captions], "sbu-text")
        assert good(rows) == [(0, "http://x/1.jpg", ("a dog",))]
        assert bad(rows) == [(1, "empty_caption")]
        write(captions, "a dog\n")
        with pytest.raises(InputError, match="captions end after 1 rows"):
            read([urls, captions], "sbu-text")

    def test_coco_groups_captions_by_image_in_annotation_order(self, file: Path) -> None:
        value = {
            "annotations": [
                {"id": 9, "image_id": 42, "caption": "second image\n"},
                {"id": 8, "image_id": 7, "caption": "first image"},
                {"id": 7, "image_id": 42, "caption": "again"},
                {"id": 6, "image_id": 1, "caption": "of no image"},
                {"id": 5, "image_id": 7, "caption": 3},
            ],
            "images": [
                {"id": 7, "file_name": "COCO_val2014_000000000007.jpg"},
                {"id": 42, "file_name": "000000000042.jpg"},
                {"id": 43, "file_name": "000000000043.jpg"},
            ],
        }
        rows = read(write(file, value), "coco")
        assert good(rows) == [
            (0, "COCO_val2014_000000000007.jpg", ("first image",)),
            (1, "000000000042.jpg", ("second image", "again")),
        ]
        assert bad(rows) == [(0, "empty_caption"), (2, "empty_caption"), (3, "no_url")]
        assert [row.names for row in rows if isinstance(row, SourceRow)] == [
            ("7", "000000000007"),
            ("42", "000000000042"),
        ]

    def test_karpathy_splits_keep_the_positions_of_the_file(self, file: Path) -> None:
        def image(number: int, split: str) -> dict[str, Any]:
            raw = [{"tokens": ["a"], "raw": f"{split} {n}"} for n in range(2)]
            name = f"COCO_val2014_{number:012d}.jpg"
            return {
                "filepath": "val2014", "filename": name, "split": split, "cocoid": number,
                "sentences": raw, "imgid": 0, "sentids": [1, 2],
            }  # fmt: skip

        splits = ["test", "train", "val", "restval"]
        images = [image(number, split) for number, split in enumerate(splits)]
        write(file, {"images": [*images, {"split": "train"}, "x"], "dataset": "coco"})
        rows = read(file, "karpathy", splits=("train", "restval"))
        assert good(rows) == [
            (1, "val2014/COCO_val2014_000000000001.jpg", ("train 0", "train 1")),
            (3, "val2014/COCO_val2014_000000000003.jpg", ("restval 0", "restval 1")),
        ]
        assert bad(rows) == [(4, "wrong_columns")]
        names = [row.names for row in rows if isinstance(row, SourceRow)]
        assert names == [("1", "000000000001"), ("3", "000000000003")]
        assert len(good(read(file, "karpathy"))) == 4
        with pytest.raises(InputError, match="--split trian; there are .*train, val"):
            read(file, "karpathy", splits=("test", "trian"))

    def test_flickr30k_in_the_karpathy_form_has_no_folders(self, file: Path) -> None:
        image = {"filename": "1.jpg", "split": "val", "sentences": [{"raw": "a dog"}]}
        assert good(read(write(file, {"images": [image]}), "karpathy")) == [
            (0, "1.jpg", ("a dog",))
        ]

    def test_vg_gives_one_row_an_image(self, file: Path, tmp_path: Path) -> None:
        def region(phrase: str) -> dict[str, Any]:
            return {"region_id": 1, "image_id": 0, "phrase": phrase, "x": 1, "y": 2}

        write(
            file,
            [
                {"id": 1, "regions": [region("a red car"), region(" "), region("the sky")]},
                {"id": 2, "regions": []},
                {"id": 3, "regions": [region("a tree")]},
                {"regions": [region("of no image")]},
                {"id": 4},
            ],
        )
        rows = read(file, "vg")
        assert good(rows) == [(0, "1.jpg", ("a red car", "the sky")), (2, "3.jpg", ("a tree",))]
        assert bad(rows) == [
            (0, "empty_caption"),
            (1, "empty_caption"),
            (3, "no_url"),
            (4, "wrong_columns"),
        ]
        url = "https://cs.stanford.edu/people/rak248/VG_100K_2/1.jpg"
        data = [{"image_id": 1, "url": url, "coco_id": 42}, {"image_id": 3, "coco_id": None}]
        known = write(tmp_path / "image_data.json", data)
        rows = read(file, "vg", image_data=str(known))
        assert good(rows)[0] == (0, url, ("a red car", "the sky"))
        assert good(rows)[1] == (2, "3.jpg", ("a tree",))
        assert [row.names for row in rows if isinstance(row, SourceRow)] == [
            ("1", "000000000042"),
            ("3",),
        ]

    def test_vg_region_descriptions_are_not_image_data(self, file: Path) -> None:
        write(file, [{"id": 1, "regions": []}])
        with pytest.raises(InputError, match=r"image_data\.json"):
            read(file, "vg", image_data=str(file))

    def test_lines_are_captions_without_images(self, file: Path) -> None:
        rows = read(write(file, "a dog\n\na cat"), "lines", no_image=True)
        assert good(rows) == [(0, "", ("a dog",)), (2, "", ("a cat",))]
        assert bad(rows) == [(1, "empty_caption")]


class TestColumns:
    def test_tsv_takes_quotes_as_they_are(self, file: Path) -> None:
        rows = read(write(file, 'n\tcaption\timage\n1\t"a" dog\tx.jpg\n'), "tsv")
        assert good(rows) == [(0, "x.jpg", ('"a" dog',))]

    def test_csv_takes_quotes_as_quotes(self, file: Path) -> None:
        rows = read(write(file, 'caption,image\n"a ""big"", old\ndog",x.jpg\nb,y.jpg\n'), "csv")
        assert good(rows) == [(0, "x.jpg", ('a "big", old\ndog',)), (1, "y.jpg", ("b",))]

    def test_all_lines_that_a_broken_quote_swallows_are_bad(self, file: Path) -> None:
        rows = read(write(file, 'caption,image\n"a"b,x.jpg\nc,y.jpg\n"d,z.jpg\ne,z.jpg\n'), "csv")
        assert bad(rows) == [(0, "bad_csv"), (2, "bad_csv"), (3, "bad_csv")]
        assert good(rows) == [(1, "y.jpg", ("c",))]

    def test_a_header_that_is_not_csv_is_fatal(self, file: Path) -> None:
        with pytest.raises(InputError, match=r"its header is not CSV .*; is it --format tsv\?"):
            read(write(file, '"image"s,caption\n1,a\n'), "csv")

    def test_a_huge_csv_field_is_too_long(self, file: Path) -> None:
        rows = read(write(file, f"caption,image\n{'a' * 200_000},x.jpg\nb,y.jpg\n"), "csv")
        assert bad(rows) == [(0, "too_long")]
        assert good(rows) == [(1, "y.jpg", ("b",))]

    @pytest.mark.parametrize(("form", "tab"), [("tsv", "\t"), ("csv", ",")])
    def test_columns_of_a_file_without_a_header(self, file: Path, form: str, tab: str) -> None:
        write(file, f"funny{tab}a dog\nfunny{tab}a cat\n")
        rows = read(file, form, columns=("style", "caption"), no_image=True)
        assert good(rows) == [(0, "", ("a dog",)), (1, "", ("a cat",))]

    @pytest.mark.parametrize("form", ["tsv", "csv"])
    def test_a_file_without_a_first_line_names_no_columns(self, file: Path, form: str) -> None:
        for text in ("", "\n1.jpg\ta dog\n"):
            with pytest.raises(InputError, match="its first line, empty here, must name the"):
                read(write(file, text), form)

    def test_an_unknown_column_names_those_there_are(self, file: Path) -> None:
        write(file, "file\tcaption\n1.jpg\ta dog\n")
        with pytest.raises(InputError, match=r"no column 'image'; give --image-column.*file"):
            read(file, "tsv")
        with pytest.raises(InputError, match=r"no column 'alt'; give --caption-column"):
            read(file, "tsv", image_column="file", caption_column="alt")
        assert good(read(file, "tsv", image_column="file")) == [(0, "1.jpg", ("a dog",))]

    def test_jsonl_captions_may_be_a_list(self, file: Path) -> None:
        lines = [
            {"image": "1.jpg", "caption": ["a", None, "b", 1.5]},
            {"image": 2, "caption": "c"},
            {"image": "3.jpg", "text": "d"},
            {"image": "4.jpg", "caption": []},
            {"caption": "of no image"},
            ["x"],
        ]
        rows = read(write(file, "".join(json.dumps(line) + "\n" for line in lines) + "{"), "jsonl")
        assert good(rows) == [(0, "1.jpg", ("a", "b")), (1, "2", ("c",))]
        assert bad(rows) == [
            (0, "empty_caption"),
            (0, "wrong_columns"),
            (2, "wrong_columns"),
            (3, "empty_caption"),
            (4, "no_url"),
            (5, "bad_json"),
            (6, "bad_json"),
        ]

    def test_json_nested_without_end_is_a_bad_row(self, file: Path) -> None:
        assert bad(read(write(file, "[" * 100_000 + "\n"), "jsonl")) == [(0, "bad_json")]

    def test_parquet_with_text_and_with_lists(self, file: Path) -> None:
        images = ["1.jpg", "2.jpg", None]
        texts = pa.array(["a", "", "c"]).dictionary_encode()
        pq.write_table(pa.table({"image": images, "caption": texts}), file)
        rows = read(file, "parquet")
        assert good(rows) == [(0, "1.jpg", ("a",))]
        assert bad(rows) == [(1, "empty_caption"), (2, "no_url")]
        lists = pa.array([["a", "b"], [], None])
        pq.write_table(pa.table({"url": [7, 8, 9], "alt": lists, "n": [1, 2, 3]}), file)
        rows = read(file, "parquet", image_column="url", caption_column="alt")
        assert good(rows) == [(0, "7", ("a", "b"))]
        assert bad(rows) == [(1, "empty_caption"), (2, "empty_caption")]
        rows = read(file, "parquet", caption_column="alt", no_image=True)
        assert good(rows) == [(0, "", ("a", "b"))]

    def test_parquet_text_that_is_not_utf8_costs_only_itself(self, file: Path) -> None:
        texts = pa.array([b"a", b"\xff"]).view(pa.string())
        lists = pa.ListArray.from_arrays(pa.array([0, 2, 2]), texts)
        pq.write_table(pa.table({"image": ["1", "2"], "caption": texts}), file)
        assert bad(read(file, "parquet")) == [(1, "invalid_utf8")]
        pq.write_table(pa.table({"image": ["1", "2"], "caption": lists}), file)
        rows = read(file, "parquet")
        assert good(rows) == [(0, "1", ("a",))]
        assert bad(rows) == [(0, "invalid_utf8"), (1, "empty_caption")]

    def test_what_is_not_parquet_is_named(self, file: Path) -> None:
        with pytest.raises(InputError, match="input: not readable as Parquet"):
            read(write(file, "caption\n"), "parquet")
        with pytest.raises(InputError, match="no column 'caption'.*is it --format tsv"):
            read(write(file, "image\tcaption\n"), "csv")
        with pytest.raises(InputError, match="no column 'caption'"):
            pq.write_table(pa.table({"image": ["1"]}), file)
            read(file, "parquet")


class TestBrokenFiles:
    @pytest.mark.parametrize("form", ["cc3m", "coco", "sbu", "vg", "karpathy", "tsv", "parquet"])
    def test_a_missing_file_is_named(self, tmp_path: Path, form: str) -> None:
        with pytest.raises(InputError, match=r"gone\.tsv: no such file"):
            read(tmp_path / "gone.tsv", form)
        with pytest.raises(InputError, match="cannot be read"):
            read(tmp_path, form)

    def test_a_gzip_that_is_cut_short_is_fatal(self, file: Path) -> None:
        lines = b"".join(b"http://x/%d\ta dog %d\n" % (n, n * 7919) for n in range(5000))
        write(file, gzip.compress(lines)[:-100])
        with pytest.raises(InputError, match="broken gzip"):
            read(file, "cc12m")
        write(file, gzip.compress(lines)[:-8] + b"12345678")
        with pytest.raises(InputError, match="broken gzip"):
            read(file, "cc12m")

    @pytest.mark.parametrize(
        ("form", "value"),
        [
            ("sbu", {"image_urls": ["1", "2"], "captions": ["a", "b"]}),
            ("coco", {"images": [{"id": 1, "file_name": "1"}], "annotations": []}),
            ("karpathy", {"images": [{"filename": "1", "sentences": [{"raw": "a"}]}]}),
            ("vg", [{"id": 1, "regions": [{"phrase": "a"}]}]),
        ],
    )
    def test_json_that_is_cut_short_is_fatal(self, file: Path, form: str, value: Any) -> None:
        write(file, json.dumps(value)[:-1])
        with pytest.raises(InputError, match=r"input: not whole JSON near byte \d+ \(.*premature"):
            read(file, form)

    def test_no_room_to_group_coco_captions_is_one_line(
        self, file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def connect(path: str) -> sqlite3.Connection:
            database = real(path)
            database.execute("PRAGMA max_page_count = 20")
            return database

        real = sqlite3.connect
        monkeypatch.setattr(sqlite3, "connect", connect)
        captions = [{"image_id": n, "caption": "a dog" * 50} for n in range(1000)]
        with pytest.raises(
            InputError, match=r"captions failed \(database or disk is full\).*TMPDIR"
        ):
            read(write(file, {"images": [], "annotations": captions}), "coco")

    def test_a_number_of_many_digits_does_not_end_the_process(self, file: Path) -> None:
        write(file, f'[{{"id": {"9" * 5000}, "regions": []}}]')
        with pytest.raises(InputError, match="not whole JSON"):
            read(file, "vg")

    @given(st.binary(max_size=300))
    @settings(deadline=None)
    @pytest.mark.parametrize("form", ["sbu", "coco", "karpathy", "vg", "parquet"])
    def test_any_bytes_give_rows_or_one_clear_error(
        self, file: Path, form: str, content: bytes
    ) -> None:
        try:
            read(write(file, content), form)
        except InputError as error:
            assert str(file) in str(error)


@given(content=st.binary(max_size=200))
@settings(deadline=None)
@pytest.mark.parametrize("form", ["cc3m", "cc12m", "tsv", "jsonl", "lines"])
def test_every_line_of_any_bytes_becomes_one_caption(file: Path, form: str, content: bytes) -> None:
    content = b"-" + content
    options: dict[str, Any] = {"no_image": True} if form == "lines" else {}
    if form == "tsv":
        options["columns"] = ("image", "caption")
    rows = read(write(file, content), form, **options)
    lines = [line.decode("utf-8", "replace") for line in content.split(b"\n")]
    assert lost_nothing(rows, sum(bool(line.strip()) for line in lines))  # blank ones hold nothing


@given(content=st.binary(max_size=200))
@settings(deadline=None)
def test_any_bytes_are_csv_or_bad_rows(file: Path, content: bytes) -> None:
    rows = read(write(file, b"-" + content), "csv", columns=("image", "caption"))
    assert all(row.reason in REASONS for row in rows if isinstance(row, BadRow))


WORDS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=20)
TEXT = st.lists(WORDS, min_size=1, max_size=4).map(" ".join)
PAIRS = st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=10, unique_by=lambda pair: pair[0])


def encode(pairs: list[tuple[str, str]], form: str) -> str:
    if form == "tsv":
        return "image\tcaption\n" + "".join(f"{image}\t{text}\n" for image, text in pairs)
    if form == "csv":
        out = io.StringIO()
        csv.writer(out).writerows([("image", "caption"), *pairs])
        return out.getvalue()
    if form == "jsonl":
        return "".join(json.dumps({"image": i, "caption": c}) + "\n" for i, c in pairs)
    return json.dumps({"image_urls": [i for i, _ in pairs], "captions": [c for _, c in pairs]})


@given(pairs=PAIRS, packed=st.booleans())
@settings(deadline=None)
@pytest.mark.parametrize("form", ["tsv", "csv", "jsonl", "sbu"])
def test_what_is_written_well_is_read_back(
    file: Path, form: str, pairs: list[tuple[str, str]], packed: bool
) -> None:
    content = encode(pairs, form).encode()
    rows = read(write(file, gzip.compress(content) if packed else content), form)
    assert good(rows) == [(n, image, (text,)) for n, (image, text) in enumerate(pairs)]
    assert bad(rows) == []


class TestConfig:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"format": "xml"}, "--format xml: unknown; one of cc3m"),
            ({"format": "cc3m", "inputs": ()}, "no input file"),
            ({"format": "sbu-text"}, "takes two files"),
            ({"format": "lines"}, "--format lines: has no images; add --no-image"),
            ({"format": "cc3m", "image_column": "url"}, "--image-column: only for --format tsv or"),
            ({"format": "coco", "caption_column": "alt"}, "--caption-column: only for"),
            ({"format": "vg", "group_images": True}, "--group-images: only for --format tsv or"),
            ({"format": "jsonl", "columns": ("a",)}, "--columns: only for --format tsv or csv"),
            ({"format": "coco", "splits": ("val",)}, "--split: only for --format karpathy"),
            ({"format": "coco", "image_data": "x"}, "--image-data: only for --format vg"),
        ],
    )
    def test_options_without_effect_are_refused(
        self, options: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(InputError, match=message):
            SourceConfig(**{"inputs": ("a",), **options})
