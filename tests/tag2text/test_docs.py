"""Every command that the documents show is one that the command line understands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer

from tag2text.cli import app

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
_BLOCK = re.compile(r"^ *```bash\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"\b(?:tag2text|dataflow) ([a-z][^\n|&;#]*)")


def commands(text: str) -> Iterator[list[str]]:
    """Yield the arguments of each command in the bash blocks, up to the flags for Beam."""
    for block in _BLOCK.findall(text):
        for line in _COMMAND.findall(block.replace("\\\n", " ")):
            words = shlex.split(line)
            yield words[: words.index("--")] if "--" in words else words


def known_flags(words: list[str]) -> set[str]:
    """Return the flags of the command that ``words`` name."""
    command: click.Command = typer.main.get_command(app)  # type: ignore[assignment]
    for word in words:
        if not hasattr(command, "commands"):
            break
        command = command.commands[word]
    return {flag for parameter in command.params for flag in parameter.opts}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_flags_exist(document: Path) -> None:
    for words in commands(document.read_text()):
        flags = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert flags <= known_flags(words) | {"--help"}, words


def test_commands_are_found() -> None:
    found = [words for path in DOCUMENTS for words in commands(path.read_text())]
    names = {words[0] for words in found}
    assert {"manifest", "mine", "count", "download", "shards", "check"} <= names


def test_an_unknown_flag_or_command_is_seen() -> None:
    text = "```bash\ntag2text mine --manifest a \\\n    --nothing 1 -- --runner=x\n```\n"
    ((first, *rest),) = commands(text)
    assert "--nothing" not in known_flags([first, *rest])
    with pytest.raises(KeyError):
        known_flags(["nothing"])
