"""`download`: manifest shards become image shards in img2dataset's own layout.

A shard ``00007`` is four files, the last one written last:

- ``00007.tar``: for each image that came, in the order of the keys, ``<key>.jpg``, ``<key>.json``
  (the row of the table) and ``<key>.txt`` (the first caption);
- ``00007.parquet``: a row for *every* URL, in the order of the keys. img2dataset's columns
  ``url, caption, key, status, error_message, width, height, original_width, original_height,
  sha256`` (of the bytes as they were sent), and ours: ``captions`` (all of them), ``source``,
  ``reason`` and ``bytes`` (length as sent; null where nothing came), and at their end what
  ``--option`` asks for: ``exif``, ``md5`` or ``sha512`` (null but on success). ``status`` is
  img2dataset's ``success``, ``failed_to_download`` or ``failed_to_resize``; ``reason`` is
  ``success`` or a word of ``pipeline.reasons.REASONS``; ``error_message`` is the reason and its
  detail (null on success);
- ``bad/00007.jsonl``: the failures as every job writes them (``key, stage, reason, detail``);
- ``00007_stats.json``: our fields (``rows_in``, ``rows``: successes, ``bad``: failures by reason,
  ``files``, ``inputs``, ``counts``: ``bytes`` of the images as sent, and the two kinds of failure)
  and beside them img2dataset's (``count, successes, failed_to_download, failed_to_resize``,
  ``duration, start_time, end_time`` in seconds, ``status_dict``: rows by reason, ``success`` among
  them).

A run that is killed costs at most the shards that it was at. One that is killed in the moment in
which ``--retry-failed`` puts a shard's files in the place of the old ones has made that shard
unfinished: it is fetched again, whole.

Only ``duration``, ``start_time`` and ``end_time`` differ between two runs that fetch the same, and
``download_report.html``, which shows them.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final

from apache_beam.metrics import Metrics

from pipeline import storage
from pipeline.crawl import Outcome, crawl
from pipeline.download_progress import LiveCounts, watch_download
from pipeline.download_report import write_report
from pipeline.fetch import FetchSettings
from pipeline.image_sources import TAR, FolderImages, TarImages
from pipeline.images import BadImageError
from pipeline.job import Job, Summary, finish, open_output, read_completed, read_info
from pipeline.politeness import Politeness
from pipeline.reasons import SUCCESS, is_transient
from pipeline.records import PARQUET, ManifestRow, read_manifest, read_rows
from pipeline.resized import (
    ResizeSettings,
    Resizing,
    ShardWriter,
    extra_column,
    img2dataset_version,
)
from pipeline.runner import EachShard, RunnerConfig, run_each_shard
from pipeline.shard import ShardOutput, input_digest, is_done, list_stems, read_stats
from vocab.errors import InputError

COMMAND: Final = "download"
REPORT: Final = "download_report.html"
_MESSAGE_LIMIT = 250
_ONE_SHARD = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadConfig:
    """Settings of `download`.

    ``image_root`` takes the images from a local folder instead of the internet. ``retry_failed``
    fetches again what failed for a reason that may pass, and rewrites only those shards.
    """

    manifest: str
    output: str
    image_root: str | None = None
    threads: int = 128
    resize: ResizeSettings = field(default_factory=ResizeSettings)
    fetch: FetchSettings = field(default_factory=FetchSettings)
    politeness: Politeness = field(default_factory=Politeness)
    retry_failed: bool = False
    max_bad_ratio: float = 0.9  # dead links are normal, a dead network is not
    take_over: bool = False
    runner: RunnerConfig = field(default_factory=RunnerConfig)

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise InputError(f"--threads {self.threads}: at least one thread is needed")
        if self.image_root is not None and not Path(self.image_root).is_dir():
            raise InputError(f"--image-root {self.image_root}: no such local folder")


def download(config: DownloadConfig) -> Summary:
    """Fetch the images of a manifest directory; only missing shards are made.

    Raises:
        InputError: the manifest is not finished, or too many images failed.
    """
    manifest = read_completed(config.manifest, "manifest")
    job = Job(
        command=COMMAND,
        output=config.output,
        config={
            "source": read_info(config.manifest)["config"]["source"],
            "img2dataset": img2dataset_version(),
            "honour_opt_out": config.fetch.honour_opt_out,
            "max_bytes": config.fetch.max_bytes,
            **config.resize.to_json(),
        },
        inputs={"manifest": manifest.digest},
        max_bad_ratio=config.max_bad_ratio,
        take_over=config.take_over,
    )
    make = DownloadShard(config)
    with open_output(job):
        stems = list_stems(config.manifest)
        missing = {stem: rows for stem in stems if (rows := make.rows_to_fetch(stem))}
        progress = watch_download(config.output, missing)
        run_each_shard(make, list(missing), runner=config.runner, progress=progress)
        report = storage.join(config.output, REPORT)
        if list_stems(config.output) and (missing or storage.size(report) is None):
            write_report(config.output, report)  # also where too many failed: it says why
        return finish(job, stems)


class DownloadShard(EachShard):
    """Makes one image shard from the manifest shard of the same number."""

    def __init__(self, config: DownloadConfig) -> None:
        self.config, self.output = config, config.output

    def inputs(self, stem: str) -> dict[str, str]:
        """Return the digest of the manifest shard that ``stem`` is made from."""
        digest = input_digest(self.config.manifest, stem, PARQUET, command="manifest")
        return {"manifest": digest}

    def rows_to_fetch(self, stem: str) -> int:
        """Return how many rows of a shard are to be fetched; 0 where it is done."""
        if not is_done(self.output, stem, self.inputs(stem)):
            manifest = read_stats(self.config.manifest, stem)
            return manifest.rows if manifest else 0
        stats = read_stats(self.output, stem)
        if not self.config.retry_failed or stats is None:
            return 0
        return sum(count for reason, count in stats.bad.items() if is_transient(reason))

    def make(self, stem: str) -> None:
        """Fetch, resize and write the images of one shard."""
        path = storage.join(self.config.manifest, stem + PARQUET)
        begin = time.time()
        # The resizer serves one thread of a process, and one shard is enough for its memory.
        with (
            _ONE_SHARD,
            ShardOutput(self.output, stem, COMMAND, self.inputs(stem)) as output,
            Shelf(output.file(TAR).parent) as shelf,
            self._kept(stem) as kept,
        ):
            rows = list(read_manifest(path))
            done = {**kept, **self._fetch(stem, [r for r in rows if r.key not in kept], shelf)}
            with ShardWriter(output, self.config.resize) as writer:
                for row in rows:
                    writer.write(done[row.key].row, done[row.key].image())
                    _count(done[row.key].row, output)
            output.extra = img2dataset_stats(output, begin)
        _report(output)

    @contextlib.contextmanager
    def _kept(self, stem: str) -> Iterator[dict[str, Done]]:
        """Give the rows of an earlier run that are not to be fetched again, by key."""
        if not self.config.retry_failed or not is_done(self.output, stem, self.inputs(stem)):
            yield {}
            return
        with storage.open_input(storage.join(self.output, stem + TAR)) as stream:
            tar = TarImages(stream, self.output, stem)
            rows = read_rows(storage.join(self.output, stem + PARQUET))
            yield {row["key"]: _kept(row, tar) for row in rows if not is_transient(row["reason"])}

    def _fetch(self, stem: str, rows: list[ManifestRow], shelf: Shelf) -> dict[str, Done]:
        """Return what became of each row; the images lie on the shelf."""
        done: dict[str, Done] = {}
        with (
            LiveCounts(self.output, stem) as live,
            contextlib.closing(self._outcomes(rows)) as outcomes,
        ):
            for outcome in outcomes:
                row = rows[outcome.index]
                done[row.key] = _finished(row, outcome, self.config.resize, shelf)
                live.add(done[row.key].row)
        return done

    def _outcomes(self, rows: Sequence[ManifestRow]) -> Generator[Outcome, None, None]:
        if self.config.image_root is not None:
            return _read_folder(rows, self.config.image_root)
        return crawl(
            [row.image for row in rows],
            threads=self.config.threads,
            settings=self.config.fetch,
            politeness=self.config.politeness,
        )


@dataclass(frozen=True, slots=True)
class Done:
    """One row of the table, and how to get at its image."""

    row: dict[str, Any]
    image: Callable[[], bytes | None]


class Shelf:
    """A scratch file for images: they come in any order, and a shard has its own."""

    def __init__(self, folder: Path) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115

    def put(self, content: bytes) -> Callable[[], bytes]:
        """Keep ``content``; the function that is returned reads it again."""
        offset = self._file.seek(0, 2)
        self._file.write(content)
        return functools.partial(self._get, offset, len(content))

    def _get(self, offset: int, size: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(size)

    def __enter__(self) -> Shelf:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()


@functools.lru_cache(maxsize=1)
def _resizing(settings: ResizeSettings) -> Resizing:
    return Resizing(settings)


@functools.lru_cache(maxsize=1)
def _empty_row(settings: ResizeSettings) -> dict[str, Any]:
    return dict.fromkeys(settings.schema.names)


def _finished(row: ManifestRow, outcome: Outcome, settings: ResizeSettings, shelf: Shelf) -> Done:
    """Resize what was fetched, and say in a row of the table how it went."""
    # The order of the columns is that of the keys in the tar's JSON, also when rows are kept.
    table: dict[str, Any] = _empty_row(settings) | {
        **{"url": row.image, "caption": row.captions[0], "key": row.key},
        **{"captions": list(row.captions), "source": row.source},
    }
    if outcome.reason:
        return Done(_failed(table, "failed_to_download", outcome.reason, outcome.detail), _nothing)
    table["bytes"] = len(outcome.content)
    table["sha256"] = hashlib.sha256(outcome.content).hexdigest()
    try:
        resized = _resizing(settings).resize(outcome.content)
    except BadImageError as bad:
        return Done(_failed(table, "failed_to_resize", bad.reason, bad.detail), _nothing)
    table |= {name: extra_column(name, outcome.content) for name in settings.extra}
    sizes = resized._asdict()
    image = shelf.put(sizes.pop("content"))
    return Done(
        table | sizes | {"status": SUCCESS, "error_message": None, "reason": SUCCESS}, image
    )


def _failed(table: dict[str, Any], status: str, reason: str, detail: str) -> dict[str, Any]:
    message = f"{reason}: {detail}"[:_MESSAGE_LIMIT] if detail else reason
    return table | {"status": status, "error_message": message, "reason": reason}


def _nothing() -> None:
    return None


def _kept(row: dict[str, Any], tar: TarImages) -> Done:
    if row["reason"] != SUCCESS:
        return Done(row, _nothing)
    return Done(row, functools.partial(tar.read, row["key"], row["url"]))


def _read_folder(rows: Sequence[ManifestRow], root: str) -> Generator[Outcome, None, None]:
    images = FolderImages(root)
    for index, row in enumerate(rows):
        try:
            yield Outcome(index, images.read(row.key, row.image))
        except BadImageError as bad:
            yield Outcome(index, reason=bad.reason, detail=bad.detail)


def _count(row: dict[str, Any], output: ShardOutput) -> None:
    output.rows_in += 1
    if row["reason"] == SUCCESS:
        output.rows += 1
        output.counts["bytes"] += row["bytes"]
        return
    detail = row["error_message"].partition(": ")[2]
    output.bad(row["key"], row["reason"], detail)
    output.counts[row["status"]] += 1


def img2dataset_stats(output: ShardOutput, begin: float) -> dict[str, Any]:
    """Return the fields that img2dataset writes into ``_stats.json``; times in seconds."""
    end = time.time()
    return {
        "count": output.rows_in,
        "successes": output.rows,
        "failed_to_download": output.counts["failed_to_download"],
        "failed_to_resize": output.counts["failed_to_resize"],
        "duration": end - begin,
        "start_time": begin,
        "end_time": end,
        "status_dict": {SUCCESS: output.rows, **output.reasons()},
    }


def _report(output: ShardOutput) -> None:
    """Add a finished shard to Beam's counters."""
    numbers = Counter({"images": output.rows_in, SUCCESS: output.rows}) + output.counts
    for name, number in (numbers + output.reasons()).items():
        Metrics.counter(COMMAND, name).inc(number)
