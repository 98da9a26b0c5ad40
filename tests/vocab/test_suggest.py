import pytest

from tests.vocab.test_learner import table
from vocab.graph import Tag
from vocab.suggest import Suggester
from vocab.wordnet import DEBIAN, load_senses

wordnet = pytest.mark.skipif(
    not (DEBIAN / "index.noun").exists(), reason="wordnet-base is not installed"
)


class Company:
    """Contexts that a test sets: likeness of two strings, the same both ways."""

    def __init__(self, **likeness: float) -> None:
        self._likeness = likeness

    def similar(self, tag: Tag, limit: int = 50) -> list[tuple[Tag, float]]:
        pairs = {tuple(key.split("__")): value for key, value in self._likeness.items()}
        both = {**pairs, **{pair[::-1]: value for pair, value in pairs.items()}}
        return [(Tag(tag.kind, b), value) for (a, b), value in both.items() if a == tag.tag][:limit]


def merges(
    one: str, *others: str, kind: str = "object", senses: bool = False, **likeness: float
) -> list[str]:
    """Return what is suggested for the first text among the others."""
    tags = [Tag(kind, text) for text in (one, *others)]
    suggester = Suggester(table(*tags), load_senses() if senses else None, Company(**likeness))
    return [suggestion.tag.tag for suggestion in suggester.merges(tags[0])]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("grey", "gray"), ("donut", "doughnut"), ("t-shirt", "tee shirt"), ("tshirt", "t shirt"),
        ("colour", "color"), ("theatre", "theater"), ("sidewalk", "side walk"),
        ("tennis racquet", "tennis racket"), ("tv show", "television show"), ("stair", "stairs"),
        ("jeans", "jean"), ("tutus", "tutu"), ("headscarve", "headscarf"), ("people", "person"),
        ("advertising", "advertizing"), ("catalogue", "catalog"), ("organise it", "organize it"),
        ("constructions worker", "construction worker"), ("man's hat", "mans hat"),
    ],
)  # fmt: skip
def test_other_spellings_and_forms(one: str, other: str) -> None:
    assert merges(one, other) == [other]
    assert merges(other, one) == [one]


@pytest.mark.parametrize(
    ("one", "other", "kind"),
    [
        ("grey", "gray", "attribute"),
        ("knitted", "knit", "attribute"),
        ("sits on", "sit on", "action"),
    ],
)
def test_forms_of_adjectives_and_verbs(one: str, other: str, kind: str) -> None:
    assert merges(one, other, kind=kind) == [other]


NOT_THE_SAME = [
    tuple(pair.split())
    for pair in (
        "corn acorn/bank blank/car cart/desert dessert/glass grass/boat goat/dinner diner/"
        "plan plane/surfer surf/horse house"
    ).split("/")
]


@pytest.mark.parametrize(("one", "other"), NOT_THE_SAME)
def test_letters_alone_are_no_reason(one: str, other: str) -> None:
    assert merges(one, other) == []


@wordnet
@pytest.mark.parametrize(("one", "other"), NOT_THE_SAME)
def test_two_words_of_the_dictionary_are_not_misspelled(one: str, other: str) -> None:
    assert merges(one, other, senses=True, **{f"{one}__{other}": 0.5}) == []


@wordnet
@pytest.mark.parametrize(
    ("one", "other"),
    [("photo", "photograph"), ("bike", "bicycle"), ("couch", "sofa"), ("ad", "advertisement")],
)
def test_a_first_sense_in_common(one: str, other: str) -> None:
    assert merges(one, other, senses=True) == [other]


@wordnet
def test_a_rare_sense_in_common_needs_contexts() -> None:
    assert merges("movie", "pic", senses=True) == ["pic"]
    assert merges("picture", "movie", senses=True) == []
    assert merges("ring", "gang", "bell", senses=True) == []
    assert merges("bike", "bicycle", "helmet", senses=True, bike__helmet=0.3) == []
    assert merges("bike", "bicycle", senses=True, bike__bicycle=0.3) == ["bicycle"]


@wordnet
def test_a_misspelled_or_shortened_word_needs_contexts() -> None:
    assert merges("skiier", "skier", senses=True) == []
    assert merges("skiier", "skier", senses=True, skiier__skier=0.6) == ["skier"]
    assert merges("mic", "microphone", senses=True, mic__microphone=0.5) == ["microphone"]
    assert merges("skiier", "skier", senses=True, skiier__skier=0.1) == []


def test_the_same_word_goes_before_anything_else() -> None:
    found = merges("grey cat", "gray cats", "gray cat", **{"grey cat__gray cats": 0.9})
    assert found == ["gray cat", "gray cats"]


def test_objects_and_scenes_are_one_world_others_are_not() -> None:
    tags = [
        Tag("object", "water fall"), Tag("scene", "waterfall"),
        Tag("attribute", "waterfall"), Tag("action", "water fall"),
    ]  # fmt: skip
    suggester = Suggester(table(*tags))
    assert [s.tag for s in suggester.merges(tags[0])] == [tags[1]]


def test_a_tag_is_not_suggested_for_itself_nor_in_another_kind() -> None:
    tags = [Tag("object", "brush"), Tag("action", "brush"), Tag("scene", "brush")]
    suggester = Suggester(table(*tags))
    assert suggester.merges(tags[0]) == []


def test_no_more_than_asked_for() -> None:
    tags = [
        Tag("object", text) for text in ("tee shirt", "t shirt", "tshirt", "t-shirt", "t-shirts")
    ]
    suggester = Suggester(table(*tags))
    assert len(suggester.merges(tags[0])) == 4
    assert [s.tag.tag for s in suggester.merges(tags[0], 2)] == ["t shirt", "tshirt"]


def test_the_index_may_be_made_in_slices() -> None:
    tags = [Tag("object", text) for text in ("grey", "gray", "dog")]
    suggester = Suggester(table(*tags))
    assert [suggester.prepare(2), suggester.prepare(2)] == [False, True]
    assert [s.tag.tag for s in suggester.merges(tags[1])] == ["grey"]


def test_what_is_no_candidate_gets_suggestions_too() -> None:
    suggester = Suggester(table(Tag("object", "gray")))
    assert [s.tag.tag for s in suggester.merges(Tag("object", "grey"))] == ["gray"]
