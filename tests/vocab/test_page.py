import html
import re

from hypothesis import given
from hypothesis import strategies as st

from vocab.page import cell, document, figure, table, text

HOSTILE = "<script>alert(1)</script>]]>&amp;\"'"


def test_document_forbids_scripts_and_requests() -> None:
    page = document(title=HOSTILE, style="p {}", body="<p>here</p>")
    assert "content=\"default-src 'none'; style-src 'unsafe-inline'\"" in page
    assert "<title>&lt;script&gt;" in page
    assert page.startswith("<!doctype html>")
    pictures = document(title="t", style="", body="", images=True)
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in pictures


@given(st.text())
def test_text_is_only_text(words: str) -> None:
    markup = text(words)
    assert not re.search(r"[<>\"']", markup)
    visible = re.sub(r"\[U\+([0-9A-F]{4,6})\]", lambda m: chr(int(m[1], 16)), html.unescape(markup))
    again = re.sub(r"\[U\+([0-9A-F]{4,6})\]", lambda m: chr(int(m[1], 16)), words)
    assert visible == again  # nothing is lost


def test_what_would_turn_the_text_around_it_is_named() -> None:
    assert text("a\u202ebc\x07") == "a[U+202E]bc[U+0007]"
    assert text("שלום 🐕‍🦺 naïve") == "שלום 🐕‍🦺 naïve"


def test_cells_show_counts_shares_and_texts() -> None:
    assert cell(12345) == "12,345"
    assert cell(0.125) == "12.5%"
    assert cell(None) == ""
    assert cell("<b>") == "<bdi>&lt;b&gt;</bdi>"


def test_columns_of_figures_stand_right_and_long_ones_may_break() -> None:
    markup = table(["tag", "images", "pace", "note"], [["dog", 5, "2.1 s", "x" * 60]])
    assert re.findall(r"<td([^>]*)>", markup) == ["", ' class="n"', ' class="n"', ' class="long"']


def test_rows_past_those_shown_are_folded() -> None:
    markup = table(["n"], [[n] for n in range(5)], shown=2)
    assert markup.index("<td") < markup.index("<details><summary>3 more") < markup.rindex("<td")
    assert "<details>" not in table(["n"], [[1], [2]], shown=2)
    assert "None." in table(["n"], [])


def test_figure_escapes_its_words_and_keeps_its_body() -> None:
    markup = figure(HOSTILE, "<svg></svg>", note="<i>")
    assert "<script>" not in markup
    assert "<svg></svg>" in markup
    assert "&lt;i&gt;" in markup
