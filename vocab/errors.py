"""The one exception that a user is meant to read."""


class InputError(ValueError):
    """Something outside the program is wrong: a file, a flag, a row, a directory.

    The message is one line that says what is wrong, where, and what to do about it; the command
    line prints it without a traceback and exits with 1.
    """
