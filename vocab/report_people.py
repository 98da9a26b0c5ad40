"""The parts of the report that are about people and the model that learns from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from typing import Final

from vocab import charts
from vocab.agreement import Agreement, Votes, agreements, disagreements, pairwise
from vocab.charts import Axis, Bar, Part, Series
from vocab.decisions import Event, Problem
from vocab.figures import SECONDS, Annotator, time_bins
from vocab.keys import key_of
from vocab.page import figure, table, text
from vocab.prequential import Prediction, auc, calibration

MOST: Final = 300  # rows of a list in all
WARM_UP: Final = 500  # decisions that the model learns from before it is scored
WINDOW: Final = 500  # decisions that one point of its curve looks back on


def moment(ts: int) -> str:
    """Return a time in milliseconds since 1970 as "2026-11-24 10:15" (UTC)."""
    return datetime.fromtimestamp(ts / 1000, tz=timezone.utc).strftime("%Y-%m-%d %H:%M")


def people(found: Sequence[Annotator], rulings: int) -> str:
    """Return who decided how much, when and how fast."""
    rows: list[list[object]] = []
    for one in found:
        acts, number = one.acts, sum(one.acts.values())
        changed = acts["retype"] + acts["rename"]
        kept = 1 - acts["drop"] / number
        seconds = one.median_seconds
        pace = "–" if seconds is None else f"{seconds:.1f} s"
        hours = f"{sum(one.seconds) / 3600:.1f} h" if one.seconds else "–"
        span = (moment(one.events[0].ts), moment(one.events[-1].ts))
        rows.append(
            [one.name, number, kept, acts["drop"], acts["merge"], changed, pace, hours, *span]
        )
    header = ["annotator", "decided", "kept", "dropped", "merged", "changed"]
    header += ["median time", "time in all", "first (UTC)", "last (UTC)"]
    note = f'<p class="note">Rulings on disagreements: {rulings:,}.</p>' if rulings else ""
    return table(header, rows) + note


def progress(found: Sequence[Annotator]) -> str:
    """Return each annotator's number of decided tags over time."""
    lines = [Series(a.name, _tone(n), a.progress()) for n, a in enumerate(found)]
    times = [at for line in lines for at, _ in line.points]
    most = max(value for line in lines for _, value in line.points)
    x = charts.time_axis("time (UTC)", min(times), max(times))
    drawn = charts.line_chart(
        "Decisions over time", lines, x=x, y=charts.linear("tags decided", most)
    )
    return figure("Decisions over time", drawn, legend=_who(found, lines=True))


def _tone(number: int) -> str:
    return charts.NEUTRAL[number % len(charts.NEUTRAL)]


def _who(found: Sequence[Annotator], *, lines: bool) -> str:
    return charts.legend([(a.name, _tone(n)) for n, a in enumerate(found)], lines=lines)


def times(found: Sequence[Annotator]) -> str:
    """Return how long decisions took; each column is twice as wide in time as the one before."""
    counted = [(one.name, _tone(n), time_bins(one.seconds)) for n, one in enumerate(found)]
    if not any(any(bins) for _, _, bins in counted):
        return figure("Time to decide", '<p class="note">No decision recorded its time.</p>')
    columns = [
        Bar(_span(place), [Part(name, tone, float(bins[place])) for name, tone, bins in counted])
        for place in range(len(SECONDS))
    ]
    y = charts.linear("decisions", max(bar.total for bar in columns))
    drawn = charts.columns("Time to decide", columns, x="seconds", y=y)
    return figure("Time to decide", drawn, legend=_who(found, lines=False))


def _span(place: int) -> str:
    edge = f"{SECONDS[place]:g}"
    return f"{edge}–{SECONDS[place + 1]:g}" if place + 1 < len(SECONDS) else f"{edge}+"


def agreement(votes: Votes) -> str:
    """Return how far annotators agree on the tags that two or more decided on."""
    by_kind = agreements(votes)
    if not by_kind:
        return '<p class="note">No tag was decided on by two annotators.</p>'
    header = ["kind", "tags", "raw", "exact", "AC1", "AC1, 95%", "alpha", "kappa"]
    header += ["on keeping", "on dropping"]
    rows = [[name, *_figures(figures)] for name, figures in by_kind.items()]
    return table(header, rows) + _matrices(votes) + _differences(votes)


def _figures(found: Agreement) -> list[object]:
    interval = found.ac1_interval
    span = f"{interval.low:.2f} to {interval.high:.2f}" if interval else "–"
    shares: list[object] = [found.n, found.raw, found.exact, _score(found.ac1), span]
    return [*shares, _score(found.alpha), _score(found.kappa), found.positive, found.negative]


def _differences(votes: Votes) -> str:
    """Return the tags on which votes differ; first those that some keep and some drop."""
    found = sorted(disagreements(votes), key=lambda one: not one.on_keeping)
    rows = [[key_of(one.tag), "; ".join(map(_vote, one.votes))] for one in found[:MOST]]
    return f"<h3>Votes that differ</h3>{table(['tag', 'votes'], rows, shown=15)}"


def _vote(event: Event) -> str:
    to = f" {event.to}" if event.to else ""
    why = f" ({event.why})" if event.why else ""
    return f"{event.by}: {event.act}{to}{why}"


def _matrices(votes: Votes) -> str:
    pairs = pairwise(votes)
    names = sorted({name for pair in pairs for name in pair})
    raw = {pair: figures.raw for pair, figures in pairs.items()}
    ac1 = {pair: figures.ac1 for pair, figures in pairs.items()}
    tags = {pair: figures.n for pair, figures in pairs.items()}
    grids = matrix("Raw agreement, by pair", names, raw, tags)
    return f'<div class="charts">{grids}{matrix("AC1, by pair", names, ac1, tags)}</div>'


def matrix(
    title: str,
    names: Sequence[str],
    values: Mapping[tuple[str, str], float | None],
    tags: Mapping[tuple[str, str], int],
) -> str:
    """Return a figure for each pair of names (in order), shaded by its size from 0 to 1."""
    head = "".join(f'<th scope="col"><bdi>{text(name)}</bdi></th>' for name in names)
    body = "".join(
        f'<tr><th scope="row"><bdi>{text(row)}</bdi></th>'
        + "".join(
            _shaded(values.get(pair), tags.get(pair, 0))
            for pair in ((min(row, column), max(row, column)) for column in names)
        )
        for row in names
    )
    grid = f'<div class="scroll"><table class="matrix"><tr><td></td>{head}{body}</table></div>'
    return figure(title, grid, note="In small: the tags that both decided on.")


def _shaded(value: float | None, tags: int) -> str:
    if value is None:
        return "<td>·</td>"
    depth = max(0, min(100, round(value * 100)))
    return f'<td style="--depth:{depth}%">{value:.2f}<small>{tags:,}</small></td>'


def learner(shown: Sequence[Prediction], replayed: Sequence[Prediction]) -> str:
    """Return how well decisions were predicted before they were made.

    ``shown`` was predicted while people decided; ``replayed`` comes from learning anew from the
    same decisions, in the same order.
    """
    named = (("as shown at the time", "teal", shown), ("learnt anew", "plum", replayed))
    present = [(name, tone, found) for name, tone, found in named if found]
    rows = [[name, len(found), *_scores(found)] for name, _, found in present]
    header = ["predictions", "number", "AUC of all", f"AUC after the first {WARM_UP:,}"]
    charts_of = f'<div class="charts">{_auc_curve(present)}{_reliability(present)}</div>'
    return table(header, rows) + charts_of


Named = tuple[str, str, Sequence[Prediction]]


def _scores(found: Sequence[Prediction]) -> list[str]:
    return [_score(auc(found)), _score(auc(found[WARM_UP:]))]


def _score(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _auc_curve(present: Sequence[Named]) -> str:
    lines = [Series(name, tone, _window(found)) for name, tone, found in present]
    lines = [line for line in lines if line.points]
    if not lines:
        words = "Too few decisions, or all on one side."
        return figure("AUC over time", f'<p class="note">{words}</p>')
    lowest = min(value for line in lines for _, value in line.points)
    x = charts.linear("decisions made", len(max((p[2] for p in present), key=len)), tight=True)
    y = Axis(label="AUC", low=0.0, high=1.0, ticks=(0, 0.25, 0.5, 0.75, 1), form=charts.fraction)
    if lowest >= 0.5:
        y = Axis(
            label="AUC", low=0.5, high=1.0, ticks=(0.5, 0.6, 0.7, 0.8, 0.9, 1), form=charts.fraction
        )
    drawn = charts.line_chart("AUC over time", lines, x=x, y=y)
    note = f"Of the {WINDOW:,} decisions before each point: how often a kept tag was predicted "
    note += "above a dropped one. 0.5 is chance."
    legend = charts.legend([(line.name, line.tone) for line in lines], lines=True)
    return figure("AUC over time", drawn, note=note, legend=legend)


def _window(found: Sequence[Prediction]) -> list[tuple[float, float]]:
    points = []
    step = max(25, len(found) // 60)
    for end in range(100, len(found) + 1, step):
        value = auc(found[max(0, end - WINDOW) : end])
        if value is not None:
            points.append((float(end), value))
    return points


def _reliability(present: Sequence[Named]) -> str:
    ideal = Series("perfectly calibrated", "all", [(0.0, 0.0), (1.0, 1.0)])
    lines = [
        Series(name, tone, [(b.p, b.kept) for b in calibration(found)])
        for name, tone, found in present
    ]
    x = charts.linear("predicted probability of a keep", 1.0, form=charts.percent)
    y = charts.linear("share that was kept", 1.0, form=charts.percent)
    drawn = charts.line_chart("Calibration", [ideal, *lines], x=x, y=y, dots=True)
    legend = charts.legend([(line.name, line.tone) for line in (*lines, ideal)], lines=True)
    note = "Points on the diagonal: the predicted share is the real one."
    return figure("Calibration", drawn, note=note, legend=legend)


def as_shown(votes: Iterable[Event]) -> list[Prediction]:
    """Return the predictions that the votes recorded when they were cast."""
    return [Prediction(e.tag, e.p, e.act != "drop") for e in votes if e.p is not None]


def bad_lines(problems: Sequence[Problem]) -> str:
    """Return the lines of the logs that are no events."""
    rows: list[list[object]] = [[p.file.name, f"{p.line}", p.reason] for p in problems]
    return table(["log", "line", "what is wrong"], rows, shown=30)
