"""Strategies for input that somebody broke, by chance or on purpose."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

DEPTH: Final = 100_000
DIGITS: Final = "9" * 5000  # Python itself refuses to read so many
NUMBERS: Final = (
    *("-1", "0", "-0", "00", "7", "0.5", "1e999", "-1e999", "NaN", "Infinity", "1_0", " 1", "٣"),
    *("255", "65536", "2147483648", "4294967296", "9223372036854775808", "1" + "0" * 30, DIGITS),
)
TEXTS: Final = (
    *("", " ", "\0", "\ufeff", "\ud800", "\udfff", "\u202e", "\u2028", "\x85", "\x1c", "\x7f"),
    *("\x1b[2J\x1b[31m", "\x1b]0;title\x07", "a\nb", "a\r\nb", "a\tb", "\r", "|", "%7C", "%", ":"),
    *("../../../../etc/passwd", "/etc/passwd", "..", ".", "a/b", "http://[", "file:///etc/passwd"),
    *("=1+1", "-", "--help", '"', "'", ",", ";", "#", "{", "[red]", "e\u0301\u0301", "ﬁ", "İ"),
    *("x" * 300, "x" * 20_000, "🐕" * 50, "word " * 5000, "((((((" * 200, "dog", "object:dog"),
)
TOKENS: Final = (
    *(text.encode("utf-8", "surrogatepass") for text in TEXTS),
    *(number.encode() for number in NUMBERS),
    *(
        b"\xff",
        b"\xc3",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xff\xfe",
        b"\x1f\x8b",
        b"PK\x03\x04",
    ),
    *(b"\n", b"\n\n", b"\r\n", b"\\u0000", b"\\ud800", b'"', b"'", b"[", b"{", b"}", b"]", b"<!--"),
    *(
        b"&#x110000;",
        b"null",
        b"true",
        b"\x00\x00\x00\x00",
        b"\xff\xff\xff\xff",
        b"\x7f\xff\xff\xff",
    ),
    *(b"[" * DEPTH, b'{"a":' * DEPTH, b"[" * DEPTH + b"]" * DEPTH),
)
_NUMBER: Final = re.compile(rb"\d+")
_STRING: Final = re.compile(rb'"[^"\n]*"')

# What json.dumps cannot write comes in by marks, which :func:`dumped` replaces.
_MARKS: Final = {
    "@deep-list": "[" * DEPTH + "]" * DEPTH,
    "@deep-object": '{"a":' * DEPTH + "1" + "}" * DEPTH,
    "@digits": DIGITS,
    "@overflow": "1e999",
    "@below": "-1e999",
    "@big": "1" + "0" * 30,
    "@bigger": "1" + "0" * 400,
}
VALUES: Final = (
    *(None, True, False, 0, 1, -1, 2**31, 2**63, 0.5, -0.0, float("nan"), float("inf")),
    *([], {}, [[]], [None], {"a": 1}, [1, "a"], *TEXTS, *_MARKS),
)


def values() -> SearchStrategy[Any]:
    """Return values that JSON can hold, and some that it cannot."""
    return st.one_of(
        st.sampled_from(VALUES),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | texts(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts(), inner, max_size=3),
            max_leaves=6,
        ),
    )


def texts() -> SearchStrategy[str]:
    """Return texts of any code points, lone surrogates among them, and of known trouble."""
    anything = st.text(st.characters(exclude_categories=()), max_size=30)
    return st.one_of(st.sampled_from(TEXTS), anything)


def dumped(value: Any, *, ascii_only: bool = True) -> bytes:
    """Return JSON text, with the marks replaced by what they stand for."""
    text = json.dumps(value, ensure_ascii=ascii_only)
    for mark, meant in _MARKS.items():
        text = text.replace(f'"{mark}"', meant)
    return text.encode("utf-8", "surrogatepass")


@st.composite
def broken_values(draw: DrawFn, seeds: Sequence[Any]) -> Any:
    """Return a value with some of its parts replaced, removed or added."""
    value = copy.deepcopy(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(1, 3))):
        value = _damage(draw, value)
    return value


def broken_json(*seeds: Any) -> SearchStrategy[bytes]:
    """Return JSON files whose values are broken, and files that are broken as bytes."""
    whole = [dumped(seed) for seed in seeds]
    made = st.builds(dumped, broken_values(seeds), ascii_only=st.booleans())
    return st.one_of(made, made, made.flatmap(lambda text: broken((text,))), broken(whole))


def _damage(draw: DrawFn, value: Any) -> Any:
    holders = _holders(value)
    given = copy.deepcopy(draw(values()))  # it may be damaged, too
    if not holders or draw(st.integers(0, 30)) == 0:
        return given
    holder = draw(st.sampled_from(holders))
    keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
    action = draw(st.sampled_from(("replace", "replace", "replace", "remove", "add")))
    if action == "add" or not keys:
        if isinstance(holder, dict):
            holder[draw(texts())] = given
        else:
            holder.insert(draw(st.integers(0, len(holder))), given)
    elif action == "remove":
        del holder[draw(st.sampled_from(keys))]
    else:
        key = draw(st.sampled_from(keys))
        holder[key] = given
    return value


def _holders(value: Any) -> list[Any]:
    """Return all lists and objects of a value, itself among them."""
    if isinstance(value, dict):
        return [value, *(h for inner in value.values() for h in _holders(inner))]
    if isinstance(value, list):
        return [value, *(h for inner in value for h in _holders(inner))]
    return []


@st.composite
def broken(draw: DrawFn, seeds: Sequence[bytes]) -> bytes:
    """Return a file that began as one of the seeds; rarely, bytes of no meaning."""
    if draw(st.integers(0, 20)) == 0:
        return draw(st.binary(max_size=300))
    data = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(1, 4))):
        data = draw(st.sampled_from(_CHANGES))(draw, data)
    return data


def _flip(draw: DrawFn, data: bytes) -> bytes:
    at = draw(st.integers(0, max(0, len(data) - 1)))
    return data[:at] + bytes((draw(st.integers(0, 255)),)) + data[at + 1 :]


def _span(draw: DrawFn, data: bytes) -> tuple[int, int]:
    start = draw(st.integers(0, len(data)))
    return start, min(len(data), start + draw(st.sampled_from((1, 2, 7, 64, 512, 1 << 30))))


def _insert(draw: DrawFn, data: bytes) -> bytes:
    at = draw(st.integers(0, len(data)))
    return data[:at] + draw(st.sampled_from(TOKENS)) + data[at:]


def _cut(draw: DrawFn, data: bytes) -> bytes:
    start, end = _span(draw, data)
    return data[:start] + data[end:]


def _twice(draw: DrawFn, data: bytes) -> bytes:
    start, end = _span(draw, data)
    return data[:end] + data[start:]


def _replace(pattern: re.Pattern[bytes], offered: Sequence[bytes]) -> Callable[..., bytes]:
    def change(draw: DrawFn, data: bytes) -> bytes:
        found = list(pattern.finditer(data[: 1 << 16]))
        if not found:
            return _insert(draw, data)
        start, end = draw(st.sampled_from(found)).span()
        return data[:start] + draw(st.sampled_from(offered)) + data[end:]

    return change


def _lines(draw: DrawFn, data: bytes) -> bytes:
    lines = data.split(b"\n")
    at = draw(st.integers(0, len(lines) - 1))
    kept = draw(st.sampled_from(([], [lines[at]] * 2, [lines[at], b""], [b"", lines[0]])))
    return b"\n".join([*lines[:at], *kept, *lines[at + 1 :]])


def _cells(draw: DrawFn, data: bytes) -> bytes:
    lines = data.split(b"\n")
    at = draw(st.integers(0, len(lines) - 1))
    cells = re.split(rb"([\t,])", lines[at])
    cell = draw(st.integers(0, len(cells) - 1))
    cells[cell] = draw(st.sampled_from(TOKENS))
    return b"\n".join([*lines[:at], b"".join(cells), *lines[at + 1 :]])


def _form(draw: DrawFn, data: bytes) -> bytes:
    """Change the file as a whole: its line ends, its mark, its encoding."""
    form = draw(st.integers(0, 4))
    if form == 0:
        return data.replace(b"\n", b"\r\n")
    if form == 1:
        return b"\xef\xbb\xbf" + data
    if form == 2:
        return data.replace(b"\n", b"\r")
    text = data.decode("utf-8", "replace")
    return text.encode("utf-16" if form == 3 else "latin-1", "replace")


_CHANGES: Final = (
    *(_flip, _flip, _insert, _insert, _cut, _twice, _lines, _cells, _form),
    _replace(_NUMBER, [number.encode() for number in NUMBERS]),
    _replace(_NUMBER, [number.encode() for number in NUMBERS]),
    _replace(_STRING, [dumped(value) for value in VALUES]),
)


@st.composite
def broken_folders(draw: DrawFn, whole: dict[str, bytes], names: Sequence[str]) -> dict[str, bytes]:
    """Return the files of a folder, one or two of ``names`` broken, or missing."""
    files = dict(whole)
    for _ in range(draw(st.integers(1, 2))):
        name = draw(st.sampled_from(names))
        if draw(st.integers(0, 15)) == 0:
            files.pop(name, None)
        else:
            files[name] = draw(_broken_file(whole.get(name, b"")))
    return files


def _broken_file(content: bytes) -> SearchStrategy[bytes]:
    with_values = None
    if content[:1] in b"{[" and content:
        try:
            with_values = broken_json(json.loads(content))
        except ValueError:
            with_values = None
    return broken((content,)) if with_values is None else st.one_of(with_values, broken((content,)))
