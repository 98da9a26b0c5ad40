"""The word lists that parsing rests on: small text files beside this module, one entry a line."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def words(name: str) -> frozenset[str]:
    """Return the entries of ``lexicon/<name>.txt``; blank lines and ``#`` comments are skipped."""
    return frozenset(_entries(name))


@cache
def mapping(name: str) -> dict[str, str]:
    """Return the ``key: value`` lines of ``lexicon/<name>.txt``."""
    pairs = (line.partition(": ") for line in _entries(name))
    return {key: value for key, _, value in pairs}


def _entries(name: str) -> list[str]:
    text = (files("vocab") / "lexicon" / f"{name}.txt").read_text(encoding="utf-8")
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]
