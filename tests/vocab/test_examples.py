import os
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vocab.candidates import Candidate, Candidates, write_candidates
from vocab.errors import InputError
from vocab.examples import Example, build_examples, cache_path, mined_shards, open_examples
from vocab.gather import clean_line
from vocab.graph import Tag

DOG, CAT, RED = Tag("object", "dog"), Tag("object", "cat"), Tag("attribute", "red")
Caption = tuple[str, str, str, list[Tag]]  # key, source, caption, tags


def candidates(*tags: Tag) -> Candidates:
    rows = [
        Candidate(n, *tag, 100 - n, 100, {"coco": 90, "vg": 10}) for n, tag in enumerate(tags, 1)
    ]
    return Candidates(tuple(rows), ("coco", "vg"), "1" * 64)


def mined(directory: Path, *captions: Caption, shard: int = 0) -> Path:
    """Write one shard in the form of the mined directories."""
    directory.mkdir(exist_ok=True)
    tag = pa.list_(pa.struct([("kind", pa.string()), ("tag", pa.string())]))
    names = ["key", "source", "caption", "tags"]
    schema = pa.schema([*((name, pa.string()) for name in names[:3]), ("tags", tag)])
    rows = [
        dict(zip(names, (*cells, [t._asdict() for t in tags]), strict=True))
        for *cells, tags in captions
    ]
    path = directory / f"{shard:05d}.parquet"
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path, row_group_size=7)
    return directory


def many(source: str, count: int, *tags: Tag, start: int = 0) -> list[Caption]:
    return [
        (f"{source}-{n:09d}", source, f"{source} shows something, number {n}", list(tags))
        for n in range(start, start + count)
    ]


Build = Callable[..., Path]


@pytest.fixture
def build(tmp_path: Path) -> Build:
    def run(*captions: Caption, tags: tuple[Tag, ...] = (DOG, CAT, RED), **options: int) -> Path:
        directory = mined(tmp_path / "mined", *captions)
        output = tmp_path / "examples.sqlite"
        build_examples([directory], candidates(*tags), output, **options)
        return output

    return run


def test_captions_of_a_tag(build: Build) -> None:
    path = build(
        ("coco-000000001", "coco", "a dog sleeps on the sofa", [DOG]),
        ("coco-000000002", "coco", "a red cat is in the garden", [RED, CAT]),
    )
    examples = open_examples(path)
    assert examples.captions(DOG, 5) == [
        Example("a dog sleeps on the sofa", "coco", "coco-000000001")
    ]
    assert examples.captions(RED, 5) == examples.captions(CAT, 5)
    assert examples.captions(Tag("scene", "dog"), 5) == []


def test_captions_come_in_pages(build: Build) -> None:
    examples = open_examples(build(*many("coco", 30, DOG), per_tag=12))
    whole = examples.captions(DOG, 100)
    assert len(whole) == 12
    assert examples.captions(DOG, 5, 5) == whole[5:10]
    assert examples.captions(DOG, 5, 20) == []


def test_an_image_stands_once_for_a_tag(build: Build) -> None:
    twice = [(key, *rest) for key, *rest in many("coco", 1, DOG) for _ in range(5)]
    assert len(open_examples(build(*map(tuple, twice))).captions(DOG, 10)) == 1


def test_sources_share_the_places_the_bigger_the_more(build: Build) -> None:
    path = build(*many("coco", 500, DOG), *many("vg", 500, DOG), per_tag=40)
    found = Counter(example.source for example in open_examples(path).captions(DOG, 40))
    assert found["coco"] == 30 and found["vg"] == 10  # as 3 to 1, the roots of 90 and 10


def test_short_captions_go_first(build: Build) -> None:
    captions = many("coco", 30, DOG)
    wordy = [(key, source, text * 12, tags) for key, source, text, tags in captions[:20]]
    texts = [e.text for e in open_examples(build(*wordy, *captions[20:])).captions(DOG, 30)]
    assert [len(text) < 90 for text in texts] == [True] * 10 + [False] * 20


def test_what_is_chosen_does_not_depend_on_the_order_of_the_shards(tmp_path: Path) -> None:
    rows = [*many("coco", 300, DOG, CAT), *many("vg", 300, DOG, RED)]
    found = []
    for name, parts in (("a", (rows[:100], rows[100:])), ("b", (rows[::-1], []))):
        for shard, part in enumerate(parts):
            mined(tmp_path / name, *part, shard=shard)
        output = tmp_path / f"{name}.sqlite"
        build_examples([tmp_path / name], candidates(DOG, CAT, RED), output, per_tag=10)
        found.append(open_examples(output).captions(DOG, 10))
    assert found[0] == found[1]


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    directory = mined(tmp_path / "mined", *many("coco", 200, DOG, RED), *many("vg", 9, CAT, RED))
    for name in "ab":
        build_examples([directory], candidates(DOG, CAT, RED), tmp_path / name, coverage_sample=50)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_whole_file_is_not_made_again(build: Build) -> None:
    path = build(*many("coco", 3, DOG))
    before = path.stat().st_mtime_ns
    build(*many("coco", 3, DOG))
    assert path.stat().st_mtime_ns == before


@pytest.mark.parametrize("content", [b"", b"no database", b"SQLite format 3\0" + b"x" * 4000])
def test_a_damaged_file_is_made_again(build: Build, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "examples.sqlite").write_bytes(content)
    with pytest.raises(InputError, match="examples"):
        open_examples(tmp_path / "examples.sqlite")
    assert len(open_examples(build(*many("coco", 3, DOG))).captions(DOG, 9)) == 3


def test_a_foreign_database_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "other") as database:
        database.execute("CREATE TABLE example (a)")
    with pytest.raises(InputError, match="not a file of examples"):
        open_examples(tmp_path / "other")
    with pytest.raises(InputError, match="no such file"):
        open_examples(tmp_path / "none")


def test_damage_found_late_shows_nothing_and_ends_nothing(build: Build) -> None:
    path = build(*many("coco", 400, DOG), per_tag=400)
    content = bytearray(path.read_bytes())
    content[8192:] = bytes(len(content) - 8192)
    path.write_bytes(content)
    examples = open_examples(path)
    assert examples.captions(DOG, 5) == []
    assert [*examples.coverage_rows()] == []


def test_reading_writes_nothing(build: Build) -> None:
    path = build(*many("coco", 3, DOG))
    path.chmod(0o444)
    open_examples(path).captions(DOG, 1)
    assert sorted(p.name for p in path.parent.iterdir() if p.name.startswith(path.name)) == [
        path.name,
        f"{path.name}.lock",
    ]


def test_the_coverage_sample_tells_candidates_from_other_tags(build: Build) -> None:
    path = build(
        ("coco-000000001", "coco", "a red dog and a zebra", [RED, DOG, Tag("object", "zebra")]),
        ("coco-000000002", "coco", "nothing", []),
    )
    rows = sorted(open_examples(path).coverage_rows(), key=lambda row: row.others)
    assert [(row.tags, row.others) for row in rows] == [((), 0), ((RED, DOG), 1)]


def test_the_coverage_sample_is_cut_and_spread(build: Build) -> None:
    path = build(*many("coco", 900, DOG), *many("vg", 900, CAT), coverage_sample=200)
    found = Counter(row.tags for row in open_examples(path).coverage_rows())
    assert sum(found.values()) == 200
    assert min(found.values()) > 60


def test_tags_of_the_same_company_are_similar(build: Build) -> None:
    tv, television, sofa, room, tree, leaf = (
        Tag("object", text) for text in "tv television sofa room tree leaf".split()
    )
    path = build(
        *many("coco", 20, tv, sofa, room),
        *many("coco", 20, television, sofa, room, start=100),
        *many("coco", 20, tree, leaf, start=200),
        tags=(tv, television, sofa, room, tree, leaf),
    )
    similar = dict(open_examples(path).similar(tv))
    assert max(similar, key=lambda tag: similar[tag]) == television
    assert similar[television] > 0.9
    assert tree not in similar and tv not in similar


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("plain text", "plain text"),
        ("two\nlines\r\n\tand  spaces ", "two lines and spaces"),
        ("\x1b[31mred\x1b[0m alert", "red alert"),
        ("\x1b]0;title\x07rest", "rest"),
        ("\x9b31mred", "red"),
        ("a\x00b\x07c", "a b c"),
        ("left \u202egnp.exe\u202c right", "left gnp.exe right"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("line\u2028separator", "line separator"),
        ("a [bold] caption", "a [bold] caption"),
        ("👩\u200d🚀 flies", "👩\u200d🚀 flies"),
        ("x" * 1000, "x" * 599 + "…"),
        ("", ""),
    ],
)
def test_a_caption_becomes_one_clean_line(raw: str, clean: str) -> None:
    assert clean_line(raw) == clean


def test_captions_are_cleaned_when_stored(build: Build) -> None:
    path = build(("web-000000001", "web", "\x1b[2Ja dog\n\u202e runs", [DOG]))
    assert [e.text for e in open_examples(path).captions(DOG, 1)] == ["a dog runs"]


def test_a_directory_without_shards_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no mined shards"):
        mined_shards([tmp_path])


@pytest.mark.parametrize("content", [b"", b"PAR1 not really PAR1"])
def test_a_shard_that_is_unreadable_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "00000.parquet").write_bytes(content)
    with pytest.raises(InputError, match=r"00000\.parquet: not readable"):
        build_examples([tmp_path], candidates(DOG), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert not [*tmp_path.glob("*.tmp")]


def test_a_shard_of_another_form_is_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"key": ["a"]}), tmp_path / "00000.parquet")
    with pytest.raises(InputError, match="no column"):
        build_examples([tmp_path], candidates(DOG), tmp_path / "out")


def test_the_cache_knows_its_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    directory = mined(tmp_path / "mined", *many("coco", 3, DOG))
    first = cache_path(candidates(DOG), [directory])
    assert first.parent == tmp_path / "cache" / "tag2text"
    assert cache_path(candidates(DOG), [directory]) == first
    os.utime(directory / "00000.parquet", ns=(1, 1))
    assert cache_path(candidates(DOG), [directory]) != first


def test_who_has_no_home_is_told_what_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody(key: int) -> None:
        raise KeyError(key)

    monkeypatch.delenv("HOME")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", nobody)
    directory = mined(tmp_path / "mined", *many("coco", 1, DOG))
    with pytest.raises(InputError, match="set XDG_CACHE_HOME"):
        cache_path(candidates(DOG), [directory])


def test_it_runs_as_a_program(tmp_path: Path) -> None:
    directory = mined(tmp_path / "mined", *many("coco", 3, DOG))
    write_candidates(tmp_path / "candidates.tsv", candidates(DOG).rows)
    command = [sys.executable, "-m", "vocab.examples", tmp_path / "candidates.tsv"]
    subprocess.run([*command, tmp_path / "out", directory], check=True)
    assert len(open_examples(tmp_path / "out").captions(DOG, 9)) == 3
    failed = subprocess.run(
        [*command, tmp_path / "other", tmp_path], capture_output=True, text=True, check=False
    )
    assert failed.returncode == 1
    assert failed.stderr.count("\n") == 1 and "no mined shards" in failed.stderr
