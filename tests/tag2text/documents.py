"""The commands and programs that the documents show, as bash and Python would see them."""

from __future__ import annotations

import configparser
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import click
import typer
from typer.testing import CliRunner, Result

from tag2text.cli import app

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    [
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "annotations").glob("*.md"),
    ]
)
_BLOCK = re.compile(r"^ *```(\w+)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
# Bash itself reads the blocks, with nothing to run: what it looks for and does not find is noted.
_NOTE = """
PATH=/nowhere
command_not_found_handle() { printf '%s\\0' "$@" $'\\n' >> "$NOTES"; }
cd() { :; }
source() { :; }
"""
_PATH = re.compile(r"(?<![\w./~$-])[\w./~$-]*/bin/(?=[a-z])")  # bash would look for these files


class Command(NamedTuple):
    """One command line of a document, its words as the program gets them."""

    document: str
    words: tuple[str, ...]

    @property
    def ours(self) -> list[str]:
        """The arguments of `tag2text`, however it is started; empty where it is not."""
        words = list(self.words)
        if words[0] == "torchrun":
            return words[words.index("tag2text.cli") + 1 :]
        if words[:2] == ["docker", "run"]:
            return words[next(i for i, word in enumerate(words) if "/tag2text:" in word) + 1 :]
        return words[1:] if words[0] == "tag2text" else []

    def __str__(self) -> str:
        return f"{self.document}: {shlex.join(self.words)}"


def name_of(document: Path) -> str:
    """Return a document's path in the repository."""
    return str(document.relative_to(ROOT))


def blocks(document: Path, language: str) -> list[str]:
    """Return the fenced blocks of a language."""
    found = _BLOCK.findall(document.read_text("utf-8"))
    return [block for name, block in found if name == language]


def commands(document: Path) -> list[Command]:
    """Return every command of the bash blocks, loops, functions and variables resolved."""
    return [Command(name_of(document), words) for words in noted("".join(blocks(document, "bash")))]


def noted(script: str) -> list[tuple[str, ...]]:
    """Return the commands that bash would run; ``ValueError`` when it cannot read them."""
    with tempfile.TemporaryDirectory() as folder:
        notes = Path(folder, "notes")
        notes.touch()
        done = subprocess.run(
            ["/bin/bash", "-c", _NOTE + _PATH.sub("", script)],
            cwd=folder,
            capture_output=True,
            text=True,
            env={**os.environ, "NOTES": str(notes)},
            check=False,
        )
        if "syntax error" in done.stderr:
            raise ValueError(done.stderr)
        return [tuple(line.split("\0")[:-1]) for line in notes.read_text().split("\n\0")[:-1]]


def parse(words: list[str]) -> None:
    """Let the command line read the words, and run nothing; it raises where it cannot."""
    command: click.Command = typer.main.get_command(app)  # type: ignore[assignment]
    own = words[: words.index("--")] if "--" in words else list(words)
    while hasattr(command, "commands") and not own[0].startswith("-"):
        command = command.commands[own.pop(0)]
    if not {"--help", "--version"} & set(own):  # they print, and end the process
        command.make_context(command.name, own)


def flags() -> set[str]:
    """Return every flag of every command."""

    def below(command: click.Command) -> set[str]:
        children = getattr(command, "commands", {}).values()
        own = {
            name for one in command.params for name in (*one.opts, *one.secondary_opts)
        }  # `--compile` and `--no-compile`
        return own.union(*map(below, children))

    root: click.Command = typer.main.get_command(app)  # type: ignore[assignment]
    return below(root) | {"--help"}


def invoke(words: list[str], *, answers: str = "q\n") -> Result:
    """Run a command within this process; ``answers`` are what is typed."""
    return CliRunner().invoke(app, words, input=answers)


def known_elsewhere(words: tuple[str, ...]) -> bool:
    """Tell whether a command of another program is one that this repository answers for."""
    if words[0] == "make":
        targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        return set(words[1:]) <= {*targets, *(w for w in words if "=" in w)}
    if words[:2] == ("pip", "install"):
        setup = configparser.ConfigParser()
        setup.read(ROOT / "setup.cfg")
        wanted = [name for word in words for name in re.findall(r"\.\[([\w,]+)\]", word)]
        extras = {name for names in wanted for name in names.split(",")}
        from_an_index = [word for word in words if word.startswith("tag2text")]
        return not from_an_index and extras <= set(setup["options.extras_require"])
    if words[:2] == ("python", "-m") and words[2].startswith("benchmarks."):
        line = [sys.executable, *words[1:3], "--help"]
        shown = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        known = flags() | set(re.findall(r"--[a-z-]+", shown))
        return all(word in known for word in words if word.startswith("--"))
    return False
