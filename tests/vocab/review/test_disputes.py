import pytest

from tests.vocab.review.desks import Memory, make_candidates, make_session, tag
from vocab.decisions import replay
from vocab.errors import InputError
from vocab.log import new_event
from vocab.review.desk import Desk
from vocab.review.disputes import Docket, disputes, with_notes
from vocab.review.evidence import Evidence

DOG, PUPPY, BEACH = tag("object:dog"), tag("object:puppy"), tag("scene:beach")


def vote(by, tag, act, **more):
    return new_event(by, tag, act, **more)


VOTES = [
    vote("ann", DOG, "keep"), vote("ben", DOG, "drop", why="vague", note="hm"),
    vote("ann", PUPPY, "keep"), vote("ben", PUPPY, "keep"), vote("eve", PUPPY, "drop"),
    vote("ann", BEACH, "keep"), vote("ben", BEACH, "keep"),
]  # fmt: skip


def test_only_what_has_no_majority_needs_a_ruling():
    (only,) = disputes(replay(VOTES)).items()
    assert only[0] == DOG
    assert [(v.by, v.act) for v in only[1]] == [("ann", "keep"), ("ben", "drop")]


def test_a_majority_can_be_looked_at_too_after_the_others():
    assert list(disputes(replay(VOTES), majority=True)) == [DOG, PUPPY]


def test_what_was_ruled_on_is_settled():
    ruled = [*VOTES, vote("eve", DOG, "keep", via="adjudicate")]
    assert disputes(replay(ruled)) == {}


def test_notes_stand_with_the_votes_of_those_who_wrote_them():
    noted = [
        vote("ann", DOG, "note", note="which one?"),
        vote("ben", BEACH, "note", note="sand"),
        gone := vote("ann", DOG, "note", note="never mind"),
        vote("ann", DOG, "undo", to=gone.id),
    ]
    shown = with_notes(disputes(replay(VOTES)), [*VOTES, *noted])
    assert [(v.by, v.note) for v in shown[DOG]] == [("ann", "which one?"), ("ben", "hm")]


def desk_of(log):
    session = make_session(log, [*VOTES, *log.events], by="eve", via="adjudicate")
    votes = disputes(replay([*VOTES, *log.events]), majority=True)
    docket = Docket(votes, {t: session.rows[t].images for t in votes})
    return Desk(session, docket, Evidence(make_candidates()), order="frequency")


def test_a_ruling_settles_and_an_undo_reopens():
    log = Memory()
    desk = desk_of(log)
    assert desk.current == DOG
    desk.decide("drop")
    assert log.events[0].via == "adjudicate"
    assert (log.events[0].by, log.events[0].p) == ("eve", None)
    assert replay([*VOTES, *log.events]).rulings[DOG].act == "drop"
    assert desk.current == PUPPY
    desk.undo()
    assert desk.current == DOG
    assert replay([*VOTES, *log.events]).rulings == {}
    desk.redo()
    assert desk.current == PUPPY
    assert desk_of(log).current == PUPPY
    assert desk_of(log).undo()


def test_the_adjudicators_own_vote_stays():
    log = Memory()
    desk = desk_of(log)
    desk.jump(PUPPY)
    desk.decide("keep")
    assert replay([*VOTES, *log.events]).votes["eve", PUPPY].act == "drop"


def test_the_docket_orders_defers_and_filters():
    docket = Docket([DOG, PUPPY, BEACH], {DOG: 1, PUPPY: 3, BEACH: 2})
    docket.reorder("frequency")
    assert docket.upcoming(9) == [PUPPY, BEACH, DOG]
    docket.reorder("alphabetical")
    assert docket.upcoming(9) == [BEACH, DOG, PUPPY]
    docket.defer(BEACH)
    assert docket.upcoming(9) == [DOG, PUPPY, BEACH]
    docket.done(DOG)
    docket.keep_only(lambda t: True, decided=True)
    assert docket.upcoming(9) == [DOG]
    docket.keep_only(lambda t: t.kind == "scene")
    assert docket.upcoming(9) == [BEACH]
    docket.keep_only(None)
    docket.again(DOG)
    assert docket.upcoming(2) == [DOG, PUPPY]
    assert len(docket) == 3
    docket.again(tag("object:thing"))
    assert len(docket) == 3


def test_nothing_is_left_to_undo_for_who_only_voted():
    with pytest.raises(InputError, match="nothing is left to undo"):
        desk_of(Memory()).undo()
