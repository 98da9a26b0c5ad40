import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from tests.vocab.review.desks import NAMES, Memory, make_session, tag
from vocab.decisions import DECIDING, effective, replay
from vocab.errors import InputError
from vocab.graph import KINDS
from vocab.log import new_event
from vocab.review.session import Choice

DOG, PUPPY, GREY = tag("object:dog"), tag("object:puppy"), tag("attribute:grey")


def keep(session, *names):
    for name in names:
        session.record(Choice(tag(name), "keep"))


def acts(session):
    return {t: e.act for t in session.rows if (e := session.decision(t))}


def test_a_decision_is_in_the_log_with_all_that_is_known_of_it():
    log = Memory()
    session = make_session(log)
    session.record(Choice(DOG, "drop", why="vague", p=0.123456), ms=850)
    (event,) = log.events
    assert (event.by, event.key, event.act, event.why) == ("ann", "object:dog", "drop", "vague")
    assert (event.via, event.ms, event.cand, event.p) == ("card", 850, "c" * 64, 0.1235)
    assert session.standing(DOG) == "dropped"


def test_counts_follow_what_stands():
    session = make_session()
    keep(session, "object:dog", "object:gray")
    session.record(Choice(PUPPY, "merge", "object:dog"))
    session.record(Choice(GREY, "drop"))
    assert (session.decided, session.kept, session.joined(DOG)) == (4, 2, 1)
    session.record(Choice(DOG, "rename", "hound"))
    assert (session.decided, session.kept) == (4, 2)
    session.undo()
    session.undo()
    session.undo()
    assert (session.decided, session.kept, session.joined(DOG)) == (2, 2, 0)


def test_an_undo_brings_back_the_decision_before():
    session = make_session()
    keep(session, "object:dog")
    session.record(Choice(DOG, "drop"))
    assert session.undo() == (DOG,)
    assert session.decision(DOG).act == "keep"
    assert session.undo() == (DOG,)
    assert session.decision(DOG) is None
    assert session.undo() == ()


def test_an_undo_names_the_event_and_a_redo_names_the_undo():
    log = Memory()
    session = make_session(log)
    keep(session, "object:dog")
    session.undo()
    session.redo()
    kept, undo, redo = log.events
    assert (undo.act, undo.to, redo.act, redo.to) == ("undo", kept.id, "undo", undo.id)
    assert acts(session) == {DOG: "keep"}


def test_undo_and_redo_go_on_after_a_restart():
    log = Memory()
    session = make_session(log)
    keep(session, "object:dog", "object:puppy", "object:gray")
    session.undo()
    session.undo()
    session = make_session(log, log.events)
    assert set(acts(session)) == {DOG}
    assert session.redo() == (PUPPY,)
    session = make_session(log, log.events)
    assert session.redo() == (tag("object:gray"),)
    assert session.redo() == ()
    session = make_session(log, log.events)
    for _ in range(3):
        assert session.undo()
    assert acts(session) == {}


def test_a_new_decision_ends_what_could_be_redone_also_after_a_restart():
    log = Memory()
    session = make_session(log)
    keep(session, "object:dog")
    session.undo()
    keep(session, "object:puppy")
    assert session.redo() == ()
    assert make_session(log, log.events).redo() == ()


def test_a_sheet_is_one_step_to_undo_and_redo():
    log = Memory()
    session = make_session(log)
    keep(session, "object:gray")
    session.record(Choice(DOG, "keep"), Choice(PUPPY, "drop"), sheet=True, ms=70)
    assert [event.via for event in log.events] == ["card", "sheet", "sheet"]
    for _ in range(2):
        assert set(session.undo()) == {DOG, PUPPY}
        assert set(acts(session)) == {tag("object:gray")}
        session = make_session(log, log.events)
        assert set(session.redo()) == {DOG, PUPPY}
        session = make_session(log, log.events)
        assert acts(session)[PUPPY] == "drop"


def test_two_sheets_after_another_are_two_steps():
    session = make_session()
    session.record(Choice(DOG, "keep"), sheet=True)
    session.record(Choice(PUPPY, "keep"), sheet=True)
    assert session.undo() == (PUPPY,)


def test_a_flag_is_taken_away_wherever_it_stands():
    log = Memory()
    session = make_session(log)
    session.record(Choice(DOG, "flag"))
    keep(session, "object:puppy")
    session.unflag(DOG)
    assert not session.flagged(DOG)
    assert not make_session(log, log.events).flagged(DOG)
    assert session.undo() == (PUPPY,)


def test_notes_and_skips_decide_nothing():
    session = make_session()
    session.record(Choice(DOG, "note", note="a brand?"))
    assert (session.notes(DOG), session.standing(DOG)) == (["a brand?"], "undecided")
    session.record(Choice(DOG, "skip"))
    assert (session.standing(DOG), session.skipped(), session.decided) == ("skipped", [DOG], 0)


def test_events_stay_in_order_when_the_clock_is_set_back():
    log = Memory()
    late = new_event("ann", DOG, "drop")
    log.append(type(late)(**{**fields(late), "ts": late.ts + 10**9}))
    session = make_session(log, log.events)
    keep(session, "object:dog")
    votes = replay(log.events).votes
    assert votes["ann", DOG].act == "keep" == session.decision(DOG).act


def fields(event):
    return {name: getattr(event, name) for name in event.__slots__}


def test_others_decisions_are_not_seen():
    theirs = new_event("ben", DOG, "drop")
    session = make_session(events=[theirs])
    assert session.decision(DOG) is None
    assert session.undo() == ()


def test_a_ruling_is_no_vote_and_a_vote_is_no_ruling():
    log = Memory()
    keep(make_session(log), "object:dog")
    judge = make_session(log, log.events, via="adjudicate")
    assert judge.undo() == ()
    judge.record(Choice(DOG, "drop"))
    state = replay(log.events)
    assert (state.votes["ann", DOG].act, state.rulings[DOG].act) == ("keep", "drop")
    assert make_session(log, log.events).decision(DOG).act == "keep"
    judge = make_session(log, log.events, via="adjudicate")
    judge.undo()
    assert replay(log.events).rulings == {}
    assert make_session(log, log.events).undo() == (DOG,)


def test_nothing_moves_when_the_log_cannot_be_written():
    log = Memory()
    session = make_session(log)
    keep(session, "object:dog")
    log.full = True
    for act in (lambda: keep(session, "object:puppy"), session.undo):
        with pytest.raises(InputError, match="No space left"):
            act()
    assert (acts(session), session.decided) == ({DOG: "keep"}, 1)
    log.full = False
    assert session.undo() == (DOG,)
    log.full = True
    with pytest.raises(InputError):
        session.redo()
    log.full = False
    assert session.redo() == (DOG,)


def test_a_retype_or_rename_to_a_candidate_is_a_merge_into_it():
    session = make_session()
    assert session.choose(tag("action:surf"), "retype", "object") == Choice(
        tag("action:surf"), "merge", "object:surf"
    )
    assert session.choose(GREY, "rename", " gray ").act == "merge"
    assert session.choose(DOG, "rename", "big  dog").to == "big dog"


def test_a_name_that_a_decision_gave_is_taken():
    session = make_session()
    session.record(session.choose(DOG, "rename", "hound"))
    assert session.choose(PUPPY, "rename", "hound") == Choice(PUPPY, "merge", "object:dog")
    assert session.choose(DOG, "rename", "hound").act == "rename"


@pytest.mark.parametrize(
    ("choice", "line"),
    [
        (Choice(DOG, "merge", "object:dog"), "into itself"),
        (Choice(DOG, "merge", "object:cat"), "no candidate"),
        (Choice(tag("object:cat"), "keep"), "no candidate"),
        (Choice(DOG, "merge", "object:puppy"), "is itself merged into object:dog"),
        (Choice(DOG, "merge", "object:thing"), "you dropped object:thing"),
        (Choice(DOG, "rename", "dog"), "that name already"),
        (Choice(DOG, "rename", "  "), "empty"),
        (Choice(DOG, "retype", "object"), "that kind already"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(choice, line):
    log = Memory()
    session = make_session(log)
    session.record(Choice(PUPPY, "merge", "object:dog"))
    session.record(Choice(tag("object:thing"), "drop"))
    with pytest.raises(InputError, match=line) as caught:
        session.record(choice)
    assert "\n" not in str(caught.value)
    assert len(log.events) == 2


def test_a_circle_of_three_merges_is_refused():
    session = make_session()
    session.record(Choice(DOG, "merge", "object:puppy"))
    session.record(Choice(PUPPY, "merge", "object:gray"))
    with pytest.raises(InputError, match="itself merged"):
        session.record(Choice(tag("object:gray"), "merge", "object:dog"))


def test_the_rate_counts_a_long_look_as_a_pause():
    session = make_session()
    assert session.rate() is None
    session.record(Choice(DOG, "keep"), ms=1000)
    assert session.rate() == 3600
    session.record(Choice(PUPPY, "keep"), ms=10 * 3_600_000)
    assert session.rate() == pytest.approx(2 * 3600 / 121)


def test_an_undo_doubled_by_a_merge_of_logs_is_not_redone():
    log = Memory()
    session = make_session(log)
    keep(session, "object:dog")
    (kept,) = log.events
    log.append(*(new_event("ann", DOG, "undo", to=kept.id) for _ in range(2)))
    session = make_session(log, log.events)
    assert session.redo() == ()
    assert session.decision(DOG) is None


tags = st.sampled_from(NAMES).map(tag)


class AnySitting(RuleBasedStateMachine):
    """Any keys in any order, with restarts: what the session says is what the log replays to."""

    def __init__(self):
        super().__init__()
        self.log = Memory()
        self.session = make_session(self.log)
        self.stack = []  # states to go back to
        self.ahead = []

    def step(self, act):
        before = self.snapshot()
        try:
            act()
        except InputError:
            assert self.snapshot() == before
            return
        self.stack.append(before)
        self.ahead.clear()

    def snapshot(self):
        session = self.session
        return {t: session.history.events(t) for t in session.rows if session.history.events(t)}

    @rule(tag=tags, act=st.sampled_from(["keep", "drop", "skip", "flag"]))
    def decide(self, tag, act):
        self.step(lambda: self.session.record(Choice(tag, act), ms=5))

    @rule(tag=tags, to=st.sampled_from(NAMES))
    def merge(self, tag, to):
        self.step(lambda: self.session.record(Choice(tag, "merge", to)))

    @rule(tag=tags, kind=st.sampled_from(KINDS))
    def retype(self, tag, kind):
        self.step(lambda: self.session.record(self.session.choose(tag, "retype", kind)))

    @rule(tags=st.lists(tags, min_size=1, max_size=4, unique=True))
    def sheet(self, tags):
        choices = [Choice(tag, "keep") for tag in tags]
        self.step(lambda: self.session.record(*choices, sheet=True))

    @rule()
    def undo(self):
        now = self.snapshot()
        done = self.session.undo()
        assert bool(done) == bool(self.stack)
        if done:
            self.ahead.append(now)
            assert self.snapshot() == self.stack.pop()

    @rule()
    def redo(self):
        now = self.snapshot()
        done = self.session.redo()
        assert bool(done) == bool(self.ahead)
        if done:
            self.stack.append(now)
            assert self.snapshot() == self.ahead.pop()

    @rule()
    def restart(self):
        before = self.snapshot()
        self.session = make_session(self.log, reversed(self.log.events))
        assert self.snapshot() == before

    @invariant()
    def the_log_replays_to_what_stands(self):
        votes = {t: vote for (_, t), vote in replay(self.log.events).votes.items()}
        session = self.session
        assert votes == {e.tag: e for e in session.decisions()}
        standing = sorted(effective(self.log.events), key=lambda e: (e.ts, e.id))
        assert standing == sorted(
            (e for events in self.snapshot().values() for e in events),
            key=lambda e: (e.ts, e.id),
        )
        assert session.decided == len(votes)
        assert session.kept == sum(e.act not in ("drop", "merge") for e in votes.values())
        assert all(e.act in DECIDING for e in votes.values())


AnySitting.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestAnySitting = AnySitting.TestCase
