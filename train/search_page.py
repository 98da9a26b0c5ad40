"""A contact sheet of what searches found: one self-contained HTML page."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from PIL import Image

from model.preprocess import ImageError, open_picture
from train.evaluation_report import STYLE as REPORT
from train.search import Found, Hit
from vocab.files import write_whole
from vocab.graph import Tag
from vocab.page import document, text
from vocab.wording import counted

STYLE: Final = (
    REPORT
    + """
section > .chips { padding: 0; }
.chips .had { font-weight: 600; }
article .gone { display: grid; place-items: center; height: 220px; margin: 0; padding: 0 14px;
  color: var(--soft); background: color-mix(in srgb, var(--ink) 6%, var(--card)); }
"""
)
HINT: Final = "A query's tags that were recognised in an image are bold, the others dashed."
_SIDE: Final = 288


def write_sheet(path: Path, found: Iterable[Found], *, images: int) -> None:
    """Write the page, whole or not at all; ``images`` is how many were searched."""
    body = f"""<header><h1>Search</h1>
<p class="note">{counted(images, "image")} searched. {HINT}</p></header>
<main>{sections(found)}</main>
<footer>Made by <code>tag2text search</code>.</footer>"""
    write_whole(path, document(title="Search", style=STYLE, body=body, images=True))


def sections(found: Iterable[Found]) -> str:
    """Return a section for each query as markup in :data:`STYLE`, for pages that hold more."""
    return "".join(map(_section, found))


def _section(found: Found) -> str:
    tags = _chips(found.tags, (), "no tag of the vocabulary in it")
    cards = "".join(map(_card, found.hits))
    return (
        f"<section><h2>{text(found.query)}</h2>{tags}"
        f'<div class="shown" style="margin-top: 14px">{cards}</div></section>'
    )


def _card(hit: Hit) -> str:
    score = f"similarity {hit.similarity:.3f}"
    if hit.probability is not None:
        score += f", matches {hit.probability:.0%}"
    return (
        f'<article>{_picture(hit)}<p>{text(hit.entry.name)}</p><p class="right">{score}</p>'
        f"{_chips(hit.matching, hit.missing)}</article>"
    )


def _picture(hit: Hit) -> str:
    try:
        image = open_picture(hit.entry.open(_SIDE))
    except ImageError as error:
        return f'<p class="gone">{text(error)}</p>'
    image.thumbnail((_SIDE, _SIDE), Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=82)
    source = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="{text(hit.entry.name)}" src="data:image/jpeg;base64,{source}">'


def _chips(had: Sequence[Tag], lacked: Sequence[Tag], none: str = "") -> str:
    chips = [f'<li class="{tag.kind} had">{text(tag.tag)}</li>' for tag in had]
    chips += [f'<li class="{tag.kind} missed">{text(tag.tag)}</li>' for tag in lacked]
    if not chips:
        return f'<p class="note">{text(none)}</p>' if none else ""
    return f'<ul class="chips">{"".join(chips)}</ul>'
