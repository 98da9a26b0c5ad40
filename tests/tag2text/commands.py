"""The command line in this process, and what it is made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer
from typer.testing import CliRunner, Result

from tag2text.cli import app


def invoke(*line: object) -> Result:
    """Run a command; what it raises is in the result."""
    return CliRunner().invoke(app, [str(word) for word in line])


def all_commands() -> Iterator[tuple[str, Any]]:
    """Yield every command with its name as it is typed: ``vocab build``."""
    yield from _below(typer.main.get_command(app), "")


def _below(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    for word, child in getattr(command, "commands", {}).items():
        yield from _below(child, f"{name} {word}".strip())
    if not hasattr(command, "commands"):
        yield name, command
