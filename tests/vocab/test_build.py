import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vocab.build import build, find_problems
from vocab.candidates import Candidate, read_candidates, write_candidates
from vocab.decisions import Event, replay, resolve
from vocab.errors import InputError
from vocab.graph import Tag
from vocab.keys import key_of, tag_of

KEYS = (
    "object:man",
    "object:airplane",
    "scene:beach",
    "action:brush",
    "object:plane",
    "object:photo",
    "object:brush",
    "attribute:red",
    "object:jet",
    "object:surfing",
)


@pytest.fixture
def candidates(tmp_path):
    return snapshot(tmp_path / "candidates.tsv", KEYS)


def snapshot(path, keys):
    images = [100 - 10 * n for n in range(len(keys))]
    rows = [Candidate(0, *tag_of(key), n, n, {}) for key, n in zip(keys, images, strict=True)]
    write_candidates(path, rows)
    return read_candidates(path)


def decide(*votes, cand=None):
    """Resolve votes written as "object:plane merge object:airplane [annotator]"."""
    events = []
    for n, vote in enumerate(votes):
        key, act, *rest = vote.split(" ")
        to = rest.pop(0) if act in ("merge", "retype", "rename") else None
        by = rest[0] if rest else "ann"
        why = "not-visible" if act == "drop" else None
        events.append(Event(id=str(n), ts=n, by=by, key=key, act=act, to=to, cand=cand, why=why))
    return resolve(replay(events))


def classes(built):
    return {key_of(e.tag): sorted(map(key_of, e.aliases)) for e in built.vocabulary.entries}


def outcomes(built, act):
    return [(key_of(o.tag), o.into and key_of(o.into)) for o in built.outcomes if o.act == act]


def test_with_no_decision_everything_stays_in_blocks_by_rank(candidates):
    built = build(candidates, {})
    assert list(map(key_of, built.vocabulary.tags)) == [
        "object:man",
        "object:airplane",
        "scene:beach",
        "object:plane",
        "object:photo",
        "object:brush",
        "object:jet",
        "object:surfing",
        "action:brush",
        "attribute:red",
    ]
    assert [e.images for e in built.vocabulary.entries[:3]] == [100, 90, 80]
    assert {o.how for o in built.outcomes} == {"undecided"}
    assert built.vocabulary.provenance["candidates_sha256"] == candidates.sha256


def test_actions_stand_before_attributes_whatever_their_ranks(tmp_path):
    keys = ("attribute:red", "action:run", "attribute:blue", "action:jump", "object:dog")
    built = build(snapshot(tmp_path / "candidates.tsv", keys), {})
    assert list(map(key_of, built.vocabulary.tags)) == [
        "object:dog",
        "action:run",
        "action:jump",
        "attribute:red",
        "attribute:blue",
    ]


def test_each_kind_of_decision(candidates):
    built = build(
        candidates,
        decide(
            "object:plane merge object:airplane",
            "object:photo drop",
            "object:brush rename paintbrush",
            "object:surfing retype action",
            "attribute:red keep",
        ),
    )
    assert classes(built) == {
        "object:man": [],
        "object:airplane": ["object:plane"],
        "scene:beach": [],
        "object:paintbrush": ["object:brush"],
        "object:jet": [],
        "action:brush": [],
        "action:surfing": ["object:surfing"],
        "attribute:red": [],
    }
    vocabulary = built.vocabulary
    assert vocabulary.dropped == {Tag("object", "photo")}
    assert vocabulary.encode([Tag("object", "plane")]) == [1]
    assert vocabulary.encode([Tag("object", "surfing"), Tag("object", "wedding photo")]) == [6]
    assert outcomes(built, "merge") == [("object:plane", "object:airplane")]
    assert outcomes(built, "drop") == [("object:photo", None)]
    assert outcomes(built, "rename") == [("object:brush", "object:paintbrush")]
    assert outcomes(built, "retype") == [("object:surfing", "action:surfing")]
    assert built.summary() == [
        vocabulary.describe(),
        "candidates: 6 keep, 1 merge, 1 retype, 1 rename, 1 drop (not-visible 1)",
    ]


def test_chains_of_merges_end_in_one_class_even_through_a_new_name(candidates):
    built = build(
        candidates,
        decide(
            "object:jet merge object:plane",
            "object:plane merge object:airplane",
            "object:airplane rename aircraft",
            "object:surfing merge object:aircraft",
            "object:photo merge scene:beach",
        ),
    )
    aliases = classes(built)
    assert aliases["object:aircraft"] == [
        "object:airplane",
        "object:jet",
        "object:plane",
        "object:surfing",
    ]
    assert aliases["scene:beach"] == ["object:photo"]


def test_a_class_stands_by_its_best_member_and_claims_no_image_twice(candidates):
    decisions = decide("object:man merge object:jet", "object:plane merge object:jet")
    first = build(candidates, decisions).vocabulary.entries[0]
    assert (key_of(first.tag), first.images) == ("object:jet", 100)

    def union(tags):
        assert sorted(map(key_of, tags)) == ["object:jet", "object:man", "object:plane"]
        return 140

    counted = build(candidates, decisions, count_union=union).vocabulary.entries
    assert [e.images for e in counted[:2]] == [140, 90]


def test_policies_for_undecided_and_unresolved(candidates):
    decisions = decide("object:man keep a", "object:photo drop a", "object:photo keep b")
    with pytest.raises(InputError, match="^1 candidate unresolved, the first is object:photo;"):
        build(candidates, decisions)
    with pytest.raises(InputError, match="^8 candidates undecided, the first is object:airpl"):
        build(candidates, decisions, undecided="fail", unresolved="keep")
    kept = build(candidates, decisions, undecided="drop", unresolved="keep")
    assert list(classes(kept)) == ["object:man", "object:photo"]
    assert kept.summary()[-1] == (
        "candidates: 2 keep, 0 merge, 0 retype, 0 rename, 8 drop (undecided 8)"
    )
    dropped = build(candidates, decisions, undecided="keep", unresolved="drop")
    assert dropped.vocabulary.dropped == {Tag("object", "photo")}
    with pytest.raises(InputError, match="keep no candidate"):
        build(candidates, {}, undecided="drop")


@pytest.mark.parametrize(
    "votes, message",
    [
        (
            ["object:jet merge object:car"],
            "object:jet is merged into object:car, which is no candidate; merge it into one,",
        ),
        (
            ["object:jet merge object:plane", "object:plane drop"],
            "object:jet is merged into object:plane, which is dropped (unanimous); keep the one",
        ),
        (
            [
                "object:jet merge object:plane",
                "object:plane merge object:airplane",
                "object:airplane merge object:plane",
            ],
            "merges run in a circle: object:airplane -> object:plane -> object:airplane; keep one",
        ),
        (
            ["object:plane rename airplane"],
            "rename of object:plane to object:airplane: that is a candidate itself; keep it and "
            "merge object:plane into it",
        ),
        (
            ["object:brush retype action"],
            "retype of object:brush to action:brush: that is a candidate itself; keep it and",
        ),
        (
            ["object:plane rename photo", "object:photo drop"],
            "rename of object:plane to object:photo: that is a candidate itself; keep it and",
        ),
        (
            ["object:plane rename aircraft", "object:jet rename aircraft"],
            "object:plane and object:jet would both become object:aircraft; merge one into",
        ),
    ],
)
def test_decisions_that_cannot_be_carried_out_are_refused(candidates, votes, message):
    with pytest.raises(InputError, match="^" + re.escape(message)):
        build(candidates, decide(*votes))


def test_decisions_made_on_another_snapshot_are_refused_unless_accepted(candidates):
    built = build(candidates, decide("object:photo drop", cand=candidates.sha256))
    assert len(built.vocabulary) == 9
    other = decide("object:photo drop", "object:cat keep", cand="f" * 64)
    message = (
        f"object:cat was decided on candidates ffffffffffff, these are {candidates.sha256[:12]}"
    )
    with pytest.raises(InputError, match=message):
        build(candidates, other)
    accepted = build(candidates, other, accept_other_candidates=True)
    assert accepted.vocabulary.dropped == {Tag("object", "photo")}
    assert accepted.ignored == (Tag("object", "cat"),)
    assert accepted.summary()[-1] == "ignored: 1 decisions that do not fit these candidates"


def test_decisions_on_another_table_that_do_not_fit_this_one_count_as_not_made(candidates):
    votes = (
        "object:plane merge object:aeroplane",
        "object:jet rename plane",
        "object:photo rename picture",
        "object:brush merge object:picture",
    )
    with pytest.raises(InputError, match="that is a candidate itself"):
        build(candidates, decide(*votes))
    built = build(candidates, decide(*votes), accept_other_candidates=True)
    assert built.ignored == (Tag("object", "jet"), Tag("object", "plane"))
    names = {outcome.tag.tag: outcome.into for outcome in built.outcomes}
    assert names["plane"] == Tag("object", "plane")
    assert names["jet"] == Tag("object", "jet")
    assert names["brush"] == names["photo"] == Tag("object", "picture")
    dropped = build(
        candidates, decide(*votes), accept_other_candidates=True, undecided="drop"
    ).vocabulary
    assert [entry.tag.tag for entry in dropped.entries] == ["picture"]


def test_a_name_that_no_candidate_has_is_no_place_to_merge_into(candidates):
    votes = decide(
        "object:cat rename kitten",  # no candidate
        "object:jet merge object:kitten",
        "object:man keep a",
        "object:man drop b",
    )
    built = build(candidates, votes, accept_other_candidates=True, unresolved="keep")
    assert built.ignored == (Tag("object", "cat"), Tag("object", "jet"))
    assert "object:jet" in classes(built) and "object:man" in classes(built)


def test_one_thing_that_is_in_the_way_is_all_that_is_said(candidates):
    with pytest.raises(InputError, match="keep it and merge object:jet into it$"):
        build(candidates, decide("object:jet rename plane"))


def test_a_decision_about_no_candidate_is_refused_even_without_a_snapshot(candidates):
    with pytest.raises(InputError, match="^object:cat was decided on but is no candidate"):
        build(candidates, decide("object:cat drop"))


def test_a_ruling_settles_what_the_votes_leave_open(candidates):
    events = [
        Event(id="1", ts=1, by="a", key="object:photo", act="keep"),
        Event(id="2", ts=2, by="b", key="object:photo", act="drop"),
        Event(id="3", ts=3, by="c", key="object:photo", act="drop", via="adjudicate", why="meta"),
    ]
    built = build(candidates, resolve(replay(events)))
    photo = next(o for o in built.outcomes if o.tag.tag == "photo")
    assert (photo.act, photo.how, photo.why) == ("drop", "adjudicated", "meta")


acts = st.one_of(
    st.just("keep"),
    st.just("drop"),
    st.sampled_from([f"merge {key}" for key in KEYS]),
    st.sampled_from(["rename new", "rename other", "rename plane"]),
    st.sampled_from(["retype action", "retype attribute"]),
)


@given(st.dictionaries(st.sampled_from(KEYS), acts))
def test_every_candidate_is_a_class_an_alias_or_dropped_or_the_build_is_refused(
    tmp_path_factory, chosen
):
    candidates = snapshot(tmp_path_factory.mktemp("b") / "candidates.tsv", KEYS)
    votes = [f"{key} {act}" for key, act in chosen.items() if _moves(key, act)]
    try:
        built = build(candidates, decide(*votes))
    except InputError as error:
        assert "\n" not in str(error)
        return
    vocabulary = built.vocabulary
    for outcome in built.outcomes:
        expected = [] if outcome.into is None else [vocabulary.index(outcome.into)]
        assert vocabulary.encode([outcome.tag]) == expected
    assert len(built.outcomes) == len(KEYS)


def _moves(key, act):
    kind, tag = tag_of(key)
    return act not in (f"merge {key}", f"rename {tag}", f"retype {kind}")


def test_all_that_is_in_the_way_is_listed_once(candidates):
    votes = decide(
        "object:jet merge object:plane",
        "object:plane merge object:airplane",
        "object:airplane merge object:plane",
        "object:surfing merge object:car",
        "attribute:red merge object:photo",
        "object:photo drop",
        "object:brush retype action",
        "object:man keep a",
        "object:man drop b",
        cand="f" * 64,
    )
    problems = find_problems(candidates, votes, undecided="fail")
    starts = [
        "attribute:red was decided on candidates ffffffffffff",
        "1 candidate unresolved, the first is object:man",
        "2 candidates undecided, the first is scene:beach",
        "retype of object:brush to action:brush: that is a candidate itself",
        "merges run in a circle: object:airplane -> object:plane -> object:airplane; keep one",
        "attribute:red is merged into object:photo, which is dropped",
        "object:surfing is merged into object:car, which is no candidate",
    ]
    assert len(problems) == len(starts)
    for problem, start in zip(problems, starts, strict=True):
        assert problem.startswith(start)
    with pytest.raises(InputError, match=r"\(6 more; tag2text vocab check lists all\)$"):
        build(candidates, votes, undecided="fail")
    assert find_problems(candidates, {}) == []
    assert find_problems(candidates, {}, undecided="drop") == [
        "the decisions keep no candidate, so there is no vocabulary to build"
    ]


@given(st.dictionaries(st.sampled_from(KEYS), acts))
def test_a_build_fails_exactly_when_there_is_a_problem(tmp_path_factory, chosen):
    candidates = snapshot(tmp_path_factory.mktemp("b") / "candidates.tsv", KEYS)
    votes = decide(*(f"{key} {act}" for key, act in chosen.items() if _moves(key, act)))
    problems = find_problems(candidates, votes)
    try:
        build(candidates, votes)
    except InputError as error:
        assert problems and str(error).startswith(problems[0])
    else:
        assert problems == []


def test_the_candidates_of_classes_that_have_several(candidates):
    built = build(candidates, decide("object:man merge object:jet", "object:plane rename x"))
    assert built.merged() == [{Tag("object", "man"), Tag("object", "jet")}]
