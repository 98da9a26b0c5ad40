"""Counting: distinct images, per (kind, tag), whatever the grouping of the shards."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.count import (
    COUNTS_SCHEMA,
    AddUp,
    CountConfig,
    Selection,
    add_up,
    count,
    count_table,
    from_ipc,
    read_counts,
    select_candidates,
    to_ipc,
)
from pipeline.records import MINED_SCHEMA
from tests.factories import write_mined
from vocab.errors import InputError
from vocab.graph import KINDS

DOG, RUN, BEACH = ("object", "dog"), ("action", "run"), ("scene", "beach")

tags = st.lists(st.tuples(st.sampled_from(KINDS), st.sampled_from("abc")), max_size=4, unique=True)
images = st.lists(st.lists(tags, min_size=1, max_size=3), max_size=6)


def mined_table(rows: list[list[list[tuple[str, str]]]]) -> pa.Table:
    """A mined table of images, each a list of captions, each a list of tags."""
    listed = [
        {"key": f"s-{i:09d}", "tags": [{"kind": k, "tag": t} for k, t in caption]}
        for i, captions in enumerate(rows)
        for caption in captions
    ]
    fields = [MINED_SCHEMA.field(name) for name in ("key", "tags")]
    return pa.Table.from_pylist(listed, schema=pa.schema(fields))


def as_dict(table: pa.Table) -> dict[tuple[str, str], tuple[int, int]]:
    return {(r["kind"], r["tag"]): (r["images"], r["captions"]) for r in table.to_pylist()}


def test_an_image_counts_once_however_many_captions_say_it() -> None:
    table = mined_table([[[DOG, RUN], [DOG]], [[DOG, BEACH]], [[]]])
    assert as_dict(count_table(table, "coco")) == {DOG: (2, 3), RUN: (1, 1), BEACH: (1, 1)}


def test_the_same_word_of_two_kinds_stays_two_tags() -> None:
    table = mined_table([[[("object", "brush"), ("action", "brush")]]])
    assert as_dict(count_table(table, "coco")) == {
        ("object", "brush"): (1, 1),
        ("action", "brush"): (1, 1),
    }


def test_a_shard_without_tags_gives_an_empty_table() -> None:
    assert count_table(mined_table([[[]]]), "coco").num_rows == 0
    assert count_table(mined_table([]), "coco").schema == COUNTS_SCHEMA


@given(images)
def test_counts_equal_a_plain_loop(rows: list[list[list[tuple[str, str]]]]) -> None:
    by_image = Counter(t for captions in rows for t in {t for c in captions for t in c})
    by_caption = Counter(t for captions in rows for c in captions for t in c)
    counted = as_dict(count_table(mined_table(rows), "coco"))
    assert counted == {t: (by_image[t], by_caption[t]) for t in by_image}


@given(st.lists(images, min_size=1, max_size=5), st.randoms())
def test_the_combine_does_not_depend_on_order_or_grouping(shards: list, random: object) -> None:
    tables = [to_ipc(count_table(mined_table(shard), "coco")) for shard in shards]
    whole = as_dict(add_up(map(from_ipc, tables)))
    random.shuffle(tables)  # type: ignore[attr-defined]
    cut = random.randint(0, len(tables))  # type: ignore[attr-defined]
    combine = AddUp()
    parts = []
    for part in (tables[:cut], tables[cut:]):
        accumulator = combine.create_accumulator()
        for table in part:
            accumulator = combine.add_input(accumulator, table)
        parts.append(accumulator)
    merged = combine.extract_output(combine.merge_accumulators(parts))
    assert as_dict(from_ipc(merged)) == whole


def test_many_shards_are_compacted_without_loss() -> None:
    table = to_ipc(count_table(mined_table([[[DOG]]]), "coco"))
    combine = AddUp()
    accumulator = combine.create_accumulator()
    for _ in range(100):
        accumulator = combine.add_input(accumulator, table)
    assert len(accumulator) < 50
    assert as_dict(from_ipc(combine.extract_output(accumulator))) == {DOG: (100, 100)}


def two_sources(tmp_path: Path) -> tuple[str, str]:
    coco = [[("a.jpg", [("a dog", [DOG]), ("dog runs", [DOG, RUN])])], [("b.jpg", [("", [DOG])])]]
    web = [[("c.jpg", [("beach", [BEACH])]), ("d.jpg", [("beach", [BEACH])])]]
    write_mined(tmp_path / "coco", coco, source="coco")
    write_mined(tmp_path / "web", web, source="web")
    return str(tmp_path / "coco"), str(tmp_path / "web")


def test_count_writes_candidates_and_counts(tmp_path: Path) -> None:
    config = CountConfig(mined=two_sources(tmp_path), output=str(tmp_path / "counts"))
    summary = count(config)
    assert summary.rows == 3
    assert (tmp_path / "counts/candidates.tsv").read_text() == (
        "rank\tkind\ttag\timages\tcaptions\tcoco\tweb\n"
        "1\tobject\tdog\t2\t3\t2\t0\n"
        "2\tscene\tbeach\t2\t2\t0\t2\n"
        "3\taction\trun\t1\t1\t1\t0\n"
    )
    assert read_counts(str(tmp_path / "counts/counts.parquet")).num_rows == 3


def test_a_rerun_of_a_finished_count_writes_nothing(tmp_path: Path) -> None:
    config = CountConfig(mined=two_sources(tmp_path), output=str(tmp_path / "counts"))
    count(config)
    before = (tmp_path / "counts/candidates.tsv").stat().st_mtime_ns
    count(config)
    assert (tmp_path / "counts/candidates.tsv").stat().st_mtime_ns == before


def test_weights_and_quotas_shape_the_selection(tmp_path: Path) -> None:
    selection = Selection(top=2, quotas={"action": 1}, weights={"web": 3.0})
    config = CountConfig(
        mined=two_sources(tmp_path), output=str(tmp_path / "counts"), selection=selection
    )
    count(config)
    rows = (tmp_path / "counts/candidates.tsv").read_text().splitlines()[1:]
    assert rows == ["1\tscene\tbeach\t6\t6\t0\t2", "2\taction\trun\t1\t1\t1\t0"]


def test_the_same_source_twice_is_refused(tmp_path: Path) -> None:
    coco, _ = two_sources(tmp_path)
    with pytest.raises(InputError, match="source coco is also in"):
        count(CountConfig(mined=(coco, coco), output=str(tmp_path / "counts")))


def test_an_unfinished_mined_directory_is_refused(tmp_path: Path) -> None:
    coco, web = two_sources(tmp_path)
    (Path(web) / "COMPLETED").unlink()
    with pytest.raises(InputError, match="not finished"):
        count(CountConfig(mined=(coco, web), output=str(tmp_path / "counts")))


def test_a_weight_for_a_source_that_was_not_counted_is_refused(tmp_path: Path) -> None:
    table = count_table(mined_table([[[DOG]]]), "coco")
    with pytest.raises(InputError, match="sbu"):
        select_candidates(table, Selection(weights={"sbu": 2.0}))


def test_read_counts_names_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_counts(str(tmp_path / "none.parquet"))
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    with pytest.raises(InputError, match="not a table of counts"):
        read_counts(str(tmp_path / "other.parquet"))
    (tmp_path / "text.parquet").write_text("no parquet")
    with pytest.raises(InputError, match="not a table of counts"):
        read_counts(str(tmp_path / "text.parquet"))
