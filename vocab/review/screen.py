"""The review on a terminal: keys in, one decision each, the screen after the log."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import ClassVar, Final

from textual import events
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen

from vocab.decisions import Event
from vocab.errors import InputError
from vocab.graph import KINDS, Tag
from vocab.keys import key_of, tag_of
from vocab.queue import ORDERS
from vocab.review.board import look_at, page, too_small
from vocab.review.card import make_card, mark_of
from vocab.review.desk import Desk, Filter
from vocab.review.keymap import Keymap
from vocab.review.lines import Line, Marks, Span, clean
from vocab.review.paint import Board, Keyed

IDLE: Final = 0.06  # seconds without a key after which there is time for what can wait
AGAIN: Final = 0.02  # seconds between such moments, so that a key never waits long
MOMENTS: Final = 6  # how many of them follow a key


class ReviewApp(App[None]):
    """The program on the terminal; ``votes`` are shown where disagreements are settled."""

    AUTO_FOCUS = None
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+c", "quit", show=False, priority=True)]
    CSS = "Screen { background: ansi_default; color: ansi_default; overflow: hidden; }"

    def __init__(
        self,
        desk: Desk,
        keymap: Keymap,
        marks: Marks,
        *,
        votes: Mapping[Tag, Sequence[Event]] | None = None,
        ending: Sequence[str] = (),
    ) -> None:
        super().__init__(ansi_color=True)
        self.desk, self.keymap, self.marks = desk, keymap, marks
        self.votes, self.ending = votes or {}, tuple(ending)
        self.failure: Exception | None = None

    def get_default_screen(self) -> Screen[None]:
        """Return the screen that the program begins with."""
        return ReviewScreen(self.desk, self.keymap, self.marks, self.votes, self.ending)

    # Textual prints pages of traceback with all variables; the command line has a line for it.

    def _handle_exception(self, error: Exception) -> None:
        self.failure = self.failure or error
        super()._handle_exception(error)

    def _fatal_error(self) -> None:
        self._close_messages_no_wait()


class ReviewScreen(Keyed[None]):
    """One card at a time."""

    def __init__(
        self,
        desk: Desk,
        keymap: Keymap,
        marks: Marks,
        votes: Mapping[Tag, Sequence[Event]],
        ending: Sequence[str],
    ) -> None:
        super().__init__()
        self._desk, self._keymap, self._marks = desk, keymap, marks
        self._votes, self._ending = votes, ending
        self._message = [Span(clean(desk.greeting), "warn")]
        self._find: Callable[[str, int], list[Tag]] | None = None
        self._keys_pressed = 0

    def compose(self) -> ComposeResult:
        """Yield the one widget."""
        yield Board()

    def on_mount(self) -> None:
        """Load what can wait once the first card is on the screen."""
        self.call_after_refresh(self.set_timer, IDLE, self._load)

    def on_resize(self) -> None:
        """Lay the card out anew."""
        self.call_later(self.paint)

    def paint(self) -> None:
        """Show things as they are now."""
        columns, rows = self.app.size
        if news := self._desk.catch_up():
            self.say(news, "warn")
        tag = self._desk.show()
        card = None
        if tag is not None and not too_small(columns, rows):
            card = make_card(self._desk, tag, self._votes.get(tag, ()))
        look = look_at(self._desk, self._message, rows, self._title())
        ending: list[Line] = [[Span(text)] for text in self._ending]
        self.query_one(Board).show(
            page(card, look, self._keymap, columns, rows, self._marks, ending=ending)
        )

    def _title(self) -> str:
        desk = self._desk
        return str(desk.filter) if desk.filter != Filter() else f"order: {desk.order}"

    def say(self, text: str, role: str = "") -> None:
        """Show a line for the annotator."""
        self._message = [Span(clean(text), role)]

    # What waits until nobody does

    def _load(self) -> None:
        self._desk.evidence.load()
        self._desk.recount()
        self._desk.forget_clues()
        self.paint()
        self._await()
        self._when_idle()

    def _await(self) -> None:
        if (seconds := self._desk.evidence.pending) is not None:
            self.set_timer(seconds, self._poll)

    def _poll(self) -> None:
        if self._desk.evidence.poll():
            self._desk.recount()
            self._desk.forget_clues()
            self.paint()
        self._await()

    def _when_idle(self, seconds: float = IDLE, moments: int = MOMENTS) -> None:
        pressed = self._keys_pressed
        self.set_timer(seconds, lambda: self._idle(pressed, moments))

    def _idle(self, pressed: int, moments: int) -> None:
        if pressed != self._keys_pressed or not self.is_current:
            return
        self._desk.prepare()
        if moments > 1:
            self._when_idle(AGAIN, moments - 1)
            return
        # So that the first box opens at once.
        importlib.import_module("vocab.review.dialogs")
        self._find = self._find or _finder(self._desk.session.rows)

    # Keys

    def pressed(self, key: str, event: events.Key) -> None:
        """Do what the key is for."""
        event.stop()
        self._keys_pressed += 1
        action = self._keymap.actions.get(key)
        if too_small(*self.app.size) and action != "quit":
            return  # nobody decides on a card that is not shown
        if key in "123456789":
            self.attempt(lambda: self._desk.merge_into(int(key)))
        elif action is None:
            self.say(f"no action on {key}; {self._keymap.label('help')} shows the keys", "warn")
            self.paint()
        else:
            getattr(self, f"do_{action}")()
        self._when_idle()

    def attempt(self, act: Callable[[], str]) -> None:
        """Do something, show what was done or why it was not, and what comes next."""
        try:
            self.say(act())
        except (InputError, ValueError) as error:
            self.say(str(error), "warn")
        self.paint()

    def do_keep(self) -> None:
        """Keep."""
        self.attempt(lambda: self._desk.decide("keep"))

    def do_drop(self) -> None:
        """Drop."""
        self.attempt(lambda: self._desk.decide("drop"))

    def do_skip(self) -> None:
        """Put off."""
        self.attempt(self._desk.skip)

    def do_flag(self) -> None:
        """Flag."""
        self.attempt(self._desk.flag)

    def do_undo(self) -> None:
        """Take back."""
        self.attempt(self._desk.undo)

    def do_redo(self) -> None:
        """Bring back."""
        self.attempt(self._desk.redo)

    def do_next(self) -> None:
        """Look ahead."""
        self.attempt(lambda: self._desk.move(1))

    def do_previous(self) -> None:
        """Look back."""
        self.attempt(lambda: self._desk.move(-1))

    def do_captions(self) -> None:
        """Show other captions."""
        self.attempt(self._desk.turn_captions)

    def do_quit(self) -> None:
        """Leave."""
        self.app.exit()

    # Keys that ask something first

    def do_drop_reason(self) -> None:
        """Drop for a reason."""
        reasons = self._desk.reasons
        if not reasons:
            self.attempt(lambda: _no("project.toml has no [reasons]; drop without one"))
            return
        options = [
            (code, [Span(f"{code:<11}"), Span(text, "dim")]) for code, text in reasons.items()
        ]
        self._menu("Drop, because it", options, lambda why: self._desk.decide("drop", why=why))

    def do_retype(self) -> None:
        """Keep under another kind."""
        tag = self._desk.current
        options = [(kind, [Span(kind)]) for kind in KINDS if tag is not None and kind != tag.kind]
        if tag is not None:
            title = f"{clean(tag.tag)} is no {tag.kind} but"
            self._menu(title, options, lambda kind: self._desk.decide("retype", kind))

    def do_order(self) -> None:
        """Order the queue."""
        texts = {
            "effect": "what changes most and is least foreseen, first",
            "uncertain": "what is least foreseen, first",
            "frequency": "the most frequent first",
            "alphabetical": "by the alphabet",
        }
        options = [(order, [Span(f"{order:<13}"), Span(texts[order], "dim")]) for order in ORDERS]
        self._menu("Order the queue", options, self._desk.set_order)

    def do_filter(self) -> None:
        """Show only some tags."""
        from vocab.review.dialogs import Menu

        def narrow(choice: str | None) -> None:
            if choice == "source":
                sources = [(name, [Span(name)]) for name in self._desk.session.candidates.sources]
                self._menu("Only tags of the source", sources, self._by_source)
            elif choice is not None:
                self.attempt(lambda: self._desk.set_filter(_narrowed(self._desk.filter, choice)))

        self.app.push_screen(Menu("Show only", _filters()), narrow)

    def _by_source(self, name: str) -> str:
        now = self._desk.filter
        return self._desk.set_filter(Filter(now.kind, name, now.standing))

    def do_merge(self) -> None:
        """Merge into a tag that is searched for."""
        tag = self._desk.current
        if tag is not None:
            title = f"Merge {key_of(tag)} into"
            self._search(title, lambda key: self._desk.decide("merge", key), but=tag)

    def do_jump(self) -> None:
        """Go to a tag."""
        self._search("Go to", lambda key: self._desk.jump(tag_of(key)))

    def do_rename(self) -> None:
        """Keep under another name."""
        tag = self._desk.current
        if tag is not None:
            self._ask(
                f"Rename {key_of(tag)} to", tag.tag, lambda to: self._desk.decide("rename", to)
            )

    def do_note(self) -> None:
        """Write a note."""
        tag = self._desk.current
        if tag is not None:
            self._ask(f"Note on {key_of(tag)}", "", self._desk.note)

    def do_sheet(self) -> None:
        """Decide on a screenful."""
        from vocab.review.sheet import SheetScreen

        if self._desk.model is None:
            self.attempt(lambda: _no("there is no sheet here: each disagreement is settled alone"))
            return
        sheet = SheetScreen(self._desk, self._keymap, self._marks)
        self.app.push_screen(sheet, lambda _: self.paint())

    def do_help(self) -> None:
        """Show the keys."""
        from vocab.review.sheet import HelpScreen

        self.app.push_screen(HelpScreen(self._keymap))

    def _menu(
        self, title: str, options: Sequence[tuple[str, Line]], act: Callable[[str], str]
    ) -> None:
        from vocab.review.dialogs import Menu

        self.app.push_screen(Menu(title, options), self._answer(act))

    def _ask(self, title: str, text: str, act: Callable[[str], str]) -> None:
        from vocab.review.dialogs import Ask

        self.app.push_screen(Ask(title, text), self._answer(act))

    def _search(self, title: str, act: Callable[[str], str], but: Tag | None = None) -> None:
        from vocab.review.dialogs import Search

        session, marks = self._desk.session, self._marks
        find = self._find = self._find or _finder(session.rows)

        def options(text: str, limit: int) -> list[tuple[str, Line]]:
            found = [tag for tag in find(text, limit + 1) if tag != but][:limit]
            if but is not None:  # most merges stay within their kind
                found.sort(key=lambda tag: tag.kind != but.kind)
            return [
                (
                    key_of(tag),
                    [mark_of(session.decision(tag), marks), Span(f" {clean(tag.tag)}  "),
                     Span(f"{tag.kind}  {session.rows[tag].images:,}", "dim")],
                )
                for tag in found
            ]  # fmt: skip

        self.app.push_screen(Search(title, options), self._answer(act))

    def _answer(self, act: Callable[[str], str]) -> Callable[[str | None], None]:
        def answer(value: str | None) -> None:
            if value is not None:
                self.attempt(lambda: act(value))

        return answer


def _finder(rows: Iterable[Tag]) -> Callable[[str, int], list[Tag]]:
    from vocab.review.search import finder

    return finder(rows)


def _no(text: str) -> str:
    raise InputError(text)


def _filters() -> list[tuple[str, Line]]:
    standings = {
        "all": "everything undecided; no filter",
        "skipped": "what you skipped",
        "flagged": "what you flagged, undecided",
        "kept": "what you kept",
        "dropped": "what you dropped",
        "merged": "what you merged",
    }
    lines = [(name, [Span(f"{name:<11}"), Span(text, "dim")]) for name, text in standings.items()]
    lines += [(kind, [Span(f"{kind:<11}"), Span("of this kind alone", "dim")]) for kind in KINDS]
    return [*lines, ("source", [Span(f"{'source':<11}"), Span("that one source holds", "dim")])]


def _narrowed(now: Filter, choice: str) -> Filter:
    if choice == "all":
        return Filter()
    if choice in KINDS:
        return Filter(choice, now.source, now.standing)
    return Filter(now.kind, now.source, choice)
