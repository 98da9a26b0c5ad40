import pytest

from tests.vocab.review.desks import make_candidates, make_desk, make_session, tag
from vocab.decisions import Event
from vocab.examples import Example
from vocab.review.board import look_at, page, top_line
from vocab.review.card import card_lines, make_card
from vocab.review.desk import Filter, Progress
from vocab.review.evidence import Clues
from vocab.review.keymap import make_keymap
from vocab.review.lines import ASCII, UNICODE, Span, plain, width
from vocab.review.session import Choice
from vocab.review.spoken import spoken
from vocab.suggest import Suggestion

DOG = tag("object:dog")
CAPTIONS = (
    Example("A [brown] dog sleeps beside two other dogs on a warm stone floor", "coco", "coco-1"),
    Example("日本の犬 dog 🐕\u200d🦺 in the snow", "vg", "vg-2"),
    Example("x" * 300 + " a dog at the end of a very long caption", "vg", "vg-3"),
)
CLUES = Clues(
    CAPTIONS,
    "a member of the genus Canis",
    [Suggestion(tag("object:puppy"), "same sense"), Suggestion(tag("action:surf"), "contexts")],
)


class Told:
    """Evidence that says what it was told."""

    coverage, missing, pending = None, "", None

    def clues(self, tag, *, limit=5, page=0):
        return CLUES if page == 0 else Clues()


def told_desk(names=("object:dog", "action:dog", "object:puppy", "action:surf")):
    desk = make_desk(candidates=make_candidates(names))
    desk.evidence = Told()
    return desk


def screen(desk, columns=80, rows=24, marks=UNICODE):
    current = desk.show()
    card = make_card(desk, current) if current else None
    look = look_at(desk, [Span("said")], rows, "by frequency")
    ending = [[Span("the end")]]
    return page(card, look, make_keymap(), columns, rows, marks, ending=ending)


def text(lines):
    return [plain(line).rstrip() for line in lines]


@pytest.mark.parametrize("columns", [60, 61, 80, 99, 120, 200])
@pytest.mark.parametrize("rows", [16, 17, 24, 40, 60])
def test_every_size_is_filled_and_nothing_stands_out(columns, rows):
    lines = screen(told_desk(), columns, rows)
    assert len(lines) <= rows
    assert all(width(line) <= columns for line in lines)
    shown = "\n".join(text(lines))
    assert "dog  object" in shown
    assert "? help" in shown
    assert "said" in shown


def test_the_border_is_straight_beside_wide_characters():
    lines = screen(told_desk())
    places = set()
    for line in lines[2:-3]:
        before = 0
        for span in line:
            if span.text == "│":
                places.add(before)
            before += width([span])
    assert len(places) == 1


def test_the_screen_of_80_by_24():
    lines = text(screen(told_desk()))
    assert lines[0].startswith("0/4 decided · kept 0 of 6")
    assert lines[2].startswith("dog  object")
    assert "rank 1 · 999 images" in lines[3]
    assert "predicted keep" in lines[3]
    assert lines[4].startswith("coco      899 ███")
    shown = "\n".join(lines)
    assert "[brown]" in shown
    assert "means a member of the genus Canis" in shown
    assert "also  · action" in shown
    assert "1 merge into · puppy" in shown
    assert "2 merge into · surf (action)" in shown
    assert "▸ dog" in shown
    assert lines[-2].startswith("k keep  d drop")


def test_the_tag_is_marked_in_every_form_and_seen_in_long_captions():
    lines = screen(told_desk())
    marked = [s.text for line in lines for s in line if s.role == "tag"]
    assert marked == ["dog", "dogs", "dog", "dog"]


def test_without_unicode_every_line_of_our_own_is_ascii():
    desk = told_desk()
    desk.evidence.clues = lambda tag, **_: Clues((), "a gloss", CLUES.merges)
    desk.decide("drop")
    desk.jump(DOG)
    lines = text(screen(desk, marks=ASCII))
    assert all(line.isascii() for line in lines)
    assert any("x dropped" in line for line in lines)


def test_own_decisions_on_what_is_suggested_are_seen():
    desk = told_desk()
    desk.session.record(Choice(tag("object:puppy"), "drop"))
    desk.session.record(Choice(tag("action:surf"), "keep"))
    shown = "\n".join(text(screen(desk)))
    assert "1 merge into ✗ puppy" in shown
    assert "2 merge into ✓ surf" in shown


def test_what_stands_about_a_tag_is_on_its_card():
    desk = told_desk()
    desk.flag()
    desk.note("which one?")
    desk.decide("rename", "hound")
    desk.jump(DOG)
    shown = "\n".join(text(screen(desk)))
    assert "⚑ flagged" in shown
    assert "rename to hound" in shown
    assert "note: which one?" in shown


def test_the_end_of_the_queue_says_what_is_next():
    desk = told_desk()
    while desk.current:
        desk.decide("keep")
    assert "the end" in "\n".join(text(screen(desk)))


def test_a_window_too_small_says_so():
    (line,) = text(screen(told_desk(), 70, 10))
    assert line == "this window is 70x10; the review needs 60x16: make it larger"


def test_the_top_line_leaves_out_what_has_no_room():
    progress = Progress(1000, 50_000, 700, 3429, 612.0, 0.7123)
    assert plain(top_line(progress, 100, UNICODE)).startswith(
        "1,000/50,000 decided · kept 700 of 3,429 · coverage 71.2% · 612/h · 80.1 h left"
    )
    narrow = plain(top_line(progress, 60, UNICODE))
    assert len(narrow) == 60
    assert "…" not in narrow


def test_a_filter_stands_in_the_place_of_the_order():
    assert str(Filter("object", "coco", "kept")) == "kept object coco"


def test_all_votes_are_shown_to_who_settles_them():
    session_desk = told_desk()
    votes = [
        Event(id="1", ts=1, by="ann", key="object:dog", act="drop", why="vague", note="hm"),
        Event(id="2", ts=2, by="ben", key="object:dog", act="merge", to="object:puppy"),
    ]
    card = make_card(session_desk, DOG, votes)
    shown = "\n".join(text(card_lines(card, 60, 30, UNICODE)))
    assert "ann          ✗ dropped (vague)  hm" in shown
    assert "ben          → merged into object:puppy" in shown
    said = "\n".join(spoken(card))
    assert "ann: dropped (vague), hm" in said
    assert "ben: merged into object:puppy" in said


def test_votes_are_the_last_to_go_where_room_is_scarce():
    desk = told_desk()
    names = ("ann", "bob", "cyd", "dan")
    votes = [Event(id=by, ts=1, by=by, key="object:dog", act="drop") for by in names]
    many = [Suggestion(tag("object:puppy"), "same sense")] * 9
    desk.evidence.clues = lambda tag, *, limit=5, page=0: Clues(CAPTIONS, "a pet " * 30, many)
    shown = "\n".join(text(card_lines(make_card(desk, DOG, votes), 52, 12, UNICODE)))
    assert all(name in shown for name in names)


def test_the_spoken_card_says_all_in_words():
    desk = told_desk()
    desk.flag()
    said = spoken(make_card(desk, DOG))
    assert said[0].startswith("dog: object, rank 1 of 4, predicted keep")
    assert "  flagged" in said
    assert "  999 images, 1,999 captions (coco 899, vg 3)" in said
    assert any("[brown] dog" in line and line.endswith("(coco)") for line in said)
    assert "  also a candidate as action: undecided" in said
    assert "  1: merge into object:puppy? same sense; undecided" in said


def test_a_missing_source_of_captions_says_what_to_do():
    desk = make_desk()
    shown = " ".join(" ".join(text(screen(desk))).replace("│", " ").split())
    assert "give --mined DIR" in shown
    assert make_session().rows


def test_a_suggestion_names_its_tag_on_a_narrow_card_too():
    desk = told_desk()
    why = "similar spelling, same contexts"
    many = [Suggestion(tag("object:puppy"), why)]
    desk.evidence.clues = lambda tag, *, limit=5, page=0: Clues(CAPTIONS, "a pet", many)
    shown = [text(card_lines(make_card(desk, DOG), cells, 20, UNICODE)) for cells in (32, 60)]
    assert any(line.startswith("1 merge into · puppy") for line in shown[0])
    assert any(line.startswith("1 merge into") and line.endswith(why) for line in shown[1])
