import pytest
from hypothesis import given
from hypothesis import strategies as st

from vocab.graph import KINDS, Tag
from vocab.highlight import find_tags

WORDS = st.lists(st.text("abs-", min_size=1, max_size=4), min_size=1, max_size=3).map(" ".join)
TAGS = st.lists(st.builds(Tag, st.sampled_from(KINDS), WORDS))


def found(caption: str, *tags: tuple[str, str]) -> list[tuple[str, str]]:
    spans = find_tags(caption, [Tag(*tag) for tag in tags])
    return [(caption[s.start : s.end], s.tag.tag) for s in spans]


@pytest.mark.parametrize(
    ("caption", "tag", "words"),
    [
        ("Two dogs play", ("object", "dog"), "dogs"),
        ("A DOG", ("object", "dog"), "DOG"),
        ("the dog's bone", ("object", "dog"), "dog's"),
        ("he is riding home", ("action", "ride"), "riding"),
        ("he rode home", ("action", "ride"), "rode"),
        ("red tennis rackets!", ("object", "tennis racket"), "tennis rackets"),
        ("a t-shirt", ("object", "t-shirt"), "t-shirt"),
        ("boxes, women", ("object", "woman"), "women"),
    ],
)
def test_words_match_in_any_inflection(caption: str, tag: tuple[str, str], words: str) -> None:
    assert found(caption, tag) == [(words, tag[1])]


@pytest.mark.parametrize("caption", ["a dogma", "hotdog", "", "tennis and a racket"])
def test_parts_of_words_do_not_match(caption: str) -> None:
    assert found(caption, ("object", "dog"), ("object", "tennis racket")) == []


def test_the_longest_tag_wins() -> None:
    tags = [("object", "racket"), ("object", "tennis racket")]
    assert found("a tennis racket and a racket", *tags) == [
        ("tennis racket", "tennis racket"),
        ("racket", "racket"),
    ]


@given(st.text() | st.text("abs -"), TAGS)
def test_spans_are_in_order_and_apart(caption: str, tags: list[Tag]) -> None:
    spans = find_tags(caption, tags)
    edges = [edge for span in spans for edge in (span.start, span.end)]
    assert edges == sorted(edges)
    assert all(span.start < span.end <= len(caption) for span in spans)
