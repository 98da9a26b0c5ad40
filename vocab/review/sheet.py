"""A screenful of tags of one predicted side at once, and the help."""

from __future__ import annotations

from collections.abc import Callable

from textual.app import ComposeResult
from textual.events import Key

from vocab.errors import InputError
from vocab.graph import Tag
from vocab.review.desk import Desk
from vocab.review.keymap import ACTIONS, Keymap
from vocab.review.lines import Line, Marks, Span, clean, fit, spread
from vocab.review.paint import Board, Keyed

COLUMN = 26  # cells a tag takes


class SheetScreen(Keyed[None]):
    """Tags that are all thought kept, or all dropped: mark the exceptions, accept the rest."""

    def __init__(self, desk: Desk, keymap: Keymap, marks: Marks) -> None:
        super().__init__()
        self._desk, self._keymap, self._marks = desk, keymap, marks
        self._kept = True
        self._tags: list[Tag] = []
        self._exceptions: dict[Tag, str] = {}
        self._left_open: set[Tag] = set()
        self._at = 0
        self._message: list[Span] = []

    def compose(self) -> ComposeResult:
        """Yield the one widget."""
        yield Board()

    def on_mount(self) -> None:
        """Fill the first sheet."""
        self._desk.restart_clock()
        self._fill()

    def on_resize(self) -> None:
        """Lay out anew; what was marked and is still there stays marked."""
        self.call_later(self._fill)

    def _fill(self) -> None:
        columns, rows = self._shape()
        room = columns * rows
        likely = self._desk.queue.surest(self._kept, room + len(self._left_open))
        self._tags = [tag for tag in likely if tag not in self._left_open][:room]
        self._exceptions = {t: act for t, act in self._exceptions.items() if t in self._tags}
        self._at = min(self._at, max(0, len(self._tags) - 1))
        self._paint()

    def _shape(self) -> tuple[int, int]:
        width, height = self.app.size
        return max(1, width // COLUMN), max(1, height - 4)

    def _paint(self) -> None:
        width, height = self.app.size
        side = "keep" if self._kept else "drop"
        title = [Span("Sheet: all of these are predicted "), Span(side, side)]
        count = f"{len(self._tags) - len(self._exceptions)} to {side}"
        count += f", {len(self._exceptions)} marked" if self._exceptions else ""
        lines: list[Line] = [spread(title, [Span(count, "dim")], width)]
        lines.append([Span(self._marks.rule * width, "dim")])
        lines += self._cells()
        lines += [[Span("")]] * (height - 2 - len(lines))
        self.query_one(Board).show([*lines, self._message, self._hints(width)])

    def _cells(self) -> list[Line]:
        columns, rows = self._shape()
        lines: list[Line] = []
        for row in range(min(rows, -(-len(self._tags) // columns))):
            line: list[Span] = []
            for n in range(row * columns, min((row + 1) * columns, len(self._tags))):
                line += self._cell(self._tags[n], here=n == self._at)
            lines.append(line)
        return lines or [[Span("nothing is predicted to this side now", "dim")]]

    def _cell(self, tag: Tag, *, here: bool) -> list[Span]:
        act = self._exceptions.get(tag, "keep" if self._kept else "drop")
        sign = {"keep": self._marks.kept, "drop": self._marks.dropped}.get(act, "?")
        role = act if act in ("keep", "drop") else "warn"
        name = [
            Span(clean(tag.tag), "here" if here else "strong" if tag in self._exceptions else "")
        ]
        return [
            Span(f"{sign} ", role),
            *spread(name, [Span(f"{tag.kind[:3]}  ", "dim")], COLUMN - 2),
        ]

    def _hints(self, width: int) -> list[Span]:
        other = "drop" if self._kept else "keep"
        keys = (
            ("space", f"{other} / leave open"), ("Enter", "accept all"),
            (self._keymap.label("sheet"), f"{other} side"), (self._keymap.label("undo"), "undo"),
            ("Esc", "back"),
        )  # fmt: skip
        line = [s for key, word in keys for s in (Span(key, "key"), Span(f" {word}  ", "dim"))]
        return fit(line, width)

    def pressed(self, key: str, event: Key) -> None:
        """Move, mark, accept, or leave."""
        event.stop()
        columns, _ = self._shape()
        action = self._keymap.actions.get(key)
        step = {"left": -1, "right": 1, "up": -columns, "down": columns}.get(key)
        self._message = []
        if step is not None:
            self._at = min(max(0, self._at + step), max(0, len(self._tags) - 1))
            self._paint()
        elif key == "space" and self._tags:
            self._mark(self._tags[self._at])
        elif key == "enter":
            self._attempt(self._accept)
        elif key == "escape" or action == "quit":
            self.dismiss(None)
        elif action == "sheet":
            self._kept, self._exceptions, self._at = not self._kept, {}, 0
            self._fill()
        elif action in ("undo", "redo"):
            self._attempt(self._desk.undo if action == "undo" else self._desk.redo)

    def _mark(self, tag: Tag) -> None:
        other = "drop" if self._kept else "keep"
        now = self._exceptions.pop(tag, None)
        if now != "open":
            self._exceptions[tag] = other if now is None else "open"
        self._paint()

    def _accept(self) -> str:
        usual = "keep" if self._kept else "drop"
        acts = [(tag, self._exceptions.get(tag, usual)) for tag in self._tags]
        done = self._desk.accept([(tag, act) for tag, act in acts if act != "open"])
        self._left_open.update(tag for tag, act in acts if act == "open")
        self._exceptions, self._at = {}, 0
        return done

    def _attempt(self, act: Callable[[], str]) -> None:
        try:
            self._message = [Span(clean(act()))]
        except InputError as error:
            self._message = [Span(clean(str(error)), "warn")]
        self._fill()


class HelpScreen(Keyed[None]):
    """The keys as they are now; Esc leaves, any other key too once all are shown."""

    def __init__(self, keymap: Keymap) -> None:
        super().__init__()
        self._keymap, self._from = keymap, 0

    def compose(self) -> ComposeResult:
        """Yield the one widget."""
        yield Board()

    def on_resize(self) -> None:
        """Show the keys, from the first."""
        self._from = 0
        self.call_later(self._paint)

    def _paint(self) -> None:
        lines, room = self._lines()[self._from :], self.app.size.height
        rest = [[Span("Esc goes back, any other key shows the rest", "dim")]]
        rest = rest if len(lines) > room else []
        self.query_one(Board).show([*lines[: room - len(rest)], *rest])

    def _lines(self) -> list[Line]:
        title = "   per cent: the chance, as predicted, that a tag is kept"
        lines: list[Line] = [[Span("Keys", "title"), Span(title, "dim")]]
        lines.append(
            [Span("1-9".ljust(14), "key"), Span("merge into the suggestion of that number")]
        )
        for action in ACTIONS:
            keys = " ".join(self._keymap.keys[action.name]) or "-"
            lines.append([Span(keys.ljust(14), "key"), Span(action.text)])
        return lines

    def pressed(self, key: str, event: Key) -> None:
        """Go on, or leave."""
        event.stop()
        room = self.app.size.height
        if key == "escape" or len(self._lines()) - self._from <= room:
            self.dismiss(None)
            return
        self._from += room - 1
        self._paint()
