"""What a download came to: success by source and by host, reasons, sizes and time.

Pure functions over the tables and stats of a download; `pipeline.download_report` shows them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipeline import storage
from pipeline.reasons import SUCCESS
from pipeline.records import PARQUET, read_batches
from pipeline.shard import STATS

BYTE_EDGES: Final = (0, 10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000)
SIDE_EDGES: Final = (0, 128, 256, 384, 512, 768, 1024, 2048)
"""Lower ends of the bins of the histograms; the last bin has no upper end."""

_COLUMNS: Final = ["url", "source", "reason", "bytes", "original_width", "original_height"]
_KEYS: Final = ["source", "host", "reason"]
_HOST: Final = r"^https?://(?:[^/?#@]*@)?(?P<host>(?:\[[^\]]*\]|[^/?#:]*)(?::\d+)?)"
_AT_ONCE = 64

Counts = npt.NDArray[np.int64]


class Share(NamedTuple):
    """How many of the URLs of a source or a host gave an image, and why most others did not."""

    name: str
    urls: int
    images: int
    main_reason: str = ""

    @property
    def failures(self) -> int:
        """Return the URLs that gave no image."""
        return self.urls - self.images


class ShardTime(NamedTuple):
    """URLs, images and seconds of one shard; ``start`` and ``end`` are seconds since 1970."""

    stem: str
    urls: int
    images: int
    seconds: float
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Numbers:
    """The numbers of a download; ``outcomes`` has the columns source, host, reason, urls."""

    outcomes: pa.Table
    byte_bins: tuple[int, ...]
    side_bins: tuple[int, ...]
    fetched_bytes: int
    times: tuple[ShardTime, ...]

    @property
    def urls(self) -> int:
        """Return the number of URLs."""
        return sum(time.urls for time in self.times)

    @property
    def images(self) -> int:
        """Return the number of images that came."""
        return sum(time.images for time in self.times)


def read_numbers(directory: str, stems: Sequence[str]) -> Numbers:
    """Return the numbers of the finished shards ``stems`` of a download.

    Raises:
        InputError: a table is missing or damaged.
    """
    byte_bins, side_bins = _empty(BYTE_EDGES), _empty(SIDE_EDGES)
    fetched, outcomes = 0, []
    for stem in stems:
        for batch in read_batches(storage.join(directory, stem + PARQUET), _COLUMNS):
            outcomes.append(count_outcomes(batch))
            byte_bins += histogram(batch["bytes"], BYTE_EDGES)
            side_bins += histogram(shorter_sides(batch), SIDE_EDGES)
            fetched += pc.sum(batch["bytes"]).as_py() or 0
            if len(outcomes) >= _AT_ONCE:
                outcomes = [add_up(outcomes)]
    return Numbers(
        outcomes=add_up(outcomes),
        byte_bins=tuple(byte_bins.tolist()),
        side_bins=tuple(side_bins.tolist()),
        fetched_bytes=fetched,
        times=tuple(_times(directory, stems)),
    )


def _empty(edges: Sequence[int]) -> Counts:
    return np.zeros(len(edges), np.int64)


def count_outcomes(rows: pa.RecordBatch) -> pa.Table:
    """Count the rows of a download by source, host and reason."""
    table = pa.table(
        {"source": rows["source"], "host": hosts(rows["url"]), "reason": rows["reason"]}
    )
    counted = table.group_by(_KEYS).aggregate([([], "count_all")])
    return counted.select([*_KEYS, "count_all"]).rename_columns([*_KEYS, "urls"])


def add_up(tables: Iterable[pa.Table]) -> pa.Table:
    """Return the sum of tables of outcomes."""
    schema = pa.schema([*((name, pa.string()) for name in _KEYS), ("urls", pa.int64())])
    whole = pa.concat_tables([schema.empty_table(), *(table.cast(schema) for table in tables)])
    summed = whole.group_by(_KEYS).aggregate([("urls", "sum")])
    return summed.select([*_KEYS, "urls_sum"]).rename_columns([*_KEYS, "urls"])


def hosts(urls: pa.Array) -> pa.Array:
    """Return the lower-case host of each URL with the port it names; empty where it has none."""
    found = pc.struct_field(pc.extract_regex(urls, _HOST), "host")
    return pc.utf8_lower(pc.fill_null(found, ""))


def shorter_sides(rows: pa.RecordBatch) -> pa.Array:
    """Return the shorter side of each image as it was sent, in pixels, null where none came."""
    return pc.min_element_wise(rows["original_width"], rows["original_height"], skip_nulls=False)


def histogram(values: pa.Array, edges: Sequence[int]) -> Counts:
    """Count the values between ``edges`` (see ``BYTE_EDGES``); nulls are left out."""
    numbers = values.drop_null().to_numpy(zero_copy_only=False)
    return np.histogram(numbers, bins=[*edges, np.inf])[0].astype(np.int64)


def shares(outcomes: pa.Table, by: str) -> list[Share]:
    """Return the success of each ``by`` ("source" or "host"), most failures first."""
    per_reason = outcomes.group_by([by, "reason"]).aggregate([("urls", "sum")])
    ordered = per_reason.sort_by([("urls_sum", "descending"), ("reason", "ascending")])
    urls: dict[str, int] = {}
    images: dict[str, int] = {}
    main: dict[str, str] = {}
    columns = (ordered[column].to_pylist() for column in (by, "reason", "urls_sum"))
    for name, reason, count in zip(*columns, strict=True):
        urls[name] = urls.get(name, 0) + count
        if reason == SUCCESS:
            images[name] = count
        else:
            main.setdefault(name, reason)
    found = (Share(n, urls[n], images.get(n, 0), main.get(n, "")) for n in urls)
    return sorted(found, key=lambda share: (-share.failures, share.name))


def reasons(outcomes: pa.Table) -> list[tuple[str, int]]:
    """Return the failures by reason, the most frequent first."""
    summed = outcomes.group_by(["reason"]).aggregate([("urls", "sum")])
    pairs = zip(summed["reason"].to_pylist(), summed["urls_sum"].to_pylist(), strict=True)
    failed = (pair for pair in pairs if pair[0] != SUCCESS)
    return sorted(failed, key=lambda pair: (-pair[1], pair[0]))


def _times(directory: str, stems: Iterable[str]) -> Iterator[ShardTime]:
    for stem in stems:
        stats = json.loads(storage.read_bytes(storage.join(directory, stem + STATS)))
        yield shard_time(stem, stats)


def shard_time(stem: str, stats: dict[str, Any]) -> ShardTime:
    """Return the time that the stats of a shard tell of."""
    return ShardTime(
        stem=stem,
        urls=stats["count"],
        images=stats["successes"],
        seconds=stats["duration"],
        start=stats["start_time"],
        end=stats["end_time"],
    )
