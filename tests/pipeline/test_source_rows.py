"""Raw entries become clean rows, or bad ones with their reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import source_rows, streams
from pipeline.source_rows import BadRow, Raw, SourceRow, clean, merge
from tests.pipeline.reading import bad, good, read, write


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sources") / "input"


class TestMerge:
    def test_consecutive_rows_of_an_image_are_one(self, file: Path) -> None:
        lines = ["image\tcaption", "1\ta", "1\tb", "1\t", "1\tc", "2\td", "1\te"]
        rows = read(write(file, "\n".join(lines)), "tsv")
        assert good(rows) == [(0, "1", ("a", "b", "c")), (4, "2", ("d",)), (5, "1", ("e",))]
        assert bad(rows) == [(2, "empty_caption")]

    def test_rows_without_an_image_stay_apart(self) -> None:
        rows = [SourceRow(0, "", ("a",)), SourceRow(1, "", ("b",))]
        assert list(merge(rows)) == rows

    def test_one_image_without_end_does_not_fill_the_memory(self) -> None:
        sizes = [
            len(row.captions)
            for row in merge(SourceRow(n, "1", ("a",)) for n in range(2500))
            if isinstance(row, SourceRow)
        ]
        assert sizes == [1000, 1000, 500]


class TestBadRows:
    @pytest.mark.parametrize(
        ("line", "reason"),
        [
            (b"\ta dog", "no_url"),
            (b"not a url\ta dog", "no_url"),
            (b"http://x\t  ", "empty_caption"),
            (b"http://x", "wrong_columns"),
            (b"http://x\ta\tb", "wrong_columns"),
            (b"http://x\ta \xff dog", "invalid_utf8"),
            (b"http://x\ta \0 dog", "nul_byte"),
            (b"http://x\t" + b"a" * 10_001, "too_long"),
            (b"http://x\t" + b"a" * 1_000_000, "too_long"),
            (b"http://x\t" + b"a" * (streams.LINE_LIMIT + 2), "too_long"),
            (b"http://x" + b"a" * 10_001 + b"\ta", "too_long"),
        ],
    )
    def test_each_has_its_reason_and_moves_no_key(
        self, file: Path, line: bytes, reason: str
    ) -> None:
        content = b"http://x/0\tbefore\n" + line + b"\nhttp://x/2\tafter\n"
        rows = read(write(file, content), "cc12m")
        assert bad(rows) == [(1, reason)]
        assert good(rows) == [(0, "http://x/0", ("before",)), (2, "http://x/2", ("after",))]
        assert max(len(row.detail) for row in rows if isinstance(row, BadRow)) <= 200

    def test_the_longest_caption_is_good(self, file: Path) -> None:
        caption = "é" * source_rows.CAPTION_LIMIT
        rows = read(write(file, f"http://x\t{caption}\n"), "cc12m")
        assert good(rows) == [(0, "http://x", (caption,))]

    def test_escapes_that_stand_for_no_text_are_bad(self, file: Path) -> None:
        rows = read(write(file, r'{"image": "1", "caption": ["\ud800", "\u0000", "a"]}'), "jsonl")
        assert bad(rows) == [(0, "invalid_utf8"), (0, "nul_byte")]

    def test_bytes_that_json_cannot_hold_cost_one_caption(self, file: Path) -> None:
        content = b'{"image_urls": ["1", "2", "3"], "captions": ["a\xff", "b\0", "c\td\n"]}'
        rows = read(write(file, content), "sbu")
        assert bad(rows) == [(0, "invalid_utf8"), (1, "nul_byte")]
        assert good(rows) == [(2, "3", ("c d",))]

    def test_several_captions_of_a_row_without_an_image_are_all_bad(self) -> None:
        rows = list(clean([Raw(None, ["a", "b"]), Raw(None, [])]))
        assert bad(rows) == [(0, "no_url"), (0, "no_url"), (1, "no_url")]
