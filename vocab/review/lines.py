"""Lines of styled text that the screen paints and the prompt prints: spans of (text, role).

A role says what a piece is ("keep", "tag", "dim"), never how it looks.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from rich.cells import cell_len, set_cell_size

# What moves the cursor, turns the writing direction, joins emoji to widths that terminals
# disagree on, or cannot be seen at all.
_UNSAFE: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\ufe00-\ufe0f\ufeff\ufff9-\ufffb\U0001f3fb-\U0001f3ff\U000e0000-\U000e0fff]"
)
_BLANK: Final = re.compile(r"\s+")


class Span(NamedTuple):
    """A piece of a line and its role; no role is plain text."""

    text: str
    role: str = ""


Line = Sequence[Span]


@dataclass(frozen=True, slots=True)
class Marks:
    """The signs that carry meaning without colour."""

    kept: str = "✓"
    dropped: str = "✗"
    merged: str = "→"
    flagged: str = "⚑"
    undecided: str = "·"
    cursor: str = "▸"
    rule: str = "─"
    border: str = "│"
    bar: str = "▏▎▍▌▋▊▉█"
    cut: str = "…"
    dot: str = "·"


UNICODE: Final = Marks()
ASCII: Final = Marks("+", "x", ">", "!", ".", ">", "-", "|", "#", "~", "-")


def marks_for(encoding: str | None, *, ascii_only: bool = False) -> Marks:
    """Return the marks that a terminal can show: plain ones on the Linux console and its like."""
    simple = os.environ.get("TERM", "") in {"linux", "dumb", "vt100", "vt102", "vt220"}
    utf8 = (encoding or "").lower().replace("-", "") == "utf8"
    return ASCII if ascii_only or simple or not utf8 else UNICODE


def clean(text: str) -> str:
    """Return ``text`` on one line, without what could disturb a terminal."""
    return _BLANK.sub(" ", _UNSAFE.sub("", text)).strip()


def plain(line: Line) -> str:
    """Return the text of a line."""
    return "".join(span.text for span in line)


def width(line: Line) -> int:
    """Return the cells that a line takes."""
    return sum(cell_len(span.text) for span in line)


def fit(line: Line, cells: int, cut: str = "…") -> list[Span]:
    """Return the line cut to at most ``cells``; a cut one ends in ``cut``."""
    if width(line) <= cells:
        return list(line)
    room = max(0, cells - cell_len(cut))
    fitted: list[Span] = []
    for span in line:
        size = cell_len(span.text)
        if size > room:
            fitted.append(Span(set_cell_size(span.text, room).rstrip() + cut, span.role))
            break
        fitted.append(span)
        room -= size
    return fitted if cells > 0 else []


def spread(left: Line, right: Line, cells: int, cut: str = "…") -> list[Span]:
    """Return one line with ``left`` at the left and ``right`` at the right; left is cut first."""
    right = fit(right, cells, cut)
    room = cells - width(right)
    left = fit(left, max(0, room - 1), cut)
    return [*left, Span(" " * (room - width(left))), *right]


def wrap(line: Line, cells: int, *, indent: str = "") -> list[list[Span]]:
    """Return the line over several, broken at blanks; a word longer than a line is broken."""
    lines: list[list[Span]] = [[]]
    room = cells
    for word, role in _pieces(line, cells - cell_len(indent)):
        size = cell_len(word)
        if size > room and lines[-1] and not word.isspace():
            lines.append([Span(indent)] if indent else [])
            room = cells - cell_len(indent)
        lines[-1].append(Span(word, role))
        room -= size
    return [_joined(line) for line in lines if plain(line).strip()]


def _pieces(line: Line, cells: int) -> Iterator[tuple[str, str]]:
    """Yield words and blanks, none of them wider than ``cells`` (but at least one character)."""
    for text, role in line:
        for word in re.findall(r"\s+|\S+", text):
            rest = word
            while cell_len(rest) > cells:
                piece = rest[: len(set_cell_size(rest, cells).rstrip())] or rest[:1]
                yield piece, role
                rest = rest[len(piece) :]
            if rest:
                yield rest, role


def _joined(line: Iterable[Span]) -> list[Span]:
    joined: list[Span] = []
    for span in line:
        if joined and joined[-1].role == span.role:
            joined[-1] = Span(joined[-1].text + span.text, span.role)
        else:
            joined.append(span)
    joined[-1] = Span(joined[-1].text.rstrip(), joined[-1].role)
    return joined


def bar(share: float, cells: int, marks: Marks) -> str:
    """Return a bar of ``share`` (0 to 1) of ``cells``; what is not nothing shows at least a bit."""
    steps = len(marks.bar)
    eighths = max(round(share * cells * steps), 1 if share > 0 else 0)
    whole, rest = divmod(eighths, steps)
    return marks.bar[-1] * whole + (marks.bar[rest - 1] if rest else "")
