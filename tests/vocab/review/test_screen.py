import asyncio

import pytest
from textual.events import Key

from tests.vocab.review.desks import NAMES, Memory, make_candidates, make_desk, tag
from vocab.candidates import Candidate, Candidates
from vocab.review.dialogs import Ask, Menu, Search
from vocab.review.keymap import make_keymap
from vocab.review.lines import UNICODE, plain
from vocab.review.paint import Board
from vocab.review.screen import ReviewApp, ReviewScreen
from vocab.review.sheet import HelpScreen, SheetScreen

DOG, PUPPY = tag("object:dog"), tag("object:puppy")


def press(*keys, log=None, desk=None, keymap=None, size=(80, 24), then=lambda app: None):
    """Press keys; return the desk, the log, the text of the screen, and what ``then`` returns."""
    log = log or Memory()
    desk = desk or make_desk(log)

    async def run():
        app = ReviewApp(desk, keymap or make_keymap(), UNICODE, ending=("the end",))
        async with app.run_test(size=size) as pilot:
            await pilot.pause()
            await pilot.press(*keys)
            await pilot.pause()
            boards = app.screen.query(Board)
            text = "\n".join(plain(line) for board in boards for line in board._lines)
            return text, then(app)

    text, result = asyncio.run(run())
    return desk, log, text, result


def acts(log):
    return [(e.act, e.key, e.to or e.why or e.note) for e in log.events]


@pytest.mark.parametrize("key", ["k", "a"])
def test_one_key_keeps_and_moves_on(key):
    desk, log, text, _ = press(key)
    assert acts(log) == [("keep", "object:dog", None)]
    assert desk.current == PUPPY
    assert "puppy  object" in text
    assert "kept object:dog" in text


@pytest.mark.parametrize("key", ["d", "x"])
def test_one_key_drops_and_moves_on(key):
    _, log, text, _ = press(key)
    assert acts(log) == [("drop", "object:dog", None)]
    assert "puppy  object" in text


@pytest.mark.parametrize(
    ("keys", "event"),
    [
        ("D 1", ("drop", "object:dog", "vague")),
        ("D down enter", ("drop", "object:dog", "name")),
        ("t 1", ("retype", "object:dog", "scene")),
        ("m p u p enter", ("merge", "object:dog", "object:puppy")),
        ("m g r down enter", ("merge", "object:dog", "attribute:gray")),
        ("down down down m s u enter", ("merge", "attribute:gray", "action:surf")),
        ("down down down m g r e y enter", ("merge", "attribute:gray", "attribute:grey")),
        ("down down down down m g r a enter", ("merge", "attribute:grey", "attribute:gray")),
        ("r y enter", ("rename", "object:dog", "dogy")),
        ("n [ b ] enter", ("note", "object:dog", "[b]")),
        ("s", ("skip", "object:dog", None)),
        ("f", ("flag", "object:dog", None)),
        ("/ b e a enter k", ("keep", "scene:beach", None)),
        ("down k", ("keep", "object:puppy", None)),
        ("down up k", ("keep", "object:dog", None)),
        ("o 4 k", ("keep", "scene:beach", None)),
        ("F a k", ("keep", "action:surf", None)),
        ("F b 2 k", ("keep", "object:dog", None)),
    ],
)
def test_keys_do_what_the_help_says(keys, event):
    _, log, _, screen = press(*keys.split(), then=lambda app: app.screen)
    assert acts(log) == [event]
    assert isinstance(screen, ReviewScreen)


@pytest.mark.parametrize("keys", ["D escape", "t escape", "m p u escape", "n x escape"])
def test_leaving_a_box_decides_nothing(keys):
    _, log, _, screen = press(*keys.split(), then=lambda app: app.screen)
    assert log.events == []
    assert isinstance(screen, ReviewScreen)


def test_enter_in_an_empty_search_chooses_nothing():
    _, log, _, screen = press("m", "enter", then=lambda app: app.screen)
    assert log.events == []
    assert isinstance(screen, Search)


def test_what_is_typed_ahead_goes_to_the_box_that_it_was_meant_for():
    log = Memory()
    desk = make_desk(log)

    async def run():
        app = ReviewApp(desk, make_keymap(), UNICODE)
        async with app.run_test() as pilot:
            await pilot.pause()
            for key in (*"mbea", "enter", *"kt1D1k"):  # all at once
                app.post_message(Key(key, key if len(key) == 1 else None))
            for _ in range(40):
                await pilot.pause(0.05)
                if len(log.events) == 5:
                    return

    asyncio.run(run())
    assert [event[0] for event in acts(log)] == ["merge", "keep", "retype", "drop", "keep"]
    assert acts(log)[0] == ("merge", "object:dog", "scene:beach")


def test_undo_and_redo_move_the_card():
    _, log, text, _ = press("k", "u")
    assert [e.act for e in log.events] == ["keep", "undo"]
    assert "dog  object" in text
    assert "undone: kept object:dog" in text
    _, log, text, _ = press("k", "u", "ctrl+r")
    assert [e.act for e in log.events] == ["keep", "undo", "undo"]
    assert "puppy  object" in text


def test_a_key_without_action_says_so():
    _, log, text, _ = press("z")
    assert log.events == []
    assert "no action on z; ? shows the keys" in text
    assert "there is no suggestion 5" in press("5")[2]


def test_own_keys_work_and_are_shown():
    keymap = make_keymap({"keep": ("y", "space"), "help": ("h",)})
    _, log, text, _ = press("space", "k", "y", keymap=keymap)
    assert [e.key for e in log.events] == ["object:dog", "object:puppy"]
    assert "y keep" in text
    text = press("h", keymap=keymap)[2]
    assert "y space       keep the tag" in text


def test_a_full_disk_shows_one_line_and_does_not_move_on():
    log = Memory()
    log.full = True
    desk, _, text, _ = press("k", log=log)
    assert "No space left" in text
    assert "dog  object" in text
    assert desk.current == DOG


def test_the_last_card_is_followed_by_what_is_next():
    desk, _, text, _ = press(*"k" * len(NAMES), "k")
    assert desk.current is None
    assert "the end" in text
    assert "no tag is left here" in text


@pytest.mark.parametrize(
    ("key", "screen"),
    [("D", Menu), ("n", Ask), ("m", Search), ("?", HelpScreen), ("v", SheetScreen)],
)
def test_boxes_open(key, screen):
    assert type(press(key, then=lambda app: app.screen)[3]) is screen


def test_the_help_lists_every_action_and_any_key_leaves_it():
    _, _, text, _ = press("question_mark")
    assert "bring back what was taken back" in text
    _, log, _, screen = press("?", "k", then=lambda app: app.screen)
    assert isinstance(screen, ReviewScreen)
    assert log.events == []


def test_a_sheet_decides_on_a_screenful_with_its_exceptions():
    shown = len(make_desk().queue.surest(True, 99))
    _, log, text, _ = press("v", "space", "right", "space", "space", "enter", "escape")
    assert {e.via for e in log.events} == {"sheet"}
    assert [e.act for e in log.events].count("drop") == 1
    assert len(log.events) == shown - 1
    assert "1 marked" not in text


def test_a_sheet_can_be_undone_at_once():
    log = Memory()
    desk, _, _, _ = press("v", "enter", "u", log=log)
    assert desk.session.decided == 0
    assert [e.act for e in log.events].count("undo") == len(log.events) / 2 > 5


def test_the_other_side_of_a_sheet_is_the_drops():
    names = [f"object:x{n}" for n in range(30)] + [f"scene:y{n}" for n in range(30)]
    log = Memory()
    desk = make_desk(log, candidates=make_candidates(names))
    for n in range(15):
        desk.jump(tag(f"object:x{n}"))
        desk.decide("drop")
        desk.jump(tag(f"scene:y{n}"))
        desk.decide("keep")
    before = len(log.events)
    press("v", "v", "enter", "escape", log=log, desk=desk)
    sheet = log.events[before:]
    assert {(e.act, e.tag.kind) for e in sheet} == {("drop", "object")}


def test_leaving_a_sheet_writes_nothing():
    _, log, _, screen = press("v", "space", "escape", then=lambda app: app.screen)
    assert log.events == []
    assert isinstance(screen, ReviewScreen)


def test_a_full_disk_on_a_sheet_leaves_it_as_it_is():
    log = Memory()
    log.full = True
    _, _, text, _ = press("v", "enter", log=log)
    assert "No space left" in text
    assert f"{len(make_desk().queue.surest(True, 99))} to keep" in text


def test_a_screenshot_can_be_taken():
    svg = press("k", then=lambda app: app.export_screenshot())[3]
    assert svg.startswith("<svg")
    assert "puppy" in svg


def test_a_small_window_says_so():
    assert "make it larger" in press(size=(70, 10))[2]


def test_nobody_decides_in_a_window_too_small_to_show_the_card():
    _, log, text, _ = press(*"kdf1", size=(70, 10))
    assert log.events == []
    assert "this window is 70x10" in text
    assert press("q", size=(70, 10), then=lambda app: app.return_code)[3] == 0


def test_an_undone_sheet_comes_back_as_a_sheet():
    shown = len(make_desk().queue.surest(True, 99))
    log = Memory()
    press("v", "enter", "u", "enter", log=log)
    assert [e.act for e in log.events].count("keep") == 2 * shown


def test_marks_leave_a_sheet_with_their_tags():
    _, _, text, _ = press("v", "space", "enter", "u", "space", "u")
    assert "1 marked" in text
    _, _, text, _ = press("v", "enter", "space", "ctrl+r")
    assert "marked" not in text


def test_a_sheet_obeys_own_keys():
    keymap = make_keymap({"undo": ("z",), "sheet": ("b",), "quit": ("w",)})
    _, log, text, _ = press("b", "enter", "z", keymap=keymap)
    assert [e.act for e in log.events].count("undo") == len(log.events) / 2 > 5
    assert "b drop side" in text and "z undo" in text
    screen = press("b", "w", keymap=keymap, then=lambda app: app.screen)[3]
    assert isinstance(screen, ReviewScreen)


def test_a_long_menu_moves_with_its_pointer():
    names = tuple(f"source{n:02}" for n in range(40))
    rows = [Candidate(n, "object", f"x{n}", 9, 9, dict.fromkeys(names, 1)) for n in range(1, 9)]
    desk = make_desk(candidates=Candidates(tuple(rows), names, "c" * 64))
    text = press("F", "b", desk=desk)[2]
    assert "source00" in text and "source39" not in text
    text = press("F", "b", "up", desk=desk)[2]
    assert "source39" in text
    text = press("F", "b", "up", "enter", desk=desk)[2]
    assert "undecided source39" in text


def test_a_low_window_shows_the_help_in_parts():
    text = press("?", size=(60, 16))[2]
    assert "any other key shows the rest" in text and "leave; everything" not in text
    text = press("?", "down", size=(60, 16))[2]
    assert "leave; everything" in text
    for keys in (("?", "down", "down"), ("?", "escape")):
        screen = press(*keys, size=(60, 16), then=lambda app: app.screen)[3]
        assert isinstance(screen, ReviewScreen)


def test_what_nobody_foresaw_leaves_the_screen_and_is_kept_for_the_command_line(capsys):
    desk = make_desk()
    desk.skip = lambda: 1 / 0

    async def run():
        app = ReviewApp(desk, make_keymap(), UNICODE)
        with pytest.raises(ZeroDivisionError):  # as Textual tells tests
            async with app.run_test() as pilot:
                await pilot.press("s")
        return app

    app = asyncio.run(run())
    assert isinstance(app.failure, ZeroDivisionError)
    assert app.return_code == 1
    assert "Traceback" not in "".join(capsys.readouterr())
