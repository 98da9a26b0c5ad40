"""Which key does what, and how a file of the annotator's own changes it.

The file is TOML; what it does not name stays as it is::

    [keys]
    keep = ["y", "space"]
    drop = "n"
    note = "ctrl+n"

A key is one character, or a name: ``space``, ``enter``, ``tab``, ``backspace``, ``delete``,
``insert``, ``left``, ``right``, ``up``, ``down``, ``home``, ``end``, ``pageup``, ``pagedown``,
``f1`` to ``f12``, each also with ``ctrl+``, ``shift+`` or ``alt+`` before it. The digits 1 to 9
and ``ctrl+c`` (quit) are not to be had.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from vocab.errors import InputError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


class Action(NamedTuple):
    """What a key does: the short word of the bottom line, the sentence of the help, the keys."""

    name: str
    short: str
    text: str
    keys: tuple[str, ...]


ACTIONS: Final = (
    Action("keep", "keep", "keep the tag, and move on", ("k", "a")),
    Action("drop", "drop", "drop the tag, and move on", ("d", "x")),
    Action("drop_reason", "drop, why", "drop the tag for a reason that you choose", ("D", "X")),
    Action("merge", "merge", "merge into a tag that you search for", ("m",)),
    Action("retype", "type", "keep it under another kind", ("t",)),
    Action("rename", "rename", "keep it under another name", ("r",)),
    Action("note", "note", "write a note on the tag; decides nothing", ("n",)),
    Action("skip", "skip", "ask again at the end", ("s",)),
    Action("flag", "flag", "flag the tag, or take the flag away; decides nothing", ("f",)),
    Action("undo", "undo", "take back the last step, as often as you like", ("u",)),
    Action("redo", "redo", "bring back what was taken back", ("ctrl+r",)),
    Action("jump", "search", "go to any tag, a decided one too, and change it", ("/",)),
    Action("next", "next", "look at the next tag in the queue", ("down", "j")),
    Action("previous", "back", "look at the previous tag in the queue", ("up",)),
    Action("filter", "filter", "show only some tags: a kind, a source, what you decided", ("F",)),
    Action("order", "order", "order the queue another way", ("o",)),
    Action("sheet", "sheet", "decide on a screenful at once", ("v",)),
    Action("captions", "captions", "show other captions", ("e",)),
    Action("help", "help", "show the keys", ("?",)),
    Action("quit", "quit", "leave; everything is saved already", ("q",)),
)
_NAMES: Final = (
    "space|enter|tab|backspace|delete|insert|left|right|up|down|home|end|pageup|pagedown"
)
_KEY: Final = re.compile(rf"(?:(?:ctrl|alt|shift)\+){{0,2}}(?:{_NAMES}|f[1-9]|f1[0-2]|[a-z0-9])|\S")
_TAKEN: Final = frozenset({*"123456789", "ctrl+c", "escape"})


@dataclass(frozen=True, slots=True)
class Keymap:
    """The keys of each action, and the action of each key."""

    keys: Mapping[str, tuple[str, ...]]
    actions: Mapping[str, str]

    def label(self, action: str) -> str:
        """Return the first key of an action as a person writes it, or ``-``."""
        return self.keys[action][0] if self.keys[action] else "-"

    def hints(self, names: Iterable[str]) -> list[tuple[str, str]]:
        """Return (key, short word) of those of the actions that have a key."""
        shorts = {action.name: action.short for action in ACTIONS}
        return [(self.label(name), shorts[name]) for name in names if self.keys[name]]


def make_keymap(changes: Mapping[str, tuple[str, ...]] | None = None) -> Keymap:
    """Return the default keys with ``changes``; ``ValueError`` when two actions share a key."""
    changes = changes or {}
    keys, actions = {}, dict[str, str]()
    for action in ACTIONS:
        keys[action.name] = changes.get(action.name, action.keys)
        for key in keys[action.name]:
            if key in actions:
                raise ValueError(
                    f"key {key} is of {actions[key]} and of {action.name}; give one of them another"
                )
            actions[key] = action.name
    return Keymap(keys, actions)


def load_keymap(path: Path | None) -> Keymap:
    """Return the keys of the file at ``path``; :class:`InputError` says what is wrong with it."""
    if path is None:
        return make_keymap()
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        return make_keymap(_changes(values))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check --keys") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8; convert the file") from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: not TOML ({error})") from error
    except RecursionError as error:
        raise InputError(f"{path}: nested too deep to be a list of keys") from error
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


def _changes(values: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    section = values.get("keys")
    if set(values) != {"keys"} or not isinstance(section, dict):
        raise ValueError("must have one table, [keys], and nothing else")
    known = {action.name for action in ACTIONS}
    if unknown := sorted(set(section) - known):
        raise ValueError(f"unknown action {unknown[0]} (known: {', '.join(sorted(known))})")
    return {action: _keys(action, given) for action, given in section.items()}


def _keys(action: str, given: object) -> tuple[str, ...]:
    keys = [given] if isinstance(given, str) else given
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise ValueError(f'{action}: write "k" or ["k", "space"]')
    for key in keys:
        if key in _TAKEN:
            raise ValueError(f"{action}: key {key} is not to be had; choose another")
        if not _KEY.fullmatch(key):
            raise ValueError(f"{action}: {key!r} is no key; write k, space, f5 or ctrl+n")
    return tuple(dict.fromkeys(keys))
