"""One self-contained HTML page on an evaluation; `tag2text evaluate` and `demo` write it."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from train.evaluation import Evaluation, Shown, ShownTag, TagRow
from train.metrics import CurvePoint
from vocab.charts import STYLE as CHARTS
from vocab.charts import Series, fraction, legend, line_chart, linear, percent
from vocab.files import write_whole
from vocab.page import BASE, document, figure, figures, table, text

STYLE: Final = (
    BASE
    + CHARTS
    + """
header .note { font-size: 15px; }
section { padding-top: 1px; }
h2 { margin: 40px 0 10px; }
h3 { margin: 26px 0 6px; font-size: 16px; }
.note { max-width: 76ch; }
dl { gap: 10px 40px; }
dd { font-size: 24px; }
.charts { grid-template-columns: repeat(auto-fill, minmax(min(100%, 380px), 1fr));
  align-items: start; margin-top: 14px; }
figcaption { font-weight: 600; margin-bottom: 4px; }
figure .note { margin: 0 0 8px; font-size: 13px; }
details { margin-top: 10px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; }
th, td { padding: 5px 22px 5px 0; text-align: left; vertical-align: top; white-space: nowrap;
  border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 500; vertical-align: bottom; }
td:last-child, th:last-child { padding-right: 0; }
th.n, td.n { text-align: right; }
td.long { white-space: normal; min-width: 220px; color: var(--soft); }
.shown { display: grid; gap: 16px; grid-template-columns: repeat(auto-fill, minmax(270px, 1fr)); }
article { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  overflow: hidden; padding-bottom: 12px; }
article img { display: block; width: 100%; height: 220px; object-fit: contain;
  background: color-mix(in srgb, var(--ink) 6%, var(--card)); }
article p { margin: 10px 14px 0; overflow-wrap: anywhere; }
article .right { color: var(--soft); font-size: 13px; margin-top: 4px; }
.chips { display: flex; flex-wrap: wrap; gap: 6px; padding: 10px 14px 0; margin: 0;
  list-style: none; }
.chips li { color: var(--kind); font-size: 12px; line-height: 18px; padding: 0 8px;
  border: 1px solid currentColor; border-radius: 6px; }
.chips .wrong { color: var(--soft); text-decoration: line-through; }
.chips .missed { color: var(--soft); border-style: dashed; }
@media (max-width: 520px) { header, main, footer { padding-left: 14px; padding-right: 14px; } }
@media print { article, figure { break-inside: avoid; } }
"""
)
_CLASSES: Final = 25  # rows of the table of classes before the rest is folded away


def write_report(path: Path, evaluation: Evaluation) -> None:
    """Write the page, whole or not at all."""
    write_whole(path, render(evaluation))


def render(found: Evaluation) -> str:
    """Return the page; the same evaluation gives the same bytes."""
    page = f"""<header>
<h1>Evaluation</h1>
<p class="note">{text(_lead(found))}</p>
{figures(headline(found))}
</header>
<main>{sections(found)}</main>
<footer>Made by <code>tag2text evaluate</code>. P, R and F1 are means over the classes that some
image is of; a class that is never predicted has the precision 0.</footer>"""
    return document(title="Evaluation", style=STYLE, body=page, images=True)


def sections(found: Evaluation) -> str:
    """Return the page's sections as markup in :data:`STYLE`, for pages that hold more."""
    parts = (
        ("Tagging", _tagging(found)),
        ("Captions", _captions(found)),
        ("Retrieval", _retrieval(found)),
        ("What the threshold does to captions", _control(found)),
        ("Example images", _examples(found.shown)),
    )
    return "".join(f"<section><h2>{name}</h2>{body}</section>" for name, body in parts if body)


def _lead(found: Evaluation) -> str:
    left_out = sum(found.bad.values())
    causes = ", ".join(
        f"{number:,} {cause.replace('_', ' ')}" for cause, number in found.bad.items()
    )
    words = f"{found.images:,} images of {found.data}"
    words += f"; {left_out:,} could not be read ({causes})" if left_out else ""
    return ". ".join((words, *(note.rstrip(".") for note in found.notes))) + "."


def headline(found: Evaluation) -> Iterable[tuple[str, str]]:
    """Return the figures that come first, by name: (name, figure)."""
    own, way = found.figures(), found.best_retrieval()
    first = "" if way is None else f"images found first by text ({way.method})"
    shown = {
        "tagging/map": ("mean average precision", percent_1),
        "tagging/f1": ("F1 of tags", percent_1),
        "captioning/tag_recall": ("of the tags that people say", percent_1),
        "captioning/cider": ("CIDEr", hundred),
        "captioning/bleu_4": ("BLEU-4", hundred),
        "retrieval/text_to_image_1": (first, percent_1),
    }
    return [(name, form(own[key])) for key, (name, form) in shown.items() if key in own]


def percent_1(value: float) -> str:
    """Return a share per cent, with one digit."""
    return "–" if math.isnan(value) else f"{value:.1%}"


def hundred(value: float) -> str:
    """Return a figure of captions as the field writes it, times 100."""
    return f"{100 * value:.1f}"


def _note(words: str) -> str:
    return f'<p class="note">{text(words)}</p>'


def _tagging(found: Evaluation) -> str:
    if not found.tagging:
        return ""
    words = (
        f"{found.classes:,} classes. mAP ranks the images of each class, where chance is "
        f"{found.chance:.1%}; mAP by image ranks the classes of each image."
    )
    if found.unknown:
        known = f"{found.classes:,} of {found.classes + len(found.unknown):,} classes are known"
        words = f"{known} to the model. " + words.split(". ", 1)[1]
        words += f" Not known: {', '.join(found.unknown)}."
    header = ("method", "paradigm", "mAP", "mAP by image", "P", "R", "F1", "")
    return _note(words) + table(header, list(map(_tag_cells, found.tagging))) + _tag_charts(found)


def _tag_cells(row: TagRow) -> tuple[object, ...]:
    macro = row.figures or (None, None, None)
    return (row.method, row.paradigm, row.mean_ap, row.image_ap, *macro, row.note)


def _tag_charts(found: Evaluation) -> str:
    pooled = Series("precision", "teal", [(p.recall, p.precision) for p in found.precision_recall])
    share, of_all = linear("recall", 1, form=percent), linear("precision", 1, form=percent)
    first = figure(
        "Precision and recall",
        line_chart("Precision by recall", [pooled], x=share, y=of_all),
        note="All classes and images together, from the surest score down.",
    )
    second = figure(
        "One threshold for all tags",
        _macro_chart(found.curve),
        note="Means over classes; by default each tag has a threshold of its own.",
        legend=legend(_MACRO, lines=True),
    )
    header = ("class", "images", "AP", "P", "R", "F1", "best threshold here")
    rows = sorted(found.per_class, key=lambda row: (-row.images, row.name))
    cells = [
        (*row[:2], *(_known(value) for value in row[2:6]), _threshold(row.best_threshold))
        for row in rows
    ]
    classes = "<h3>Classes</h3>" + table(header, cells, shown=_CLASSES)
    return f'<div class="charts">{first}{second}</div>{classes}'


_MACRO: Final = (("precision", "teal"), ("recall", "plum"), ("F1", "gold"))


def _macro_chart(curve: Sequence[CurvePoint]) -> str:
    series = [
        Series(name, tone, [(p.threshold, p.figures[place]) for p in curve])
        for place, (name, tone) in enumerate(_MACRO)
    ]
    x, y = linear("threshold", 1, form=fraction), linear("mean over classes", 1, form=percent)
    return line_chart("Precision, recall and F1 by threshold", series, x=x, y=y)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _threshold(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.2f}"


def _captions(found: Evaluation) -> str:
    if not found.captioning:
        return ""
    grouped = any(row.group for row in found.captioning)
    parsed = any(row.tag_recall is not None for row in found.captioning)
    java = sorted({name for row in found.captioning for name in row.java})
    measures = ("CIDEr", "BLEU-4", "ROUGE-L", *(name.upper() for name in java))
    header = ("method", *(("group",) if grouped else ()), "images", *measures)
    rows = [
        (
            row.method,
            *((row.group or "all",) if grouped else ()),
            row.images,
            *map(hundred, (row.figures.cider, row.figures.bleu_4, row.figures.rouge_l)),
            *(hundred(row.java[name]) if name in row.java else None for name in java),
            *((row.tag_recall,) if parsed else ()),
        )
        for row in found.captioning
    ]
    words = "Times 100, as the field writes them. CIDEr depends on the set of images."
    if parsed:
        header = (*header, "tags said")
        words += " Tags said: of those of the person's caption that comes nearest."
    return _note(words) + table(header, rows)


def _retrieval(found: Evaluation) -> str:
    if not found.retrieval:
        return ""
    ways = [f"{side} R@{k}" for side in ("text", "image") for k in (1, 5, 10)]
    rows = [
        (row.method, *row.figures.image_to_text, *row.figures.text_to_image)
        for row in found.retrieval
    ]
    words = (
        f"{found.images:,} images, {found.texts:,} texts. Text R@k: images that find a text of "
        "theirs among the first k; image R@k: texts that find their image. ITC compares the two "
        "alone, ITM looks at pairs together."
    )
    if not math.isnan(found.tag_weight):
        words += (
            f" Tags: the share of the text's tags that were recognised in the image, "
            f"weighed {found.tag_weight:g} beside the cosine."
        )
    return _note(words) + table(("method", *ways), rows)


def _control(found: Evaluation) -> str:
    if not found.control:
        return ""
    points = found.control
    x = linear("threshold", 1, form=fraction)
    high = max(point.captions.cider for point in points)
    cider = Series("CIDEr", "rose", [(p.threshold, 100 * p.captions.cider) for p in points])
    captions = line_chart(
        "CIDEr by threshold", [cider], x=x, y=linear("CIDEr", 100 * high), dots=True
    )
    macro = _macro_chart([CurvePoint(p.threshold, p.tagging) for p in points])
    words = (
        "Captions guided by all tags above one threshold: bad guidance makes bad captions "
        "(the paper's Figure 6)."
    )
    return (
        f'{_note(words)}<div class="charts">{figure("Captions", captions)}'
        f"{figure('The tags that guide them', macro, legend=legend(_MACRO, lines=True))}</div>"
    )


def _examples(shown: Sequence[Shown]) -> str:
    if not shown:
        return ""
    words = (
        "Recognised tags by kind; crossed out: the labels do not have it; dashed: they have it, "
        "and it was missed. In grey, what people said."
    )
    return f'{_note(words)}<div class="shown">{"".join(map(_example, shown))}</div>'


def _example(shown: Shown) -> str:
    source = base64.b64encode(shown.jpeg).decode()
    said = f'<p class="right">{text(shown.references[0])}</p>' if shown.references else ""
    return f"""<article><img alt="{text(shown.caption)}" src="data:image/jpeg;base64,{source}">
<p>{text(shown.caption)}</p>{said}
<ul class="chips">{"".join(map(_chip, shown.tags))}</ul></article>"""


def _chip(tag: ShownTag) -> str:
    state = "" if tag.recognised and tag.right else " wrong" if tag.recognised else " missed"
    return f'<li class="{tag.kind}{state}">{text(tag.name)} {tag.score:.2f}</li>'
