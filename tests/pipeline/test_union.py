"""A merged class has the union of its members' images, weighted as the candidates were."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.count import Selection, add_up, count_shard, from_ipc, select_candidates
from pipeline.union import count_unions
from tests.factories import write_mined
from vocab.candidates import Candidates, read_candidates, write_candidates
from vocab.errors import InputError
from vocab.graph import Tag

PLANE, AIRPLANE, JET, DOG = (Tag("object", name) for name in ("plane", "airplane", "jet", "dog"))
WEIGHTS = {"coco": 3.5}

tags = st.lists(st.sampled_from([PLANE, AIRPLANE, JET, DOG]), max_size=3)
images = st.lists(st.lists(tags, min_size=1, max_size=2), min_size=1, max_size=5)


def corpora(root: Path, captions: dict[str, list[list[list[Tag]]]]) -> list[str]:
    """One mined directory a source, two images a shard; an image is a list of captions' tags."""
    made = []
    for source, pictures in captions.items():
        rows = [(f"{n}.jpg", [("", caption) for caption in p]) for n, p in enumerate(pictures)]
        shards = [rows[start : start + 2] for start in range(0, len(rows), 2)]
        made.append(str(write_mined(root / source, shards, source=source)))
    return made


def counted(root: Path, mined: list[str]) -> Candidates:
    """What `count` makes of the directories, without Beam."""
    shards = [(Path(path).name, shard) for path in mined for shard in Path(path).glob("0*.parquet")]
    counts = add_up(from_ipc(count_shard(source, str(shard))) for source, shard in shards)
    write_candidates(root / "c.tsv", select_candidates(counts, Selection(weights=WEIGHTS)))
    return read_candidates(root / "c.tsv")


TWO = {
    "coco": [[[PLANE, AIRPLANE], [PLANE]], [[PLANE]], [[AIRPLANE], [JET, DOG]]],
    "vg": [[[JET]], [[DOG]], [[PLANE], [JET]], [[]]],
}


@pytest.fixture
def mined(tmp_path: Path) -> list[str]:
    return corpora(tmp_path, TWO)


def test_an_image_counts_once_for_a_class_whatever_members_it_has(
    tmp_path: Path, mined: list[str]
) -> None:
    candidates = counted(tmp_path, mined)
    planes = frozenset((PLANE, AIRPLANE, JET))
    found = count_unions(mined, [planes, frozenset([DOG])], candidates, WEIGHTS)
    assert found == {planes: round(3 * 3.5 + 2), frozenset([DOG]): round(1 * 3.5 + 1)}


@settings(max_examples=15, deadline=None)
@given(images, images)
def test_the_union_of_all_is_every_image_with_a_tag_and_one_alone_is_itself(
    tmp_path_factory: pytest.TempPathFactory,
    first: list[list[list[Tag]]],
    second: list[list[list[Tag]]],
) -> None:
    root = tmp_path_factory.mktemp("u")
    mined = corpora(root, {"coco": [*first, [[DOG]]], "vg": [*second, [[DOG]]]})
    candidates = counted(root, mined)
    images = {row.key: row.images for row in candidates.rows}
    whole = frozenset(images)
    assert (
        count_unions(mined, [frozenset([DOG])], candidates, WEIGHTS)[frozenset([DOG])]
        == (images[DOG])
    )
    union = count_unions(mined, [whole], candidates, WEIGHTS)[whole]
    assert max(images.values()) <= union
    tagged = [sum(any(picture) for picture in pictures) for pictures in (first, second)]
    assert union == round(3.5 * (tagged[0] + 1) + tagged[1] + 1)


def test_other_weights_than_those_of_the_candidates_are_refused(
    tmp_path: Path, mined: list[str]
) -> None:
    candidates = counted(tmp_path, mined)
    message = "object:dog has 2 images by the weights given, 4 in the candidates; set [weights]"
    with pytest.raises(InputError, match=re.escape(message)):
        count_unions(mined, [frozenset([DOG])], candidates, {})


def test_other_directories_than_those_of_the_candidates_are_refused(
    tmp_path: Path, mined: list[str]
) -> None:
    candidates = counted(tmp_path, mined)
    classes = [frozenset([DOG])]
    with pytest.raises(InputError, match=r"counted over vg, too \(1 sources are missing\)"):
        count_unions(mined[:1], classes, candidates, WEIGHTS)
    with pytest.raises(InputError, match="source vg is given twice; leave it out"):
        count_unions([*mined, mined[1]], classes, candidates, WEIGHTS)
    other = corpora(tmp_path / "other", {"sbu": TWO["vg"]})
    with pytest.raises(InputError, match="source sbu is no source of the candidates"):
        count_unions([*mined, *other], classes, candidates, WEIGHTS)


def test_a_directory_that_is_not_finished_is_refused(tmp_path: Path, mined: list[str]) -> None:
    candidates = counted(tmp_path, mined)
    (Path(mined[1]) / "COMPLETED").unlink()
    with pytest.raises(InputError, match=re.escape(mined[1])):
        count_unions(mined, [frozenset([DOG])], candidates, WEIGHTS)
