"""The command line: parse the flags, call one function, print what came of it.

Heavy modules are imported inside the commands, so that ``tag2text --help`` is quick.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import traceback
from typing import Annotated

import typer

from tag2text import (
    command_download,
    command_evaluate,
    command_parse,
    command_search,
    command_train,
    commands_model,
    commands_pipeline,
    commands_vocab,
)
from tag2text.options import BEAM_EPILOG, BEAM_FLAGS
from vocab.errors import InputError, StoppedError, UsageError
from vocab.version import __version__

STOPPED = "tag2text: stopped; run the same command again to go on where it was"

app = typer.Typer(
    name="tag2text",
    help="Captions become tags, tags a vocabulary, images labelled WebDataset shards.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
commands_pipeline.register(app)
app.command(context_settings=BEAM_FLAGS, epilog=BEAM_EPILOG)(command_download.download)
app.command()(command_parse.parse)
app.add_typer(commands_vocab.app, name="vocab")
for command in (
    command_train.train,
    command_evaluate.evaluate,
    commands_model.convert,
    commands_model.tag,
    commands_model.caption,
    command_search.index,
    command_search.search,
):
    app.command()(command)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"tag2text {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Options that stand before the command."""
    if debug:
        os.environ["TAG2TEXT_DEBUG"] = "1"


def main() -> None:
    """Run the command line: exit code 0 done, 1 failed, 2 bad usage, 130 stopped."""
    # Beam and others warn through the root logger while they are imported; our own words are
    # printed, never logged.
    logging.basicConfig(level=logging.ERROR)
    sys.unraisablehook = _stop_anyway
    try:
        app()
    except BrokenPipeError:
        # The reader (`| head`) has seen enough; Python must not complain while it shuts down.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except KeyboardInterrupt:
        typer.echo(STOPPED, err=True)
        sys.exit(130)
    except Exception as error:
        _report(error)
        sys.exit(_exit_code(error))


def _stop_anyway(unraisable: sys.UnraisableHookArgs) -> None:
    """Interrupt again, a moment later, when ctrl-C fell where Python ignores it: a finalizer."""
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGINT)).start()
    else:
        sys.__unraisablehook__(unraisable)


def _exit_code(error: Exception) -> int:
    if isinstance(error, StoppedError):
        return 130
    return 2 if isinstance(error, UsageError) else 1


def _report(error: Exception) -> None:
    if os.environ.get("TAG2TEXT_DEBUG"):
        traceback.print_exception(error)
    elif isinstance(error, InputError):
        typer.echo(f"tag2text: {error}", err=True)
    elif isinstance(error, OSError) and error.strerror and error.filename:
        typer.echo(f"tag2text: {error.filename}: {error.strerror}", err=True)
    else:
        line = " ".join(f"{type(error).__name__}: {error}".split())[:500]
        typer.echo(f"tag2text: unexpected {line} (tag2text --debug ... shows more)", err=True)


if __name__ == "__main__":
    main()
