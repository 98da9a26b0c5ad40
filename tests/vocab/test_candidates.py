import hashlib
import itertools
import math
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vocab.candidates import (
    SLACK,
    Candidate,
    format_candidates,
    parse_quota,
    parse_weights,
    read_candidates,
    refuse_unknown_weights,
    select,
    write_candidates,
)
from vocab.errors import InputError
from vocab.graph import KINDS, Tag

COUNTS = [
    (Tag("object", "dog"), {"coco": (10, 30), "sbu": (4, 4)}),
    (Tag("scene", "beach"), {"sbu": (9, 9)}),
    (Tag("action", "run"), {"coco": (14, 20)}),
    (Tag("attribute", "red"), {"coco": (2, 2), "sbu": (3, 3)}),
    (Tag("object", "brush"), {"coco": (1, 1)}),
    (Tag("action", "brush"), {"coco": (1, 1)}),
]

texts = st.text("abc é", min_size=1, max_size=4).filter(lambda text: text == text.strip())
tags = st.builds(Tag, st.sampled_from(KINDS), texts)
numbers = st.tuples(st.integers(0, 30), st.integers(0, 90))
per_source = st.dictionaries(st.sampled_from(["coco", "sbu", "vg"]), numbers, min_size=1)
tables = st.dictionaries(tags, per_source, max_size=30).map(lambda table: list(table.items()))
quotas = st.dictionaries(st.sampled_from(KINDS), st.integers(0, 6))


def names(candidates):
    return [f"{c.kind}:{c.tag}" for c in candidates]


def test_the_most_frequent_come_first_and_ties_go_by_kind_and_tag():
    chosen = select(COUNTS, top=10)
    assert names(chosen) == [
        "action:run",
        "object:dog",
        "scene:beach",
        "attribute:red",
        "action:brush",
        "object:brush",
    ]
    assert [c.rank for c in chosen] == [1, 2, 3, 4, 5, 6]
    assert chosen[1] == Candidate(2, "object", "dog", 14, 34, {"coco": 10, "sbu": 4})


def test_weights_scale_a_source_in_the_order_but_not_in_its_column():
    chosen = select(COUNTS, top=2, weights={"sbu": 2.25, "coco": 0.5})
    assert names(chosen) == ["scene:beach", "object:dog"]
    assert (chosen[0].images, chosen[0].captions) == (20, 20)
    assert (chosen[1].images, chosen[1].captions) == (14, 24)
    assert chosen[1].sources == {"coco": 10, "sbu": 4}


def test_a_weighted_sum_is_exact_whatever_the_order_of_the_sources():
    sources = [("a", (1, 1)), ("b", (1, 1)), ("c", (1, 1))]
    weights = {"a": 0.2, "b": 0.6, "c": 0.7}  # 1.5, or a little less when added in another order
    for order in itertools.permutations(sources):
        assert select([(Tag("object", "dog"), dict(order))], top=1, weights=weights)[0].images == 2


def test_a_tag_needs_images_of_its_own_however_much_they_weigh():
    counts = [(Tag("object", "dog"), {"coco": (2, 2), "sbu": (1, 1)}),
              (Tag("object", "fad"), {"sbu": (2, 2)})]  # fmt: skip
    assert names(select(counts, top=9, weights={"sbu": 500.0}, min_images=3)) == ["object:dog"]
    both = select(counts, top=9, weights={"sbu": 500.0}, min_images=2)
    assert names(both) == ["object:fad", "object:dog"]


def test_a_source_that_weighs_nothing_brings_no_candidate():
    assert names(select(COUNTS, top=9, weights={"coco": 0})) == [
        "scene:beach",
        "object:dog",
        "attribute:red",
    ]


def test_a_quota_of_objects_covers_scenes_unless_scenes_have_their_own():
    assert names(select(COUNTS, top=9, quotas={"object": 1, "action": 0, "attribute": 0})) == [
        "object:dog"
    ]
    both = {"object": 1, "scene": 1, "action": 0, "attribute": 0}
    assert names(select(COUNTS, top=9, quotas=both)) == ["object:dog", "scene:beach"]


def test_a_quota_sets_places_aside_and_the_rest_go_by_rank():
    assert names(select(COUNTS, top=3, quotas={"attribute": 1})) == [
        "action:run",
        "object:dog",
        "attribute:red",
    ]


def test_every_source_has_a_column_even_where_no_chosen_tag_has_it():
    chosen = select(COUNTS, top=1)
    assert chosen[0].sources == {"coco": 14, "sbu": 0}


def test_pools_are_cut_while_counting_without_losing_the_best():
    counts = [(Tag("object", f"t{n}"), {"a": (n, n)}) for n in range(1, 3 * SLACK)]
    random.Random(0).shuffle(counts)
    assert [c.images for c in select(counts, top=5)] == [3 * SLACK - 1 - back for back in range(5)]


@pytest.mark.parametrize(
    "flags, message",
    [
        (
            {"quotas": {"objects": 3}},
            "unknown kind objects (known: object, scene, attribute, action)",
        ),
        ({"weights": {"cocoa": 3.0}}, "unknown source cocoa (known: coco, sbu)"),
    ],
)
def test_unknown_kinds_and_sources_are_refused_with_the_known_ones(flags, message):
    with pytest.raises(InputError, match="^" + re.escape(message)):
        select(COUNTS, top=3, **flags)


@given(tables, st.integers(1, 20), quotas, st.randoms())
def test_the_order_of_the_input_does_not_matter(table, top, quotas, random):
    weights = {"coco": 1.3} if any("coco" in sources for _, sources in table) else {}
    expected = select(table, top=top, quotas=quotas, weights=weights)
    shuffled = [(tag, dict(random.sample(list(s.items()), len(s)))) for tag, s in table]
    random.shuffle(shuffled)
    assert select(shuffled, top=top, quotas=quotas, weights=weights) == expected


@given(tables, st.integers(1, 20), quotas)
def test_quotas_and_top_bound_the_selection(table, top, quotas):
    chosen = select(table, top=top, quotas=quotas)
    assert len(chosen) <= top
    for kind, places in quotas.items():
        covered = {kind, "scene"} if kind == "object" and "scene" not in quotas else {kind}
        found = sum(c.kind in covered for c in chosen)
        available = sum(t.kind in covered and sum(n[0] for n in s.values()) > 0 for t, s in table)
        assert found <= places
        if top >= sum(quotas.values()):
            assert found == min(places, available)


@given(tables, st.integers(1, 20), st.integers(0, 10), quotas)
def test_a_larger_top_only_adds(table, top, more, quotas):
    small = select(table, top=top, quotas=quotas)
    large = select(table, top=top + more, quotas=quotas)
    assert {c.key for c in small} <= {c.key for c in large}
    kept = {c.key for c in small}
    assert [c.key for c in large if c.key in kept] == [c.key for c in small]


def test_the_table_is_text_with_a_column_a_source(tmp_path):
    path = tmp_path / "new" / "candidates.tsv"
    write_candidates(path, select(COUNTS, top=2))
    text = (
        "rank\tkind\ttag\timages\tcaptions\tcoco\tsbu\n"
        "1\taction\trun\t14\t20\t14\t0\n"
        "2\tobject\tdog\t14\t34\t10\t4\n"
    )
    assert path.read_bytes() == text.encode()
    assert [p.name for p in path.parent.iterdir()] == ["candidates.tsv"]
    read = read_candidates(path)
    assert read.rows == tuple(select(COUNTS, top=2))
    assert read.sources == ("coco", "sbu")
    assert read.sha256 == hashlib.sha256(text.encode()).hexdigest()


@given(tables.filter(bool), st.randoms())
def test_reading_gives_what_was_written_whatever_the_order(tmp_path_factory, table, random):
    chosen = select(table, top=50)
    path = tmp_path_factory.mktemp("round") / "candidates.tsv"
    write_candidates(path, random.sample(chosen, len(chosen)))
    assert read_candidates(path).rows == tuple(chosen)
    assert path.read_text() == format_candidates(chosen)


@pytest.mark.parametrize("tag", ["=cmd|' /C calc'!A0", "march", "3d", "null", "café", "a:b", '"x"'])
def test_awkward_tags_come_back_as_they_are(tmp_path, tag):
    path = tmp_path / "c.tsv"
    write_candidates(path, [Candidate(1, "object", tag, 3, 4, {"web": 3})])
    assert read_candidates(path).rows == (Candidate(1, "object", tag, 3, 4, {"web": 3}),)


@pytest.mark.parametrize("tag", ["a\tb", "a\nb", "a\rb", "", " a", "\ud800"])
def test_a_tag_that_would_break_the_table_is_refused(tag):
    with pytest.raises(InputError, match="^candidate 1: the tag "):
        format_candidates([Candidate(9, "object", tag, 3, 4)])


HEADER = b"rank\tkind\ttag\timages\tcaptions\tcoco\n"


@pytest.mark.parametrize(
    "data, message",
    [
        (b"", ": is empty; make it with tag2text count"),
        (b"rank\tkind\ttag\timages\n", ":1: the columns must be rank kind tag images captions"),
        (HEADER.replace(b"coco", b"tag"), ":1: the columns must be"),
        (HEADER + b"1\tobject\tdog\t3\t4\n", ":2: has 5 columns, the header has 6"),
        (HEADER + b"1\tthing\tdog\t3\t4\t3\n", ":2: unknown kind 'thing' \\(known: object"),
        (HEADER + b"1\tobject\tdog\tx\t4\t3\n", ":2: 'x' is not a count"),
        (HEADER + b"1\tobject\tdog\t-3\t4\t3\n", ":2: '-3' is not a count"),
        (HEADER + "1\tobject\tdog\t٣\t4\t3\n".encode(), ":2: '٣' is not a count"),
        (HEADER + b"2\tobject\tdog\t3\t4\t3\n", ":2: has rank 2 where rank 1 is due"),
        (HEADER + b"1\tobject\t\t3\t4\t3\n", ":2: the tag '' is empty"),
        (
            HEADER + b"1\tobject\tdog\t3\t4\t3\n2\tobject\tdog\t3\t4\t3\n",
            ":3: object 'dog' stands on line 2 too",
        ),
        (HEADER + b"1\tobject\tdog\t3\t4\t3", ":2: the last line is cut short"),
        (HEADER + b"1\tobject\tdog\t3\t4\t3\r\n", ":2: has CR line ends; convert the file to LF"),
        (HEADER + b"1\tobject\td\xffg\t3\t4\t3\n", ":2: is not UTF-8; convert the file"),
    ],
)
def test_bad_files_are_refused_with_file_and_line(tmp_path, data, message):
    path = tmp_path / "c.tsv"
    path.write_bytes(data)
    with pytest.raises(InputError, match=f"{path}{message}") as caught:
        read_candidates(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none.tsv: cannot be read \(No such file"):
        read_candidates(tmp_path / "none.tsv")


def test_quota_and_weight_flags():
    assert parse_quota("object=4000, action=400") == {"object": 4000, "action": 400}
    assert parse_weights(["coco=1.5", "sbu=0"]) == {"coco": 1.5, "sbu": 0.0}
    assert parse_weights([]) == {}
    assert parse_weights(["coco=113000/32500"]) == {"coco": 113000 / 32500}


@pytest.mark.parametrize(
    "text, message",
    [
        ("object", "quota 'object': write it as object=4000,action=400"),
        ("", "quota '': write it as"),
        ("object=", "quota of object: '' is not a count"),
        ("object=-1", "quota of object: '-1' is not a count"),
        ("object=1,object=2", "quota 'object=2': object is given twice"),
        ("thing=1", "unknown kind thing \\(known: object"),
    ],
)
def test_bad_quotas_are_refused(text, message):
    with pytest.raises(InputError, match="^" + message):
        parse_quota(text)


@pytest.mark.parametrize("value", ["x", "-1", "nan", "inf", ""])
def test_bad_weights_are_refused(value):
    with pytest.raises(InputError, match=f"^weight coco={value}: '{value}' is not a number"):
        parse_weights([f"coco={value}"])
    assert not math.isnan(parse_weights(["coco=1"])["coco"])


def test_the_module_imports_nothing_heavy():
    code = "import sys, vocab.candidates, vocab.decisions; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    root = Path(__file__).parents[2]
    loaded = subprocess.run(command, check=True, capture_output=True, text=True, cwd=root)
    assert "vocab.decisions" in loaded.stdout
    assert not {"numpy", "pyarrow", "spacy"} & set(loaded.stdout.split())


def test_the_counts_of_a_row_that_was_read_are_a_mapping(tmp_path):
    path = tmp_path / "candidates.tsv"
    write_candidates(path, select(COUNTS, top=3))
    row = read_candidates(path).rows[1]
    assert (row.tag, row.sources) == ("dog", {"coco": 10, "sbu": 4})
    assert (row.sources["sbu"], row.sources.get("vg"), len(row.sources)) == (4, None, 2)
    assert (list(row.sources), sum(row.sources.values())) == (["coco", "sbu"], 14)
    assert sorted(row.sources.items()) == [("coco", 10), ("sbu", 4)]
    with pytest.raises(KeyError):
        row.sources["vg"]


def test_a_weight_of_no_source_is_refused_with_those_there_are():
    refuse_unknown_weights({"coco": 2.0}, ["vg", "coco"])
    with pytest.raises(InputError, match=r"^unknown source cocoa, sbv \(known: coco, vg\)$"):
        refuse_unknown_weights({"sbv": 1.0, "cocoa": 2.0}, ["vg", "coco"])
