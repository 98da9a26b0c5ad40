from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.guidance import UNSPOKEN, shuffled, spoken, user_tags
from vocab.errors import InputError
from vocab.graph import Tag


def test_numbers_and_the_like_do_not_guide() -> None:
    tags = [
        Tag("object", "dog"),
        Tag("attribute", "two"),
        Tag("object", "back"),
        Tag("action", "run"),
    ]
    assert spoken(tags) == ["dog", "run"]


def test_a_name_of_two_kinds_is_said_once() -> None:
    assert spoken([Tag("object", "play"), Tag("action", "play")]) == ["play"]


@given(st.lists(st.text(), unique=True), st.integers())
def test_shuffling_changes_the_order_only(names: list[str], seed: int) -> None:
    found = shuffled(names, Random(seed))
    assert sorted(found) == sorted(names)
    assert found == shuffled(names, Random(seed))


def test_every_place_is_as_likely() -> None:
    random = Random(0)
    places = [shuffled(["a", "b", "c"], random).index("a") for _ in range(3000)]
    assert all(abs(places.count(place) / 3000 - 1 / 3) < 0.05 for place in range(3))


def test_user_tags_are_cleaned_and_kept() -> None:
    assert user_tags([" Dog", "two, red ball ,", "dog"]) == ["dog", "two", "red ball"]
    assert "two" in UNSPOKEN  # a person may say it all the same


@pytest.mark.parametrize("given_", ["dog", [], [" , "]])
def test_no_tags_at_all_are_refused(given_: list[str]) -> None:
    with pytest.raises(InputError, match="tag"):
        user_tags(given_)
