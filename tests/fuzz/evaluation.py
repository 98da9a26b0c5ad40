"""What models are measured on and searched with: benchmarks, class lists, an index of images."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final

from hypothesis import strategies as st

from model.preprocess import ImageError
from tests.fuzz.hostile import DEPTH, DIGITS, TEXTS, broken, broken_folders, broken_json
from tests.fuzz.law import Target, check_message, lay, taken
from tests.model.tiny import tiny_model, tiny_vocabulary
from tests.pictures import picture
from train.classes import match_classes
from train.evaluation_data import (
    EvaluationSet,
    by_key,
    label_matrix,
    read_benchmark,
    read_captions,
    read_results,
)
from train.index import Index, build_index, file_entries
from vocab.overlap import read_class_list

_CAPTIONS: Final = {
    "images": [{"id": 1, "file_name": "1.jpg", "domain": "in"}, {"id": 2, "file_name": "2.jpg"}],
    "annotations": [{"image_id": 1, "caption": "a dog"}, {"image_id": 2, "caption": "a cat"}],
}
_INSTANCES: Final = {
    "images": [{"id": 1, "file_name": "1.jpg"}],
    "categories": [{"id": 18, "name": "dog"}, {"id": 17, "name": "cat"}],
    "annotations": [{"image_id": 1, "category_id": 18}],
}
_RESULTS: Final = [{"image_id": 1, "caption": "a dog"}, {"image_id": 2, "caption": "a cat"}]
_LINES: Final = b"1.jpg,0,1\n2.jpg,2\nsub/3.jpg\n"
_CLASSES: Final = "dog,puppy\ncat\n# remark\na photo of a person riding a horse\ncrane (bird)\n"


def _used(found: EvaluationSet) -> None:
    """Do what an evaluation does with its images first."""
    for example in found.examples:
        example.key.encode()
        for text in example.captions:
            text.encode()
        try:
            example.read(32)
        except ImageError as error:
            check_message(str(error))
    classes = len(tiny_vocabulary()) if found.classes is None else len(found.classes)
    assert label_matrix(found.examples, classes).shape == (len(found.examples), classes)


def _captions(folder: Path, content: bytes) -> None:
    lay(folder, {"c.json": content, "images/1.jpg": picture(), "images/2.jpg": picture()})
    _used(read_captions(folder / "c.json", folder / "images", tiny_vocabulary(), None))


def _benchmark(name: str) -> Callable[[Path, bytes], None]:
    def run(folder: Path, content: bytes) -> None:
        lay(folder, {name: content, "classes.txt": _CLASSES.encode(), "images/1.jpg": picture()})
        found = read_benchmark(folder / name, folder / "images", folder / "classes.txt")
        if name.endswith(".txt") and b"\r" not in content:
            lines = content.decode().split("\n")
            assert len(found.examples) == sum(bool(line.strip()) for line in lines)
        _used(found)

    return run


def _results(folder: Path, content: bytes) -> None:
    path = folder / "r.json"
    path.write_bytes(content)
    for key, text in read_results(path).items():
        key.encode()
        text.encode()
    by_key(read_results(path), [], "r.json")


def _class_list(folder: Path, content: bytes) -> None:
    path = folder / "classes.txt"
    path.write_bytes(content)
    found = read_class_list(path)
    assert all(form for forms in found.classes for form in forms)
    match_classes(found.classes, tiny_vocabulary())


@cache
def _model() -> Any:
    return tiny_model(image_size=32)


@cache
def _index() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as name:
        lay(Path(name), {"1.jpg": picture(), "2.jpg": picture()})
        paths = [Path(name, "1.jpg"), Path(name, "2.jpg")]
        build_index(_model(), file_entries(paths), Path(name, "index"))
        files = taken(Path(name, "index"))
    listed = [json.loads(line) for line in files["images.jsonl"].splitlines()]
    lines = [json.dumps({**one, "file": Path(one["file"]).name}) for one in listed]
    return files | {"images.jsonl": "".join(f"{line}\n" for line in lines).encode()}


def _searched(folder: Path, files: dict[str, bytes]) -> None:
    found = Index.open(lay(folder / "index", files))
    assert len(found.entries) == len(found.vectors) == len(found.tags)
    assert found.vectors.sum() is not None
    for entry in found.entries:
        # An index says itself where its images are; here all are in one file.
        (folder / "image").write_bytes(picture())
        try:
            replace(entry, file=str(folder / "image")).pixels(32)
        except ImageError as error:
            check_message(str(error))


def _captions_target() -> Target:
    captions = json.dumps(_CAPTIONS).encode()
    return Target(
        name="evaluation-captions",
        run=_captions,
        cases=broken_json(_CAPTIONS),
        seeds=(captions,),
        found=(
            captions.replace(b'"1.jpg"', b'"\\u0000"'),
            captions.replace(b'"1.jpg"', b'"../../../../../../etc/passwd"'),
            captions.replace(b'"1.jpg"', b'"/etc/passwd"'),
            captions.replace(b'"a dog"', b'"\\ud800"'),
            captions.replace(b'"id": 1', b'"id": "\\ud800"').replace(
                b'"image_id": 1', b'"image_id": "\\ud800"'
            ),
            b"[" * DEPTH,
        ),
    )


def _instances_target() -> Target:
    instances = json.dumps(_INSTANCES).encode()
    return Target(
        name="evaluation-instances",
        run=_benchmark("b.json"),
        cases=broken_json(_INSTANCES),
        seeds=(instances,),
        found=(
            instances.replace(b'"1.jpg"', b'"../../../../../../etc/passwd"'),
            instances.replace(b'"1.jpg"', b"7"),
            instances.replace(b'"dog"', b"7"),
            instances.replace(b'"dog"', b'""'),
        ),
    )


def _lines_target() -> Target:
    return Target(
        name="evaluation-lines",
        run=_benchmark("b.txt"),
        cases=broken((_LINES,)),
        seeds=(_LINES,),
        found=(b"1.jpg," + DIGITS.encode(), "a\u2028b.jpg,0\n".encode(), b"../../etc/passwd,0\n"),
    )


def _results_target() -> Target:
    results = json.dumps(_RESULTS).encode()
    return Target(
        name="evaluation-results",
        run=_results,
        cases=broken_json(_RESULTS),
        seeds=(results,),
        found=(results.replace(b'"a dog"', b'"\\ud800"'), b"7", b"{}"),
    )


def _class_list_target() -> Target:
    lists = broken((_CLASSES.encode(),)) | st.sampled_from(TEXTS).map(
        lambda text: f"{text}\ndog\n".encode("utf-8", "replace")
    )
    return Target(
        name="class-list",
        run=_class_list,
        cases=lists,
        seeds=(_CLASSES.encode(),),
        found=(b"dog\na photo of a person the\n",),
    )


def _index_directory_target() -> Target:
    index = _index()
    return Target(
        name="index-directory",
        run=_searched,
        cases=broken_folders(index, ("images.jsonl", "images.jsonl", "index.json", *index)),
        seeds=(index,),
        found=(
            index | {"index.json": b"[" * DEPTH + b"\n"},
            index | {"index.json": index["index.json"].replace(b": 64", b": " + b"9" * 40)},
            index | {"index.json": index["index.json"].replace(b": 64", b": " + b"9" * 5000)},
            index | {"images.jsonl": index["images.jsonl"].replace(b'0}\n', b'%d}\n' % 10**15)},
            index | {"images.jsonl": index["images.jsonl"].replace(b'0}\n', b'%d}\n' % 10**30)},
            index | {"images.jsonl": index["images.jsonl"].replace(b'1.jpg', b'\\u0000\\ud800')},
        ),
    )  # fmt: skip


def targets() -> Iterator[Target]:
    """Yield the targets of this module."""
    yield _captions_target()
    yield _instances_target()
    yield _lines_target()
    yield _results_target()
    yield _class_list_target()
    yield _index_directory_target()
