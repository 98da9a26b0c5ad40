"""The written form of a tag: the inverse of reading it, and what is no tag."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vocab.graph import KINDS, Tag
from vocab.keys import check_text, checked, encodable, has_controls, key_of, tag_of

WRONG = {
    "dog": "'dog' is not of the form kind:tag",
    "": "'' is not of the form kind:tag",
    "animal:dog": "unknown kind 'animal' (known: object, scene, attribute, action)",
    "object:": "the tag '' is empty or has spaces around it",
    "object: dog": "the tag ' dog' is empty or has spaces around it",
    "object:dog ": "the tag 'dog ' is empty or has spaces around it",
    "object:a\tdog": "the tag 'a\\tdog' holds a tab or a line break",
    "object:a\rdog": "the tag 'a\\rdog' holds a tab or a line break",
    "object:a\ndog": "the tag 'a\\ndog' holds a tab or a line break",
    "object:dog\udc80": "the tag 'dog\\udc80' is not valid Unicode",
    "object:a\u202edog": "the tag 'a\\u202edog' holds a control character",
    "object:a\x1bdog": "the tag 'a\\x1bdog' holds a control character",
}


@pytest.mark.parametrize("key", WRONG)
def test_what_is_no_key_is_told_in_one_line(key: str) -> None:
    with pytest.raises(ValueError) as refused:
        tag_of(key)
    assert str(refused.value) == WRONG[key]


@given(
    st.sampled_from(KINDS), st.from_regex(r"[a-zé=:'-][a-zé =:'-]{0,9}[a-zé=:'-]", fullmatch=True)
)
def test_reading_is_the_inverse_of_writing(kind: str, text: str) -> None:
    tag = Tag(kind, text)
    assert tag_of(key_of(tag)) == tag == checked(tag)


def test_the_tag_is_all_after_the_first_colon() -> None:
    assert tag_of("object:ratio 4:3") == Tag("object", "ratio 4:3")


@pytest.mark.parametrize("text", ["=cmd", "rock 'n' roll", "日本", "a b", "👩\u200d🚀"])
def test_everything_else_is_kept_as_text(text: str) -> None:
    check_text(text)


@pytest.mark.parametrize("mark", ["\x00", "\x1f", "\x7f", "\x9f", "\u2028", "\u202e", "\u2066"])
def test_what_moves_a_cursor_or_turns_a_line_is_a_control(mark: str) -> None:
    assert has_controls(f"a{mark}b")


@pytest.mark.parametrize("mark", [" ", "\u00a0", "\u200d", "\u2027", "\u202f", "\ufeff"])
def test_other_invisible_marks_are_none(mark: str) -> None:
    assert not has_controls(f"a{mark}b")


def test_only_a_lone_surrogate_has_no_form_in_utf8() -> None:
    assert encodable("dog 👩")
    assert not encodable("dog\ud800")
