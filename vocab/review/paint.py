"""From lines to a terminal: the one widget that shows them, and what each role looks like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.segment import Segment
from rich.style import Style
from textual.events import Key
from textual.geometry import Region
from textual.screen import Screen, ScreenResultType
from textual.strip import Strip
from textual.widget import Widget

from vocab.review.lines import Line, Span, fit

# The sixteen colours of the terminal itself, which its owner chose to be readable; without colour
# (NO_COLOR) bold, underlined, dim and the marks are left, which say the same.
STYLES: Final = {
    "title": Style(bold=True),
    "strong": Style(bold=True),
    "dim": Style(dim=True),
    "tag": Style(bold=True, underline=True, color="yellow"),
    "keep": Style(color="green"),
    "drop": Style(color="red"),
    "merge": Style(color="cyan"),
    "warn": Style(bold=True, color="yellow"),
    "key": Style(bold=True, color="cyan"),
    "bar": Style(color="blue"),
    "here": Style(reverse=True),
    "kind object": Style(color="blue"),
    "kind scene": Style(color="green"),
    "kind attribute": Style(color="magenta"),
    "kind action": Style(color="cyan"),
}
_PLAIN: Final = Style()


class Board(Widget, can_focus=False):
    """Shows lines; only those that changed are painted again."""

    DEFAULT_CSS = "Board { width: 1fr; height: 1fr; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._lines: list[list[Span]] = []
        self._strips: dict[int, Strip] = {}

    def show(self, lines: Sequence[Line]) -> None:
        """Show ``lines`` from the top; a line too long is cut, one too short is filled up."""
        new = [list(line) for line in lines]
        old, self._lines = self._lines, new
        changed = [
            y
            for y in range(max(len(new), len(old)))
            if y >= len(new) or y >= len(old) or new[y] != old[y]
        ]
        for y in changed:
            self._strips.pop(y, None)
        if changed:
            self.refresh(*(Region(0, y, self.size.width, 1) for y in changed))

    def render_line(self, y: int) -> Strip:
        """Return line ``y`` as Textual paints it."""
        strip = self._strips.get(y)
        if strip is None or strip.cell_length != self.size.width:
            line = fit(self._lines[y], self.size.width) if y < len(self._lines) else []
            segments = [Segment(text, STYLES.get(role, _PLAIN)) for text, role in line]
            strip = Strip(segments).adjust_cell_length(self.size.width, _PLAIN)
            self._strips[y] = strip
        return strip


def key_name(event: Key) -> str:
    """Return the key as a keymap names it."""
    if event.is_printable and event.character and event.character != " ":
        return event.character
    return event.key


class Keyed(Screen[ScreenResultType]):
    """A screen whose keys all go to :meth:`pressed`.

    Keys typed ahead reach a screen that another has covered, or uncovered, in the meantime; they
    were meant for the one on top. (Textual calls a handler of each class that has one, so
    ``on_key`` stands here alone.)
    """

    def on_key(self, event: Key) -> None:
        """Hand the key on."""
        top = self.app.screen
        if top is self:
            self.pressed(key_name(event), event)
            return
        event.stop()
        top.post_message(Key(event.key, event.character))

    def pressed(self, key: str, event: Key) -> None:
        """Do what the key is for."""
