"""A new review project: the table under review, and the settings with a word on each."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from vocab.candidates import Candidates, read_candidates
from vocab.errors import InputError
from vocab.files import write_whole
from vocab.project import FILE

TABLE: Final = "candidates.tsv"
# Those of annotations/GUIDELINES.md.
REASONS: Final[Mapping[str, str]] = {
    "artefact": "comes from a parser's or a caption's mistake; not a word of this kind",
    "invisible": "cannot be seen in a picture",
    "vague": "says nothing in particular, or means too many things",
    "name": "is the name of a place, person, firm, brand, month or day",
    "compound": "only adds up from words that are tags already",
    "duplicate": "is said by another candidate of the right kind",
    "corpus": "is common in one collection only, or is talk about the caption or its file",
    "offensive": "demeans people, or should not be guessed from a picture",
}
# Git merges what several people decided, and leaves the locks out.
_GIT: Final[Mapping[str, str]] = {
    ".gitattributes": "*.tsv text eol=lf\nlog/*.jsonl text eol=lf merge=union\n",
    ".gitignore": "/log/*.lock\n",
}
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_SETTINGS: Final = """\
# A review project; docs/review.md explains it.
candidates = "{table}"  # the table under review
# Its digest: decisions are about this very table.
sha256 = "{sha256}"
target = {target}  # classes wanted

[policy]  # what `vocab build` makes of the rest: keep, drop or fail
undecided = "fail"  # nobody decided
unresolved = "fail"  # annotators disagree without a majority

[weights]  # what an image of a source counted in the table; a source that is not named, 1
{weights}
[reasons]  # why a tag is dropped: code = "what it means"; change them before the first decision
{reasons}"""


def start_project(
    table: Path, root: Path, *, target: int, weights: Mapping[str, float] | None = None
) -> Candidates:
    """Make ``root`` a review project of a table of candidates, and return them.

    The table is copied unless it is there already; ``weights`` are those that it was counted
    with. :class:`InputError` when it is no such table, or when ``root`` has a project, or another
    table, which is then left as it is.
    """
    if (root / FILE).exists():
        raise InputError(f"{root / FILE}: is there already; review it, or give another --output")
    candidates = read_candidates(table)
    content, copy = table.read_bytes(), root / TABLE
    if not copy.exists():
        write_whole(copy, content)
    elif copy.read_bytes() != content:
        raise InputError(f"{copy}: is there already, and another table; give another --output")
    settings = _SETTINGS.format(
        table=TABLE,
        sha256=hashlib.sha256(content).hexdigest(),
        target=target,
        weights=_lines(weights or {}),
        reasons=_lines(REASONS),
    )
    for name, line in _GIT.items():
        if not (root / name).exists():
            write_whole(root / name, line)
    write_whole(root / FILE, settings)
    return candidates


def _lines(values: Mapping[str, float | str]) -> str:
    return "".join(f"{_key(name)} = {json.dumps(value)}\n" for name, value in values.items())


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else json.dumps(name)
