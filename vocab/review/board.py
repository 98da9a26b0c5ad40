"""The whole review screen as lines: progress at the top, card and queue, message, keys."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from vocab.graph import Tag
from vocab.review.card import Card, card_lines
from vocab.review.desk import Desk, Progress
from vocab.review.keymap import Keymap
from vocab.review.lines import Line, Marks, Span, clean, fit, spread, width, wrap

SMALLEST = (60, 16)  # columns, rows
HINTS = (
    "keep drop drop_reason merge retype rename note skip flag undo jump sheet filter order "
    "captions help quit"
).split()


@dataclass(frozen=True, slots=True)
class Look:
    """What the screen shows beside the card; ``message`` has a role of its own when it warns."""

    progress: Progress
    queue: Sequence[tuple[Tag, float | None]] = ()
    place: int | None = 0
    waiting: int = 0
    title: str = ""
    message: Line = field(default_factory=tuple)
    hints: Sequence[str] = tuple(HINTS)


def too_small(columns: int, rows: int) -> bool:
    """Say whether the screen has no room for a card."""
    return columns < SMALLEST[0] or rows < SMALLEST[1]


def page(
    card: Card | None, look: Look, keymap: Keymap, columns: int, rows: int, marks: Marks,
    *, ending: Sequence[Line] = (),
) -> list[list[Span]]:  # fmt: skip
    """Return the lines of a screen of ``columns`` by ``rows``; ``ending`` stands for no card."""
    if too_small(columns, rows):
        least = f"{SMALLEST[0]}x{SMALLEST[1]}"
        text = f"this window is {columns}x{rows}; the review needs {least}: make it larger"
        return wrap([Span(text)], columns)[:rows]
    side = 25 if columns < 100 else 34 if columns < 160 else 44
    left = min(columns - side - 3, 110)
    keys = key_lines(keymap.hints(look.hints), columns)
    message = wrap(look.message, columns)[:3] or [[]]
    height = rows - 2 - len(message) - len(keys)
    body = list(ending) if card is None else card_lines(card, left, height, marks)
    queue = queue_lines(look, side, height, marks)
    lines = [top_line(look.progress, columns, marks), [Span(marks.rule * columns, "dim")]]
    for n in range(height):
        one = body[n] if n < len(body) else []
        other = queue[n] if n < len(queue) else []
        gap = " " * (left - width(one))
        lines.append([*one, Span(f"{gap} "), Span(marks.border, "dim"), Span(" "), *other])
    return [*lines, *message, *keys]


def top_line(progress: Progress, columns: int, marks: Marks) -> list[Span]:
    """Return decided and kept against their totals, coverage, rate, time left, as room allows."""
    parts = [
        f"{progress.decided:,}/{progress.total:,} decided",
        f"kept {progress.kept:,} of {progress.target:,}" if progress.target else "",
        f"coverage {progress.coverage:.1%}" if progress.coverage is not None else "",
        f"{progress.rate:,.0f}/h" if progress.rate else "",
        f"{_hours(progress.hours_left)} left" if progress.hours_left else "",
    ]
    share = f"{progress.decided / max(1, progress.total):.0%}"
    text = ""
    for part in filter(None, parts):
        longer = f"{text} {marks.dot} {part}" if text else part
        if len(longer) + len(share) < columns:
            text = longer
    return spread([Span(text, "title")], [Span(share, "dim")], columns, marks.cut)


def _hours(hours: float) -> str:
    minutes = max(1, round(hours * 60))
    return f"{minutes} min" if minutes < 90 else f"{hours:,.1f} h"


def queue_lines(look: Look, columns: int, rows: int, marks: Marks) -> list[list[Span]]:
    """Return the queue with its title; the current tag is pointed at."""
    lines = [spread([Span(look.title, "strong")], [Span(f"{look.waiting:,}", "dim")], columns)]
    for n, (tag, p) in enumerate(look.queue[: rows - 1]):
        here = n == look.place
        pointer = Span(marks.cursor if here else " ", "strong")
        guess = [] if p is None else [Span(f"{p:.0%}", "keep" if p >= 0.5 else "drop")]
        kind = f"{tag.kind} " if columns > 30 else f"{tag.kind[:3]} "
        name = Span(f" {clean(tag.tag)}", "strong" if here else "")
        right = (
            [Span(kind, "dim"), Span(" " * (4 - width(guess))), *guess]
            if guess
            else [Span(kind, "dim")]
        )
        lines.append(spread([pointer, name], right, columns, marks.cut))
    return lines


def key_lines(hints: Sequence[tuple[str, str]], columns: int) -> list[list[Span]]:
    """Return the keys on at most two lines; of what has no room, help and quit stay."""
    shown = list(hints)
    while len(lines := _rows_of(shown, columns)) > 2:
        del shown[-3]
    return lines


def _rows_of(hints: Sequence[tuple[str, str]], columns: int) -> list[list[Span]]:
    lines: list[list[Span]] = [[]]
    for key, word in hints:
        item = [Span(key, "key"), Span(f" {word}  ", "dim")]
        if width(lines[-1]) + width(item) > columns + 2:
            lines.append([])
        lines[-1] += item
    return [fit(line, columns, "") for line in lines]


def look_at(desk: Desk, message: Line, rows: int, title: str) -> Look:
    """Return what stands beside the card now."""
    ahead, current = desk.queue.upcoming(rows), desk.current
    queue = [(tag, desk.predicted(tag)) for tag in ahead]
    place = ahead.index(current) if current in ahead else None
    hints = [name for name in HINTS if name != "sheet" or desk.model is not None]
    return Look(desk.progress(), queue, place, len(desk.queue), title, message, hints)
