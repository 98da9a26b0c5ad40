"""`count`: mined shards become one table of tag counts and the list of candidates.

The unit is the image: it counts once for a (kind, tag), however many of its captions hold it.
Tables travel between the steps, never words, so Beam has nothing to shuffle but a few megabytes.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Final

import apache_beam as beam
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import storage
from pipeline.job import Job, Summary, begin_work, finish, open_output, read_completed, read_info
from pipeline.records import MINED_SCHEMA, PARQUET, read_table
from pipeline.runner import RunnerConfig, new_pipeline, run_pipeline
from pipeline.shard import ShardOutput, is_done, list_stems
from vocab.candidates import (
    Candidate,
    format_candidates,
    refuse_unknown_weights,
    select,
)
from vocab.errors import InputError
from vocab.graph import Tag

STEM: Final = "counts"
CANDIDATES: Final = "candidates.tsv"
COUNTS_SCHEMA: Final = pa.schema(
    [
        ("kind", pa.string()),
        ("tag", pa.string()),
        ("source", pa.string()),
        ("images", pa.int64()),
        ("captions", pa.int64()),
    ]
)
_KEYS = ["kind", "tag", "source"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """How candidates are chosen from counts; see :func:`vocab.candidates.select`."""

    top: int = 5000
    min_images: int = 1
    quotas: Mapping[str, int] = field(default_factory=dict)
    weights: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CountConfig:
    """Settings of `count`: the mined directories (one a source) and the selection."""

    mined: tuple[str, ...]
    output: str
    selection: Selection = field(default_factory=Selection)
    take_over: bool = False
    runner: RunnerConfig = field(default_factory=RunnerConfig)


def count(config: CountConfig) -> Summary:
    """Count the tags of finished mined directories and write counts and candidates.

    Raises:
        InputError: a directory is not finished, or two hold the same source.
    """
    directories = _by_source(config.mined)
    refuse_unknown_weights(config.selection.weights, directories)
    inputs = {name: read_completed(path, "mine").digest for name, path in directories.items()}
    job = Job(
        command="count",
        output=config.output,
        config=dataclasses.asdict(config.selection),
        inputs=inputs,
        take_over=config.take_over,
    )
    with open_output(job):
        if not is_done(config.output, STEM, inputs):
            _run(config, directories, inputs)
        return finish(job, [STEM])


def _by_source(mined: Iterable[str]) -> dict[str, str]:
    directories: dict[str, str] = {}
    for path in mined:
        source = read_info(path)["config"].get("source", "")
        if source in directories:
            raise InputError(
                f"{path}: source {source} is also in {directories[source]}; give each source once"
            )
        directories[source] = path
    return dict(sorted(directories.items()))


def _run(config: CountConfig, directories: dict[str, str], inputs: dict[str, str]) -> None:
    shards = [
        (source, storage.join(path, stem + PARQUET))
        for source, path in directories.items()
        for stem in list_stems(path)
    ]
    pipeline = new_pipeline(config.runner)
    begin_work(config.output)
    write = WriteCounts(config.output, config.selection, inputs)
    _ = (
        pipeline
        | "Shards" >> beam.Create(shards)
        | "Spread" >> beam.Reshuffle()
        | "Count shard" >> beam.MapTuple(count_shard)
        | "Add up" >> beam.CombineGlobally(AddUp())
        | "Write" >> beam.ParDo(write)
    )
    run_pipeline(pipeline)


def count_shard(source: str, path: str) -> bytes:
    """Return the counts of one mined shard as an Arrow IPC table (``COUNTS_SCHEMA``)."""
    try:
        with storage.open_input(path) as stream:
            mined = read_table(stream, ["key", "tags"], MINED_SCHEMA)
    except (OSError, KeyError, pa.ArrowException) as error:
        raise InputError(f"{path}: not a mined shard ({error}); run its mine again") from error
    return to_ipc(count_table(mined, source))


def count_table(mined: pa.Table, source: str) -> pa.Table:
    """Count images and captions per (kind, tag) of rows with columns ``key`` and ``tags``."""
    mined = mined.combine_chunks()
    tags = pc.list_flatten(mined["tags"]).combine_chunks()
    row = pc.list_parent_indices(mined["tags"]).combine_chunks()
    flat = pa.table(
        {
            "row": row,
            "key": pc.take(mined["key"], row),
            "kind": pc.struct_field(tags, "kind"),
            "tag": pc.struct_field(tags, "tag"),
        }
    )
    by_caption = flat.group_by(["row", "key", "kind", "tag"]).aggregate([])
    by_image = by_caption.group_by(["key", "kind", "tag"]).aggregate([([], "count_all")])
    counted = by_image.group_by(["kind", "tag"]).aggregate(
        [([], "count_all"), ("count_all", "sum")]
    )
    return pa.table(
        {
            "kind": counted["kind"],
            "tag": counted["tag"],
            "source": pa.repeat(source, counted.num_rows),
            "images": counted["count_all"],
            "captions": counted["count_all_sum"],
        }
    ).cast(COUNTS_SCHEMA)


def add_up(tables: Iterable[pa.Table]) -> pa.Table:
    """Return one table with the sums over ``tables``, a row for each (kind, tag, source)."""
    whole = pa.concat_tables([COUNTS_SCHEMA.empty_table(), *tables])
    summed = whole.group_by(_KEYS).aggregate([("images", "sum"), ("captions", "sum")])
    names = [*_KEYS, "images_sum", "captions_sum"]
    return summed.select(names).rename_columns(COUNTS_SCHEMA.names)


class AddUp(beam.CombineFn):
    """The one combine: adds up tables of counts, whatever their order and grouping."""

    def create_accumulator(self) -> list[bytes]:
        """Return an empty accumulator: a list of Arrow IPC tables."""
        return []

    def add_input(self, accumulator: list[bytes], element: bytes) -> list[bytes]:
        """Add the table of one shard."""
        return _compact([*accumulator, element])

    def merge_accumulators(self, accumulators: Iterable[list[bytes]]) -> list[bytes]:
        """Join the tables of several workers."""
        return _compact([table for accumulator in accumulators for table in accumulator])

    def extract_output(self, accumulator: list[bytes]) -> bytes:
        """Return the sums as one Arrow IPC table."""
        return to_ipc(add_up(map(from_ipc, accumulator)))


def _compact(tables: list[bytes]) -> list[bytes]:
    """Sum a long list at once rather than pairwise, which would sort the total every time."""
    if len(tables) < 32:
        return tables
    return [to_ipc(add_up(map(from_ipc, tables)))]


class WriteCounts(beam.DoFn):
    """Writes ``counts.parquet`` (all) and ``candidates.tsv`` (the selection)."""

    def __init__(self, output: str, selection: Selection, inputs: dict[str, str]) -> None:
        self.output, self.selection, self.inputs = output, selection, inputs

    def process(self, element: bytes) -> None:
        """Write both files, then the stats that say so."""
        counts = from_ipc(element).sort_by([(name, "ascending") for name in _KEYS])
        candidates = select_candidates(counts, self.selection)
        with (
            storage.disk_errors(storage.join(self.output, STEM)),
            ShardOutput(self.output, STEM, "count", self.inputs) as output,
        ):
            pq.write_table(counts, output.file(PARQUET), compression="zstd")
            text = format_candidates(candidates)
            output.named(CANDIDATES).write_bytes(text.encode())
            output.rows_in = output.rows = counts.num_rows
            output.counts.update(f"{c.kind}_candidates" for c in candidates)


def select_candidates(counts: pa.Table, selection: Selection) -> list[Candidate]:
    """Return the candidates of a table of counts (``COUNTS_SCHEMA``).

    Raises:
        InputError: a weight names a source that was not counted.
    """
    ordered = counts.sort_by([(name, "ascending") for name in _KEYS])
    return select(
        _by_tag(ordered),
        top=selection.top,
        quotas=selection.quotas,
        weights=selection.weights,
        min_images=selection.min_images,
    )


def _by_tag(counts: pa.Table) -> Iterator[tuple[Tag, dict[str, tuple[int, int]]]]:
    """Yield every tag of a sorted table with its (images, captions) per source."""
    rows = (row for batch in counts.to_batches(4096) for row in batch.to_pylist())
    for (kind, tag), group in itertools.groupby(rows, key=itemgetter("kind", "tag")):
        yield Tag(kind, tag), {row["source"]: (row["images"], row["captions"]) for row in group}


def read_counts(path: str) -> pa.Table:
    """Return the table of a ``counts.parquet``.

    Raises:
        InputError: it is no such file.
    """
    try:
        with storage.open_input(path) as stream:
            return read_table(stream).select(COUNTS_SCHEMA.names).cast(COUNTS_SCHEMA)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; `tag2text count` writes it") from None
    except (OSError, KeyError, pa.ArrowException) as error:
        raise InputError(f"{path}: not a table of counts ({error})") from error


def to_ipc(table: pa.Table) -> bytes:
    """Return a table as Arrow IPC bytes."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def from_ipc(data: bytes) -> pa.Table:
    """Return the table of Arrow IPC bytes."""
    with pa.ipc.open_stream(data) as reader:
        return reader.read_all()
