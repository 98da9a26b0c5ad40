"""The review line by line: for pipes, screen readers, and terminals that cannot do more.

A line is a key or the name of its action, then what it needs: ``k``, ``drop vague``,
``merge object:board``, ``note a brand?``, ``/ surf``, ``2`` (merge into suggestion 2), ``?``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

from vocab.decisions import Event
from vocab.errors import InputError
from vocab.graph import KINDS, Tag
from vocab.keys import key_of, tag_of
from vocab.queue import ORDERS
from vocab.review.card import make_card
from vocab.review.desk import STANDINGS, Desk, Filter
from vocab.review.keymap import ACTIONS, Keymap
from vocab.review.lines import clean
from vocab.review.search import finder
from vocab.review.spoken import spoken

NEEDS: Final = {
    "suggestion": "a number", "drop": "a reason or nothing", "drop_reason": "a reason",
    "merge": "a tag", "retype": "a kind", "rename": "a name", "note": "a text", "jump": "a tag",
    "filter": "kind, source or what you decided; nothing: all", "order": "an order",
}  # fmt: skip
SCREEN_ONLY: Final = frozenset({"sheet"})


def prompt(
    desk: Desk,
    keymap: Keymap,
    *,
    votes: Mapping[Tag, Sequence[Event]] | None = None,
    ending: Iterable[str] = (),
    read: Callable[[str], str] = input,
    write: Callable[[str], object] = print,
) -> int:
    """Ask until the input ends or says quit; return how many lines were refused.

    ``read`` shows its argument and returns a line without its end, ``EOFError`` at the last.
    """
    return _Prompt(desk, keymap, votes or {}, tuple(ending), write).run(read)


class _Prompt:
    def __init__(
        self,
        desk: Desk,
        keymap: Keymap,
        votes: Mapping[Tag, Sequence[Event]],
        ending: Sequence[str],
        write: Callable[[str], object],
    ) -> None:
        self._desk, self._keymap = desk, keymap
        self._votes, self._ending, self._write = votes, ending, write
        self._refused = 0
        self._acts = self._actions()

    def run(self, read: Callable[[str], str]) -> int:
        self._desk.evidence.load()
        self._look()
        self._desk.prepare()
        if self._desk.greeting:
            self._write(clean(self._desk.greeting))
        self._card()
        while True:
            try:
                line = read(self._question()).strip()
            except EOFError:
                self._write("")
                return self._refused
            except UnicodeDecodeError as error:
                raise InputError("the input is not UTF-8; convert it") from error
            if line and not self._obey(line):
                return self._refused

    def _look(self) -> None:
        """Take in the clues that have come; only the gathering of captions is not waited for."""
        evidence = self._desk.evidence
        while (seconds := evidence.pending) is not None:
            new = evidence.poll()
            if new:
                self._desk.recount()
                self._desk.forget_clues()
            elif seconds > 0.1:
                return

    def _question(self) -> str:
        names = [action.name for action in ACTIONS if action.name not in SCREEN_ONLY]
        keys = ",".join(key for key, _ in self._keymap.hints(names))
        progress = self._desk.progress()
        if self._desk.current is None:
            return f"({progress.decided:,}/{progress.total:,}) No tag left; undo or quit [{keys}]? "
        place = min(progress.decided + 1, progress.total)
        return f"({place:,}/{progress.total:,}) Keep this tag [{keys}]? "

    def _obey(self, line: str) -> bool:
        """Do what a line says; False when it says to quit."""
        action, rest = self._parse(line)
        if action == "quit":
            return False
        before = self._desk.current
        try:
            said = self._do(action, rest)
        except (InputError, ValueError) as error:
            self._refused += 1
            self._write(f"  {clean(str(error))}")
            return True
        for part in said.splitlines():
            self._write(f"  {clean(part)}")
        self._look()
        self._desk.prepare()
        if self._desk.current != before or action in ("captions", "undo", "redo"):
            self._card()
        return True

    def _parse(self, line: str) -> tuple[str, str]:
        word, _, rest = line.partition(" ")
        if line in tuple("123456789"):
            return "suggestion", line
        names = {action.name for action in ACTIONS}
        if word in self._keymap.actions or word in names:
            return self._keymap.actions.get(word, word), rest.strip()
        if self._keymap.actions.get(line[0]) == "jump":  # "/surf", as in a pager
            return "jump", line[1:].strip()
        return line, ""

    def _do(self, action: str, rest: str) -> str:
        if action in SCREEN_ONLY:
            raise InputError(f"{action} needs the screen; start without --plain on a terminal")
        if action not in self._acts:
            help_key = self._keymap.label("help")
            raise InputError(f"{clean(action)[:40]!r} is no key; {help_key} shows the keys")
        if rest and action not in NEEDS:
            raise InputError(f"{action} stands alone; what is {clean(rest)[:40]!r}?")
        if not rest and action in NEEDS and action not in ("drop", "filter"):
            raise InputError(f"{action} needs {NEEDS[action]} after it")
        return self._acts[action](rest)

    def _actions(self) -> dict[str, Callable[[str], str]]:
        desk = self._desk
        return {
            "suggestion": lambda number: desk.merge_into(int(number)),
            "keep": lambda _: desk.decide("keep"),
            "drop": lambda code: desk.decide("drop", why=self._reason(code)),
            "drop_reason": lambda code: desk.decide("drop", why=self._reason(code)),
            "merge": lambda text: desk.decide("merge", key_of(self._find(text))),
            "retype": lambda kind: desk.decide("retype", kind),
            "rename": lambda name: desk.decide("rename", name),
            "note": desk.note,
            "skip": lambda _: desk.skip(),
            "flag": lambda _: desk.flag(),
            "undo": lambda _: desk.undo(),
            "redo": lambda _: desk.redo(),
            "jump": lambda text: desk.jump(self._find(text)),
            "next": lambda _: desk.move(1),
            "previous": lambda _: desk.move(-1),
            "filter": lambda words: desk.set_filter(self._filter(words)),
            "order": desk.set_order,
            "captions": lambda _: desk.turn_captions(),
            "help": lambda _: self._help(),
        }

    def _reason(self, code: str) -> str | None:
        if not code:
            return None
        if code not in self._desk.reasons:
            known = ", ".join(self._desk.reasons)
            raise InputError(f"{clean(code)!r} is no reason (known: {known})")
        return code

    def _filter(self, words: str) -> Filter:
        kind = source = None
        standing = "undecided"
        for word in words.split():
            if word in KINDS:
                kind = word
            elif word in STANDINGS:
                standing = word
            elif word in self._desk.session.candidates.sources:
                source = word
            else:
                known = ", ".join((*STANDINGS, *KINDS))
                raise InputError(f"{clean(word)!r} is no filter (known: {known}, and the sources)")
        return Filter(kind, source, standing)

    def _find(self, text: str) -> Tag:
        """Return the one candidate that is meant; otherwise say which are near."""
        rows = self._desk.session.rows
        kinds = [Tag(kind, text) for kind in KINDS if Tag(kind, text) in rows]
        if ":" in text and text.partition(":")[0] in KINDS and tag_of(text) in rows:
            return tag_of(text)
        if len(kinds) == 1:
            return kinds[0]
        near = ", ".join(map(key_of, kinds or finder(rows)(text, 6)))
        raise InputError(f"which tag is {clean(text)!r}? Near it: {near or 'none'}")

    def _help(self) -> str:
        lines = ["a key or its name, then what it needs:", "1-9: merge into that suggestion"]
        for action in ACTIONS:
            if action.name not in SCREEN_ONLY:
                keys = " ".join(self._keymap.keys[action.name])
                needs = f" ({NEEDS[action.name]})" if action.name in NEEDS else ""
                lines.append(f"{keys} {action.name}{needs}: {action.text}")
        lines.append(f"orders: {', '.join(ORDERS)}")
        lines += [f"reason {code}: {text}" for code, text in self._desk.reasons.items()]
        return "\n".join(lines)

    def _card(self) -> None:
        if news := self._desk.catch_up():
            self._write(f"  {clean(news)}")
        tag = self._desk.show()
        if tag is None:
            for line in self._ending:
                self._write(line)
            return
        card = make_card(self._desk, tag, self._votes.get(tag, ()))
        self._write("")
        for line in spoken(card):
            self._write(line)
