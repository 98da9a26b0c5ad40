"""Caption files for tests: written, read, and what came of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.source_rows import REASONS, BadRow, Row, SourceRow
from pipeline.sources import SourceConfig, read_source


def read(path: Path | Sequence[Path], form: str, **options: Any) -> list[Row]:
    paths = [path] if isinstance(path, Path) else path
    inputs = tuple(str(path) for path in paths)
    return list(read_source(SourceConfig(inputs=inputs, format=form, **options)))


def good(rows: list[Row]) -> list[tuple[int, str, tuple[str, ...]]]:
    return [(r.position, r.image, r.captions) for r in rows if isinstance(r, SourceRow)]


def bad(rows: list[Row]) -> list[tuple[int, str]]:
    return [(row.position, row.reason) for row in rows if isinstance(row, BadRow)]


def lost_nothing(rows: list[Row], entries: int) -> bool:
    """Say whether as many captions came out, good or bad, as entries of one caption went in."""
    return entries == sum(
        1 if isinstance(row, BadRow) else len(row.captions) for row in rows
    ) and all(row.reason in REASONS for row in rows if isinstance(row, BadRow))


def write(path: Path, content: bytes | str | dict[str, Any] | list[Any]) -> Path:
    if isinstance(content, dict | list):
        content = json.dumps(content)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path
