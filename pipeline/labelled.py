"""Labelled samples: captions and class ids joined by key, and their form in a shard."""

from __future__ import annotations

import functools
import io
import itertools
import json
import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import storage
from pipeline.records import MINED_SCHEMA, read_batches
from vocab.errors import InputError
from vocab.graph import Tag
from vocab.vocabulary import Vocabulary

# No digest an image: that of the shard covers all, and hashing is what costs most here.
LABELLED_SCHEMA: Final = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("url", pa.string(), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("captions", pa.list_(pa.string()), nullable=False),
        pa.field("tags", pa.list_(pa.int32()), nullable=False),
        pa.field("format", pa.string(), nullable=False),
        pa.field("bytes", pa.int32(), nullable=False),
    ]
)
LABELS: Final = "labels.npy"
COMMAND: Final = "shards"  # what makes directories of labelled shards
INDEX: Final = ".index"
SIZES: Final = "sizes.json"
VOCABULARY: Final = "vocabulary"
_JSON = json.JSONEncoder(ensure_ascii=False)
_COLUMNS = ["key", "source", "image", "caption", "tags"]
_BATCH_ROWS = 8192
_NOTHING = frozenset((-1,))
_KEY = re.compile(r"[a-z0-9_]{1,32}-\d{9}")


@dataclass(frozen=True, slots=True)
class Captioned:
    """An image's captions, each with the sorted ids of its classes; ``image`` is URL or path."""

    key: str
    source: str
    image: str
    captions: tuple[str, ...]
    tags: tuple[tuple[int, ...], ...]

    def labels(self) -> list[int]:
        """Return the sorted ids of the classes of any caption."""
        return sorted(set().union(*self.tags))

    def to_json(self) -> bytes:
        """Return the ``.json`` member of the sample."""
        value = {
            "captions": self.captions,
            "tags": self.tags,
            "source": self.source,
            "url": self.image,
        }
        return _JSON.encode(value).encode()


def read_captioned(path: str, vocabulary: Vocabulary) -> list[Captioned]:
    """Return the images of one mined shard, sorted by key.

    Raises:
        InputError: the file is no mined shard.
    """
    rows = list(_encoded_rows(path, vocabulary))
    rows.sort(key=itemgetter(0))  # stable: captions stay in their order
    grouped = itertools.groupby(rows, key=itemgetter(0))
    return [_captioned(path, key, list(group)) for key, group in grouped]


def _encoded_rows(path: str, vocabulary: Vocabulary) -> Iterator[tuple[Any, ...]]:
    """Yield key, source, image, caption and class ids of each row, in Arrow's columns until then.

    A Python object for each tag would cost more than all the rest of the job.
    """
    for batch in read_batches(path, _COLUMNS, batch_rows=_BATCH_ROWS, schema=MINED_SCHEMA):
        tags = batch.column("tags")
        classes = iter(_classes(tags.flatten(), vocabulary))
        lengths = tags.value_lengths().to_pylist()
        ids = (tuple(sorted(set(itertools.islice(classes, n)) - _NOTHING)) for n in lengths)
        plain = (batch.column(name).to_pylist() for name in _COLUMNS[:-1])
        yield from zip(*plain, ids, strict=True)


def _classes(tags: pa.StructArray, vocabulary: Vocabulary) -> list[int]:
    """Return the class id of each tag, -1 for none; each distinct tag is looked up once."""
    joined = pc.binary_join_element_wise(tags.field("kind"), tags.field("tag"), "\t")
    encoded = joined.dictionary_encode()
    distinct = (text.split("\t", 1) for text in encoded.dictionary.to_pylist())
    ids = [(vocabulary.encode((Tag(kind, tag),)) or [-1])[0] for kind, tag in distinct]
    return np.array(ids, np.int32)[encoded.indices.to_numpy()].tolist()  # type: ignore[no-any-return]


def _captioned(path: str, key: str, rows: list[tuple[Any, ...]]) -> Captioned:
    if not _KEY.fullmatch(key):
        raise InputError(f"{path}: {key!r} is no sample key; mine again")
    _, source, image, _, _ = rows[0]
    return Captioned(key, source, image, tuple(r[3] for r in rows), tuple(r[4] for r in rows))


class LabelPacker:
    """Makes ``.labels.npy`` members: the packed multi-hot label in NumPy's file form."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        buffer = io.BytesIO()
        empty = vocabulary.pack(())
        np.save(buffer, empty)
        # Only the last bytes differ from sample to sample: NumPy writes the header once.
        self._header = buffer.getvalue()[: -empty.nbytes]

    def pack(self, ids: Iterable[int]) -> bytes:
        """Return the member for the classes ``ids``."""
        return self._header + self._vocabulary.pack(ids).tobytes()


@functools.lru_cache(maxsize=1)
def load_vocabulary(directory: str) -> Vocabulary:
    """Return the vocabulary of a directory, read once a process."""
    if not storage.is_remote(directory):
        return Vocabulary.load(Path(directory))
    with tempfile.TemporaryDirectory() as folder:
        for name in storage.list_names(directory):
            Path(folder, name).write_bytes(storage.read_bytes(storage.join(directory, name)))
        return Vocabulary.load(Path(folder))
