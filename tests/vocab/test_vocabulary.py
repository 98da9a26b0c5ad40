import hashlib
import json
import pickle
import re
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vocab.errors import InputError
from vocab.graph import KINDS, Tag
from vocab.vocabulary import BLOCKS, Entry, Vocabulary


def tag(key):
    return Tag(*key.split(":", 1))


def make(*keys, dropped=(), aliases=None):
    aliases = aliases or {}
    entries = [Entry(tag(k), 1, tuple(map(tag, aliases.get(k, ())))) for k in keys]
    return Vocabulary(tuple(entries), frozenset(map(tag, dropped)))


SMALL = make(
    "object:dog",
    "scene:beach",
    "object:paper bag",
    "object:tennis racket",
    "object:airplane",
    "object:leaf",
    "object:racket",
    "object:brush",
    "scene:living room",
    "action:brush",
    "action:sit on",
    "attribute:red",
    dropped=["object:photo", "object:hot dog", "action:see"],
    aliases={
        "object:airplane": ["object:plane", "object:jet plane"],
        "scene:beach": ["object:shore"],
    },
)

texts = st.text("ab|%\\:é,", min_size=1, max_size=4)


@st.composite
def vocabularies(draw):
    tags = st.builds(Tag, st.sampled_from(KINDS), texts)
    distinct = draw(st.lists(tags, min_size=1, max_size=30, unique=True))
    shares = draw(st.lists(st.sampled_from("cad"), min_size=len(distinct), max_size=len(distinct)))
    classes = [t for t, share in zip(distinct, shares, strict=True) if share == "c"] or distinct[:1]
    rest = [(t, s) for t, s in zip(distinct, shares, strict=True) if t not in classes]
    aliases = {t: [] for t in classes}
    for alias in (t for t, share in rest if share == "a"):
        aliases[draw(st.sampled_from(classes))].append(alias)
    entries = [
        Entry(t, draw(st.integers(0, 99)), tuple(aliases[t]), draw(st.none() | st.floats(0, 1)))
        for t in sorted(classes, key=lambda t: BLOCKS[t.kind])
    ]
    return Vocabulary(tuple(entries), frozenset(t for t, share in rest if share == "d"))


def names(*tags):
    return [":".join(SMALL.tags[i]) for i in SMALL.encode(map(tag, tags))]


@pytest.mark.parametrize(
    "given, found",
    [
        ("object:dog", ["object:dog"]),  # itself
        ("object:brush", ["object:brush"]),  # the kind tells the thing from the act
        ("action:brush", ["action:brush"]),
        ("object:beach", ["scene:beach"]),  # objects and scenes match each other
        ("scene:dog", ["object:dog"]),
        ("object:red", []),  # other kinds do not
        ("attribute:dog", []),
        ("object:plane", ["object:airplane"]),  # an alias
        ("object:shore", ["scene:beach"]),
        ("object:dogs", ["object:dog"]),  # lemma
        ("object:leaves", ["object:leaf"]),
        ("object:planes", ["object:airplane"]),
        ("action:sitting on", ["action:sit on"]),
        ("action:brushed", ["action:brush"]),
        ("object:bag paper", ["object:paper bag"]),  # reversed compound
        ("scene:room living", ["scene:living room"]),
        ("object:red tennis racket", ["object:tennis racket"]),  # longest suffix
        ("object:big red tennis rackets", ["object:tennis racket"]),
        ("object:squash racket", ["object:racket"]),
        ("object:private jet plane", ["object:airplane"]),
        ("object:hotdog stand", []),
        ("action:happily brush", []),  # suffixes are for things only
        ("attribute:dark red", []),
        ("object:photo", []),  # dropped
        ("object:photos", []),
        ("scene:photo", []),
        ("object:hot dog", []),  # "dog" does not revive it
        ("object:spicy hot dog", []),
        ("object:wedding photo", []),
        ("action:seeing", []),
        ("object:unicorn", []),
        ("thing:dog", []),
        ("object:", []),
        ("object:dog ", []),
    ],
)
def test_a_tag_finds_its_class(given, found):
    assert names(given) == found


def test_the_own_kind_goes_before_the_other():
    both = make("scene:garden", "object:garden")
    assert both.encode([Tag("object", "garden")]) == [1]
    assert both.encode([Tag("scene", "garden")]) == [0]
    assert both.encode([Tag("object", "rose gardens")]) == [1]
    dropped = make("scene:garden", dropped=["object:garden"])
    assert dropped.encode([Tag("object", "garden"), Tag("object", "rose garden")]) == []


def test_a_reversed_compound_goes_before_its_suffix():
    assert make("object:paper bag", "object:paper").encode([Tag("object", "bag paper")]) == [0]


def test_a_caption_gives_sorted_ids_without_repeats():
    assert names("attribute:red", "object:plane", "object:jets plane", "object:airplanes") == [
        "object:airplane",
        "attribute:red",
    ]
    assert SMALL.encode([]) == []


def test_plain_pairs_and_repeats_are_encoded_alike():
    assert [SMALL.encode([("object", "dogs")]) for _ in range(3)] == [[0]] * 3


def test_a_very_long_tag_costs_little():
    assert SMALL.encode([Tag("object", "very " * 200_000 + "small dog")]) == [0]


@given(vocabularies())
def test_every_class_and_alias_encodes_to_its_id_and_dropped_tags_to_nothing(vocabulary):
    for index, entry in enumerate(vocabulary.entries):
        for known in (entry.tag, *entry.aliases):
            assert vocabulary.encode([known]) == [index]
        assert vocabulary.index(entry.tag) == index
    assert vocabulary.encode(vocabulary.dropped) == []


@given(st.integers(1, 70), st.data())
def test_packed_labels_are_numpys_and_come_back(size, data):
    vocabulary = make(*(f"object:t{n}" for n in range(size)))
    ids = data.draw(st.lists(st.integers(0, size - 1)))
    hot, packed = vocabulary.multi_hot(ids), vocabulary.pack(ids)
    assert hot.shape == (size,) and hot.dtype == packed.dtype == np.uint8
    assert np.flatnonzero(hot).tolist() == sorted(set(ids))
    assert packed.tolist() == np.packbits(hot, bitorder="little").tolist()
    assert vocabulary.unpack(packed) == sorted(set(ids))


@pytest.mark.parametrize("ids", [[12], [-1], [0, 99], [3, -4]])
def test_ids_that_are_no_classes_are_refused(ids):
    for label in (SMALL.pack, SMALL.multi_hot):
        with pytest.raises(InputError, match="not all classes of this vocabulary of 12"):
            label(ids)


@pytest.mark.parametrize(
    "packed",
    [
        np.zeros(1, np.uint8),
        np.zeros(3, np.uint8),
        np.zeros((1, 2), np.uint8),
        np.zeros(2, np.int64),
        np.array([0, 16], np.uint8),  # bit 12, past the last class
    ],
)
def test_labels_of_another_vocabulary_are_refused(packed):
    with pytest.raises(InputError, match="vocabulary"):
        SMALL.unpack(packed)


def test_the_fingerprint_is_over_kinds_and_tags_in_order():
    found = make("object:dog", "action:run").fingerprint
    assert found == hashlib.sha256(b"object\tdog\naction\trun\n").hexdigest()
    assert make("scene:dog", "action:run").fingerprint != found
    assert make("object:dog", "object:run").fingerprint != found


def test_what_encodes_otherwise_has_another_encoding_but_the_same_fingerprint():
    plain = make("object:dog", "object:cat")
    alias = make("object:dog", "object:cat", aliases={"object:dog": ["object:hound"]})
    other = make("object:dog", "object:cat", aliases={"object:cat": ["object:hound"]})
    dropped = make("object:dog", "object:cat", dropped=["object:hound"])
    all_four = (plain, alias, other, dropped)
    assert len({v.fingerprint for v in all_four}) == 1
    assert len({v.encoding for v in all_four}) == 4


def test_size_membership_and_description():
    assert len(SMALL) == 12
    assert Tag("object", "dog") in SMALL
    assert Tag("object", "plane") not in SMALL
    with pytest.raises(KeyError):
        SMALL.index(Tag("object", "plane"))
    assert SMALL.describe() == (
        "12 tags: 9 objects and scenes, 2 actions, 1 attributes; "
        f"fingerprint {SMALL.fingerprint[:12]}"
    )


@pytest.mark.parametrize(
    "keys, more, message",
    [
        ([], {}, "a vocabulary needs at least one class"),
        (["action:run", "object:dog"], {}, "classes are out of order"),
        (["object:dog", "object:dog"], {}, "object:dog is class 0 and class 1"),
        (["object:dog"], {"dropped": ["object:dog"]}, "object:dog is class 0 and dropped"),
        (
            ["object:dog", "object:cat"],
            {"aliases": {"object:dog": ["object:cat"]}},
            "object:cat is an alias of class 0 and class 1",
        ),
        (["object:a\tb"], {}, r"the tag 'a\tb' holds a tab or a line break (class 0)"),
        (["object:dog"], {"dropped": ["thing:x"]}, "unknown kind 'thing'"),
    ],
)
def test_what_contradicts_itself_is_no_vocabulary(keys, more, message):
    with pytest.raises(InputError, match="^" + re.escape(message)):
        make(*keys, **more)


def test_thresholds_go_from_none_to_all():
    assert [Entry(Tag("object", "dog"), threshold=t).threshold for t in (0.0, 1.0)] == [0.0, 1.0]


def test_the_end_of_a_name_counts_in_its_own_form_before_its_singular():
    skates = make("object:ice skates", "object:skate", "object:ice skate rink")
    assert skates.encode([Tag("object", "white ice skates")]) == [0]


def test_the_summary_is_of_format_1_and_text_as_it_was_written(tmp_path):
    vocabulary = Vocabulary(SMALL.entries, SMALL.dropped, {"note": "señal"})
    vocabulary.save(tmp_path)
    text = (tmp_path / "vocabulary.json").read_text()
    assert json.loads(text)["format"] == 1
    assert "señal" in text


@pytest.mark.parametrize("wrong", [{"images": -1}, {"threshold": 1.5}, {"threshold": float("nan")}])
def test_an_entry_with_impossible_numbers_is_refused(wrong):
    with pytest.raises(InputError):
        Entry(Tag("object", "dog"), **wrong)


def test_a_copy_in_another_process_encodes_alike():
    SMALL.encode([Tag("object", "dogs")])
    copy = pickle.loads(pickle.dumps(SMALL))
    assert copy == SMALL
    assert copy.encode([Tag("object", "dogs")]) == [0]


def test_the_files_are_what_the_module_says(tmp_path):
    entries = (
        Entry(Tag("scene", "beach"), 40),
        Entry(Tag("object", "airplane"), 30, (Tag("object", "plane"), Tag("scene", "a|b%7C"))),
        Entry(Tag("action", "surf"), 20, threshold=0.68),
    )
    dropped = frozenset({Tag("object", "view"), Tag("action", "see")})
    saved = Vocabulary(entries, dropped, {"candidates": "ab"})
    saved.save(tmp_path / "v")
    assert Vocabulary.load(tmp_path / "v") == saved
    files = {path.name: path.read_text() for path in (tmp_path / "v").iterdir()}
    assert files.keys() == {"tag_list.txt", "tag_meta.tsv", "dropped.tsv", "vocabulary.json"}
    assert files["tag_list.txt"] == "beach\nairplane\nsurf\n"
    assert files["tag_meta.tsv"] == (
        "id\tkind\ttag\timages\taliases\tthreshold\n"
        "0\tscene\tbeach\t40\t\t\n"
        "1\tobject\tairplane\t30\tobject:plane|scene:a%7Cb%257C\t\n"
        "2\taction\tsurf\t20\t\t0.68\n"
    )
    assert files["dropped.tsv"] == "kind\ttag\naction\tsee\nobject\tview\n"
    summary = json.loads(files["vocabulary.json"])
    assert summary["size"] == 3
    assert summary["counts"] == {"object": 1, "scene": 1, "attribute": 0, "action": 1}
    assert summary["provenance"] == {"candidates": "ab"}


@given(vocabularies())
def test_loading_gives_what_was_saved_and_saving_again_the_same_bytes(tmp_path_factory, vocabulary):
    first, second = tmp_path_factory.mktemp("v") / "a", tmp_path_factory.mktemp("v") / "b"
    vocabulary.save(first)
    loaded = Vocabulary.load(first)
    assert loaded == vocabulary
    loaded.save(second)
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes()


def test_saving_over_another_vocabulary_replaces_it(tmp_path):
    SMALL.save(tmp_path)
    other = make("object:cat")
    other.save(tmp_path)
    assert Vocabulary.load(tmp_path) == other


def spoil(directory, name, old, new):
    path = directory / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    "name, old, new, message",
    [
        ("tag_list.txt", "dog\n", "cat\n", "tag_list.txt:1: is 'cat', but tag_meta.tsv says 'dog'"),
        ("tag_list.txt", "dog\n", "", "tag_meta.tsv: has 12 classes, tag_list.txt has 11"),
        ("tag_meta.tsv", "id\t", "no\t", "tag_meta.tsv:1: the columns must be id kind tag"),
        ("tag_meta.tsv", "0\tobject", "object", "tag_meta.tsv:2: has 5 columns, not 6"),
        ("tag_meta.tsv", "1\tscene", "7\tscene", "tag_meta.tsv:3: has id 7 where id 1 is due"),
        ("tag_meta.tsv", "1\tscene", "1\tplace", "tag_meta.tsv:3: unknown kind 'place'"),
        ("tag_meta.tsv", "dog\t1", "dog\t-1", "tag_meta.tsv:2: '-1' is not a count"),
        (
            "tag_meta.tsv",
            "dog\t1\t\t",
            "dog\t1\t\t2",
            "tag_meta.tsv:2: object:dog: threshold 2.0 is not in",
        ),
        ("tag_meta.tsv", "dog\t1\t\t", "dog\t1\tcat\t", "'cat' is not of the form kind:tag"),
        ("tag_meta.tsv", "object:jet plane", "object:jet", "vocabulary.json: encoding is not that"),
        ("tag_meta.tsv", "object\tbrush", "scene\tbrush", "vocabulary.json: fingerprint is not"),
        (
            "dropped.tsv",
            "object\tphoto\n",
            "",
            "vocabulary.json: encoding is not that of the files",
        ),
        ("dropped.tsv", "object\tphoto", "object\tdog", ": object:dog is class 0 and dropped"),
        ("dropped.tsv", "object\tphoto", "thing\tphoto", "dropped.tsv:4: unknown kind 'thing'"),
        ("vocabulary.json", '"format": 1', '"format": 2', "not a vocabulary of format 1"),
        ("vocabulary.json", '"format"', "format", "vocabulary.json:11: not JSON"),
    ],
)
def test_a_directory_that_was_tampered_with_is_refused(tmp_path, name, old, new, message):
    SMALL.save(tmp_path)
    spoil(tmp_path, name, old, new)
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        Vocabulary.load(tmp_path)
    assert str(tmp_path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["tag_list.txt", "tag_meta.tsv", "dropped.tsv", "vocabulary.json"])
def test_a_missing_file_is_named(tmp_path, name):
    SMALL.save(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(InputError, match=name):
        Vocabulary.load(tmp_path)


def test_a_save_that_was_cut_off_does_not_load(tmp_path):
    SMALL.save(tmp_path / "old")
    make("object:cat").save(tmp_path / "new")
    shutil.copy(tmp_path / "new" / "tag_list.txt", tmp_path / "old" / "tag_list.txt")
    with pytest.raises(InputError, match="has 12 classes, tag_list.txt has 1"):
        Vocabulary.load(tmp_path / "old")


def test_a_file_is_no_vocabulary(tmp_path):
    Vocabulary((Entry(Tag("object", "dog")),)).save(tmp_path)
    with pytest.raises(InputError, match=r"tag_list.txt: is a file; name the vocabulary's dir"):
        Vocabulary.load(tmp_path / "tag_list.txt")
