"""`inspect`: one self-contained HTML page that shows what is in labelled shards.

Captions, tags and URLs come from anywhere: all text is escaped, nothing is a link, and the
page's own policy forbids scripts and every request.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline import storage
from pipeline.image_sources import TAR
from pipeline.images import BadImageError, thumbnail
from pipeline.inspect_style import STYLE
from pipeline.job import read_info
from pipeline.labelled import COMMAND, INDEX, LABELLED_SCHEMA, VOCABULARY, load_vocabulary
from pipeline.records import PARQUET, read_batches
from pipeline.shard import Stats, list_stems, read_stats
from pipeline.tar import read_index
from vocab.errors import InputError
from vocab.files import write_whole
from vocab.graph import KINDS, Tag
from vocab.highlight import find_tags
from vocab.page import document, figures
from vocab.vocabulary import Vocabulary

_SIDE = 320
_BARS = 15
_CAPTIONS = 5


@dataclass(frozen=True, slots=True)
class Sample:
    """What the page shows of one sample; ``tags`` has the classes of each caption."""

    key: str
    url: str
    captions: tuple[str, ...]
    tags: tuple[tuple[Tag, ...], ...]
    image: bytes

    def labels(self) -> list[Tag]:
        """Return the tags of any caption, by kind."""
        union = {tag for tags in self.tags for tag in tags}
        return sorted(union, key=lambda tag: (KINDS.index(tag.kind), tag.tag))


class Shards(NamedTuple):
    """The shards that a page is about."""

    directory: str
    stats: dict[str, Stats]

    def total(self, name: str) -> int:
        """Return a count over all shards; ``rows`` are the samples."""
        if name == "rows":
            return sum(stats.rows for stats in self.stats.values())
        return sum(stats.counts.get(name, 0) for stats in self.stats.values())


def write_page(source: str, output: str, *, samples: int = 60) -> int:
    """Write the page of a shard's tar or of a whole directory; return the samples it shows.

    The samples are spread evenly over the shards.

    Raises:
        InputError: ``source`` is neither, or is damaged.
    """
    shards = _open(source)
    vocabulary = load_vocabulary(storage.join(shards.directory, VOCABULARY))
    chosen = list(_samples(shards, vocabulary, samples))
    counts = _label_counts(shards, len(vocabulary))
    page = render(source.rstrip("/").rpartition("/")[2], shards, vocabulary, counts, chosen)
    if storage.is_remote(output):
        storage.write_bytes(output, page.encode())
    else:
        write_whole(Path(output), page)  # leaves no folder of its own beside the page
    return len(chosen)


def _open(source: str) -> Shards:
    directory, stems = source, None
    if source.endswith(TAR):
        directory, _, name = source.rpartition("/")
        directory, stems = directory or ".", [name.removesuffix(TAR)]
    if read_info(directory).get("command") != COMMAND:
        raise InputError(f"{directory}: holds no labelled shards; name what `tag2text shards` made")
    found = {stem: read_stats(directory, stem) for stem in stems or list_stems(directory)}
    stats = {stem: value for stem, value in found.items() if value is not None}
    if not stats:
        raise InputError(f"{source}: no finished shard there; run its `tag2text shards` again")
    return Shards(directory, stats)


def _samples(shards: Shards, vocabulary: Vocabulary, wanted: int) -> Iterator[Sample]:
    total = shards.total("rows")
    picks = sorted({number * total // wanted for number in range(wanted)}) if total else []
    first = 0
    for stem, stats in shards.stats.items():
        inside = [pick - first for pick in picks if first <= pick < first + stats.rows]
        if inside:
            yield from _read(storage.join(shards.directory, stem), inside, vocabulary)
        first += stats.rows


def _read(shard: str, positions: Sequence[int], vocabulary: Vocabulary) -> Iterator[Sample]:
    index = read_index(shard + INDEX)
    with storage.open_input(shard + TAR) as stream:
        for position in positions:
            image, texts, *_ = index[position]
            stream.seek(texts.offset)
            value = json.loads(stream.read(texts.size))
            stream.seek(image.offset)
            yield Sample(
                key=image.name.partition(".")[0],
                url=value["url"],
                captions=tuple(value["captions"]),
                tags=tuple(tuple(vocabulary.tags[i] for i in ids) for ids in value["tags"]),
                image=stream.read(image.size),
            )


def _label_counts(shards: Shards, classes: int) -> list[int]:
    """Return how many samples hold each class."""
    counts = np.zeros(classes, np.int64)
    for stem in shards.stats:
        path = storage.join(shards.directory, stem + PARQUET)
        for batch in read_batches(path, ["tags"], batch_rows=8192, schema=LABELLED_SCHEMA):
            ids = batch.column("tags").flatten().to_numpy(zero_copy_only=False)
            counts += np.bincount(ids, minlength=classes)[:classes]
    return counts.tolist()  # type: ignore[no-any-return]


def render(
    title: str,
    shards: Shards,
    vocabulary: Vocabulary,
    counts: Sequence[int],
    samples: Sequence[Sample],
) -> str:
    """Return the page; ``counts`` has the samples of each class."""
    name = escape(title)
    legend = " ".join(f'<mark class="{kind}">{kind}</mark>' for kind in KINDS)
    seen = sum(count > 0 for count in counts)
    body = f"""<header>
<h1>{name}</h1>
{_totals(shards, seen, len(vocabulary))}
</header>
<main>
<section><h2>Labels</h2>
<p class="note">The most frequent of each kind; a bar is the images that hold the label.</p>
<div class="charts">{"".join(_chart(kind, vocabulary, counts) for kind in KINDS)}</div>
</section>
<section><h2>Samples</h2>
<p class="note legend">{len(samples):,} of {shards.total("rows"):,}, spread evenly. {legend}</p>
<div class="samples">{"".join(map(_card, samples))}</div>
</section>
</main>
<footer>Vocabulary {vocabulary.fingerprint[:16]}. Tags follow from captions: what no caption names
is not labelled.</footer>"""
    return document(title=f"{title} · labelled shards", style=STYLE, body=body, images=True)


def _totals(shards: Shards, seen: int, classes: int) -> str:
    images, labels = shards.total("rows"), shards.total("labels")
    bad = sum(sum(stats.bad.values()) for stats in shards.stats.values())
    pairs = (
        ("shards", f"{len(shards.stats):,}"),
        ("images", f"{images:,}"),
        ("captions", f"{shards.total('captions'):,}"),
        ("labels an image", f"{labels / max(images, 1):.1f}"),
        ("classes seen", f"{seen:,} of {classes:,}"),
        ("images without a label", f"{shards.total('untagged'):,}"),
        ("left out as bad", f"{bad:,}"),
    )
    return figures(pairs)


def _chart(kind: str, vocabulary: Vocabulary, counts: Sequence[int]) -> str:
    held = [(n, tag) for n, tag in zip(counts, vocabulary.tags, strict=True) if tag.kind == kind]
    held = sorted((pair for pair in held if pair[0]), key=lambda pair: (-pair[0], pair[1]))
    rows = (_bar(tag, count, held[0][0]) for count, tag in held[:_BARS])
    body = f"<ol>{''.join(rows)}</ol>" if held else "<p>none</p>"
    title = f'<mark class="{kind}">{kind}</mark> <span>{len(held):,} classes</span>'
    return f'<figure class="{kind}"><figcaption>{title}</figcaption>{body}</figure>'


def _bar(tag: Tag, count: int, most: int) -> str:
    return (
        f"<li><bdi>{escape(tag.tag)}</bdi>"
        f'<i><b style="width:{100 * count / most:.1f}%"></b></i><span>{count:,}</span></li>'
    )


def _card(sample: Sample) -> str:
    chips = "".join(
        f'<li class="{tag.kind}" title="{tag.kind}"><bdi>{escape(tag.tag)}</bdi></li>'
        for tag in sample.labels()
    )
    return (
        f"<article>{_image(sample)}{_captions(sample)}"
        f'<ul class="chips">{chips or "<li>no label</li>"}</ul>'
        f'<p class="key">{escape(sample.key)} <bdi>{escape(sample.url)}</bdi></p></article>'
    )


def _image(sample: Sample) -> str:
    try:
        small = base64.b64encode(thumbnail(sample.image, _SIDE)).decode()
    except BadImageError as bad:
        return f'<p class="missing">{bad.reason}</p>'
    return f'<img alt="{escape(sample.key)}" src="data:image/jpeg;base64,{small}">'


def _captions(sample: Sample) -> str:
    """Return the captions as a list, those past the first few folded away."""
    pairs = zip(sample.captions, sample.tags, strict=True)
    items = [f"<li><bdi>{_marked(text, tags)}</bdi></li>" for text, tags in pairs]
    first, rest = items[:_CAPTIONS], items[_CAPTIONS:]
    folded = f"<details><summary>{len(rest)} more</summary>{''.join(rest)}</details>"
    return f'<ul class="captions">{"".join(first)}{folded if rest else ""}</ul>'


def _marked(caption: str, tags: Iterable[Tag]) -> str:
    parts, end = [], 0
    for span in find_tags(caption, tags):
        word = escape(caption[span.start : span.end])
        about = escape(f"{span.tag.kind}: {span.tag.tag}")
        parts += [escape(caption[end : span.start])]
        parts += [f'<mark class="{span.tag.kind}" title="{about}">{word}</mark>']
        end = span.end
    return "".join((*parts, escape(caption[end:])))
