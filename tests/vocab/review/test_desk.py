import pytest

from tests.vocab.review.desks import Memory, make_candidates, make_desk, pull, tag
from vocab.decisions import Event, read_log, replay
from vocab.errors import InputError
from vocab.log import log_path, new_event, open_log
from vocab.review.desk import Filter

DOG, PUPPY = tag("object:dog"), tag("object:puppy")


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


def test_a_decision_moves_on_and_an_undo_goes_back():
    desk = make_desk()
    assert desk.current == DOG
    assert desk.decide("keep") == "kept object:dog"
    assert desk.current == PUPPY
    assert desk.undo() == "undone: kept object:dog"
    assert desk.current == DOG
    assert desk.redo() == "redone: kept object:dog"
    assert desk.current == PUPPY


def test_what_git_pulls_into_the_log_is_seen_with_the_next_card(tmp_path):
    path = log_path(tmp_path, "ann")
    with open_log(path) as writer:
        desk = make_desk(writer)
        desk.decide("keep")
        assert desk.catch_up() == ""
        before = desk.predicted(PUPPY)
        pull(
            path,
            new_event("ann", PUPPY, "drop"),
            new_event("ann", tag("object:gray"), "merge", to="object:dog"),
            new_event("bob", tag("scene:beach"), "drop"),
        )
        assert desk.catch_up() == "the log was changed from outside (tags: 2)"
        assert desk.current == tag("attribute:gray")
        assert (desk.progress().decided, desk.session.joined(DOG)) == (3, 1)
        assert desk.predicted(PUPPY) < before
        assert desk.catch_up() == ""
        desk.undo()
        assert desk.current == tag("object:gray")
        desk.decide("keep")
    later = replay(read_log([path])[0])
    assert later.votes["ann", tag("object:gray")].act == "keep"


def test_what_the_log_has_lost_waits_again_and_broken_lines_are_told(tmp_path):
    path = log_path(tmp_path, "ann")
    with open_log(path) as writer:
        desk = make_desk(writer)
        desk.decide("keep")
        path.write_text("<<<<<<< HEAD\n")
        said = desk.catch_up()
        assert said.startswith(f"the log was changed from outside (tags: 1); {path}:1: not JSON")
        assert said.endswith("left out (see tag2text vocab check)")
        assert desk.current == DOG


def test_a_log_that_cannot_be_read_is_told_and_tried_again(tmp_path):
    path = log_path(tmp_path, "ann")
    with open_log(path) as writer:
        desk = make_desk(writer)
        path.mkdir()
        assert desk.catch_up() == desk.catch_up() != ""
        path.rmdir()
        assert desk.catch_up() == ""


def test_the_time_to_decide_is_from_the_card_to_the_key():
    clock, log = Clock(), Memory()
    desk = make_desk(log, clock=clock)
    desk.show()
    clock.now = 1.5
    desk.show()
    clock.now = 2.0
    desk.decide("keep")
    desk.show()
    clock.now = 2.25
    desk.decide("drop")
    assert [event.ms for event in log.events] == [2000, 250]


def test_the_model_learns_and_forgets_with_the_decisions():
    desk = make_desk()
    before = desk.predicted(PUPPY)
    desk.decide("drop")
    assert desk.predicted(PUPPY) < before
    desk.undo()
    assert desk.predicted(PUPPY) == pytest.approx(before)


def test_the_prediction_that_was_shown_is_logged():
    log = Memory()
    desk = make_desk(log)
    shown = desk.predicted(DOG)
    desk.decide("keep")
    assert log.events[0].p == round(shown, 4)


def test_skipped_tags_come_again_at_the_end_also_after_a_restart():
    log = Memory()
    desk = make_desk(log)
    desk.skip()
    desk.skip()
    assert desk.queue.upcoming(99)[-2:] == [DOG, PUPPY]
    desk = make_desk(log, log.events)
    assert desk.queue.upcoming(99)[-2:] == [DOG, PUPPY]
    desk.undo()
    assert desk.current == PUPPY


def test_a_tag_that_was_sought_out_is_decided_anew_and_the_queue_goes_on():
    desk = make_desk()
    desk.decide("keep")
    desk.jump(DOG)
    assert desk.current == DOG
    desk.decide("drop", why="vague")
    assert desk.session.standing(DOG) == "dropped"
    assert desk.current == PUPPY
    with pytest.raises(InputError, match="no candidate"):
        desk.jump(tag("object:cat"))


def test_looking_ahead_decides_nothing():
    log = Memory()
    desk = make_desk(log)
    desk.move(1)
    assert desk.current == PUPPY
    desk.move(-1)
    desk.move(-1)
    assert desk.current == DOG
    desk.move(99)
    assert desk.current == desk.queue.upcoming(99)[-1]
    assert log.events == []


def test_filters_show_what_they_say():
    desk = make_desk()
    desk.decide("keep")
    desk.decide("drop")
    desk.flag()
    flagged = desk.current
    desk.set_filter(Filter(kind="action"))
    assert {t.kind for t in desk.queue.upcoming(9)} == {"action"}
    desk.set_filter(Filter(standing="kept"))
    assert desk.queue.upcoming(9) == [DOG]
    desk.set_filter(Filter(standing="dropped"))
    assert desk.queue.upcoming(9) == [PUPPY]
    desk.set_filter(Filter(standing="flagged"))
    assert desk.queue.upcoming(9) == [flagged]
    assert desk.set_filter(Filter(source="vg")).startswith("showing: undecided vg")
    desk.set_filter(Filter())
    assert len(desk.queue) == 8


def test_a_decision_in_a_filter_of_decided_tags_goes_to_the_next_of_them():
    desk = make_desk()
    desk.decide("keep")
    desk.decide("keep")
    desk.set_filter(Filter(standing="kept"))
    assert desk.current == DOG
    desk.decide("drop")
    assert desk.current == PUPPY
    desk.skip()
    assert desk.session.standing(PUPPY) == "kept"


def test_a_sheet_is_one_step_and_shares_the_time():
    clock, log = Clock(), Memory()
    desk = make_desk(log, clock=clock)
    desk.restart_clock()
    clock.now = 3.0
    assert desk.accept([(DOG, "keep"), (PUPPY, "drop")]) == "kept 1, dropped 1"
    assert [(event.via, event.ms) for event in log.events] == [("sheet", 1500)] * 2
    assert desk.undo() == "undone: a sheet of 2"
    assert desk.current in (DOG, PUPPY)
    with pytest.raises(InputError, match="nothing on this sheet"):
        desk.accept([])


def test_an_import_is_one_step_to_undo_and_its_tags_fall_into_line():
    events = [
        Event(id=str(n), ts=7, by="ann", key=f"object:x{n}", act="keep", via="import")
        for n in range(20)
    ]
    log = Memory()
    candidates = make_candidates([f"object:x{n}" for n in range(30)])
    desk = make_desk(log, events, candidates=candidates)
    assert desk.session.decided == 20
    assert desk.undo() == "undone: an import of 20"
    assert [event.act for event in log.events] == ["undo"] * 20
    assert desk.session.decided == 0
    assert [tag.tag for tag in desk.queue.upcoming(3)] == ["x0", "x1", "x2"]
    assert desk.redo() == "redone: an import of 20"


def test_dropping_what_others_were_merged_into_says_so():
    desk = make_desk()
    desk.decide("merge", "object:puppy")
    assert "merged into it, so to change too: 1" in desk.decide("drop")


def test_the_end_of_the_queue_refuses_keys_and_an_undo_leads_back():
    desk = make_desk()
    while desk.current:
        desk.decide("keep")
    for act in (lambda: desk.decide("keep"), desk.skip, desk.flag, lambda: desk.note("x")):
        with pytest.raises(InputError, match="no tag is left"):
            act()
    desk.undo()
    assert desk.current is not None


def test_a_full_disk_moves_nothing():
    log = Memory()
    desk = make_desk(log)
    before = desk.predicted(PUPPY)
    log.full = True
    for act in (lambda: desk.decide("drop"), desk.skip, desk.flag, lambda: desk.note("x")):
        with pytest.raises(InputError, match="No space left"):
            act()
    assert (desk.current, desk.predicted(PUPPY), desk.progress().decided) == (DOG, before, 0)


def test_progress_counts_towards_the_target():
    clock = Clock()
    desk = make_desk(clock=clock)
    for act in ("keep", "drop", "keep"):
        desk.show()
        clock.now += 2
        desk.decide(act)
    progress = desk.progress()
    assert (progress.decided, progress.total, progress.kept, progress.target) == (3, 10, 2, 6)
    assert progress.rate == pytest.approx(1800)
    assert progress.hours_left == pytest.approx(7 / 1800)


def test_a_suggestion_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="no suggestion 1"):
        make_desk().merge_into(1)


def test_an_empty_note_is_not_written():
    log = Memory()
    with pytest.raises(InputError, match="empty"):
        make_desk(log).note("  ")
    assert log.events == []


def test_a_decision_on_other_candidates_is_undone_without_a_card():
    log = Memory()
    log.append(new_event("ann", tag("object:unicorn"), "keep"))
    desk = make_desk(log, log.events)
    assert desk.progress().decided == 0
    assert desk.undo() == "undone: kept object:unicorn"
    assert desk.current == DOG
    assert desk.redo() == "redone: kept object:unicorn"
