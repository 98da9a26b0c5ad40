"""Boxes over the card: a choice of a few, a search among all tags, a line of text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from textual.app import ComposeResult
from textual.containers import Vertical
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Input, Label

from vocab.review.lines import Line, Span
from vocab.review.paint import Board, key_name

Option = tuple[str, Line]  # what is returned, and how it is shown
LABELS: Final = "123456789abcdefghilmopqrstvwxyz"  # j, k, n, u move, as elsewhere

CSS: Final = """
{0} {{ align: center middle; background: transparent; }}
{0} > Vertical {{
    width: 90%; max-width: 90; height: auto; max-height: 90%;
    border: round ansi_bright_blue; background: ansi_default; padding: 0 1;
}}
{0} Label {{ width: 1fr; }}
{0} Board {{ height: auto; min-height: 1; }}
{0} Input {{ border: none; height: 1; padding: 0; background: ansi_default; }}
"""


class Menu(ModalScreen[str | None]):
    """One of a few: its label chooses at once, or the arrows and Enter; Escape leaves."""

    CSS = CSS.format("Menu")

    def __init__(self, title: str, options: Sequence[Option]) -> None:
        super().__init__()
        self._title, self._options, self._at = title, list(options)[: len(LABELS)], 0

    def compose(self) -> ComposeResult:
        """Yield the title and the list."""
        with Vertical():
            yield Label(self._title, markup=False)
            yield Board()

    def on_mount(self) -> None:
        """Show the list."""
        self.query_one(Board).styles.height = len(self._options)
        self._paint()

    def _paint(self) -> None:
        lines = []
        for n, (label, (_, line)) in enumerate(zip(LABELS, self._options, strict=False)):
            pointer = Span("> " if n == self._at else "  ", "strong")
            lines.append([pointer, Span(f"{label} ", "key"), *line])
        self.query_one(Board).show(lines)

    def on_key(self, event: Key) -> None:
        """Choose, move, or leave."""
        event.stop()
        key = key_name(event)
        if key == "escape":
            self.dismiss(None)
        elif key == "enter":
            self.dismiss(self._options[self._at][0])
        elif key in ("up", "down"):
            self._at = (self._at + (1 if key == "down" else -1)) % len(self._options)
            self._paint()
        elif key in LABELS and len(key) == 1 and LABELS.index(key) < len(self._options):
            self.dismiss(self._options[LABELS.index(key)][0])


class Ask(ModalScreen[str | None]):
    """A line of text; Enter accepts, Escape leaves."""

    CSS = CSS.format("Ask")

    def __init__(self, title: str, text: str = "") -> None:
        super().__init__()
        self._title, self._text = title, text

    def compose(self) -> ComposeResult:
        """Yield the title and the line."""
        with Vertical():
            yield Label(self._title, markup=False)
            yield Input(self._text, select_on_focus=False)

    def on_mount(self) -> None:
        """Type into the line."""
        self.query_one(Input).focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Accept."""
        self.dismiss(event.value)

    def on_key(self, event: Key) -> None:
        """Leave at Escape; the line takes all else."""
        event.stop()
        if event.key == "escape":
            self.dismiss(None)


class Search(Ask):
    """A line of text and what it finds; the arrows choose, Enter accepts, Escape leaves."""

    CSS = CSS.format("Search")

    def __init__(
        self, title: str, find: Callable[[str, int], Sequence[Option]], text: str = ""
    ) -> None:
        super().__init__(title, text)
        self._find, self._found, self._at = find, list[Option](), 0

    def compose(self) -> ComposeResult:
        """Yield the title, the line and the list."""
        with Vertical():
            yield Label(self._title, markup=False)
            yield Input(self._text, select_on_focus=False)
            yield Board()

    def on_mount(self) -> None:
        """Type into the line, with a list below it as long as there is room."""
        super().on_mount()
        self.query_one(Board).styles.height = max(1, min(12, self.app.size.height - 10))
        self._search(self._text)

    def on_input_changed(self, event: Input.Changed) -> None:
        """Search anew."""
        self._search(event.value)

    def _search(self, text: str) -> None:
        room = max(1, min(12, self.app.size.height - 10))
        self._found, self._at = list(self._find(text, room)), 0
        self._paint()

    def _paint(self) -> None:
        lines: list[Line] = [
            [Span("> " if n == self._at else "  ", "strong"), *line]
            for n, (_, line) in enumerate(self._found)
        ]
        self.query_one(Board).show(lines or [[Span("  nothing found", "dim")]])

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Accept what is pointed at."""
        if self._found:
            self.dismiss(self._found[self._at][0])

    def on_key(self, event: Key) -> None:
        """Move in the list, or leave."""
        super().on_key(event)
        if event.key in ("up", "down") and self._found:
            self._at = (self._at + (1 if event.key == "down" else -1)) % len(self._found)
            self._paint()
