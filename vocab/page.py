"""Self-contained HTML pages: one head, one policy, one base style, text that is only text.

Captions, tags, hosts and file names come from anywhere: :func:`text` escapes them, and the page's
own policy forbids scripts and every request.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

BASE: Final = """
:root { color-scheme: light dark;
  --paper: #fafaf8; --card: #fff; --ink: #1d1f21; --soft: #63676c; --line: #e3e3df;
  --object: #1f5fbf; --scene: #1e7d4f; --attribute: #a85d00; --action: #a6248f; }
@media (prefers-color-scheme: dark) { :root {
  --paper: #17181a; --card: #202225; --ink: #e8e8e5; --soft: #9da1a6; --line: #34373b;
  --object: #7fb0ff; --scene: #6fd3a0; --attribute: #f0b35a; --action: #f08bdc; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
header, main, footer { max-width: 1280px; margin: 0 auto; padding: 0 24px; }
header { padding-top: 32px; }
h1 { margin: 0 0 12px; font-size: 28px; line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin: 36px 0 0; font-size: 20px; }
.note, footer { color: var(--soft); font-size: 14px; }
.note { margin: 4px 0 14px; }
dl { display: flex; flex-wrap: wrap; gap: 8px 32px; margin: 0; }
dl div { display: flex; flex-direction: column-reverse; }
dt { color: var(--soft); font-size: 13px; }
dd { margin: 0; font-size: 20px; font-weight: 600; font-variant-numeric: tabular-nums; }
.object { --kind: var(--object); --mark: solid; }
.scene { --kind: var(--scene); --mark: double; }
.attribute { --kind: var(--attribute); --mark: dotted; }
.action { --kind: var(--action); --mark: wavy; }
.charts { display: grid; gap: 16px;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 260px), 1fr)); }
figure { margin: 0; background: var(--card); border: 1px solid var(--line);
  border-radius: 10px; overflow: hidden; padding: 14px 16px; }
summary { color: var(--soft); font-size: 13px; cursor: pointer; margin-bottom: 6px; }
footer { padding-top: 32px; padding-bottom: 32px; }
"""
# Controls of writing direction that would reorder what stands after them on the page.
_BIDI: Final = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u061c"


_FIGURE: Final = re.compile(r"[\d.,]+(?:e-?\d+)?(?: [a-z]{1,3})?|–")


def document(*, title: str, style: str, body: str, images: bool = False) -> str:
    """Return a whole page; ``title`` is plain text, ``style`` and ``body`` are markup.

    The policy allows inline styles, and pictures only as ``data:`` with ``images``.
    """
    pictures = " img-src data:;" if images else ""
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none';{pictures} \
style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(title)}</title>
<style>{style}</style>
{body}
</html>
"""


def text(value: object) -> str:
    """Return ``value`` as markup that shows exactly its characters.

    What has no shape of its own, or would turn the text around it, is shown as ``[U+202E]``.
    """
    return escape("".join(map(_visible, str(value))))


def _visible(char: str) -> str:
    hidden = char in _BIDI or unicodedata.category(char) in ("Cc", "Cs", "Co", "Zl", "Zp")
    return f"[U+{ord(char):04X}]" if hidden else char


def figures(pairs: Iterable[tuple[str, str]]) -> str:
    """Return headline figures as a list: (name, figure), both plain text."""
    items = (f"<div><dt>{text(name)}</dt><dd>{text(value)}</dd></div>" for name, value in pairs)
    return f"<dl>{''.join(items)}</dl>"


def figure(title: str, body: str, *, note: str = "", legend: str = "") -> str:
    """Return a titled box around markup; ``title`` and ``note`` are plain text."""
    below = f'<p class="note">{text(note)}</p>' if note else ""
    return f"<figure><figcaption>{text(title)}</figcaption>{below}{legend}{body}</figure>"


def table(header: Sequence[str], rows: Sequence[Sequence[object]], *, shown: int = 0) -> str:
    """Return a table of plain text; numbers get separators and stand right.

    ``float`` are shares from 0 to 1, shown per cent; ``None`` is an empty cell. Rows past
    ``shown`` (0: all) are folded away.
    """
    if not rows:
        return '<p class="note">None.</p>'
    classes = [_class([row[column] for row in rows]) for column in range(len(header))]
    first, rest = (rows[:shown], rows[shown:]) if shown else (rows, ())
    shown_rows = _grid(header, first, classes)
    if not rest:
        return shown_rows
    more = f"{len(rest):,} more"
    return f"{shown_rows}<details><summary>{more}</summary>{_grid(header, rest, classes)}</details>"


def _class(values: Sequence[object]) -> str:
    """Return how a column is set: numbers to the right, long texts with breaks."""
    if all(value is None or _FIGURE.fullmatch(str(value)) for value in values):
        return ' class="n"'
    return ' class="long"' if any(len(str(value)) > 44 for value in values) else ""


def _grid(header: Sequence[str], rows: Sequence[Sequence[object]], classes: Sequence[str]) -> str:
    head = "".join(
        f'<th scope="col"{c}>{text(name)}</th>' for name, c in zip(header, classes, strict=True)
    )
    body = "".join(
        "<tr>" + "".join(f"<td{c}>{cell(v)}</td>" for v, c in zip(row, classes, strict=True))
        for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{head}<tbody>{body}</table></div>'


def cell(value: object) -> str:
    """Return one value as markup: 5,000 for a count, 12.5% for a share, text isolated."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.1%}"
    return f"{value:,}" if isinstance(value, int) else f"<bdi>{text(value)}</bdi>"
