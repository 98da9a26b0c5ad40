"""Mining: one mined row a caption, in order; what cannot be mined is set aside, not lost."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.mine import MineConfig, mine, mine_rows, refuse
from pipeline.records import ManifestRow, read_rows
from pipeline.shard import ShardOutput
from tests.factories import write_manifest
from vocab.errors import InputError
from vocab.graph import Entity, SceneGraph, Tag

IMAGES = [
    ("a.jpg", ["A woman is playing the piano in the room.", "a piano"]),
    ("b.jpg", ["Một người đàn ông đang đứng trên đá của đỉnh núi", "Two Dogs Running On A Beach"]),
    ("c.jpg", ["12345 !!"]),
    ("d.jpg", ["the sky is blue"]),
]


class Echo:
    """A parser that looks a few captions ahead, as batching does, and tags each with itself."""

    name, version = "echo", "1"

    def parse(self, captions: Iterable[str]) -> Iterator[SceneGraph]:
        source = iter(captions)
        while batch := list(islice(source, 3)):
            for caption in batch:
                yield SceneGraph((Entity(caption),), (), (Tag("object", caption),))


@given(st.lists(st.lists(st.sampled_from(["a dog", "the cat", "??"]), max_size=4), max_size=9))
def test_every_caption_becomes_one_row_in_order_or_is_set_aside(images: list[list[str]]) -> None:
    rows = [ManifestRow(f"s-{i:09d}", "s", "", tuple(c)) for i, c in enumerate(images)]
    output = ShardOutput("unused", "00000", "mine", {})
    mined = list(mine_rows(rows, Echo(), output))
    expected = [(r.key, i, c) for r in rows for i, c in enumerate(r.captions) if c != "??"]
    assert [(m["key"], m["caption_index"], m["caption"]) for m in mined] == expected
    assert [m["tags"] for m in mined] == [[{"kind": "object", "tag": c}] for _, _, c in expected]
    assert output.rows == len(expected)
    assert output.rows_in == sum(map(len, images))
    assert output.counts["images"] == len({key for key, _, _ in expected})


@pytest.mark.parametrize(
    ("caption", "reason"),
    [
        ("a dog", None),
        ("!! 123 ??", "no_words"),
        ("", "no_words"),
        ("Một người đàn ông", "not_english"),
    ],
)
def test_refuse(caption: str, reason: str | None) -> None:
    assert refuse(caption) == reason


def tags_of(path: Path) -> dict[tuple[str, int], list[tuple[str, str]]]:
    rows = read_rows(str(path))
    return {
        (r["key"], r["caption_index"]): [(t["kind"], t["tag"]) for t in r["tags"]] for r in rows
    }


def test_mine_end_to_end(tmp_path: Path) -> None:
    write_manifest(tmp_path / "manifest", IMAGES, source="web", shard_rows=3)
    config = MineConfig(
        manifest=str(tmp_path / "manifest"), output=str(tmp_path / "mined"), max_bad_ratio=0.5
    )
    summary = mine(config)
    assert (summary.shards, summary.rows_in, summary.rows) == (2, 6, 4)
    assert summary.bad == {"not_english": 1, "no_words": 1}
    tags = tags_of(tmp_path / "mined/00000.parquet")
    assert set(tags[("web-000000000", 0)]) == {
        ("object", "woman"),
        ("action", "play"),
        ("object", "piano"),
        ("scene", "room"),
    }
    assert ("web-000000001", 1) in tags
    assert {("object", "dog"), ("action", "run"), ("scene", "beach")} <= set(
        tags[("web-000000001", 1)]
    )
    bad = [json.loads(line) for line in (tmp_path / "mined/bad/00000.jsonl").open()]
    assert [(b["key"], b["reason"]) for b in bad] == [
        ("web-000000001", "not_english"),
        ("web-000000002", "no_words"),
    ]
    last = tags_of(tmp_path / "mined/00001.parquet")[("web-000000003", 0)]
    assert ("attribute", "blue") in last


def test_sng_goes_through_the_same_job(tmp_path: Path) -> None:
    write_manifest(tmp_path / "manifest", IMAGES[:1], source="web", shard_rows=3)
    config = MineConfig(
        manifest=str(tmp_path / "manifest"), output=str(tmp_path / "mined"), parser="sng"
    )
    assert mine(config).rows == 2
    tags = tags_of(tmp_path / "mined/00000.parquet")[("web-000000000", 0)]
    assert {("object", "woman"), ("object", "piano"), ("action", "play")} <= set(tags)


def test_another_parser_in_the_same_directory_is_refused(tmp_path: Path) -> None:
    write_manifest(tmp_path / "manifest", IMAGES[:1], source="web", shard_rows=3)
    paths = {"manifest": str(tmp_path / "manifest"), "output": str(tmp_path / "mined")}
    mine(MineConfig(**paths))
    with pytest.raises(InputError, match="parser was 'rules', now 'sng'"):
        mine(MineConfig(**paths, parser="sng"))


def test_an_unknown_parser_is_refused() -> None:
    with pytest.raises(InputError, match="choose one of rules, sng"):
        MineConfig(manifest="a", output="b", parser="spice")  # type: ignore[arg-type]


def test_a_rerun_makes_only_what_is_missing(tmp_path: Path) -> None:
    write_manifest(tmp_path / "manifest", IMAGES, source="web", shard_rows=1)
    config = MineConfig(
        manifest=str(tmp_path / "manifest"), output=str(tmp_path / "mined"), max_bad_ratio=0.5
    )
    mine(config)
    mined = tmp_path / "mined"
    before = {p.name: (p.stat().st_mtime_ns, p.read_bytes()) for p in mined.glob("0*")}
    (mined / "00001_stats.json").unlink()
    mine(config)
    after = {p.name: (p.stat().st_mtime_ns, p.read_bytes()) for p in mined.glob("0*")}
    assert {n: content for n, (_, content) in before.items()} == {
        n: content for n, (_, content) in after.items()
    }
    renewed = {name for name in after if after[name][0] != before[name][0]}
    assert renewed == {"00001.parquet", "00001_stats.json"}


def test_a_torn_manifest_shard_costs_that_shard_and_is_named(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path / "manifest", IMAGES, source="web", shard_rows=2)
    (manifest / "00000.parquet").write_bytes(b"PAR1 torn")
    config = MineConfig(manifest=str(manifest), output=str(tmp_path / "mined"), max_bad_ratio=0.9)
    with pytest.raises(InputError, match=r"1 of 2 shards failed, first 00000: .*not readable"):
        mine(config)
    assert (tmp_path / "mined/00001.parquet").exists()
    assert not (tmp_path / "mined/COMPLETED").exists()
