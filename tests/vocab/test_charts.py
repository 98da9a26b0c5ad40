import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vocab import charts
from vocab.charts import HEIGHT, HITS, WIDTH, Bar, Part, Series

HOSTILE = "<script>alert(1)</script>]]>&"
sizes = st.floats(min_value=1e-3, max_value=1e9)


def parse(svg: str) -> ET.Element:
    return ET.fromstring(svg)


def titles(svg: str) -> list[str]:
    return [title.text or "" for title in parse(svg).iter("title")]


def rects(svg: str) -> list[dict[str, str]]:
    return [rect.attrib for rect in parse(svg).iter("rect")]


@given(sizes, st.booleans())
def test_a_linear_axis_holds_its_values_at_a_few_round_marks(high: float, tight: bool) -> None:
    axis = charts.linear("n", high, tight=tight)
    assert axis.ticks[0] == axis.low == 0
    assert axis.high >= high * 0.999
    assert max(axis.ticks) <= axis.high * 1.001
    assert 3 <= len(axis.ticks) <= 6
    if tight:
        assert axis.high == high


@given(sizes, sizes)
def test_a_logarithmic_axis_holds_its_values_in_whole_decades(one: float, other: float) -> None:
    low, high = sorted((one, other))
    axis = charts.logarithmic("n", low, high)
    assert axis.low <= low * 1.001
    assert axis.high >= high * 0.999
    assert axis.place(axis.low, 0, 100) == 0
    assert axis.place(axis.high, 0, 100) == 100


@given(st.floats(0, 2e9), st.floats(0, 4e8))
def test_a_time_axis_has_a_few_marks_within_it(low: float, span: float) -> None:
    axis = charts.time_axis("t", low, low + span)
    assert len(axis.ticks) <= 6
    assert all(axis.low <= tick <= axis.high for tick in axis.ticks)
    assert len(set(map(axis.form, axis.ticks))) == len(axis.ticks)


def test_times_are_written_for_their_span() -> None:
    hour, day = 3600, 86_400
    first = 1_767_225_600  # 2026-01-01 00:00 UTC
    assert charts.time_axis("t", first, first + 2 * hour).form(first + 60) == "00:01"
    assert charts.time_axis("t", first, first + 2 * day).form(first) == "01 Jan 00h"
    assert charts.time_axis("t", first, first + 90 * day).form(first) == "01 Jan 26"


@pytest.mark.parametrize(
    ("value", "written"),
    [(0, "0"), (1, "1"), (950, "950"), (1500, "1.5k"), (3e6, "3M"), (12e9, "12G"), (0.25, "0.25")],
)
def test_short_counts(value: float, written: str) -> None:
    assert charts.short(value) == written


def test_lines_go_where_their_points_are() -> None:
    x, y = charts.linear("x", 10), charts.linear("y", 100)
    svg = charts.line_chart("c", [Series("a", "kept", [(0, 0), (10, 100)])], x=x, y=y)
    line = next(parse(svg).iter("polyline")).attrib["points"]
    (left, bottom), (right, top) = (map(float, pair.split(",")) for pair in line.split())
    assert (left, right) == (charts.LEFT, WIDTH - charts.RIGHT)
    assert (bottom, top) == (HEIGHT - charts.BOTTOM, charts.TOP)
    assert "a: 100 at 10" in titles(svg)


def test_long_lines_answer_to_the_pointer_at_some_points_only() -> None:
    x, y = charts.linear("x", 5000), charts.linear("y", 5000)
    points = [(float(n), float(n)) for n in range(1, 5001)]
    svg = charts.line_chart("c", [Series("a", "kept", points)], x=x, y=y)
    assert len(titles(svg)) == HITS
    assert titles(svg)[-1] == "a: 5k at 5k"


def test_parts_of_a_column_stand_on_each_other() -> None:
    bars = [Bar("1", [Part("kept", "kept", 3), Part("dropped", "dropped", 1), Part("x", "all", 0)])]
    svg = charts.columns("c", bars, x="rank", y=charts.linear("n", 4))
    lower, upper = rects(svg)  # what is nothing is not drawn
    assert float(upper["y"]) + float(upper["height"]) == pytest.approx(float(lower["y"]))
    assert float(lower["height"]) == pytest.approx(3 * float(upper["height"]))
    assert titles(svg) == ["1: kept 3", "1: dropped 1"]


def test_lying_bars_compare_totals_or_shares() -> None:
    rows = [Bar("a", [Part("kept", "kept", 10)]), Bar("b", [Part("kept", "kept", 5)])]
    widths = [float(rect["width"]) for rect in rects(charts.bars("c", rows))]
    assert widths[0] == pytest.approx(2 * widths[1], abs=0.1)
    whole = [float(rect["width"]) for rect in rects(charts.bars("c", rows, whole_bar=True))]
    assert whole[0] == whole[1]


def test_bars_fit_beside_their_names_and_totals() -> None:
    row = Bar("a very long name of a reason", [Part("kept", "kept", 1_234_567)])
    svg = charts.bars("c", [row])
    (rect,) = rects(svg)
    assert float(rect["x"]) + float(rect["width"]) < WIDTH - 50
    texts = [element.text for element in parse(svg).iter("text")]
    assert texts == ["a very long name…", "1,234,567"]
    assert row.name in titles(svg)


def test_hostile_words_are_text() -> None:
    part = Part(HOSTILE, "kept", 1)
    y = charts.linear(HOSTILE, 1)
    for svg in (
        charts.bars(HOSTILE, [Bar(HOSTILE, [part])]),
        charts.columns(HOSTILE, [Bar(HOSTILE, [part])], x=HOSTILE, y=y),
        charts.line_chart(HOSTILE, [Series(HOSTILE, "kept", [(0, 1)])], x=y, y=y),
        charts.legend([(HOSTILE, "kept")]),
    ):
        assert "<script" not in svg
        found = {element.tag for element in parse(svg).iter()}
        assert "script" not in found
        assert HOSTILE in "".join(parse(svg).itertext())


def test_nothing_to_draw_is_an_empty_chart() -> None:
    assert rects(charts.bars("c", [])) == []
    assert rects(charts.columns("c", [], x="x", y=charts.linear("n", 0))) == []
