import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from vocab.review.lines import (
    ASCII,
    UNICODE,
    Span,
    bar,
    clean,
    fit,
    marks_for,
    plain,
    spread,
    width,
    wrap,
)

spans = st.lists(st.builds(Span, st.text(max_size=12).map(clean), st.sampled_from(["", "tag"])))


@given(spans, st.integers(1, 40))
def test_a_fitted_line_is_never_too_wide(line, cells):
    assert width(fit(line, cells)) <= cells


@given(spans, spans, st.integers(1, 60))
def test_a_spread_line_fills_its_room_and_no_more(left, right, cells):
    assert width(spread(left, right, cells)) == cells


@given(spans, st.integers(2, 30))
def test_wrapping_loses_no_word_and_keeps_within_the_room(line, cells):
    lines = wrap(line, cells)
    assert all(width(one) <= cells for one in lines)
    together = "".join(plain(one) for one in lines)
    assert together.split() == [] or "".join(together.split()) == "".join(plain(line).split())


@given(spans, st.integers(4, 30))
def test_wrapping_keeps_roles(line, cells):
    marked = [c for one in wrap(line, cells) for s in one if s.role for c in s.text if c.strip()]
    assert marked == [c for span in line if span.role for c in span.text if c.strip()]


@given(st.text())
def test_a_clean_text_is_one_line_without_control_characters(text):
    cleaned = clean(text)
    assert cleaned == clean(cleaned)
    assert not any(c < " " or "\x7f" <= c < "\xa0" for c in cleaned)
    assert "\n" not in cleaned


def test_what_turns_or_joins_writing_is_taken_out():
    assert clean("a\u202eb\u200dc\x1b[31md\ufe0f") == "abc[31md"
    assert clean("  two\n\twords ") == "two words"


def test_wide_characters_count_double():
    assert plain(fit([Span("日本語の犬")], 6)) == "日本…"
    assert cell_len(plain(spread([Span("日本語")], [Span("9")], 10))) == 10


def test_a_bar_grows_with_its_share_and_shows_the_smallest():
    assert bar(1, 4, UNICODE) == "████"
    assert bar(0.5, 4, UNICODE) == "██"
    assert bar(0.001, 4, UNICODE) == "▏"
    assert bar(0, 4, UNICODE) == ""
    assert bar(0.5, 4, ASCII) == "##"


@pytest.mark.parametrize(
    ("encoding", "term", "flag", "marks"),
    [
        ("utf-8", "xterm-256color", False, UNICODE),
        ("UTF8", "tmux", False, UNICODE),
        ("utf-8", "linux", False, ASCII),
        ("utf-8", "dumb", False, ASCII),
        ("latin-1", "xterm", False, ASCII),
        (None, "xterm", False, ASCII),
        ("utf-8", "xterm", True, ASCII),
    ],
)
def test_marks_are_what_the_terminal_can_show(encoding, term, flag, marks, monkeypatch):
    monkeypatch.setenv("TERM", term)
    assert marks_for(encoding, ascii_only=flag) == marks


def test_plain_marks_are_ascii_and_tell_apart():
    signs = [ASCII.kept, ASCII.dropped, ASCII.merged, ASCII.flagged, ASCII.undecided]
    assert all(sign.isascii() for sign in signs)
    assert len(set(signs)) == len(signs)
