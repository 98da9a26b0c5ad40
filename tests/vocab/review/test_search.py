from tests.vocab.review.desks import tag
from vocab.review.search import finder

TAGS = [
    tag(k)
    for k in (
        "object:dog",
        "object:doughnut",
        "action:dog",
        "scene:dog park",
        "object:hot dog",
        "object:cat",
    )
]


def found(typed, limit=9):
    return [f"{t.kind}:{t.tag}" for t in finder(TAGS)(typed, limit)]


def test_what_is_typed_comes_first_then_what_begins_so_then_what_holds_it():
    assert found("dog") == ["object:dog", "action:dog", "scene:dog park", "object:hot dog"]


def test_slips_are_forgiven():
    assert found("dougnut")[0] == "object:doughnut"


def test_a_kind_narrows_and_case_does_not_matter():
    assert found("scene:DOG") == ["scene:dog park"]
    assert found("sc:") == ["scene:dog park"]


def test_nothing_typed_finds_nothing():
    assert found("") == found("  ") == []


def test_no_more_than_asked_for():
    assert len(found("dog", 2)) == 2
