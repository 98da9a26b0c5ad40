"""``tag2text vocab review`` and ``vocab adjudicate``: people decide, one key a decision."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tag2text.options import Annotator, Mined, Project
from vocab.errors import InputError, UsageError
from vocab.graph import Tag
from vocab.install import install_hint

if TYPE_CHECKING:
    from vocab.decisions import Event
    from vocab.review.desk import Desk

ENDING = (
    "That was the last one.",
    "",
    "tag2text vocab status   how far everybody is",
    "tag2text vocab check    what would stop the build",
    "tag2text vocab build    make the vocabulary",
)

Order = Annotated[
    Literal["effect", "uncertain", "frequency", "alphabetical"],
    typer.Option(help="Which candidates come first."),
]
Keys = Annotated[
    Path | None, typer.Option(envvar="TAG2TEXT_KEYS", help="TOML file of keys of your own.")
]
Plain = Annotated[
    bool, typer.Option("--plain", help="A prompt, line by line; the default without a terminal.")
]
Ascii = Annotated[bool, typer.Option("--ascii", help="No signs beyond ASCII.")]


def review(
    project: Project = Path("annotations"),
    annotator: Annotator = None,
    mined: Mined = None,
    order: Order = "effect",
    keys: Keys = None,
    plain: Plain = False,
    ascii_only: Ascii = False,
) -> None:
    """Decide which candidates become tags.

    Each decision is on the disk before the next card.
    """
    from vocab.review.start import Setup, review_desk

    setup = Setup(
        project=project, annotator=annotator or _login(), mined=tuple(mined or ()), order=order
    )
    with review_desk(setup) as desk:
        _run(desk, {}, keys, plain=plain, ascii_only=ascii_only)


def adjudicate(
    project: Project = Path("annotations"),
    annotator: Annotator = None,
    mined: Mined = None,
    majority: Annotated[
        bool, typer.Option("--majority", help="Also what a majority settled against a vote.")
    ] = False,
    keys: Keys = None,
    plain: Plain = False,
    ascii_only: Ascii = False,
) -> None:
    """Settle what annotators disagree on.

    Everybody's votes, reasons and notes are in view.
    """
    from vocab.review.start import Setup, dispute_desk

    setup = Setup(project=project, annotator=annotator or _login(), mined=tuple(mined or ()))
    with dispute_desk(setup, majority=majority) as (desk, votes):
        if not votes and not desk.session.decided:
            typer.echo("nothing to settle: the annotators agree on all that two of them decided")
            return
        _run(desk, votes, keys, plain=plain, ascii_only=ascii_only)


def _run(
    desk: Desk,
    votes: Mapping[Tag, Sequence[Event]],
    keys: Path | None,
    *,
    plain: bool,
    ascii_only: bool,
) -> None:
    from vocab.review.keymap import load_keymap
    from vocab.review.lines import marks_for

    keymap = load_keymap(keys)
    marks = marks_for(sys.stdout.encoding, ascii_only=ascii_only)
    if plain or not _on_terminal():
        from vocab.review.prompt import prompt

        refused = prompt(desk, keymap, votes=votes, ending=ENDING)
        if refused and not sys.stdin.isatty():  # a script must notice
            raise InputError(f"{refused} of the lines were refused; the others are in the log")
        return
    # Textual paints at most this often; at its default of 60 a key would wait 16 ms to be seen.
    os.environ.setdefault("TEXTUAL_FPS", "1000")
    for name in ("COLUMNS", "LINES"):  # exported once, they would outweigh the window's own size
        os.environ.pop(name, None)
    try:
        from vocab.review.screen import ReviewApp
    except ModuleNotFoundError as error:
        hint = install_hint("review")
        raise InputError(
            f"the screen needs textual and rapidfuzz: {hint}, or use --plain"
        ) from error
    app = ReviewApp(desk, keymap, marks, votes=votes, ending=ENDING)
    app.run(mouse=False)
    if app.failure is not None:
        raise app.failure  # what was decided is in the log
    progress = desk.progress()
    done = f"{progress.decided:,} of {progress.total:,} decided"
    typer.echo(f"{done}; all is in the log of {desk.session.by}")


def _on_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def _login() -> str:
    import getpass

    try:
        return getpass.getuser().lower()
    except (KeyError, OSError) as error:
        raise UsageError("no login name here; give --annotator NAME") from error
