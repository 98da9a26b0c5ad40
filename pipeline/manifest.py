"""The ``manifest`` job: caption files of any source become shards of rows with stable keys.

A plain loop and not Beam: the files are single streams, and reading them is cheap.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pipeline import job, storage
from pipeline.exclude import Exclusions, read_exclusions
from pipeline.progress import track
from pipeline.records import MANIFEST_SCHEMA, PARQUET, SOURCE, RowWriter, sample_key
from pipeline.shard import ShardOutput, dumps, is_done, shard_name
from pipeline.source_rows import EXCLUDED, BadRow, Row, SourceRow
from pipeline.sources import SourceConfig, basename, input_files, read_source
from pipeline.streams import open_file
from vocab.errors import InputError

COMMAND = "manifest"
_NOT_IN_INFO = ("inputs", "image_data", "output", "exclude", "max_bad_ratio", "take_over")


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestConfig(SourceConfig):
    """What to read, what to leave out, and where the shards go.

    ``source`` names the rows' keys, by default after the format. A shard holds ``shard_rows``
    consecutive rows, bad ones included; ``limit`` stops after that many (0: never).
    """

    output: str
    source: str = ""
    exclude: tuple[str, ...] = ()
    shard_rows: int = 10_000
    max_bad_ratio: float = 0.05
    limit: int = 0
    take_over: bool = False

    def __post_init__(self) -> None:
        """Refuse values that cannot be meant.

        Raises:
            InputError: a value is out of its range.
        """
        SourceConfig.__post_init__(self)
        if not self.source:
            object.__setattr__(self, "source", self.format.removesuffix("-text"))
        if not SOURCE.fullmatch(self.source):
            raise InputError(
                f"--source {self.source}: at most 32 of a-z, 0-9 and _ (it begins every key)"
            )
        if self.shard_rows < 1:
            raise InputError(f"--shard-rows {self.shard_rows}: at least 1 is needed")
        if self.limit < 0:
            raise InputError(f"--limit {self.limit}: 0 (no limit) or more is needed")
        if not 0 <= self.max_bad_ratio <= 1:
            raise InputError(f"--max-bad-ratio {self.max_bad_ratio}: a part from 0 to 1 is needed")


def write_manifest(config: ManifestConfig) -> job.Summary:
    """Write the manifest shards of ``config``; shards that are done already stay as they are.

    In the summary ``rows_in`` counts the captions that came in, ``rows`` the images written;
    ``counts`` has the ``captions`` written, and the images left out (``excluded``) with their
    ``excluded_captions``. An excluded image is a line in ``bad/*.jsonl``, but not a bad row.

    Raises:
        InputError: an input cannot be read or holds nothing, or too many rows are bad.
    """
    excluded = read_exclusions(config.exclude)
    _refuse_blind_exclusion(config, excluded)
    task = _job(config)
    fingerprint = hashlib.sha256(dumps(task.info())).hexdigest()
    rows = itertools.islice(read_source(config), config.limit or None)
    with job.open_output(task):
        with track(rows, basename(config.output)) as tracked:
            stems = [
                _make_shard(config, stem, shard, fingerprint, excluded)
                for stem, shard in _shards(tracked, config.shard_rows)
            ]
        if not stems:
            raise InputError(
                f"{', '.join(config.inputs)}: no rows found; is it --format {config.format}?"
            )
        return job.finish(task, stems)


def _refuse_blind_exclusion(config: ManifestConfig, excluded: Exclusions) -> None:
    if config.format == "vg" and excluded.coco and not config.image_data:
        raise InputError(
            "--exclude names COCO images; add --image-data image_data.json (of Visual Genome), "
            "which says which of its images they are"
        )


def _job(config: ManifestConfig) -> job.Job:
    settings = {
        field.name: getattr(config, field.name)
        for field in dataclasses.fields(config)
        if field.name not in _NOT_IN_INFO
    }
    return job.Job(
        command=COMMAND,
        output=config.output,
        config=settings,
        inputs={name: _sha256(path) for name, path in _files(config)},
        max_bad_ratio=config.max_bad_ratio,
        take_over=config.take_over,
    )


def _files(config: ManifestConfig) -> Iterator[tuple[str, str]]:
    yield from input_files(config)
    for number, path in enumerate(config.exclude, 1):
        yield f"exclude {number} {basename(path)}", path


def _sha256(path: str) -> str:
    with open_file(path):  # whose errors name the file
        return storage.sha256(path)


def _shards(rows: Iterable[Row], shard_rows: int) -> Iterator[tuple[str, Iterator[Row]]]:
    """Cut a stream of rows into shards, each to be used up before the next."""
    rows = iter(rows)
    for number in itertools.count():
        first = next(rows, None)
        if first is None:
            return
        rest = itertools.islice(rows, shard_rows - 1)
        yield shard_name(number), itertools.chain((first,), rest)


def _make_shard(
    config: ManifestConfig, stem: str, rows: Iterator[Row], fingerprint: str, excluded: Exclusions
) -> str:
    inputs = {"input": fingerprint}
    if is_done(config.output, stem, inputs):
        deque(rows, maxlen=0)
        return stem
    job.begin_work(config.output)
    with (
        storage.disk_errors(storage.join(config.output, stem)),
        ShardOutput(config.output, stem, COMMAND, inputs) as output,
        RowWriter(output.file(PARQUET), MANIFEST_SCHEMA) as writer,
    ):
        for row in rows:
            key = sample_key(config.source, row.position)
            if isinstance(row, BadRow):
                output.rows_in += 1
                output.bad(key, row.reason, row.detail)
                continue
            output.rows_in += len(row.captions)
            if excluded.fit(key, row):
                output.leave_out(key, EXCLUDED, row.image)
                output.counts[EXCLUDED] += 1
                output.counts["excluded_captions"] += len(row.captions)
                continue
            output.rows += 1
            output.counts["captions"] += len(row.captions)
            writer.write(_record(config.source, key, row))
    return stem


def _record(source: str, key: str, row: SourceRow) -> dict[str, Any]:
    return {"key": key, "source": source, "image": row.image, "captions": row.captions}
