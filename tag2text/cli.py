"""The command line: parse the flags, call one function, print what came of it.

Heavy modules are imported inside the commands, so that ``tag2text --help`` is quick.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from typing import Annotated, Any

import typer

from tag2text import (
    command_doctor,
    command_download,
    command_evaluate,
    command_parse,
    command_search,
    command_train,
    commands_model,
    commands_pipeline,
    commands_vocab,
    output,
)
from tag2text.options import BEAM_EPILOG, BEAM_FLAGS
from vocab.errors import InputError, StoppedError, UsageError
from vocab.version import __version__

STOPPED = "stopped; run the same command again to go on where it was"
JOBS = ("manifest", "download", "mine", "count", "shards")  # what they finished stays
_STOPPED = 130
_CLICK = typer.BadParameter.__bases__  # of whatever is wrong with flags: click's own UsageError

app = typer.Typer(
    name="tag2text",
    help="Captions become tags, tags a vocabulary, images shards, shards a model.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # whole flags and a column more of text, in half of the time
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
BEAM: dict[str, Any] = {"context_settings": BEAM_FLAGS, "epilog": BEAM_EPILOG}
for settings, command in (
    ({}, command_doctor.doctor),
    ({}, commands_pipeline.demo),
    ({}, command_parse.parse),
    ({}, commands_pipeline.manifest),
    (BEAM, command_download.download),
    (BEAM, commands_pipeline.mine),
    (BEAM, commands_pipeline.count),
    (BEAM, commands_pipeline.shards),
    ({}, commands_pipeline.check),
    ({}, commands_pipeline.inspect),
    ({}, command_train.train),
    ({}, command_evaluate.evaluate),
    ({}, commands_model.convert),
    ({}, commands_model.tag),
    ({}, commands_model.caption),
    ({}, command_search.index),
    ({}, command_search.search),
):
    app.command(**settings)(command)
app.add_typer(commands_vocab.app, name="vocab")


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
    sys.exit(_run())


def _run() -> int:
    try:
        code = app(standalone_mode=False, prog_name="tag2text")
    except (KeyboardInterrupt, typer.Abort):
        code = _STOPPED
    except Exception as error:
        return _report(error)
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):
            return _hang_up()
        raise
    if code == _STOPPED:
        command = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
        output.error(STOPPED if command in JOBS else "stopped")
    return code or 0


def _hang_up() -> int:
    """End well: the reader (`| head`) has seen enough, and Python must not complain at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _stop_anyway(unraisable: sys.UnraisableHookArgs) -> None:
    """Interrupt again, a moment later, when ctrl-C fell where Python ignores it: a finalizer."""
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        threading.Timer(0.01, os.kill, (os.getpid(), signal.SIGINT)).start()
    else:
        sys.__unraisablehook__(unraisable)


def _report(error: Exception) -> int:
    """Say in one line what is wrong, and return the exit code."""
    if isinstance(error, BrokenPipeError):
        return _hang_up()
    if os.environ.get("TAG2TEXT_DEBUG"):
        import traceback

        traceback.print_exception(error)
    elif line := _line(error):
        output.error(line)
    if isinstance(error, StoppedError):
        return _STOPPED
    return 2 if isinstance(error, (UsageError, *_CLICK)) else 1


def _line(error: Exception) -> str:
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, _CLICK):
        return _usage_line(error)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, ModuleNotFoundError):
        return f"{error.name} is missing; `tag2text doctor` says how to install it"
    line = " ".join(f"{type(error).__name__}: {error}".split())[:500]
    return f"unexpected {line} (tag2text --debug ... shows more)"


def _usage_line(error: Any) -> str:
    """Return the line on wrong flags; where no command was named its help says more."""
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(error.format_message(), err=True)
        return ""
    line = " ".join(error.format_message().replace("Value error, ", "").split()).rstrip(".")
    command = error.ctx.command_path if error.ctx else "tag2text"
    return f"{line}; see {command} --help"


if __name__ == "__main__":
    main()
