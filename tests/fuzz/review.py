"""What annotators bring: projects, keys, candidates, decision logs, spreadsheets, vocabularies."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

from tests.fuzz.hostile import DEPTH, DIGITS, TOKENS, broken, broken_folders, broken_json, texts
from tests.fuzz.law import Target, check_message, lay, taken
from tests.model.tiny import tiny_vocabulary
from vocab import log
from vocab.candidates import Candidate, format_candidates, read_candidates
from vocab.decisions import (
    Event,
    effective,
    format_event,
    parse_event,
    read_log,
    replay,
    resolve,
)
from vocab.graph import Tag
from vocab.log import new_event, open_log
from vocab.project import load_project, read_project
from vocab.review.keymap import load_keymap
from vocab.sheets import Row, read_sheet, write_sheet
from vocab.table import COLUMNS, WIDTHS, Choice, read_table, summary, table_rows
from vocab.vocabulary import Vocabulary

_CANDIDATES: Final = (
    Candidate(1, "object", "dog", 9, 12, {"coco": 5, "sbu": 4}),
    Candidate(2, "object", "puppy", 3, 3, {"coco": 3, "sbu": 0}),
    Candidate(3, "attribute", "red", 2, 2, {"coco": 0, "sbu": 2}),
)
_TABLE: Final = format_candidates(_CANDIDATES).encode()
_PROJECT: Final = b"""target = 3
candidates = "candidates.tsv"
log = "log"

[policy]
undecided = "keep"

[weights]
coco = 1.5

[reasons]
vague = "names nothing"
"""
_KEYS: Final = b'[keys]\nkeep = ["k", "enter"]\n'
_REASONS: Final = ("vague", "typo")


def _event(number: int, act: str, key: str = "object:dog", to: str | None = None) -> bytes:
    event = Event(
        id=f"{number:012x}-aa", ts=1_700_000_000_000 + number, by="ann", key=key, act=act, to=to
    )
    return format_event(event).encode()


_LOG: Final = (
    _event(1, "keep")
    + _event(2, "merge", "object:puppy", "object:dog")
    + _event(3, "undo", to=f"{2:012x}-aa")
    + _event(4, "rename", "attribute:red", "dark red")
)


def _log(folder: Path, content: bytes) -> None:
    path = folder / "ann.jsonl"
    path.write_bytes(content)
    events, problems = read_log([path])
    assert len(problems) == _refused(content)
    for problem in problems:
        check_message(f"{problem.file}:{problem.line}: {problem.reason}")
    for event in events:
        assert parse_event(format_event(event).encode()) == event
    resolve(replay(effective(events)))
    _append(path, content)


def _refused(content: bytes) -> int:
    """Return how many lines are no event, or one whose id another event had."""
    seen: dict[tuple[str, str], Event] = {}
    refused = 0
    for line in content.split(b"\n"):
        try:
            event = parse_event(line.strip()) if line.strip() else None
        except ValueError:
            refused += 1
            continue
        if event is not None and seen.setdefault((event.by, event.id), event) != event:
            refused += 1
    return refused


def _append(path: Path, content: bytes) -> None:
    """Go on with the log: what stood there stands there still, and the event is read back."""
    log._clock.last = 0
    with open_log(path) as writer:
        event = new_event("ann", "object:dog", "keep")
        writer.append(event)
    after = path.read_bytes()
    assert after.startswith(content)
    assert event in read_log([path])[0]


def _candidates(folder: Path, content: bytes) -> None:
    path = folder / "candidates.tsv"
    path.write_bytes(content)
    found = read_candidates(path)
    assert len(found.rows) == content.count(b"\n") - 1
    for row in found.rows:
        assert sum(row.sources.values()) >= 0
        assert set(row.sources) == set(found.sources)
    format_candidates(found.rows)


def _project(folder: Path, content: bytes) -> None:
    lay(folder, {"project.toml": content, "candidates.tsv": _TABLE})
    found = read_project(folder)
    assert found.target > 0
    assert isinstance(found.logs, list)


def _loaded_project(folder: Path, name: str) -> None:
    """Read a project whose candidates have another name; the name cannot lead out by itself."""
    lay(folder, {"project.toml": b"target = 1\ncandidates = %s\n" % name.encode()})
    load_project(folder)


def _keymap(folder: Path, content: bytes) -> None:
    path = folder / "keys.toml"
    path.write_bytes(content)
    assert load_keymap(path)


def _vocabulary(folder: Path, files: dict[str, bytes]) -> None:
    found = Vocabulary.load(lay(folder, files))
    found.save(folder / "again")
    assert Vocabulary.load(folder / "again") == found
    assert found.encode(found.tags) == list(range(len(found)))


def _whole_vocabulary() -> dict[str, bytes]:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        tiny_vocabulary().save(Path(name))
        return taken(Path(name))


_ROWS: Final = list(
    table_rows(_CANDIDATES, {Tag("object", "puppy"): Choice("merge", "object:dog", "vague")})
)


def _sheet(suffix: str) -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        path = Path(name, f"sheet{suffix}")
        write_sheet(path, COLUMNS, _ROWS, WIDTHS)
        return path.read_bytes()


_TSV: Final = _sheet(".tsv")
_XLSX: Final = _sheet(".xlsx")


def _imported(folder: Path, content: bytes) -> None:
    path = folder / "sheet"
    path.write_bytes(content)
    rows = read_sheet(path)
    if not content.startswith((b"PK", b"\xff\xfe", b"\xfe\xff")) and not set(b'"\r') & set(content):
        lines = content.removeprefix(b"\xef\xbb\xbf").split(b"\n")
        delimiter = max(b"\t;,", key=lines[0].count)
        full = [line for line in lines if _has_text(line, delimiter)]
        assert len(rows) == len(full), f"{len(rows)} rows of {len(full)}"
    _read_rows(folder, rows)


def _has_text(line: bytes, delimiter: int) -> bool:
    cells = line.decode().split(chr(delimiter))
    return any(cell.strip() not in ("",) for cell in cells)


def _read_rows(folder: Path, rows: list[Row]) -> None:
    path = folder / "candidates.tsv"
    path.write_bytes(_TABLE)
    candidates = read_candidates(path)
    standing = {Tag("object", "dog"): Choice("keep")}
    reading = read_table(rows, candidates, standing, _REASONS)
    for line in reading.errors:
        check_message(line)
    for line in summary(reading):
        assert "\n" not in line
    tags = {row.key for row in candidates.rows}
    assert {change.tag for change in reading.changes} <= tags


@st.composite
def _books(draw: DrawFn) -> bytes:
    """Return XLSX files one of whose parts is broken inside the whole zip, or the zip itself."""
    if draw(st.integers(0, 3)) == 0:
        return draw(broken((_XLSX,)))
    with zipfile.ZipFile(io.BytesIO(_XLSX)) as archive:
        parts = {item.filename: archive.read(item) for item in archive.infolist()}
    sheets = [name for name in parts if "sheet" in name or "shared" in name.lower()]
    name = draw(st.sampled_from(sheets * 3 + list(parts)))
    if draw(st.booleans()):
        parts[name] = draw(broken((parts[name],)))
    else:
        old, new = draw(st.sampled_from(_XML))
        parts[name] = parts[name].replace(old, new)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for part, content in parts.items():
            archive.writestr(part, content)
    return buffer.getvalue()


_BOMB: Final = (
    b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 20) for n in range(9))
    + b"]>"
)
_XML: Final = (
    (b'r="A2"', b'r="XFD2"'),
    (b'r="A2"', b'r="ZZZ2"'),
    (b'r="A2"', b'r="ZZZZZZZ2"'),
    (b'r="A2"', b'r="A99999999"'),
    (b'r="2"', b'r="1048576"'),
    (b'r="2"', b'r="99999999999"'),
    (b'r="2"', b'r="-1"'),
    (b't="s"', b't="n"'),
    (b't="s"', b't="d"'),
    (b't="s"', b't="e"'),
    (b"<v>1</v>", b"<v>1e999</v>"),
    (b"<v>1</v>", b"<v>%s</v>" % DIGITS.encode()),
    (b"<v>1</v>", b"<f>1+1</f>"),
    (b"<worksheet", _BOMB + b"<worksheet"),
    (b"<worksheet", b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><worksheet'),
    (b"<row", b"<row" + b' x="1"' * 3),
    (b"<row", b"<a>" * 1000 + b"<row"),
)


def _cells() -> SearchStrategy[bytes]:
    """Return sheets of text whose cells are decisions, texts and keys in any order."""
    cell = st.one_of(
        st.sampled_from(("object:dog", "object:puppy", "keep", "drop", "merge", "vague", "x", "")),
        st.sampled_from(("merge dog", "retype scene", "rename ", "OBJECT:DOG", "why", "key")),
        texts().map(lambda text: text.replace("\n", " ")),
    )
    rows = st.lists(st.lists(cell, max_size=5).map("\t".join), max_size=6)
    return rows.map(
        lambda lines: "\n".join(("key\tdecision\twhy\tnote", *lines)).encode("utf-8", "replace")
    )


def _log_target() -> Target:
    lines = st.lists(broken_json(*map(_parsed, _LOG.splitlines())), max_size=4).map(b"\n".join)
    return Target(
        name="log",
        run=_log,
        cases=st.one_of(broken((_LOG,)), lines.map(lambda more: _LOG + more)),
        seeds=(_LOG, b""),
        found=(
            b'{"v":1,"ts":999999999999999}\n',
            _LOG + b'{"v":1,"ts":253402300799999}\n',
            _LOG + b"[" * DEPTH,
            _LOG + b'{"v": %s}\n' % DIGITS.encode(),
        ),
    )


def _candidates_target() -> Target:
    return Target(
        name="candidates",
        run=_candidates,
        cases=broken((_TABLE,)),
        seeds=(_TABLE,),
        found=(_TABLE.replace(b"\t5\t4", b"\t5\t" + DIGITS.encode()),),
    )


def _project_target() -> Target:
    return Target(
        name="project",
        run=_project,
        cases=broken((_PROJECT,)),
        seeds=(_PROJECT,),
        found=(
            _PROJECT + b"x = " + b"[" * DEPTH,
            b"target = " + DIGITS.encode(),
            _PROJECT.replace(b"1.5", b"1" + b"0" * 400),
            b'target = 1\n"\\u001b[2J" = 1\n',
            b'target = 1\nlog = "\\u0000"\n',
            b'target = 1\nlog = "%s"\n' % (b"x" * 300),
        ),
    )


def _project_candidates_target() -> Target:
    return Target(
        name="project-candidates",
        run=_loaded_project,
        cases=st.sampled_from(('"\\u0000"', '"x"', '""', '"."', f'"{"x" * 300}"')),
        seeds=(),
        found=('"\\u0000"', f'"{"x" * 300}"', '"\\u001b[2J"', '"."'),
    )


def _keymap_target() -> Target:
    return Target(
        name="keymap",
        run=_keymap,
        cases=broken((_KEYS,)),
        seeds=(_KEYS,),
        found=(b"[keys]\nkeep = " + b"[" * DEPTH, b"keys = " + DIGITS.encode(),
               b'[keys]\n"\\u001b[2J" = "a"\n'),
    )  # fmt: skip


def _vocabulary_target() -> Target:
    whole = _whole_vocabulary()
    return Target(
        name="vocabulary",
        run=_vocabulary,
        cases=broken_folders(whole, tuple(whole)),
        seeds=(whole,),
        found=(
            whole | {"vocabulary.json": b"[" * DEPTH + b"\n"},
            whole | {"vocabulary.json": b'{"format": ' + DIGITS.encode() + b"}\n"},
        ),
    )


def _sheet_text_target() -> Target:
    return Target(
        name="sheet-text",
        run=_imported,
        cases=st.one_of(broken((_TSV,)), _cells()),
        seeds=(_TSV, _TSV.replace(b"\t", b","), _TSV.decode().encode("utf-16")),
        found=tuple(b"key\tdecision\n" + token + b"\tkeep\n" for token in TOKENS[:8]),
    )


def _sheet_xlsx_target() -> Target:
    return Target(name="sheet-xlsx", run=_imported, cases=_books(), seeds=(_XLSX,))


def targets() -> Iterator[Target]:
    """Yield the targets of this module."""
    yield _log_target()
    yield _candidates_target()
    yield _project_target()
    yield _project_candidates_target()
    yield _keymap_target()
    yield _vocabulary_target()
    yield _sheet_text_target()
    yield _sheet_xlsx_target()


def _parsed(line: bytes) -> object:
    import json

    return json.loads(line)
