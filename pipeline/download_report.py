"""One self-contained HTML page on a download: what came, what did not and why, sizes and time.

Hosts and sources come from anywhere: all text is escaped, nothing is a link, and the page's own
policy forbids scripts and every request.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from pipeline import storage
from pipeline.download_numbers import (
    BYTE_EDGES,
    SIDE_EDGES,
    Numbers,
    ShardTime,
    Share,
    read_numbers,
    reasons,
    shares,
)
from pipeline.inspect_style import STYLE
from pipeline.job import read_info
from pipeline.reasons import REASONS, is_transient
from pipeline.shard import list_stems
from vocab.errors import InputError
from vocab.page import document, text
from vocab.page import figures as headline_figures

_HOSTS = 30
_COLUMNS = 60
_WIDTH, _HEIGHT, _AXIS = 600, 150, 22
# Success and failure have the colours of two kinds, and every bar has its figures beside it.
_GOOD, _POOR = "scene", "attribute"
_STYLE: Final = (
    STYLE
    + """
.charts { grid-template-columns: 1fr; align-items: start; }
.wide { grid-template-columns: repeat(auto-fit, minmax(min(100%, 420px), 1fr)); }
figure.rows li { grid-template-columns: minmax(0, 2fr) minmax(40px, 3fr) minmax(0, 2fr); }
figure.rows li + li { margin-top: 2px; }
figure i { display: block; height: 10px; overflow: hidden; }
svg { display: block; width: 100%; height: auto; }
svg rect { fill: var(--kind); }
svg line { stroke: var(--line); }
svg text { fill: var(--soft); font: 12px system-ui, sans-serif; }
"""
)


def write_report(directory: str, output: str) -> None:
    """Write the page on the finished shards of a download; both paths may be remote.

    Raises:
        InputError: ``directory`` holds no finished shard of a download, or a damaged one.
    """
    if read_info(directory).get("command") != "download":
        raise InputError(f"{directory}: holds no download; name what `tag2text download` made")
    stems = list_stems(directory)
    if not stems:
        raise InputError(f"{directory}: no finished shard there; run its `tag2text download` again")
    name = directory.rstrip("/").rpartition("/")[2]
    storage.write_bytes(output, render(name, read_numbers(directory, stems)).encode())


def render(title: str, numbers: Numbers) -> str:
    """Return the page."""
    hosts = shares(numbers.outcomes, "host")
    named = sum(bool(share.name) for share in hosts)
    most = f", up to {_HOSTS} of {named:,}" if named > _HOSTS else ""
    body = f"""<header>
<h1>{text(title)}</h1>
{_totals(numbers, named)}
</header>
<main>
<section><h2>What came</h2>
<p class="note">A bar is the share of the URLs that gave an image.</p>
<div class="charts wide">{_sources(numbers)}{_reasons(numbers)}</div>
</section>
<section><h2>Hosts</h2>
<p class="note">Those with the most failures{most}: images of URLs, and what failed most.</p>
<div class="charts">{_hosts(hosts)}</div>
</section>
<section><h2>Sizes</h2>
<p class="note">Of the images as they were sent, before any resizing.</p>
<div class="charts wide">
{_histogram("Bytes", numbers.byte_bins, [_bytes(edge) for edge in BYTE_EDGES])}
{_histogram("Shorter side, pixels", numbers.side_bins, [f"{edge:,}" for edge in SIDE_EDGES])}
</div>
</section>
<section><h2>Time</h2>
<p class="note">Shards in order, grouped where there are more than {_COLUMNS}.</p>
<div class="charts wide">{_times(numbers.times)}</div>
</section>
</main>
<footer>A URL that failed for a passing reason is worth another try:
<code>tag2text download --retry-failed</code>.</footer>"""
    return document(title=f"{title} · download", style=_STYLE, body=body)


def _totals(numbers: Numbers, hosts: int) -> str:
    seconds = sum(time.seconds for time in numbers.times)
    return headline_figures(
        (
            ("shards", f"{len(numbers.times):,}"),
            ("URLs", f"{numbers.urls:,}"),
            ("images", f"{numbers.images:,}"),
            ("success", _percent(numbers.images, numbers.urls)),
            ("hosts", f"{hosts:,}"),
            ("of images as sent", _bytes(numbers.fetched_bytes)),
            ("of one worker's time", _duration(seconds)),
            (
                "images a second and worker",
                f"{numbers.images / seconds if seconds else 0:,.1f}",
            ),
        )
    )


def _sources(numbers: Numbers) -> str:
    rows = (
        _share_row(share, _percent(share.images, share.urls))
        for share in shares(numbers.outcomes, "source")
    )
    return _figure(_GOOD, "By source", rows)


def _hosts(found: Sequence[Share]) -> str:
    failing = [share for share in found if share.failures][:_HOSTS]
    return _figure(_GOOD, "", (_share_row(share, share.main_reason) for share in failing))


def _share_row(share: Share, note: str) -> str:
    figures = f"{share.images:,} of {share.urls:,}" + (f", {note}" if note else "")
    return _row(share.name or "no host", share.images / share.urls, figures)


def _reasons(numbers: Numbers) -> str:
    found = reasons(numbers.outcomes)
    failures = sum(count for _, count in found)
    rows = (
        _row(
            reason,
            count / failures,
            f"{count:,}" + (", worth a retry" if is_transient(reason) else ""),
            about=REASONS.get(reason, REASONS["http_<status>"]),
        )
        for reason, count in found
    )
    return _figure(_POOR, "Why the others did not", rows, extra=f"{failures:,} URLs")


def _figure(colour: str, caption: str, rows: Iterable[str], *, extra: str = "") -> str:
    body = "".join(rows)
    body = f"<ol>{body}</ol>" if body else "<p>none</p>"
    head = f"<figcaption>{caption} <span>{extra}</span></figcaption>" if caption else ""
    return f'<figure class="{colour} rows">{head}{body}</figure>'


def _row(name: str, share: float, figures: str, *, about: str = "") -> str:
    bar = f'<b style="width:{100 * share:.1f}%"></b>' if share else ""
    return (
        f'<li title="{text(about or name)}"><bdi>{text(name)}</bdi>'
        f"<i>{bar}</i><span>{text(figures)}</span></li>"
    )


def _histogram(caption: str, bins: Sequence[int], edges: Sequence[str]) -> str:
    names = [f"less than {edges[1]}", *(f"from {edge}" for edge in edges[1:])]
    return _columns(caption, bins, names, [f"{count:,} images" for count in bins], marks=edges)


def _times(times: Sequence[ShardTime]) -> str:
    groups = _groups(times)
    names = [_group_name(group) for group in groups]
    success = [_rate(group) for group in groups]
    seconds = [sum(time.seconds for time in group) / len(group) for group in groups]
    return _columns(
        "Share of URLs that gave an image",
        success,
        names,
        [f"{100 * rate:.1f}%" for rate in success],
        colour=_GOOD,
        highest=1.0,
    ) + _columns("Seconds a shard", seconds, names, [_duration(value) for value in seconds])


def _groups(times: Sequence[ShardTime]) -> list[Sequence[ShardTime]]:
    size = -(-len(times) // _COLUMNS)
    return [times[first : first + size] for first in range(0, len(times), size)]


def _group_name(group: Sequence[ShardTime]) -> str:
    first, last = group[0].stem, group[-1].stem
    return first if first == last else f"{first} to {last}"


def _rate(group: Sequence[ShardTime]) -> float:
    urls = sum(time.urls for time in group)
    return sum(time.images for time in group) / urls if urls else 0.0


def _columns(
    caption: str,
    values: Sequence[float],
    names: Sequence[str],
    figures: Sequence[str],
    *,
    marks: Sequence[str] = (),
    colour: str = "object",
    highest: float = 0.0,
) -> str:
    """Draw columns; ``marks`` stand below them, ``names`` and ``figures`` show under a pointer."""
    top, step = highest or max(values) or 1, _WIDTH / max(len(values), len(BYTE_EDGES))
    bars = "".join(
        f'<rect x="{step * (n + 0.1):.1f}" width="{step * 0.8:.1f}" '
        f'y="{_HEIGHT * (1 - value / top):.1f}" height="{_HEIGHT * value / top:.1f}">'
        f"<title>{text(f'{name}: {figure}')}</title></rect>"
        for n, (value, name, figure) in enumerate(zip(values, names, figures, strict=True))
    )
    texts = "".join(
        f'<text x="{step * (n + 0.1):.1f}" y="{_HEIGHT + _AXIS - 6}">{text(mark)}</text>'
        for n, mark in enumerate(marks)
    )
    most = figures[max(range(len(values)), key=values.__getitem__)]
    height = _HEIGHT + (_AXIS if marks else 1)
    return (
        f'<figure class="{colour}"><figcaption>{text(caption)} '
        f"<span>highest: {text(most)}</span></figcaption>"
        f'<svg role="img" aria-label="{text(caption)}" viewBox="0 0 {_WIDTH} {height}">'
        f'<line x1="0" x2="{_WIDTH}" y1="{_HEIGHT}" y2="{_HEIGHT}"/>{bars}{texts}</svg></figure>'
    )


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}%" if whole else "-"


def _bytes(count: float) -> str:
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
