"""Boxes over the card: a choice of a few, a search among all tags, a line of text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.events import Key
from textual.markup import escape
from textual.screen import ModalScreen
from textual.widgets import Input

from vocab.review.lines import Line, Span, clean
from vocab.review.paint import Board, Keyed

Option = tuple[str, Line]  # what is returned, and how it is shown
ACCEPTS: Final = "Enter accepts, Esc leaves"
LABELS: Final = "123456789abcdefghilmopqrstvwxyz"  # j, k, n, u move, as elsewhere

CSS: Final = """
{0} {{ align: center middle; background: transparent; }}
{0} > Vertical {{
    width: 90%; max-width: 90; height: auto; max-height: 90%;
    border: round ansi_bright_blue; background: ansi_default; padding: 0 1;
}}
{0} Board {{ height: auto; min-height: 1; }}
{0} Input {{ border: none; height: 1; padding: 0; background: ansi_default; }}
"""


def _box(title: str) -> Vertical:
    box = Vertical()
    box.border_title = escape(clean(title))
    box.border_subtitle = ACCEPTS
    return box


class Menu(Keyed[str | None], ModalScreen[str | None]):
    """One of a few: its label chooses at once, or the arrows and Enter; Escape leaves."""

    CSS = CSS.format("Menu")

    def __init__(self, title: str, options: Sequence[Option]) -> None:
        super().__init__()
        self._title, self._options, self._at = title, list(options), 0

    def compose(self) -> ComposeResult:
        """Yield the list."""
        with _box(self._title):
            yield Board()

    def on_mount(self) -> None:
        """Show the list."""
        self._paint()

    def on_resize(self) -> None:
        """Show as much of the list as there is room for now."""
        self.call_later(self._paint)

    def _paint(self) -> None:
        room = max(1, min(len(self._options), self.app.size.height * 9 // 10 - 2))
        first = max(0, self._at - room + 1)
        lines = []
        for n, (_, line) in enumerate(self._options[first : first + room], first):
            pointer = Span("> " if n == self._at else "  ", "strong")
            lines.append([pointer, Span(f"{LABELS[n : n + 1] or ' '} ", "key"), *line])
        board = self.query_one(Board)
        board.styles.height = room
        more = f"{len(self._options) - room} more, with the arrows; " * (room < len(self._options))
        self.query_one(Vertical).border_subtitle = more + ACCEPTS
        board.show(lines)

    def pressed(self, key: str, event: Key) -> None:
        """Choose, move, or leave."""
        event.stop()
        if key == "escape":
            self.dismiss(None)
        elif key == "enter":
            self.dismiss(self._options[self._at][0])
        elif key in ("up", "down"):
            self._at = (self._at + (1 if key == "down" else -1)) % len(self._options)
            self._paint()
        elif key in LABELS and len(key) == 1 and LABELS.index(key) < len(self._options):
            self.dismiss(self._options[LABELS.index(key)][0])


class Ask(Keyed[str | None], ModalScreen[str | None]):
    """A line of text; Enter accepts, Escape leaves."""

    CSS = CSS.format("Ask")

    def __init__(self, title: str, text: str = "") -> None:
        super().__init__()
        self._title, self._text = title, text

    def compose(self) -> ComposeResult:
        """Yield the line."""
        with _box(self._title):
            yield Input(self._text, select_on_focus=False)

    def on_mount(self) -> None:
        """Type into the line."""
        self.query_one(Input).focus()
        self.typed(self._text)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Take in what is typed."""
        self.typed(event.value)

    def pressed(self, key: str, event: Key) -> None:
        """Accept, leave or move; characters come here only before the line has the focus."""
        if key == "escape":
            self.dismiss(None)
        elif key == "enter":
            self.accept(self.query_one(Input).value)
        elif key in ("up", "down"):
            self.move(1 if key == "down" else -1)
        elif event.is_printable and event.character:
            self.query_one(Input).insert_text_at_cursor(event.character)
        else:
            return
        event.stop()

    def typed(self, text: str) -> None:
        """Do what follows from the text so far: here nothing."""

    def accept(self, text: str) -> None:
        """Return the text."""
        self.dismiss(text)

    def move(self, by: int) -> None:
        """Do what an arrow is for: here nothing."""


class Search(Ask):
    """A line of text and what it finds; the arrows choose, Enter accepts, Escape leaves."""

    CSS = CSS.format("Search")

    def __init__(self, title: str, find: Callable[[str, int], Sequence[Option]]) -> None:
        super().__init__(title)
        self._find, self._found, self._at = find, list[Option](), 0

    def compose(self) -> ComposeResult:
        """Yield the line and the list."""
        with _box(self._title):
            yield Input(self._text, select_on_focus=False)
            board = Board()
            board.styles.height = self._room
            yield board

    @property
    def _room(self) -> int:
        return max(1, min(12, self.app.size.height - 10))

    def typed(self, text: str) -> None:
        """Search anew."""
        self._text, self._at = text, 0
        self._found = list(self._find(text, self._room))
        self._paint()

    def _paint(self) -> None:
        lines: list[Line] = [
            [Span("> " if n == self._at else "  ", "strong"), *line]
            for n, (_, line) in enumerate(self._found)
        ]
        none = "nothing is like that" if self._text.strip() else "type a part of it; scene: narrows"
        self.query_one(Board).show(lines or [[Span(f"  {none}", "dim")]])

    def accept(self, text: str) -> None:
        """Return what is pointed at."""
        if text != self._text:  # Enter came before the search had seen the last character
            self.typed(text)
        if self._found:
            self.dismiss(self._found[self._at][0])

    def move(self, by: int) -> None:
        """Point at the next, or at the one before."""
        if self._found:
            self._at = (self._at + by) % len(self._found)
            self._paint()
