"""The one exception that a user is meant to read."""


class InputError(ValueError):
    """Something outside the program is wrong: a file, a flag, a row, a directory.

    The message is one line that says what is wrong, where, and what to do about it; the command
    line prints it without a traceback and exits with 1.
    """


class UsageError(InputError):
    """A flag that cannot be meant; the command line exits with 2."""


class StoppedError(InputError):
    """A person stopped the program; the command line exits with 130, as shells expect."""
