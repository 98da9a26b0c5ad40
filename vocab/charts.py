"""Charts as inline SVG: pure functions from numbers to markup, without a script.

All are drawn 440 units wide, so that text keeps one size beside another chart and stays readable
on a phone. A colour is a class of :data:`STYLE` (a "tone"); whatever has a tone also has a name in
the legend and its figures in a title that shows on hover.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Final, NamedTuple

from vocab.page import text

WIDTH: Final = 440
HEIGHT: Final = 260
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 10, 46  # margins for the axes
ROW: Final = 26  # height of a horizontal bar with its gap
LETTER: Final = 7.2  # width that a letter of a name takes at most
HITS: Final = 80  # points of a line that answer to the pointer

STYLE: Final = """
:root { --kept: #2563b0; --merged: #8db4e2; --changed: #2a8f83; --dropped: #d0661b;
  --unresolved: #75406d; --undecided: #cfcfca; --teal: #1f8a7d; --plum: #7a3f73; --gold: #96780a;
  --slate: #56687c; --rose: #b44f6b; --moss: #557a2b; }
@media (prefers-color-scheme: dark) { :root { --kept: #6ea8fe; --merged: #35598c;
  --changed: #3fb8a9; --dropped: #f0954f; --unresolved: #c78fbe; --undecided: #4c5056;
  --more: #d9b93b; } }
.kept { --tone: var(--kept); } .merged { --tone: var(--merged); }
.changed { --tone: var(--changed); } .unresolved { --tone: var(--unresolved); }
.dropped { --tone: var(--dropped); --dash: 7 3; } .undecided { --tone: var(--undecided); }
.all { --tone: var(--soft); --dash: 1 3; }
.teal { --tone: var(--teal); } .plum { --tone: var(--plum); --dash: 7 3; }
.gold { --tone: var(--gold); --dash: 2 3; } .slate { --tone: var(--slate); --dash: 9 3 2 3; }
.rose { --tone: var(--rose); --dash: 12 4; } .moss { --tone: var(--moss); --dash: 4 2; }
svg.chart { display: block; width: 100%; height: auto; }
svg.chart text { fill: var(--soft); font: 12px system-ui, sans-serif;
  font-variant-numeric: tabular-nums; }
svg.chart .name { fill: var(--ink); }
svg.chart .grid { stroke: var(--line); }
svg.chart .axis { stroke: var(--soft); }
svg.chart .bar { fill: var(--tone); stroke: var(--card); stroke-width: 1; }
svg.chart .bar:hover { opacity: .8; }
svg.chart .line { fill: none; stroke: var(--tone); stroke-width: 2; stroke-linejoin: round;
  stroke-dasharray: var(--dash, none); }
svg.chart .dot { fill: var(--tone); }
svg.chart .hit { fill: transparent; }
svg.chart .hit:hover { fill: var(--tone); }
ul.legend { display: flex; flex-wrap: wrap; gap: 2px 18px; margin: 0 0 8px; padding: 0;
  list-style: none; font-size: 13px; color: var(--soft); }
ul.legend svg { width: 22px; height: 10px; margin-right: 6px; vertical-align: baseline; }
ul.legend rect { fill: var(--tone); }
ul.legend line { stroke: var(--tone); stroke-width: 2.5; stroke-dasharray: var(--dash, none); }
"""
NEUTRAL: Final = ("teal", "plum", "gold", "slate", "rose", "moss")  # tones that mean no side

Form = Callable[[float], str]


def whole(value: float) -> str:
    """Return a count as a person reads it: 12,345."""
    return f"{value:,.0f}"


def percent(value: float) -> str:
    """Return a share from 0 to 1 per cent: 12%."""
    return f"{value:.0%}"


def fraction(value: float) -> str:
    """Return a figure with two digits: 0.85."""
    return f"{value:.2f}"


def short(value: float) -> str:
    """Return a count for an axis: 12k, 3M, 1.5k."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.3g}{unit}"
    return f"{value:.3g}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One axis: what it shows, its range (``low < high``), where it is marked and how."""

    label: str
    low: float
    high: float
    ticks: tuple[float, ...]
    form: Form = short
    log: bool = False

    def place(self, value: float, start: float, end: float) -> float:
        """Return where ``value`` lies between ``start`` and ``end``, in units of the drawing."""
        low, high, at = self.low, self.high, min(max(value, self.low), self.high)
        if self.log:
            low, high, at = math.log10(low), math.log10(high), math.log10(at)
        return start + (end - start) * (at - low) / (high - low)


def linear(label: str, high: float, *, form: Form = short, tight: bool = False) -> Axis:
    """Return an axis from 0 to ``high``, marked at round figures; unless ``tight``, to the next."""
    high = max(high, 1e-9)
    power = 10.0 ** math.floor(math.log10(high / 4))
    step = next(power * n for n in (1, 2, 2.5, 5, 10) if power * n >= high / 4 * 0.999)
    count = math.floor(high / step + 1e-9) if tight else math.ceil(high / step - 1e-9)
    ticks = tuple(step * n for n in range(count + 1))
    return Axis(label=label, low=0.0, high=high if tight else ticks[-1], ticks=ticks, form=form)


def logarithmic(label: str, low: float, high: float) -> Axis:
    """Return an axis over whole decades that hold ``low`` to ``high`` (both positive)."""
    first = math.floor(math.log10(low) + 1e-9)
    last = max(math.ceil(math.log10(high) - 1e-9), first + 1)
    ticks = tuple(10.0**power for power in range(first, last + 1))
    return Axis(label=label, low=ticks[0], high=ticks[-1], ticks=ticks, log=True)


_STEPS: Final = tuple(
    seconds
    for unit, counts in ((60, (1, 2, 5, 10, 15, 30)), (3600, (1, 2, 3, 6, 12)))
    for seconds in (unit * count for count in counts)
) + tuple(86_400 * days for days in (1, 2, 7, 14, 28, 91, 182, 364))


def time_axis(label: str, low: float, high: float) -> Axis:
    """Return an axis of seconds since 1970, marked at whole minutes, hours or days (UTC)."""
    start = math.floor(low)
    end = max(math.ceil(high), start + 60)
    step = next((s for s in _STEPS if end - start <= 4 * s), math.ceil((end - start) / 4))
    ticks = tuple(range(-(-start // step) * step, end + 1, step))
    form = _day if step >= 86_400 else _minute if end - start < 86_400 else _day_and_hour
    return Axis(label=label, low=start, high=end, ticks=ticks, form=form)


def _when(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, tz=timezone.utc)


def _day(seconds: float) -> str:
    return _when(seconds).strftime("%d %b %y")


def _minute(seconds: float) -> str:
    return _when(seconds).strftime("%H:%M")


def _day_and_hour(seconds: float) -> str:
    return _when(seconds).strftime("%d %b %Hh")


class Series(NamedTuple):
    """A named line through points ``(x, y)``, in one tone."""

    name: str
    tone: str
    points: Sequence[tuple[float, float]]


class Part(NamedTuple):
    """One part of a bar: what it is, how much."""

    name: str
    tone: str
    value: float


class Bar(NamedTuple):
    """A bar of one or more parts under one name."""

    name: str
    parts: Sequence[Part]

    @property
    def total(self) -> float:
        """The length of the whole bar."""
        return sum(part.value for part in self.parts)


def line_chart(
    label: str, series: Iterable[Series], *, x: Axis, y: Axis, dots: bool = False
) -> str:
    """Return lines over two axes; ``dots`` marks each point too (few points)."""
    marks = []
    for name, tone, points in series:
        placed = [(*_place(point, x, y), point) for point in points]
        path = " ".join(f"{left:.1f},{top:.1f}" for left, top, _ in placed)
        marks.append(f'<g class="{tone}"><polyline class="line" points="{path}"/>')
        if dots:
            marks += [_circle(left, top, 3.5, "dot") for left, top, _ in placed]
        for left, top, (at, value) in thin(placed, HITS):
            title = f"{name}: {y.form(value)} at {x.form(at)}"
            marks.append(_circle(left, top, 6, "hit", title))
        marks.append("</g>")
    return _svg(label, HEIGHT, _axes(x, y) + "".join(marks))


def thin(
    points: Sequence[tuple[float, float, tuple[float, float]]], most: int
) -> Sequence[tuple[float, float, tuple[float, float]]]:
    """Return at most ``most`` of the points, evenly, the last among them."""
    if len(points) <= most:
        return points
    picks = {round(n * (len(points) - 1) / (most - 1)) for n in range(most)}
    return [points[pick] for pick in sorted(picks)]


def _place(point: tuple[float, float], x: Axis, y: Axis) -> tuple[float, float]:
    return x.place(point[0], LEFT, WIDTH - RIGHT), y.place(point[1], HEIGHT - BOTTOM, TOP)


def _circle(left: float, top: float, radius: float, name: str, title: str = "") -> str:
    hover = f"<title>{text(title)}</title>" if title else ""
    return f'<circle class="{name}" cx="{left:.1f}" cy="{top:.1f}" r="{radius}">{hover}</circle>'


def columns(label: str, bars: Sequence[Bar], *, x: str, y: Axis, every: int = 1) -> str:
    """Return upright bars side by side, parts stacked; every so many bars the name is written."""
    width = (WIDTH - LEFT - RIGHT) / max(len(bars), 1)
    marks = []
    for number, bar in enumerate(bars):
        left, base = LEFT + number * width, 0.0
        for part in bar.parts:
            bottom = y.place(base, HEIGHT - BOTTOM, TOP)
            top = y.place(base + part.value, HEIGHT - BOTTOM, TOP)
            title = f"{bar.name}: {part.name} {y.form(part.value)}"
            marks.append(_rect(part.tone, left, top, width, bottom - top, title))
            base += part.value
        if number % every == 0:
            marks.append(_text(left + width / 2, HEIGHT - BOTTOM + 16, bar.name, "middle"))
    axes = _axes(None, y) + _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, x, "middle")
    return _svg(label, HEIGHT, axes + "".join(marks))


def bars(label: str, rows: Sequence[Bar], *, form: Form = whole, whole_bar: bool = False) -> str:
    """Return lying bars, one a row, with name and total; ``whole_bar``: each as long as another."""
    longest = max((row.total for row in rows), default=0) or 1
    names = 12 + LETTER * max((len(_cut(row.name)) for row in rows), default=0)
    room = WIDTH - names - 58
    marks = []
    for number, row in enumerate(rows):
        top, left = number * ROW + 4, names
        scale = room / ((row.total or 1) if whole_bar else longest)
        marks.append(_named(row.name, names - 8, top + 13))
        for part in row.parts:
            share = percent(part.value / (row.total or 1))
            title = f"{row.name}: {part.name} {form(part.value)} ({share})"
            marks.append(_rect(part.tone, left, top, part.value * scale, ROW - 8, title))
            left += part.value * scale
        marks.append(_text(left + 6, top + 13, form(row.total)))
    return _svg(label, len(rows) * ROW + 4, "".join(marks))


def _cut(name: str) -> str:
    return name if len(name) <= 17 else name[:16] + "…"


def _named(name: str, right: float, top: float) -> str:
    shown = f'<text class="name" x="{right:.1f}" y="{top}" text-anchor="end">{text(_cut(name))}'
    return f"{shown}<title>{text(name)}</title></text>"


def _rect(tone: str, left: float, top: float, width: float, height: float, title: str) -> str:
    if not width * height:
        return ""
    return (
        f'<rect class="bar {tone}" x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" '
        f'height="{height:.1f}"><title>{text(title)}</title></rect>'
    )


def _text(left: float, top: float, words: str, anchor: str = "start") -> str:
    return f'<text x="{left:.1f}" y="{top:.1f}" text-anchor="{anchor}">{text(words)}</text>'


def _line(name: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{name}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _axes(x: Axis | None, y: Axis) -> str:
    base, end = HEIGHT - BOTTOM, WIDTH - RIGHT
    marks = []
    for tick in y.ticks:
        at = y.place(tick, base, TOP)
        marks.append(_line("grid", LEFT, at, end, at))
        marks.append(_text(LEFT - 6, at + 4, y.form(tick), "end"))
    for tick in x.ticks if x else ():
        at, words = (x.place(tick, LEFT, end), x.form(tick)) if x else (0.0, "")
        marks.append(_line("axis", at, base, at, base + 4))
        anchor = "end" if at > end - 24 else "middle"
        marks.append(_text(min(at, end) + 8 * (anchor == "end"), base + 17, words, anchor))
    marks.append(_line("axis", LEFT, base, end, base))
    if x:
        marks.append(_text((LEFT + end) / 2, HEIGHT - 8, x.label, "middle"))
    middle = (TOP + base) / 2
    marks.append(
        f'<text transform="translate(13 {middle:.0f}) rotate(-90)" text-anchor="middle">'
        f"{text(y.label)}</text>"
    )
    return "".join(marks)


def _svg(label: str, height: float, marks: str) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
        f'aria-label="{text(label)}">{marks}</svg>'
    )


def legend(names: Iterable[tuple[str, str]], *, lines: bool = False) -> str:
    """Return what the tones mean: (name, tone), as patches or as pieces of line."""
    shape = '<line x1="0" y1="6" x2="22" y2="6"/>' if lines else '<rect width="22" height="10"/>'
    items = (
        f'<li class="{tone}"><svg viewBox="0 0 22 10" aria-hidden="true">{shape}</svg>'
        f"{text(name)}</li>"
        for name, tone in names
    )
    return f'<ul class="legend">{"".join(items)}</ul>'
