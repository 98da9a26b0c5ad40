"""Base forms: the ones that the model gets wrong, and laws that hold for all words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vocab.lemma import lemma, noun_lemma, verb_lemma
from vocab.lexicons import mapping, words

VERBS = """riding ride; wading wade; shining shine; staring stare; striped stripe; parked park;
running run; sitting sit; rolling roll; washing wash; bathing bathe; singing sing; dancing dance;
moving move; visiting visit; opening open; carries carry; watches watch; tried try; skiing ski;
lying lie; rode ride; swam swim; held hold; worn wear; taught teach; is be; had have; goes go;
agreed agree; lies lie; surfs surf; tossing toss; plugged plug; filling fill; hugged hug"""
NOUNS = """cookies cookie; clothes clothes; leaves leaf; women woman; firemen fireman; boys boy;
buses bus; glasses glasses; dresses dress; boxes box; churches church; horses horse; pants pants;
cities city; movies movie; knives knife; tennis tennis; grass grass; shoes shoe; waves wave;
people person; children child; sheep sheep; potatoes potato; skis skis; ties tie; houses house;
dishes dish; buzzes buzz"""


def pairs(table: str) -> list[tuple[str, str]]:
    return [tuple(entry.split()) for entry in table.replace("\n", " ").split(";")]  # type: ignore


@pytest.mark.parametrize(("form", "base"), pairs(VERBS))
def test_verbs(form: str, base: str) -> None:
    assert verb_lemma(form) == base


# No list knows these: spelling alone says what they come from.
UNKNOWN = """glading glade; glawing glaw; glaxed glax; blenting blent; gloading gload;
glivating glivat; glucing gluce; glaving glave; glodged glodge; glursing glurse; yakked yak;
glurring glur; glelling glell; glassing glass; glurried glurry; glunks glunk"""


@pytest.mark.parametrize(("form", "base"), pairs(UNKNOWN))
def test_verbs_that_no_list_knows(form: str, base: str) -> None:
    assert verb_lemma(form) == base


@pytest.mark.parametrize(("form", "base"), pairs(NOUNS))
def test_nouns(form: str, base: str) -> None:
    assert noun_lemma(form) == base


def test_the_tag_decides() -> None:
    assert lemma("leaves", "NNS") == "leaf"
    assert lemma("leaves", "VBZ") == "leave"
    assert lemma("striped", "JJ") == "striped"


@pytest.mark.parametrize("verb", sorted(words("verbs"))[::7])
def test_base_forms_are_their_own(verb: str) -> None:
    assert verb_lemma(verb) == mapping("irregular_verbs").get(verb, verb)


@given(st.text(min_size=1, max_size=20))
def test_any_text_has_a_base_form(word: str) -> None:
    assert verb_lemma(word)
    assert noun_lemma(word)


@pytest.mark.parametrize(
    ("word", "singular"),
    [("fishermen", "fisherman"), ("workmen", "workman"), ("specimen", "specimen"), ("men", "man")],
)
def test_nouns_in_men(word: str, singular: str) -> None:
    assert noun_lemma(word) == singular
