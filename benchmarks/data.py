"""The real captions that the benchmarks run on: one deterministic mix, lines alone."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import factual

DEFAULT = Path(__file__).parents[2] / "shared" / "data"


def _column(path: Path, index: int, *, header: bool) -> Iterator[str]:
    with gzip.open(path, "rt", encoding="utf-8", errors="replace") as lines:
        if header:
            next(lines)
        for line in lines:
            cells = line.rstrip("\n").split("\t")
            if index < len(cells):
                yield cells[index]


def _coco(path: Path) -> Iterator[str]:
    with gzip.open(path, "rt") as file:
        yield from (a["caption"] for a in json.load(file)["annotations"])


def _sbu(path: Path) -> Iterator[str]:
    with gzip.open(path, "rt") as file:
        yield from json.load(file)["captions"]


def _vg(path: Path) -> Iterator[str]:
    # The held-out part of the human graphs stays out of every benchmark but its own.
    yield from (region.caption for region in factual.read_regions(path, "train"))


SOURCES: dict[str, Callable[[Path], Iterator[str]]] = {
    "cc3m": lambda d: _column(d / "cc3m/Validation_GCC-dev.tsv.gz", 0, header=False),
    "web": lambda d: _column(d / "cc12m_shaped/laion400m_10k.tsv.gz", 1, header=False),
    "coco": lambda d: _coco(d / "coco/captions_dev.json.gz"),
    "sbu": lambda d: _sbu(d / "sbu_shaped/fsa.json.gz"),
    "vg": lambda d: _vg(d / "vg/factual_regions.tsv.gz"),
    "flickr30k": lambda d: _column(d / "captions/flickr30k_multi30k.tsv.gz", 3, header=True),
    "msrvtt": lambda d: _column(d / "captions/msrvtt_video.tsv.gz", 1, header=True),
}


def captions(data: Path, source: str) -> Iterator[str]:
    """Yield the captions of one source, in file order, without empty ones."""
    return (text for text in SOURCES[source](data) if text.strip())


def mixed(data: Path, count: int, *, seed: int = 0) -> list[str]:
    """Return ``count`` captions, an equal share of each source while it lasts, shuffled."""
    pools = [list(captions(data, source)) for source in SOURCES]
    rng = random.Random(seed)
    for pool in pools:
        rng.shuffle(pool)
    chosen: list[str] = []
    while len(chosen) < count and any(pools):
        chosen += [pool.pop() for pool in pools if pool]
    if len(chosen) < count:
        raise SystemExit(f"only {len(chosen)} captions under {data}; {count} are needed")
    chosen = chosen[:count]
    rng.shuffle(chosen)
    return chosen
