"""Files as bytes and lines: packed or not, marked or not, by path or URI."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import streams
from pipeline.sources import SourceConfig, read_source
from tests.pipeline.reading import good, read, write


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sources") / "input"


class TestStreams:
    def test_gzip_is_known_by_its_content(self, file: Path, tmp_path: Path) -> None:
        plain = write(file, "\ufeffimage\tcaption\n1\ta\n2\tb\n")
        packed = write(tmp_path / "no_suffix", gzip.compress(file.read_bytes()))
        assert read(packed, "tsv") == read(plain, "tsv")
        assert len(good(read(packed, "tsv"))) == 2

    def test_json_may_be_gzip_with_a_byte_order_mark(self, file: Path) -> None:
        value = b'\xef\xbb\xbf{"image_urls": ["1"], "captions": ["a"]}'
        assert good(read(write(file, gzip.compress(value)), "sbu")) == [(0, "1", ("a",))]

    def test_positions_run_on_over_several_files(self, tmp_path: Path) -> None:
        first = write(tmp_path / "1", "a\thttp://1\nbad\n")
        second = write(tmp_path / "2", "b\thttp://2\n")
        rows = read([first, second], "cc3m")
        assert good(rows) == [(0, "http://1", ("a",)), (2, "http://2", ("b",))]

    def test_a_uri_is_read_as_a_file_is(self, file: Path) -> None:
        write(file, gzip.compress(b"a\thttp://1\n"))
        config = SourceConfig(inputs=(file.as_uri(),), format="cc3m")
        assert list(read_source(config)) == read(file, "cc3m")

    @given(st.binary(max_size=60), st.integers(1, 8))
    def test_lines_are_those_of_the_file(self, file: Path, content: bytes, limit: int) -> None:
        write(file, b"-" + content)  # a first byte, so that nothing is gzip or a mark
        expected = (b"-" + content).removesuffix(b"\n").split(b"\n")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(streams, "LINE_LIMIT", limit)
            lines = list(streams.read_lines(str(file)))
        assert len(lines) == len(expected)
        for line, whole in zip(lines, expected, strict=True):
            assert whole.startswith(line)
            assert line == whole.removesuffix(b"\r") or len(line) == limit + 1

    @given(st.text(max_size=40), st.integers(1, 5))
    def test_marked_json_text_arrives_whole(self, text: str, size: int) -> None:
        content = text.encode("utf-8", "surrogatepass")
        stream = streams._Marked(io.BytesIO(content), streams._Depth("file"))
        read_back = b"".join(iter(lambda: stream.read(size), b"")).decode()
        assert len(read_back) >= len(text)
        if text.isprintable():
            assert read_back == text
