"""Directories that jobs make: labelled shards above all, their stats, and downloaded tars."""

from __future__ import annotations

import io
import json
import tarfile
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn

from pipeline.check import check_directory
from pipeline.image_sources import TarImages
from pipeline.images import BadImageError
from pipeline.job import read_completed, read_info
from pipeline.shard import read_stats
from pipeline.shards import ShardsConfig, write_shards
from pipeline.tar import read_index
from tests.factories import write_mined
from tests.fuzz.hostile import DEPTH, DIGITS, broken, broken_folders, broken_json
from tests.fuzz.law import Target, check_message, lay, taken
from tests.fuzz.parquet import as_parquet, tables
from tests.model.tiny import tiny_vocabulary
from tests.pictures import picture
from tests.train.labelled import CAPTIONS, TAGS, maker
from tests.train.labelled import write_shards as write_training_shards
from train.samples import parse
from train.shards import BadSampleError, Raw, open_shards

_SAMPLE: Final = {"captions": list(CAPTIONS), "tags": [list(ids) for ids in TAGS], "url": "u"}


@cache
def _training() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as name:
        return taken(write_training_shards(Path(name, "s"), shards=1, samples=2))


@cache
def _labelled() -> dict[str, bytes]:
    """Return a directory that the shards command made."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lay(folder, {f"images/{n}.jpg": picture(size=(40 + n, 30)) for n in range(2)})
        rows = [
            (f"{n}.jpg", [(caption, [("object", "dog")])]) for n, caption in enumerate(("a", "b"))
        ]
        mined = write_mined(folder / "mined", [rows], source="s")
        tiny_vocabulary().save(folder / "vocabulary")
        write_shards(
            ShardsConfig(
                mined=str(mined),
                vocabulary=str(folder / "vocabulary"),
                output=str(folder / "out"),
                image_root=str(folder / "images"),
            )
        )
        return taken(folder / "out")


def _read_shards(folder: Path, files: dict[str, bytes]) -> None:
    lay(folder / "s", files)
    shards = open_shards([str(folder / "s")], tiny_vocabulary())
    make = maker()
    for number in range(len(shards)):
        try:
            raw = shards.read(number)
            sample = make.sample(raw, 0)
            make.batch([sample], epoch=0, number=0, bad={})
        except BadSampleError as error:
            assert error.cause.isidentifier()


def _sample(folder: Path, text: bytes) -> None:
    captions, tags = parse(text, len(tiny_vocabulary()))
    assert len(captions) == len(tags) > 0
    make = maker()
    sample = make.sample(Raw("s-000000000", _IMAGE, text), 0)
    batch = make.batch([sample], epoch=0, number=0, bad={})
    assert len(batch) == 1
    for caption in captions:
        caption.encode()


_IMAGE: Final = picture()


def _check(folder: Path, files: dict[str, bytes]) -> None:
    lay(folder / "s", files)
    problems = check_directory(str(folder / "s"))
    for problem in problems:
        check_message(str(problem))


def _stats(folder: Path, content: bytes) -> None:
    (folder / "00000_stats.json").write_bytes(content)
    found = read_stats(str(folder), "00000")
    assert found is not None
    assert type(found.rows) is int


def _completed(folder: Path, files: dict[str, bytes]) -> None:
    lay(folder / "s", files)
    info = read_info(str(folder / "s"))
    assert isinstance(info["config"], dict)
    summary = read_completed(str(folder / "s"), "shards")
    assert summary.bad.total() >= 0
    assert summary.counts.total() >= 0


def _index(folder: Path, content: bytes) -> None:
    path = folder / "s.index"
    path.write_bytes(content)
    samples = read_index(str(path))
    assert len(samples) == content.count(b"\n") - content.endswith(b"\n")


def _tar(names: list[str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = len(_IMAGE)
            tar.addfile(member, io.BytesIO(_IMAGE))
    return buffer.getvalue()


_DOWNLOAD: Final = {
    "00000.tar": _tar(["s-000000000.jpg", "s-000000000.json", "s-000000001.png"]),
    "00000.parquet": as_parquet(
        {
            "key": ["s-000000000", "s-000000001", "s-000000002"],
            "status": ["success", "success", "failed_to_download"],
            "error_message": [None, None, "gone"],
        }
    ),
}


def _download(folder: Path, files: dict[str, bytes]) -> None:
    lay(folder, files)
    with (folder / "00000.tar").open("rb") as stream:
        images = TarImages(stream, str(folder), "00000")
        for key in (*images.known_keys(), "s-000000000", "s-000000002"):
            try:
                assert isinstance(images.read(key, key), bytes)
            except BadImageError as error:
                assert error.reason


@st.composite
def _downloads(draw: DrawFn) -> dict[str, bytes]:
    files = dict(_DOWNLOAD)
    if draw(st.booleans()):
        files["00000.parquet"] = draw(tables(_DOWNLOAD["00000.parquet"]))
    else:
        files["00000.tar"] = draw(broken((_DOWNLOAD["00000.tar"],)))
    return files


def _loaded(name: str, files: dict[str, bytes]) -> Any:
    return json.loads(files[name])


def _shards_target() -> Target:
    training = _training()
    sizes = "sizes.json"
    data = ("s-000000.tar", "s-000000.index", "s-000000.index", sizes)
    return Target(
        name="shards",
        run=_read_shards,
        cases=broken_folders(training, data),
        seeds=(training,),
        found=(
            training | {sizes: b'{"s-000000.tar": Infinity}'},
            training | {sizes: b"[" * DEPTH},
            training | {sizes: b'{"\\u0000.tar": 2}'},
            training | {sizes: b'{"\\ud800.tar": 2}'},
            training | {sizes: b'{"": 2}'},
            training | {sizes: b'{"..": 2}'},
        ),
    )


def _sample_target() -> Target:
    return Target(
        name="sample",
        run=_sample,
        cases=broken_json(_SAMPLE),
        seeds=(json.dumps(_SAMPLE).encode(),),
        found=(b'{"captions": ["\\ud800"], "tags": [[]]}', b"[" * DEPTH, DIGITS.encode()),
        documented=(BadSampleError,),
    )


def _check_target() -> Target:
    labelled = _labelled()
    names = tuple(name for name in labelled if not name.endswith(".md"))
    return Target(
        name="check",
        run=_check,
        cases=broken_folders(labelled, names),
        seeds=(labelled,),
        found=(
            labelled | {"COMPLETED": b"[" * DEPTH},
            labelled | {"COMPLETED": b'{"shards": "\\u001b[2J\\n"}'},
            labelled | {"sizes.json": b"[" * DEPTH},
            labelled | {"info.json": b"[" * DEPTH},
        ),
    )


def _stats_target() -> Target:
    labelled = _labelled()
    (stats,) = [name for name in labelled if name.endswith("_stats.json")]
    return Target(
        name="stats",
        run=_stats,
        cases=broken_json(_loaded(stats, labelled)),
        seeds=(labelled[stats],),
        found=(labelled[stats].replace(b'"rows": 2', b'"rows": 1e999'), b"[" * DEPTH),
    )


def _completed_target() -> Target:
    labelled = _labelled()
    (stats,) = [name for name in labelled if name.endswith("_stats.json")]
    return Target(
        name="completed",
        run=_completed,
        cases=broken_folders(labelled, ("COMPLETED", "info.json", stats)),
        seeds=(labelled,),
        found=(
            labelled | {"COMPLETED": b"[]"},
            labelled | {"COMPLETED": b"[" * DEPTH},
            labelled | {"info.json": b"[" * DEPTH},
            labelled | {"COMPLETED": labelled["COMPLETED"].replace(b"{}", b"7")},
            labelled | {"COMPLETED": labelled["COMPLETED"].replace(b"}\n", b', "x": 1}\n')},
        ),
    )


def _index_target() -> Target:
    labelled = _labelled()
    (index,) = [name for name in labelled if name.endswith(".index")]
    return Target(
        name="index",
        run=_index,
        cases=broken((labelled[index],)),
        seeds=(labelled[index],),
        found=(labelled[index].replace(b"\n", b"\x0b", 1),),
    )


def _download_target() -> Target:
    return Target(name="download", run=_download, cases=_downloads(), seeds=(_DOWNLOAD,))


def targets() -> Iterator[Target]:
    """Yield the targets of this module."""
    yield _shards_target()
    yield _sample_target()
    yield _check_target()
    yield _stats_target()
    yield _completed_target()
    yield _index_target()
    yield _download_target()
