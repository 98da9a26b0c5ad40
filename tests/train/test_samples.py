import json
import pickle
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from model.tokenizer import Tokens
from tests.model.tiny import tiny_vocabulary
from tests.pictures import picture
from tests.train.labelled import CAPTIONS, TAGS, maker, text
from train.samples import Batch, image_key, parse
from train.shards import BadSampleError, Raw

NAMES = [tag.tag for tag in tiny_vocabulary().tags]
RAW = Raw("s-000000001", picture(size=(60, 40)), text())


def test_a_caption_comes_with_its_own_tags_and_the_labels_of_all() -> None:
    seen = set()
    for epoch in range(40):
        sample = maker().sample(RAW, epoch)
        place = CAPTIONS.index(sample.caption)
        assert sorted(sample.tags) == sorted({NAMES[index] for index in TAGS[place]})
        assert sample.labels == sorted(set().union(*TAGS))
        seen.add((place, tuple(sample.tags)))
    assert {place for place, _ in seen} == {0, 1, 2}
    assert len(seen) > 6  # the tags' order is drawn too


def test_a_name_of_two_kinds_guides_once() -> None:
    assert NAMES[2] == NAMES[8] == "orange"
    raw = RAW._replace(text=text(["orange"], [[2, 8]]))
    assert maker().sample(raw, 0).tags == ["orange"]


def test_a_sample_is_a_function_of_seed_epoch_and_key() -> None:
    one, again = maker().sample(RAW, 3), maker().sample(RAW, 3)
    assert torch.equal(one.pixels, again.pixels)
    assert one[2:] == again[2:]
    for other in (
        maker().sample(RAW, 4),
        maker(seed=1).sample(RAW, 3),
        maker().sample(RAW._replace(key="s-000000002"), 3),
    ):
        assert not torch.equal(one.pixels, other.pixels)


@pytest.mark.parametrize(
    ("caption", "flips"),
    [
        ("a dog left of a cat", False),
        ("the Right-hand side", False),
        ("the leftmost dog", False),
        ("a bright cleft", True),
        ("a dog", True),
    ],
)
def test_an_image_is_not_mirrored_under_a_caption_that_says_a_side(
    caption: str, flips: bool
) -> None:
    raw = RAW._replace(text=text([caption], [[1]]))
    green = [maker(augmented=False).sample(raw, n).pixels[..., 1].float() for n in range(60)]
    grows = [bool(pixels[:, -1].mean() > pixels[:, 0].mean()) for pixels in green]
    assert (len(set(grows)) == 2) == flips


def test_without_augmentation_the_whole_image_is_seen() -> None:
    raw = RAW._replace(text=text(["a dog on the left"], [[1]]))  # which may not be mirrored
    seen = maker(training=False).sample(raw, 0).pixels
    assert all(torch.equal(maker(augmented=False).sample(raw, n).pixels, seen) for n in range(9))
    assert not all(torch.equal(maker().sample(raw, n).pixels, seen) for n in range(9))


def test_without_training_nothing_is_drawn() -> None:
    sample = maker(training=False).sample(RAW, 0)
    assert sample.caption == CAPTIONS[0]
    assert sample.tags == [NAMES[index] for index in TAGS[0]]
    assert torch.equal(sample.pixels, maker(training=False, seed=5).sample(RAW, 9).pixels)


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        (b"\xff", "broken_json"),
        (b"[]", "broken_json"),
        (b"[" * 100_000, "broken_json"),
        (b'{"captions": ["a"]}', "broken_json"),
        (b'{"captions": "a", "tags": [[1]]}', "broken_json"),
        (text([1], [[1]]), "broken_json"),  # type: ignore[list-item]
        (text([], []), "no_caption"),
        (text(["a"], []), "broken_labels"),
        (text(["a"], [[10]]), "broken_labels"),
        (text(["a"], [[-1]]), "broken_labels"),
        (text(["a"], [[True]]), "broken_labels"),
        (text(["a"], ["1"]), "broken_labels"),  # type: ignore[list-item]
    ],
)
def test_a_sample_that_cannot_be_used_has_a_cause(changed: bytes, cause: str) -> None:
    with pytest.raises(BadSampleError) as caught:
        maker().sample(RAW._replace(text=changed), 0)
    assert caught.value.cause == cause


def test_an_image_that_cannot_be_used_has_a_cause() -> None:
    for training in (True, False):
        with pytest.raises(BadSampleError) as caught:
            maker(training=training).sample(RAW._replace(image=b"\xff\xd8 no"), 0)
        assert caught.value.cause == "broken_image"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["captions", "tags", "x"]), inner, max_size=3)
    ),
)


@given(JSON)
def test_whatever_the_json_holds_is_used_or_refused(value: Any) -> None:
    try:
        captions, tags = parse(json.dumps(value).encode(), 10)
    except BadSampleError:
        return
    assert captions and len(captions) == len(tags)


@given(st.lists(st.sets(st.integers(0, 9)), max_size=6))
def test_ragged_labels_become_dense(rows: list[set[int]]) -> None:
    raws = [RAW._replace(key=f"s-{n:09d}", text=text(["a"], [sorted(row)])) for n, row in
            enumerate(rows)]  # fmt: skip
    batch = made(raws)
    dense = batch.labels(10)
    assert dense.shape == (len(rows), 10)
    assert [set(row.nonzero().flatten().tolist()) for row in dense] == rows


def made(raws: list[Raw]) -> Batch:
    samples = [maker(training=False).sample(raw, 0) for raw in raws]
    return maker(training=False).batch(samples, epoch=2, number=3, bad={"moved": 1})


def test_a_batch_holds_what_each_task_reads() -> None:
    batch = made([RAW, RAW._replace(key="s-000000002", text=text(CAPTIONS[1:], TAGS[1:]))])
    tokenizer = maker().tokenizer
    assert (tuple(batch.images.shape), batch.images.dtype) == ((2, 3, 32, 32), torch.uint8)
    assert batch.sentences == CAPTIONS[:2]
    assert (batch.captions.ids[:, 0] == tokenizer.dec).all()
    assert (batch.texts.ids[:, 0] == tokenizer.cls).all()
    assert (batch.tags.ids[:, 0] == tokenizer.enc).all()
    assert [tokenizer.decode(ids) for ids in batch.captions.ids.tolist()] == [
        f"a picture of {caption}" for caption in CAPTIONS[:2]
    ]
    assert batch.union.rows.tolist() == [0] * 7 + [1] * 5
    assert batch.image_keys.tolist() == [image_key(f"s-00000000{n}") for n in (1, 2)]
    assert (len(batch), batch.epoch, batch.number, batch.bad) == (2, 2, 3, {"moved": 1})


def test_a_batch_moves_whole() -> None:
    batch = made([RAW]).to("meta")
    assert batch.images.device.type == batch.union.ids.device.type == "meta"
    assert isinstance(batch.tags, Tokens) and batch.tags.mask.device.type == "meta"
    assert batch.keys == ("s-000000001",)


def test_image_keys_are_told_apart_and_not_negative() -> None:
    keys = {image_key(f"cc3m-{n:09d}") for n in range(20_000)}
    assert len(keys) == 20_000
    assert all(0 <= key < 1 << 63 for key in keys)


def test_a_batch_comes_whole_from_another_process() -> None:
    batch = made([RAW, RAW._replace(key="s-000000002")])
    copy = pickle.loads(pickle.dumps(batch))
    assert copy.images.stride() == batch.images.stride()
    for one in ("images", "image_keys"):
        assert torch.equal(getattr(copy, one), getattr(batch, one))
    for many in ("captions", "texts", "tags", "union"):
        assert type(getattr(copy, many)) is type(getattr(batch, many))
        assert all(map(torch.equal, getattr(copy, many), getattr(batch, many)))
    assert (copy.keys, copy.sentences) == (batch.keys, batch.sentences)
    assert (copy.epoch, copy.number, copy.bad) == (2, 3, {"moved": 1})
