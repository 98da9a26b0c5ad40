import io
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.labelled import (
    COMMAND,
    INDEX,
    LABELLED_SCHEMA,
    LABELS,
    SIZES,
    Captioned,
    LabelPacker,
    read_captioned,
)
from pipeline.records import MINED_SCHEMA, RowWriter
from tests.factories import Captions, write_mined
from vocab.errors import InputError
from vocab.graph import Tag
from vocab.vocabulary import Entry, Vocabulary

DOG, PARK, RUN = Tag("object", "dog"), Tag("scene", "park"), Tag("action", "run")
VOCABULARY = Vocabulary(
    (Entry(DOG, aliases=(Tag("object", "puppy"),)), Entry(PARK), Entry(RUN)),
    dropped=frozenset({Tag("object", "photo")}),
)
WORDS = ("dog", "puppy", "park", "run", "photo", "unknown")
TAGS = st.lists(st.tuples(st.sampled_from(("object", "scene", "action")), st.sampled_from(WORDS)))


def mined(folder: Path, images: list[tuple[str, Captions]]) -> str:
    return str(write_mined(folder / "mined", [images], source="coco") / "00000.parquet")


def test_captions_of_an_image_come_together_with_their_classes(tmp_path: Path) -> None:
    path = mined(
        tmp_path,
        [
            (
                "a.jpg",
                [("A puppy runs", [RUN, ("object", "puppy")]), ("A photo", [("object", "photo")])],
            ),
            ("b.jpg", [("Dogs in a park", [("object", "dogs"), PARK, DOG])]),
        ],
    )
    assert read_captioned(path, VOCABULARY) == [
        Captioned("coco-000000000", "coco", "a.jpg", ("A puppy runs", "A photo"), ((0, 2), ())),
        Captioned("coco-000000001", "coco", "b.jpg", ("Dogs in a park",), ((0, 1),)),
    ]


def test_rows_of_a_key_that_lie_apart_are_joined_and_keys_sorted(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    with RowWriter(path, MINED_SCHEMA) as writer:
        for key, caption in (("s-000000002", "b"), ("s-000000001", "a"), ("s-000000002", "c")):
            writer.write(
                {
                    "key": key, "source": "s", "image": "i", "caption_index": 0, "caption": caption,
                    "graph": {"entities": [], "relations": []}, "tags": [],
                }
            )  # fmt: skip
    found = read_captioned(str(path), VOCABULARY)
    assert [(c.key, c.captions) for c in found] == [
        ("s-000000001", ("a",)),
        ("s-000000002", ("b", "c")),
    ]


@given(st.lists(TAGS, min_size=1, max_size=30))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
def test_classes_are_what_the_vocabulary_encodes(tmp_path: Path, tags: list[list[Tag]]) -> None:
    path = mined(tmp_path / str(hash(str(tags))), [("a.jpg", [("c", row) for row in tags])])
    (found,) = read_captioned(path, VOCABULARY)
    expected = [VOCABULARY.encode(Tag(*tag) for tag in row) for row in tags]
    assert [list(ids) for ids in found.tags] == expected


def test_more_rows_than_a_batch_keep_their_tags(tmp_path: Path) -> None:
    captions = [(f"c{n}", [(DOG, PARK, RUN)[n % 3]] * (n % 4)) for n in range(9000)]
    (found,) = read_captioned(mined(tmp_path, [("a.jpg", captions)]), VOCABULARY)
    assert found.tags == tuple((n % 3,) if n % 4 else () for n in range(9000))


@pytest.mark.parametrize("key", ["coco-1", "a/../b-000000001", "a.b-000000001", "", "é-000000001"])
def test_what_is_no_key_costs_the_shard(tmp_path: Path, key: str) -> None:
    path = tmp_path / "x.parquet"
    with RowWriter(path, MINED_SCHEMA) as writer:
        writer.write(
            {
                "key": key, "source": "s", "image": "i", "caption_index": 0, "caption": "c",
                "graph": {"entities": [], "relations": []}, "tags": [],
            }
        )  # fmt: skip
    with pytest.raises(InputError, match="no sample key"):
        read_captioned(str(path), VOCABULARY)


def test_an_empty_shard_has_no_images(tmp_path: Path) -> None:
    assert read_captioned(mined(tmp_path, []), VOCABULARY) == []


def test_json_holds_captions_and_classes_as_they_are() -> None:
    captioned = Captioned("s-000000001", "s", 'a"b.jpg', ("café\n\u2028", "<b>"), ((0, 2), ()))
    assert json.loads(captioned.to_json()) == {
        "captions": ["café\n\u2028", "<b>"],
        "tags": [[0, 2], []],
        "source": "s",
        "url": 'a"b.jpg',
    }


@given(st.sets(st.integers(0, 2)))
def test_packed_labels_are_a_numpy_file(ids: set[int]) -> None:
    packed = np.load(io.BytesIO(LabelPacker(VOCABULARY).pack(ids)))
    assert (packed.dtype, packed.shape) == (np.uint8, (1,))
    assert set(VOCABULARY.unpack(packed)) == ids


@given(st.lists(st.frozensets(st.integers(0, 99))))
def test_labels_are_the_sorted_union(tags: list[frozenset[int]]) -> None:
    ids = tuple(tuple(sorted(row)) for row in tags)
    labels = Captioned("k", "s", "i", ("c",) * len(tags), ids).labels()
    assert labels == sorted(frozenset().union(*tags))


def test_what_readers_elsewhere_rely_on_keeps_its_name_and_type() -> None:
    assert (LABELS, INDEX, SIZES, COMMAND) == ("labels.npy", ".index", "sizes.json", "shards")
    columns = {field.name: str(field.type) for field in LABELLED_SCHEMA}
    assert columns == {
        "key": "string",
        "url": "string",
        "width": "int32",
        "height": "int32",
        "captions": "list<item: string>",
        "tags": "list<item: int32>",
        "format": "string",
        "bytes": "int32",
    }
    assert not any(field.nullable for field in LABELLED_SCHEMA)
