"""What `check` looks at in labelled shards: tar, index, table and vocabulary must agree."""

from __future__ import annotations

import io
import itertools
import json
import tarfile
from collections.abc import Iterator
from typing import IO, Any, Final

import numpy as np

from pipeline import storage
from pipeline.image_sources import TAR
from pipeline.images import KEPT
from pipeline.labelled import LABELS
from pipeline.records import PARQUET, read_rows
from pipeline.shard import Stats
from pipeline.shards import INDEX, SIZES, VOCABULARY, load_vocabulary
from pipeline.tar import Member, read_index
from vocab.errors import InputError
from vocab.vocabulary import Vocabulary

_LAYOUTS: Final = [(extension, "json", LABELS) for extension in KEPT.values()]


class LabelledCheck:
    """Checks the labelled shards of one directory; problems are lines that start with a file."""

    def __init__(self, directory: str, config: dict[str, Any], again: str) -> None:
        self._directory, self._config, self._again = directory, config, again
        self._vocabulary: Vocabulary | None = None
        self._sizes: dict[str, int] = {}

    def open(self) -> Iterator[str]:
        """Read what describes the directory as a whole, and yield what is wrong with that."""
        path = storage.join(self._directory, SIZES)
        try:
            self._sizes = dict(json.loads(storage.read_bytes(path)))
        except (FileNotFoundError, ValueError, TypeError) as error:
            yield f"{path}: not readable ({error}); {self._again}"
        path = storage.join(self._directory, VOCABULARY)
        self._vocabulary = load_vocabulary(path)
        if self._vocabulary.fingerprint != self._config.get("vocabulary"):
            yield f"{path}: not the vocabulary that the shards were made with; {self._again}"

    def problems(self, stem: str, stats: Stats) -> Iterator[str]:
        """Yield what is wrong with one shard, whose files are as they were written."""
        tar = storage.join(self._directory, stem + TAR)
        samples = read_index(storage.join(self._directory, stem + INDEX))
        counts = {INDEX: len(samples), SIZES: self._sizes.get(stem + TAR)}
        for name, count in counts.items():
            if count != stats.rows:
                yield f"{tar}: {stats.rows} samples, but {count} in its {name}; {self._again}"
        if list(_members(tar)) != [member[1:] for sample in samples for member in sample]:
            yield f"{tar}: its members are not those of its {INDEX}; {self._again}"
            return
        if self._vocabulary is not None:
            yield from self._wrong_samples(tar, samples, self._vocabulary)

    def _wrong_samples(
        self, tar: str, samples: list[tuple[Member, ...]], vocabulary: Vocabulary
    ) -> Iterator[str]:
        """Yield the first sample that disagrees with its row: one tells what went wrong."""
        rows = read_rows(tar.removesuffix(TAR) + PARQUET, ["key", "captions", "tags", "format"])
        with storage.open_input(tar) as stream:
            for row, members in itertools.zip_longest(rows, samples):
                wrong = _wrong(row or {}, members or (), stream, vocabulary)
                if wrong:
                    key = (row or {}).get("key")
                    yield f"{tar}: sample {key}: {wrong}; {self._again}"
                    return


def _members(path: str) -> Iterator[tuple[int, int, str]]:
    try:
        with storage.open_input(path) as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
            for member in tar:
                yield member.offset_data, member.size, member.name
    except tarfile.TarError as error:
        raise InputError(f"{path}: not a tar ({error}); make the shard again") from error


def _wrong(
    row: dict[str, Any],
    members: tuple[Member, ...],
    stream: IO[bytes],
    vocabulary: Vocabulary,
) -> str:
    """Return what is wrong with one sample, nothing when tar, row and vocabulary agree."""
    layout = tuple(member.extension for member in members)
    key = row.get("key")
    if layout not in _LAYOUTS or any(m.name != f"{key}.{m.extension}" for m in members):
        return f"its members are {[member.name for member in members]}"
    try:
        texts = json.loads(_read(stream, members[1]))
        packed = np.load(io.BytesIO(_read(stream, members[2])), allow_pickle=False)
        labels = vocabulary.unpack(packed)
        union = sorted(set(itertools.chain.from_iterable(texts["tags"])))
        captions = texts["captions"]
    except (InputError, ValueError, KeyError, TypeError) as error:
        return f"its labels cannot be read ({error})"
    if not labels == union == row["tags"]:
        return f"its labels are {labels}, its captions' tags {union}, its row's {row['tags']}"
    if captions != row["captions"] or len(texts["tags"]) != len(captions):
        return "its captions are not those of its row"
    return "" if row["format"] == layout[0] else f"its row says {row['format']}"


def _read(stream: IO[bytes], member: Member) -> bytes:
    stream.seek(member.offset)
    return stream.read(member.size)
