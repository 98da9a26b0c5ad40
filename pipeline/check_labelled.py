"""What `check` looks at in labelled shards: tar, index, table and vocabulary must agree."""

from __future__ import annotations

import itertools
import json
import tarfile
from collections.abc import Iterator
from typing import IO, Any, Final

from pipeline import storage
from pipeline.image_sources import TAR
from pipeline.images import KEPT
from pipeline.labelled import (
    INDEX,
    LABELLED_SCHEMA,
    LABELS,
    SIZES,
    VOCABULARY,
    LabelPacker,
    load_vocabulary,
)
from pipeline.records import PARQUET, read_rows
from pipeline.shard import STATS, Stats
from pipeline.tar import Member, read_index
from vocab.errors import InputError

_LAYOUTS: Final = [(extension, "json", LABELS) for extension in KEPT.values()]


class LabelledCheck:
    """Checks the labelled shards of one directory; problems are lines that start with a file."""

    def __init__(self, directory: str, config: dict[str, Any], again: str) -> None:
        self._directory, self._config, self._again = directory, config, again
        self._packer: LabelPacker | None = None
        self._sizes: dict[str, int] = {}

    def open(self) -> Iterator[str]:
        """Read what describes the directory as a whole, and yield what is wrong with that."""
        path = storage.join(self._directory, SIZES)
        try:
            self._sizes = dict(json.loads(storage.read_bytes(path)))
        except (FileNotFoundError, ValueError, TypeError, RecursionError) as error:
            yield f"{path}: not readable ({error}); {self._again}"
        path = storage.join(self._directory, VOCABULARY)
        vocabulary = load_vocabulary(path)
        self._packer = LabelPacker(vocabulary)
        if vocabulary.fingerprint != self._config.get("vocabulary"):
            yield f"{path}: not the vocabulary that the shards were made with; {self._again}"

    def problems(self, stem: str, stats: Stats) -> Iterator[str]:
        """Yield what is wrong with one shard, whose files are as they were written."""
        tar = storage.join(self._directory, stem + TAR)
        samples = read_index(storage.join(self._directory, stem + INDEX))
        mend = f"remove {stem}{STATS} and {self._again}"
        in_sizes = self._sizes.get(stem + TAR)
        if in_sizes != stats.rows:
            yield f"{tar}: {stats.rows} samples, but {SIZES} says {in_sizes}; {self._again}"
        if len(samples) != stats.rows:
            yield f"{tar}: {stats.rows} samples, but its {INDEX} has {len(samples)}; {mend}"
        if list(_members(tar)) != [member[1:] for sample in samples for member in sample]:
            yield f"{tar}: its members are not those of its {INDEX}; {mend}"
            return
        if self._packer is not None:
            wrong = _first_wrong(tar, samples, self._packer)
            if wrong:
                yield f"{tar}: {wrong}; {mend}"


def _first_wrong(tar: str, samples: list[tuple[Member, ...]], packer: LabelPacker) -> str:
    """Return what is wrong with the first sample that disagrees with its row."""
    columns = ["key", "captions", "tags", "format"]
    rows = read_rows(tar.removesuffix(TAR) + PARQUET, columns, schema=LABELLED_SCHEMA)
    with storage.open_input(tar) as stream:
        for row, members in itertools.zip_longest(rows, samples):
            wrong = _wrong(row or {}, members or (), stream, packer)
            if wrong:
                return f"sample {(row or {}).get('key')}: {wrong}"
    return ""


def _members(path: str) -> Iterator[tuple[int, int, str]]:
    try:
        with storage.open_input(path) as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
            for member in tar:
                yield member.offset_data, member.size, member.name
    except (tarfile.TarError, ValueError, OverflowError) as error:
        raise InputError(f"{path}: not a tar ({error}); make the shard again") from error


def _wrong(
    row: dict[str, Any],
    members: tuple[Member, ...],
    stream: IO[bytes],
    packer: LabelPacker,
) -> str:
    """Return what is wrong with one sample, nothing when tar, row and vocabulary agree."""
    layout = tuple(member.extension for member in members)
    key = row.get("key")
    if layout not in _LAYOUTS or any(m.name != f"{key}.{m.extension}" for m in members):
        return f"its members are {[member.name for member in members]}"
    try:
        texts = json.loads(_read(stream, members[1]))
        captions, tags = texts["captions"], texts["tags"]
        union = sorted(set(itertools.chain.from_iterable(tags)))
        labels = packer.pack(union)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        return f"its JSON cannot be used ({error})"
    if union != row["tags"]:
        return f"its captions' tags are {union}, its row's {row['tags']}"
    if labels != _read(stream, members[2]):
        return f"its {LABELS} is not that of its captions' tags, {union}"
    if captions != row["captions"] or len(tags) != len(captions):
        return "its captions are not those of its row"
    return "" if row["format"] == layout[0] else f"its row says {row['format']}"


def _read(stream: IO[bytes], member: Member) -> bytes:
    stream.seek(member.offset)
    return stream.read(member.size)
