"""The images of a class that several candidates make up: the size of their union, not the sum."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import storage
from pipeline.job import read_completed, read_info
from pipeline.records import MINED_SCHEMA, PARQUET, read_batches
from pipeline.shard import list_stems
from vocab.candidates import Candidates, weighted
from vocab.errors import InputError
from vocab.graph import Tag
from vocab.keys import key_of

Members = frozenset[Tag]


def count_unions(
    mined: Sequence[str],
    classes: Collection[Members],
    candidates: Candidates,
    weights: Mapping[str, float],
) -> dict[Members, int]:
    """Return the images of each class: distinct in each source, weighted as the candidates were.

    ``mined`` are the finished directories that the candidates were counted over, one a source;
    ``classes`` are sets of candidates, no candidate in two of them. One pass, a shard in memory.

    Raises:
        InputError: the directories or the weights are not those of the candidates.
    """
    directories = _by_source(mined, candidates.sources)
    _refuse_other_weights(classes, candidates, weights)
    order = list(classes)
    owner = {key_of(tag): index for index, tags in enumerate(order) for tag in tags}
    images: dict[int, Counter[str]] = defaultdict(Counter)
    for source, directory in directories.items():
        for shard in _shards(directory):
            for index, count in _count(shard, owner):
                images[index][source] += count
    return {tags: weighted(images[index], weights) for index, tags in enumerate(order)}


def _by_source(mined: Iterable[str], sources: Collection[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for directory in mined:
        read_completed(directory, "mine")
        source = str(read_info(directory)["config"].get("source", ""))
        if source in found or source not in sources:
            what = "given twice" if source in found else "no source of the candidates"
            raise InputError(f"{directory}: source {source} is {what}; leave it out")
        found[source] = directory
    if missing := sorted(set(sources) - set(found)):
        raise InputError(
            f"the candidates were counted over {missing[0]}, too ({len(missing)} sources are "
            "missing); give every mined directory with --mined"
        )
    return found


def _refuse_other_weights(
    classes: Iterable[Members], candidates: Candidates, weights: Mapping[str, float]
) -> None:
    merged = {tag for tags in classes for tag in tags}
    for row in candidates.rows:
        if row.key in merged and weighted(row.sources, weights) != row.images:
            raise InputError(
                f"{key_of(row.key)} has {weighted(row.sources, weights):,} images by the weights "
                f"given, {row.images:,} in the candidates; set [weights] of project.toml to those "
                "of `tag2text count` (info.json beside counts.parquet names them)"
            )


def _shards(directory: str) -> Iterator[pa.Table]:
    for stem in list_stems(directory):
        batches = read_batches(
            storage.join(directory, stem + PARQUET),
            ["key", "tags"],
            batch_rows=65_536,
            schema=MINED_SCHEMA,
        )
        if found := list(batches):
            yield pa.Table.from_batches(found).combine_chunks()


def _count(shard: pa.Table, owner: Mapping[str, int]) -> list[tuple[int, int]]:
    """Return ``(class, its images)`` of one shard, which holds all captions of its images."""
    tags = pc.list_flatten(shard["tags"])
    row = pc.list_parent_indices(shard["tags"])
    keys = pc.binary_join_element_wise(
        pc.struct_field(tags, "kind"), pc.struct_field(tags, "tag"), ":"
    )
    known = pa.array(owner, pa.string())
    position = pc.index_in(keys, value_set=known)
    hit = pc.is_valid(position)
    classes = pc.take(pa.array(owner.values(), pa.int64()), pc.filter(position, hit))
    image = pc.take(shard["key"], pc.filter(row, hit))
    distinct = pa.table({"class": classes, "image": image}).group_by(["class", "image"])
    counted = distinct.aggregate([]).group_by("class").aggregate([([], "count_all")])
    return list(zip(*(counted[name].to_pylist() for name in ("class", "count_all")), strict=True))
