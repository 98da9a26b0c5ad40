import pytest

from vocab.candidates import Candidate
from vocab.figures import Fate
from vocab.graph import Tag
from vocab.inconsistent import inconsistencies, other_kinds


def fate(rank: int, key: str, side: str) -> Fate:
    kind, _, tag = key.partition(":")
    return Fate(Candidate(rank, kind, tag, 100 - rank, 1), side)


SENSES = {
    "photo": ["picture"],
    "picture": ["photo"],
    "miss": ["girl"],
    "girl": [],
}


def synonyms(tag: Tag) -> tuple[Tag, ...]:
    return tuple(Tag(tag.kind, word) for word in SENSES.get(tag.tag, ()))


def found(*fates: Fate) -> list[tuple[str, str, str]]:
    pairs = inconsistencies(fates, synonyms)
    return [(pair.dropped.row.tag, pair.kept.row.tag, pair.why) for pair in pairs]


@pytest.mark.parametrize("side", ["kept", "merged", "changed"])
def test_a_synonym_on_the_other_side(side: str) -> None:
    pair = (fate(1, "object:photo", "dropped"), fate(2, "object:picture", side))
    assert found(*pair) == [("photo", "picture", "same WordNet sense")]
    assert inconsistencies(pair) == []  # without WordNet


@pytest.mark.parametrize("side", ["dropped", "undecided", "unresolved"])
def test_a_synonym_that_is_not_kept_is_none(side: str) -> None:
    assert found(fate(1, "object:photo", "dropped"), fate(2, "object:picture", side)) == []


def test_a_sense_that_is_rare_for_one_word_is_none() -> None:
    assert found(fate(1, "object:miss", "dropped"), fate(2, "object:girl", "kept")) == []


@pytest.mark.parametrize(
    ("dropped", "kept", "same"),
    [
        ("object:dogs", "object:dog", True),
        ("object:t-shirt", "object:t shirt", True),
        ("object:tshirt", "object:t-shirts", True),
        ("action:riding", "action:ride", True),
        ("object:park", "scene:parks", True),
        ("object:corn", "object:acorn", False),
        ("object:rides", "action:ride", False),
        ("object:dog", "scene:dog", False),
    ],
)
def test_forms_of_one_word(dropped: str, kept: str, same: bool) -> None:
    pairs = found(fate(1, dropped, "dropped"), fate(2, kept, "kept"))
    assert [why for *_, why in pairs] == (["same word"] if same else [])


def test_the_most_frequent_come_first_and_each_pair_once() -> None:
    pairs = found(
        fate(1, "object:photos", "kept"),
        fate(2, "object:picture", "dropped"),
        fate(3, "object:photo", "kept"),
        fate(4, "object:pictures", "kept"),
    )
    assert pairs == [
        ("picture", "photo", "same WordNet sense"),
        ("picture", "pictures", "same word"),
    ]


def test_one_word_in_two_kinds_is_listed_apart() -> None:
    fates = (
        fate(1, "object:brush", "kept"),
        fate(2, "action:brush", "dropped"),
        fate(3, "action:comb", "dropped"),
    )
    assert [(p.dropped.row.kind, p.kept.row.kind) for p in other_kinds(fates)] == [
        ("action", "object")
    ]
    assert inconsistencies(fates, synonyms) == []
