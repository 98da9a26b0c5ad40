"""The parts of the report that are about tags: figures, frequency, coverage, overlap, lists."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from vocab import charts
from vocab.candidates import Candidate
from vocab.charts import Bar, Part, Series
from vocab.figures import (
    SIDES,
    Coverage,
    Fate,
    bands,
    class_of,
    drop_reasons,
    frequency_curve,
    per_kind,
)
from vocab.graph import Tag
from vocab.inconsistent import Pair
from vocab.keys import key_of
from vocab.overlap import LEVELS, Overlap, best_group
from vocab.page import figure, figures, table, text

LISTED: Final = 15  # rows of a list before the rest is folded
MOST: Final = 300  # rows of a list in all
_SIDE_LEGEND: Final = tuple((side, side) for side in SIDES)


def headline(fates: Sequence[Fate], target: int) -> str:
    """Return the figures that matter most, and the same by kind."""
    sides = Counter(fate.side for fate in fates)
    classes = sum(fate.is_class for fate in fates)
    decided = len(fates) - sides["undecided"]
    pairs = (
        ("candidates", f"{len(fates):,}"),
        ("decided", f"{decided:,} ({decided / max(len(fates), 1):.0%})"),
        (f"classes of {target:,} wanted", f"{classes:,}"),
        *((side, f"{sides[side]:,}") for side in ("merged", "dropped", "unresolved")),
    )
    return figures(pairs) + _meter(classes, target) + _kinds(fates)


def _meter(classes: int, target: int) -> str:
    share = min(classes / target, 1)
    words = f"{classes:,} of {target:,} classes"
    return (
        f'<div class="meter" role="img" aria-label="{words}" title="{words}">'
        f'<b style="width:{share:.1%}"></b></div>'
    )


def _kinds(fates: Sequence[Fate]) -> str:
    counts = per_kind(fates)
    rows: list[list[object]] = []
    for kind, sides in (*counts.items(), ("all", sum(counts.values(), Counter()))):
        classes = sides["kept"] + sides["changed"]
        rows.append([kind, sum(sides.values()), classes, *(sides[side] for side in SIDES)])
    return table(["kind", "candidates", "classes", *SIDES], rows)


def frequency(fates: Sequence[Fate]) -> str:
    """Return the frequency curves, and the sides by rank."""
    lines = [Series("candidates", "all", frequency_curve(f.row.images for f in fates))]
    for side, tone, chosen in (
        ("kept", "kept", [f.row.images for f in fates if f.kept]),
        ("dropped", "dropped", [f.row.images for f in fates if f.side == "dropped"]),
    ):
        if chosen:
            lines.append(Series(side, tone, frequency_curve(chosen)))
    points = [value for line in lines for _, value in line.points] or [1.0, 10.0]
    x = charts.logarithmic("rank within the line", 1, max(len(fates), 2))
    y = charts.logarithmic("images (weighted)", min(points), max(points))
    legend = charts.legend([(line.name, line.tone) for line in lines], lines=True)
    curve = charts.line_chart("Images by rank, kept and dropped", lines, x=x, y=y)
    return figure(
        "Images by rank",
        curve,
        note="Both axes are logarithmic. Kept holds merged, retyped and renamed tags too.",
        legend=legend,
    ) + _by_rank(fates)


def _by_rank(fates: Sequence[Fate]) -> str:
    groups = bands(fates)
    columns = [
        Bar(f"{band.first:,}", [Part(side, side, float(band.sides[side])) for side in SIDES])
        for band in groups
    ]
    y = charts.linear("candidates", max((bar.total for bar in columns), default=1))
    drawn = charts.columns(
        "Sides by rank", columns, x="first rank of the band", y=y, every=max(1, len(columns) // 5)
    )
    return figure(
        "What became of the candidates, by rank",
        drawn,
        note="The most frequent stand on the left.",
        legend=charts.legend(_present(fates)),
    )


def _present(fates: Sequence[Fate]) -> list[tuple[str, str]]:
    found = {fate.side for fate in fates}
    return [pair for pair in _SIDE_LEGEND if pair[0] in found]


def kinds(fates: Sequence[Fate], reasons: Mapping[str, str]) -> str:
    """Return the sides by kind, and why tags were dropped."""
    rows = [
        Bar(kind, [Part(side, side, float(sides[side])) for side in SIDES])
        for kind, sides in per_kind(fates).items()
        if sides
    ]
    shares = charts.bars("Sides by kind", rows, whole_bar=True)
    legend = charts.legend(_present(fates))
    note = (
        "Each bar is a whole kind, so that kinds compare; its number of candidates stands beside."
    )
    return figure("By kind", shares, note=note, legend=legend) + _reasons(fates, reasons)


def _reasons(fates: Sequence[Fate], reasons: Mapping[str, str]) -> str:
    counts = drop_reasons(fates)
    if not counts:
        return figure("Why tags were dropped", '<p class="note">Nothing was dropped yet.</p>')
    rows = [
        Bar(code or "no reason given", [Part("dropped", "dropped", float(count))])
        for code, count in counts.most_common()
    ]
    meanings = "".join(
        f"<dt>{text(code)}</dt><dd>{text(reasons.get(code, 'not among the reasons'))}</dd>"
        for code in counts
        if code
    )
    words = f"<details><summary>What the codes mean</summary><dl>{meanings}</dl></details>"
    return figure(
        "Why tags were dropped", charts.bars("Drop reasons", rows) + (words if meanings else "")
    )


def covered(kept: Sequence[Coverage]) -> str:
    """Return what all kept classes together cover."""
    if not kept:
        return ""
    size, mentions, captions = kept[-1]
    pairs = [("kept classes", f"{size:,}"), ("tag mentions covered", f"{mentions:.1%}")]
    if captions is not None:
        pairs.append(("captions with a kept tag", f"{captions:.1%}"))
    return figures(pairs)


def coverage(kept: Sequence[Coverage], ceiling: Sequence[Coverage], *, source: str) -> str:
    """Return the coverage of captions against the size of the vocabulary, and what it rests on."""
    lines = [Series("kept classes", "kept", [(float(c.size), c.mentions) for c in kept])]
    lines.append(Series("all candidates", "all", [(float(c.size), c.mentions) for c in ceiling]))
    if any(c.captions is not None for c in kept):
        points = [(float(c.size), c.captions or 0.0) for c in kept]
        lines.append(Series("captions with a kept tag", "plum", points))
    lines = [line for line in lines if line.points]
    if not lines:
        return figure("Coverage", '<p class="note">Nothing was counted.</p>')
    most = max(line.points[-1][0] for line in lines)
    x = charts.linear("classes, the most frequent first", most, tight=True)
    y = charts.linear("share covered", 1.0, form=charts.percent)
    drawn = charts.line_chart("Coverage by size of the vocabulary", lines, x=x, y=y)
    legend = charts.legend([(line.name, line.tone) for line in lines], lines=True)
    return figure("Tag mentions covered by size", drawn, note=source, legend=legend)


def overlaps(rows: Sequence[tuple[Mapping[str, Overlap], Mapping[str, Overlap]]]) -> str:
    """Return the table of overlap with class lists; each pair is (vocabulary, candidates)."""
    header = ["list", "names", "against", *LEVELS, "covered", "share", "at most"]
    lines: list[list[object]] = []
    for mine, ceiling in rows:
        most = best_group(ceiling)
        own = mine[most.group]
        found: list[object] = [own.count(level) for level in LEVELS]
        against = most.group if most.count() else "–"
        share = own.count() / own.names
        lines.append([own.list_name, own.names, against, *found, own.count(), share, most.count()])
    return table(header, lines) + _by_group(rows) + _missing(rows)


def _by_group(rows: Sequence[tuple[Mapping[str, Overlap], Mapping[str, Overlap]]]) -> str:
    groups = list(rows[0][0])
    lines = [
        [mine[groups[0]].list_name, *(mine[group].count() for group in groups)] for mine, _ in rows
    ]
    grid = table(["list", *groups], lines)
    return f"<details><summary>Names covered, by kind of the class</summary>{grid}</details>"


def _missing(rows: Sequence[tuple[Mapping[str, Overlap], Mapping[str, Overlap]]]) -> str:
    lines = []
    for mine, ceiling in rows:
        own = mine[best_group(ceiling).group]
        words = ", ".join(own.missing[:40])
        rest = f" and {len(own.missing) - 40:,} more" if len(own.missing) > 40 else ""
        lines.append([own.list_name, words + rest])
    grid = table(["list", "not covered"], lines)
    return f"<details><summary>Names that are not covered</summary>{grid}</details>"


def pairs(found: Sequence[Pair], *, reasons: bool = True) -> str:
    """Return pairs of candidates on different sides, with why they belong together."""
    header = ["dropped", "images", "reason", "kept", "images", "how", "because"]
    rows: list[list[object]] = [
        [
            *(key_of(pair.dropped.row.key), pair.dropped.row.images, pair.dropped.why or ""),
            *(key_of(pair.kept.row.key), pair.kept.row.images, _way(pair.kept), pair.why),
        ]
        for pair in found[:MOST]
    ]
    if not reasons:
        header, rows = header[:-1], [row[:-1] for row in rows]
    return table(header, rows, shown=LISTED)


def _way(fate: Fate) -> str:
    return f"{fate.side} to {fate.to}" if fate.to else fate.side


def merges(fates: Sequence[Fate]) -> str:
    """Return the merges, by class: what joined it."""
    by_tag = {fate.row.key: fate for fate in fates}
    joined: dict[Tag | None, list[Candidate]] = {}
    for fate in fates:
        if fate.side == "merged":
            joined.setdefault(class_of(by_tag, fate.row.key), []).append(fate.row)
    rows = [
        [key_of(into) if into else "no kept class", _names(rows, into), sum(r.images for r in rows)]
        for into, rows in sorted(joined.items(), key=lambda item: -sum(r.images for r in item[1]))
    ]
    return table(["class", "joined by", "images of these, summed"], rows[:MOST], shown=LISTED)


def _names(rows: Iterable[Candidate], into: Tag | None) -> str:
    own = into.kind if into else ""
    return ", ".join(row.tag if row.kind == own else key_of(row.key) for row in rows)


def extremes(fates: Sequence[Fate]) -> str:
    """Return the dropped tags with the most images and the kept ones with the fewest."""
    dropped = [fate for fate in fates if fate.side == "dropped"][:60]
    rare = [fate for fate in reversed(fates) if fate.is_class][:60]
    lists = (
        ("Dropped, with the most images", dropped),
        ("Kept, with the fewest images", rare),
    )
    return "".join(figure(title, _brief(chosen)) for title, chosen in lists)


def _brief(fates: Sequence[Fate]) -> str:
    rows: list[list[object]] = [
        [fate.row.rank, key_of(fate.row.key), fate.row.images, fate.why or ""] for fate in fates
    ]
    header = ["rank", "tag", "images", "reason"]
    if not any(fate.why for fate in fates):
        header, rows = header[:-1], [row[:-1] for row in rows]
    return table(header, rows, shown=LISTED)
