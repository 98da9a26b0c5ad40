"""The one exception that a user is meant to read."""

from typing import Final

LONGEST: Final = 1000  # characters of a message; what is quoted of a file could be the whole file


class InputError(ValueError):
    """Something outside the program is wrong: a file, a flag, a row, a directory.

    The message is one line that says what is wrong, where, and what to do about it; the command
    line prints it without a traceback and exits with 1. What it quotes of the input is harmless.
    """

    def __str__(self) -> str:
        return one_line(super().__str__())


class UsageError(InputError):
    """A flag that cannot be meant; the command line exits with 2."""


class StoppedError(InputError):
    """A person stopped the program; the command line exits with 130, as shells expect."""


def one_line(text: str) -> str:
    """Return text that cannot steer a terminal, break the line or flood the screen."""
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}..."
    return printable(text)


def printable(text: str) -> str:
    """Return text with what could steer a terminal or break the line spelled out."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
