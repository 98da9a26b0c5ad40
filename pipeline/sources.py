"""Readers of caption files: which formats there are, and those with lines or columns."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from pipeline import json_sources
from pipeline.grouping import gathered
from pipeline.source_rows import (
    BAD_CSV,
    BAD_JSON,
    INVALID_UTF8,
    NUL_BYTE,
    TOO_LONG,
    WRONG_COLUMNS,
    Broken,
    Entry,
    Raw,
    Row,
    clean,
    excerpt,
    merge,
)
from pipeline.streams import LINE_LIMIT, open_file, read_lines
from vocab.errors import InputError

COLUMN_FORMATS: Final = ("tsv", "csv", "jsonl", "parquet")
FORMATS: Final = (
    "cc3m", "cc12m", "sbu", "sbu-text", "coco", "karpathy", "vg", *COLUMN_FORMATS, "lines",
)  # fmt: skip
_NEED_URL = ("cc3m", "cc12m")  # catches files whose columns are the other way round
_BATCH_ROWS = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceConfig:
    """Which files, in which format, and what to take from them.

    ``columns`` names the columns of a TSV or CSV file that has no header. ``splits`` selects
    images of a Karpathy file, ``image_data`` is Visual Genome's ``image_data.json``. With
    ``no_image`` the captions of entries without an image are kept (for mining only).
    Consecutive rows of an image become one; ``group_images`` also joins those that stand apart.
    """

    inputs: tuple[str, ...]
    format: str
    image_column: str = "image"
    caption_column: str = "caption"
    columns: tuple[str, ...] = ()
    splits: tuple[str, ...] = ()
    image_data: str = ""
    no_image: bool = False
    group_images: bool = False

    def __post_init__(self) -> None:
        """Refuse options that the format does not have.

        Raises:
            InputError: an option is missing, unknown or without effect.
        """
        if self.format not in FORMATS:
            raise InputError(f"--format {self.format}: unknown; one of {', '.join(FORMATS)}")
        if not self.inputs:
            raise InputError("no input file; name one or more files of captions")
        if self.format == "sbu-text" and len(self.inputs) != 2:
            raise InputError("--format sbu-text: takes two files, the URLs and then the captions")
        if self.format == "lines" and not self.no_image:
            raise InputError("--format lines: has no images; add --no-image (for mining only)")
        for flag, given, formats in (
            ("--image-column", self.image_column != "image", COLUMN_FORMATS),
            ("--caption-column", self.caption_column != "caption", COLUMN_FORMATS),
            ("--group-images", self.group_images, COLUMN_FORMATS),
            ("--columns", self.columns, ("tsv", "csv")),
            ("--split", self.splits, ("karpathy",)),
            ("--image-data", self.image_data, ("vg",)),
        ):
            if given and self.format not in formats:
                raise InputError(f"{flag}: only for --format {' or '.join(formats)}")


def read_source(config: SourceConfig) -> Iterator[Row]:
    """Yield the rows of all inputs in order, good and bad; positions run on from file to file.

    Raises:
        InputError: a file cannot be read, is not of the format, or is cut short.
    """
    rows = clean(
        _entries(config), need_image=not config.no_image, need_url=config.format in _NEED_URL
    )
    return merge(gathered(rows, config.inputs[0]) if config.group_images else rows)


def input_files(config: SourceConfig) -> Iterator[tuple[str, str]]:
    """Yield a name that survives moving the file, and the path, of all that is read."""
    for number, path in enumerate(config.inputs, 1):
        yield f"input {number} {basename(path)}", path
    if config.image_data:
        yield f"image-data {basename(config.image_data)}", config.image_data


def basename(path: str) -> str:
    """Return the last part of a path or URL."""
    return path.rstrip("/").rsplit("/", 1)[-1]


def _entries(config: SourceConfig) -> Iterator[Entry]:
    if config.format == "sbu-text":
        urls, captions = config.inputs
        where = f"{urls} and {captions}"
        return json_sources.parallel(read_lines(urls), read_lines(captions), where)
    return itertools.chain.from_iterable(_file_entries(path, config) for path in config.inputs)


def _file_entries(path: str, config: SourceConfig) -> Iterator[Entry]:
    readers: dict[str, Callable[[], Iterator[Entry]]] = {
        "cc3m": partial(_tsv_entries, path, config, ("caption", "image")),
        "cc12m": partial(_tsv_entries, path, config, ("image", "caption")),
        "sbu": partial(json_sources.sbu_entries, path),
        "coco": partial(json_sources.coco_entries, path),
        "karpathy": partial(json_sources.karpathy_entries, path, config.splits),
        "vg": partial(json_sources.vg_entries, path, config.image_data),
        "tsv": partial(_tsv_entries, path, config, config.columns),
        "csv": partial(_csv_entries, path, config),
        "jsonl": partial(_jsonl_entries, path, config),
        "parquet": partial(_parquet_entries, path, config),
        "lines": partial(_line_entries, path),
    }
    return readers[config.format]()


def _line_entries(path: str) -> Iterator[Entry]:
    for line in read_lines(path):
        yield Raw(None, [line])


def _tsv_entries(path: str, config: SourceConfig, columns: Sequence[str]) -> Iterator[Entry]:
    lines = read_lines(path)
    if not columns:
        columns = next(lines, b"").decode("utf-8", "replace").split("\t")
    image, caption = _places(path, columns, config)
    for line in lines:
        broken, text = _decoded(line)
        if broken or not text.strip():
            yield broken  # a blank line holds nothing to lose, but keeps its position
            continue
        cells = text.split("\t")
        yield _columns_entry(cells, len(columns), image, caption)


def _decoded(line: bytes) -> tuple[Broken | None, str]:
    if len(line) > LINE_LIMIT:
        return Broken(TOO_LONG, excerpt(line)), ""
    if b"\0" in line:
        return Broken(NUL_BYTE, excerpt(line)), ""
    try:
        return None, line.decode()
    except UnicodeDecodeError:
        return Broken(INVALID_UTF8, excerpt(line)), ""


def _columns_entry(cells: list[str], width: int, image: int | None, caption: int) -> Entry:
    if len(cells) != width:
        detail = f"{len(cells)} columns, not {width}: {' | '.join(cells)}"
        return Broken(WRONG_COLUMNS, excerpt(detail))
    return Raw(None if image is None else cells[image], [cells[caption]])


def _places(path: str, columns: Sequence[str], config: SourceConfig) -> tuple[int | None, int]:
    """Return the places of the image and the caption column; no image is ``None``."""
    named = {"--caption-column": config.caption_column, "--image-column": config.image_column}
    if not any(columns):
        raise InputError(
            f"{path}: its first line, empty here, must name the columns; see --columns"
        )
    if config.no_image and config.image_column not in columns:
        del named["--image-column"]
    for flag, name in named.items():
        if name not in columns:
            raise InputError(
                f"{path}: no column {name!r}; give {flag}, one of {excerpt(', '.join(columns))}"
                + ("; is it --format tsv?" if "\t" in columns[0] else "")
            )
    places = [columns.index(name) for name in named.values()]
    return (places[1] if len(places) > 1 else None), places[0]


def _csv_entries(path: str, config: SourceConfig) -> Iterator[Entry]:
    lines = (line.decode("utf-8", "surrogateescape") + "\n" for line in read_lines(path))
    reader = csv.reader(lines, strict=True)
    columns = config.columns or _csv_header(path, reader)
    image, caption = _places(path, columns, config)
    while True:
        start = reader.line_num
        try:
            cells = next(reader, None)
        except csv.Error as error:
            detail = f"lines {start + 1} to {reader.line_num}: {error}"
            # All lines that the error swallowed are lost, so each of them counts.
            yield from [Broken(_csv_reason(error), detail)] * (reader.line_num - start)
            continue
        if cells is None:
            return
        yield _columns_entry(cells, len(columns), image, caption) if cells else None


def _csv_header(path: str, reader: Iterator[list[str]]) -> list[str]:
    try:
        return next(reader, [])
    except csv.Error as error:
        raise InputError(f"{path}: its header is not CSV ({error}); is it --format tsv?") from error


def _csv_reason(error: csv.Error) -> str:
    if "field limit" in str(error):
        return TOO_LONG
    return NUL_BYTE if "NUL" in str(error) else BAD_CSV  # Python 3.10 refuses NUL bytes


def _jsonl_entries(path: str, config: SourceConfig) -> Iterator[Entry]:
    for line in read_lines(path):
        broken, text = _decoded(line)
        yield broken or (_json_entry(text, config) if text.strip() else None)


def _json_entry(text: str, config: SourceConfig) -> Entry:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        return Broken(BAD_JSON, excerpt(f"{error}: {text}"))
    if not isinstance(value, dict):
        return Broken(BAD_JSON, excerpt(f"not an object: {text}"))
    if config.caption_column not in value:
        return Broken(WRONG_COLUMNS, excerpt(f"no {config.caption_column!r}: {text}"))
    return _cell_entry(value.get(config.image_column), value[config.caption_column])


def _cell_entry(image: Any, captions: Any) -> Entry:
    return Raw(image, captions if isinstance(captions, list) else [captions])


def _parquet_entries(path: str, config: SourceConfig) -> Iterator[Entry]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with open_file(path) as stream, pq.ParquetFile(stream) as file:
            image, _ = _places(path, file.schema_arrow.names, config)
            names = [config.caption_column] + [config.image_column] * (image is not None)
            batches, rows = file.iter_batches(_BATCH_ROWS, columns=names, use_threads=False), 0
            for batch in batches:
                captions = _values(batch.column(config.caption_column))
                images = (
                    _values(batch.column(names[-1]))
                    if image is not None
                    else [None] * len(captions)
                )
                rows += len(captions)
                yield from map(_cell_entry, images, captions)
            if rows != file.metadata.num_rows:  # of a broken footer Arrow may read less
                raise pa.ArrowInvalid(f"{rows} rows where {file.metadata.num_rows} should be")
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not readable as Parquet ({error}); fetch it again") from error


def _values(column: Any) -> list[Any]:
    """Return the values of an Arrow column; text that is not UTF-8 comes as its bytes."""
    try:
        return column.to_pylist()  # type: ignore[no-any-return]
    except UnicodeDecodeError:
        return [_value(scalar) for scalar in column]


def _value(scalar: Any) -> Any:
    import pyarrow as pa

    if isinstance(scalar, pa.ListScalar):
        return [_value(inner) for inner in scalar.values or ()]
    try:
        return scalar.as_py()
    except UnicodeDecodeError:
        return scalar.as_buffer().to_pybytes()
