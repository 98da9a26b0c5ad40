"""Files of captions, in every format; what they become in Parquet; lists of names to leave out."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from pipeline.exclude import read_exclusions
from pipeline.labelled import read_captioned
from pipeline.records import MANIFEST_SCHEMA, MINED_SCHEMA, read_manifest
from pipeline.source_rows import REASONS, BadRow, Row
from pipeline.sources import FORMATS, SourceConfig, read_source
from pipeline.streams import LINE_LIMIT
from tests.fuzz.hostile import DEPTH, DIGITS, broken, broken_json, values
from tests.fuzz.law import Target
from tests.fuzz.parquet import as_parquet, tables, with_byte
from tests.model.tiny import tiny_vocabulary

_URL: Final = "http://example.org/1.jpg"
_SBU: Final = {"image_urls": [_URL, "http://example.org/2.jpg"], "captions": ["a dog", "a cat"]}
_COCO: Final = {
    "images": [{"id": 1, "file_name": "1.jpg"}, {"id": 2, "file_name": "2.jpg"}],
    "annotations": [
        {"id": 1, "image_id": 2, "caption": "a cat"},
        {"id": 2, "image_id": 1, "caption": "a dog"},
    ],
}
_KARPATHY: Final = {
    "images": [
        {
            "cocoid": 1,
            "filepath": "val2014",
            "filename": "1.jpg",
            "split": "test",
            "sentences": [{"raw": "a dog"}, {"raw": "the dog"}],
        },
        {"cocoid": 2, "filename": "2.jpg", "split": "train", "sentences": [{"raw": "a cat"}]},
    ]
}
_VG: Final = [
    {"id": 1, "regions": [{"phrase": "a dog"}, {"phrase": "red ball"}]},
    {"id": 2, "regions": [{"phrase": "a cat"}]},
]
_VG_IMAGES: Final = [{"image_id": 1, "url": _URL, "coco_id": 42}, {"image_id": 2, "url": _URL}]
_TSV: Final = f"image\tcaption\n{_URL}\ta dog\n2.jpg\ta cät\n".encode()
_CSV: Final = f'image,caption\n{_URL},"a ""red"" dog,\nwet"\n2.jpg,a cat\n'.encode()
_JSONL: Final = b'{"image": "1.jpg", "caption": "a dog"}\n{"image": 2, "caption": ["a", "b"]}\n'
_LINES: Final = "a dog\na cät\n".encode()
_SEEDS: Final[dict[str, tuple[bytes, ...]]] = {
    "cc3m": (f"a dog\t{_URL}\na cat\t{_URL}?2\n".encode(),),
    "cc12m": (f"{_URL}\ta dog\n{_URL}?2\ta cat\n".encode(),),
    "sbu-text": (f"{_URL}\n{_URL}?2\n".encode(), b"a dog\na cat\n"),
    "tsv": (_TSV,),
    "csv": (_CSV,),
    "jsonl": (_JSONL,),
    "lines": (_LINES,),
}
_JSON_SEEDS: Final[dict[str, Any]] = {
    "sbu": _SBU,
    "coco": _COCO,
    "karpathy": _KARPATHY,
    "vg": _VG,
}


@dataclass(frozen=True, slots=True)
class Given:
    """The bytes of the files of a source, and how it is read."""

    files: tuple[bytes, ...]
    image_data: bytes | None = None
    group: bool = False


def _source(kind: str) -> Callable[[Path, Given], None]:
    def run(folder: Path, given: Given) -> None:
        paths = []
        for number, content in enumerate(given.files):
            path = folder / f"{number}.captions"
            path.write_bytes(content)
            paths.append(str(path))
        known = folder / "image_data.json"
        if given.image_data is not None:
            known.write_bytes(given.image_data)
        rows = list(
            read_source(
                SourceConfig(
                    inputs=tuple(paths),
                    format=kind,
                    image_data=str(known) if given.image_data is not None else "",
                    no_image=kind == "lines",
                    group_images=given.group,
                )
            )
        )
        _check_rows(rows)
        least = _least(kind, given.files)
        found = _captions(rows)
        assert found >= least, f"{found} captions of {least}"
        if kind in _EXACT and not given.files[0].startswith(b"\x1f\x8b"):
            assert found == least, f"{found} captions of {least}"

    return run


_EXACT: Final = ("cc3m", "cc12m", "tsv", "jsonl", "lines")


def _check_rows(rows: Iterable[Row]) -> None:
    for row in rows:
        if isinstance(row, BadRow):
            assert row.reason in REASONS
            continue
        assert row.captions
        for text in (row.image, *row.captions, *row.names):
            text.encode()  # Parquet holds UTF-8
            assert "\0" not in text


def _captions(rows: Iterable[Row]) -> int:
    return sum(1 if isinstance(row, BadRow) else len(row.captions) for row in rows)


def _least(kind: str, files: tuple[bytes, ...]) -> int:
    """Return how many captions must come out, of files that are read without an error."""
    content = files[-1]
    if content.startswith(b"\x1f\x8b"):
        content = gzip.decompress(content)
    content = content.removeprefix(b"\xef\xbb\xbf")
    if kind in _JSON_SEEDS:
        return _JSON_COUNTS[kind](_plain_json(content))
    return _parquet_count(content) if kind == "parquet" else _least_lines(kind, content)


def _least_lines(kind: str, content: bytes) -> int:
    lines = content.split(b"\n")
    if kind in ("sbu-text", "lines"):
        return len(lines) - (not lines[-1])
    if kind == "csv":  # in quotes, a cell may hold line ends
        return 0 if {*b'"\r'} & {*content} else sum(map(bool, lines[1:]))
    counted = [line for line in lines[kind == "tsv" :] if not _is_blank(line)]
    return sum(map(_json_captions, counted)) if kind == "jsonl" else len(counted)


def _is_blank(line: bytes) -> bool:
    if len(line) > LINE_LIMIT or b"\0" in line:
        return False
    try:
        return not line.decode().strip()
    except UnicodeDecodeError:
        return False


def _json_captions(line: bytes) -> int:
    try:
        value = json.loads(line.decode())
    except (ValueError, RecursionError):
        return 1
    found = value.get("caption") if isinstance(value, dict) else None
    return max(1, len(found)) if isinstance(found, list) else 1


def _plain_json(content: bytes) -> Any:
    """Return a JSON value, ``None`` where Python reads it otherwise than a stream does."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            raise ValueError
        return dict(pairs)

    try:
        return json.loads(content, object_pairs_hook=once)
    except (ValueError, RecursionError):
        return None


def _list(value: Any, name: str) -> list[Any]:
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, list) else []


_JSON_COUNTS: Final[dict[str, Callable[[Any], int]]] = {
    "sbu": lambda value: len(_list(value, "captions")),
    "coco": lambda value: len(_list(value, "annotations")),
    "karpathy": lambda value: sum(
        max(1, len(_list(image, "sentences"))) for image in _list(value, "images")
    ),
    "vg": lambda value: sum(
        max(1, len(_list(image, "regions"))) for image in (value if isinstance(value, list) else ())
    ),
}


def _parquet_count(content: bytes) -> int:
    return int(pq.ParquetFile(io.BytesIO(content)).metadata.num_rows)


def _zipped(files: tuple[bytes, ...]) -> SearchStrategy[tuple[bytes, ...]]:
    """Return the files as they are, and at times the last one in gzip, at times broken gzip."""
    last = gzip.compress(files[-1], mtime=0)
    return st.one_of(
        *[st.just(files)] * 4,
        st.just((*files[:-1], last)),
        broken((last,)).filter(_unpacks_small).map(lambda zipped: (*files[:-1], zipped)),
    )


def _unpacks_small(content: bytes) -> bool:
    """Say whether gzip holds no more than 1 MiB: the time goes by what is unpacked."""
    stream = zlib.decompressobj(31)
    try:
        return len(stream.decompress(content, 1 << 20)) < 1 << 20
    except zlib.error:
        return True


def _text_cases(kind: str) -> SearchStrategy[Given]:
    files = st.tuples(*(broken((seed,)) for seed in _SEEDS[kind]))
    group = st.booleans() if kind in ("tsv", "csv", "jsonl") else st.just(False)
    return st.builds(Given, files.flatmap(_zipped), group=group)


def _json_cases(kind: str) -> SearchStrategy[Given]:
    files = st.tuples(broken_json(_JSON_SEEDS[kind])).flatmap(_zipped)
    known = st.none() | broken_json(_VG_IMAGES) if kind == "vg" else st.none()
    return st.builds(Given, files, image_data=known)


def _seeds(kind: str) -> tuple[Given, ...]:
    if kind in _SEEDS:
        return (Given(_SEEDS[kind]),)
    plain = json.dumps(_JSON_SEEDS[kind]).encode()
    known = json.dumps(_VG_IMAGES).encode() if kind == "vg" else None
    return Given((plain,)), Given((gzip.compress(plain),), image_data=known)


_CAPTION_TABLE: Final = as_parquet({"image": ["1.jpg", "2.jpg"], "caption": ["a dog", "a cat"]})
_LIST_TABLE: Final = as_parquet({"image": ["1.jpg", "2.jpg"], "caption": [["a", "b"], ["c"]]})
MANIFEST: Final = as_parquet(
    {
        "key": ["s-000000000", "s-000000001"],
        "source": ["s", "s"],
        "image": ["1.jpg", "2.jpg"],
        "captions": [["a dog"], ["a cat", "the cat"]],
    },
    MANIFEST_SCHEMA,
)
_NO_GRAPH: Final = {"entities": [], "relations": []}
MINED: Final = as_parquet(
    {
        "key": ["s-000000000", "s-000000001"],
        "source": ["s", "s"],
        "image": ["1.jpg", "2.jpg"],
        "caption_index": [0, 0],
        "caption": ["a dog runs", "a cat"],
        "graph": [_NO_GRAPH, _NO_GRAPH],
        "tags": [
            [{"kind": "object", "tag": "dog"}, {"kind": "action", "tag": "run"}],
            [{"kind": "object", "tag": "cat"}],
        ],
    },
    MINED_SCHEMA,
)


def _manifest(folder: Path, content: bytes) -> None:
    path = folder / "00000.parquet"
    path.write_bytes(content)
    rows = list(read_manifest(str(path)))
    assert len(rows) == _parquet_count(content)
    for row in rows:
        assert all(type(text) is str for text in (row.key, row.source, row.image, *row.captions))


def _mined(folder: Path, content: bytes) -> None:
    path = folder / "00000.parquet"
    path.write_bytes(content)
    images = read_captioned(str(path), tiny_vocabulary())
    assert sum(len(image.captions) for image in images) == _parquet_count(content)
    for image in images:
        json.loads(image.to_json())


def _excluded(folder: Path, content: bytes) -> None:
    path = folder / "names.txt"
    path.write_bytes(content)
    assert read_exclusions([str(path)])


def _jsonl_records() -> SearchStrategy[bytes]:
    record = st.fixed_dictionaries({"caption": values()}, optional={"image": values()})
    return st.lists(
        broken_json({"image": "1.jpg", "caption": "a dog"}) | _dumped(record), max_size=4
    ).map(b"\n".join)


def _dumped(record: SearchStrategy[Any]) -> SearchStrategy[bytes]:
    return record.map(lambda value: json.dumps(value).encode())


def targets() -> Iterator[Target]:
    """Yield the targets of this module."""
    for kind in FORMATS:
        found = _FOUND.get(kind, ())
        if kind == "parquet":
            cases: SearchStrategy[Given] = st.one_of(
                tables(_CAPTION_TABLE), tables(_LIST_TABLE)
            ).map(lambda content: Given((content,)))
            seeds = Given((_CAPTION_TABLE,)), Given((_LIST_TABLE,))
        elif kind in _SEEDS:
            cases, seeds = _text_cases(kind), _seeds(kind)
        else:
            cases, seeds = _json_cases(kind), _seeds(kind)
        if kind == "jsonl":
            cases |= _jsonl_records().map(lambda content: Given((content,)))
        yield Target(
            name=f"captions-{kind}",
            run=_source(kind),
            cases=cases,
            seeds=seeds,
            found=found,
        )
    yield Target(name="manifest", run=_manifest, cases=tables(MANIFEST), seeds=(MANIFEST,))
    yield Target(
        name="mined",
        run=_mined,
        cases=tables(MINED),
        seeds=(MINED,),
        found=(with_byte(MINED, *_NO_ROWS_MINED), with_byte(MINED, *_NO_TEXT_MINED)),
    )
    names = b"1.jpg\n000000000042\nhttp://example.org/a/1.jpg\n"
    yield Target(name="exclude", run=_excluded, cases=broken((names,)), seeds=(names,))


_DEEP: Final = b"[" * DEPTH + b"]" * DEPTH
_FOUND: Final[dict[str, tuple[Given, ...]]] = {
    "coco": (
        Given((b'{"images": [{"id": %b}], "annotations": []}' % _DEEP,)),
        Given((b'{"images": [], "annotations": [{"image_id": 1, "caption": "\\ud800"}]}',)),
    ),
    "vg": (Given((b'[{"id": [1], "regions": [{"phrase": "a dog"}]}]',)),),
    "sbu": (Given((b'[["\\udfff"]]',)), Given((b'{"image_urls": [%b]}' % _DEEP,))),
    "karpathy": (Given((b'{"images": [{"split": %b}]}' % _DEEP,)),),
    "jsonl": (Given((b'{"caption": %b}' % DIGITS.encode(),)),),
    # A footer that says less rows, and one whose names are not UTF-8.
    "parquet": (
        Given((with_byte(_CAPTION_TABLE, -475, 0),)),
        Given((with_byte(_CAPTION_TABLE, -508, 0xB2),)),
    ),
}
_NO_ROWS_MINED: Final = (-2765, 0)
_NO_TEXT_MINED: Final = (-3169, 0xB2)
