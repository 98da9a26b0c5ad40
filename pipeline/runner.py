"""Run a function over shards with Apache Beam, on this machine or on a cluster."""

from __future__ import annotations

import contextlib
import io
import logging
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import apache_beam as beam
from apache_beam.options.pipeline_options import (
    DirectOptions,
    GoogleCloudOptions,
    PipelineOptions,
    StandardOptions,
    TestOptions,
)
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipeline import storage
from pipeline.job import FAILED, begin_work
from pipeline.local_workers import LocalWorkers
from pipeline.progress import watch
from pipeline.shard import STATS
from pipeline.worker import end_nursery
from vocab.errors import InputError, StoppedError

_REFUSED: Final = {
    "daskrunner": "it writes empty files without an error",
    "prismrunner": "it downloads a binary at run time",
    "directrunner": "it tries to download a binary first",
}
_MESSAGE = re.compile(r"\.(?:InputError|DiskFullError): (.+)$", re.MULTILINE)
_STEP = re.compile(r" \[while running .*")  # what Beam adds to a message


@dataclass(frozen=True, slots=True)
class RunnerConfig:
    """Where a job runs: ``workers`` local processes, or whatever Beam's own ``flags`` say."""

    workers: int = 1
    flags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise InputError(f"--workers {self.workers}: at least one worker is needed")
        self.options()  # a wrong flag fails before any work is done

    def options(self) -> PipelineOptions:
        """Return Beam's options; without a ``--runner`` among them Beam runs on this machine.

        Raises:
            InputError: a flag is unknown to Beam, or the runner is one that cannot be trusted.
        """
        options = _known_options(self.flags)
        runner = options.view_as(StandardOptions).runner
        why = _REFUSED.get((runner or "").rsplit(".", 1)[-1].lower())
        if why:
            raise InputError(
                f"--runner={runner}: refused, {why}; leave --runner out to run on this machine"
            )
        return options


def new_pipeline(config: RunnerConfig) -> beam.Pipeline:
    """Return an empty pipeline for the runner of ``config``; see :meth:`RunnerConfig.options`."""
    options = config.options()
    if options.view_as(StandardOptions).runner is not None:
        try:
            return beam.Pipeline(options=options)
        except ValueError as error:  # an unknown runner, or flags that this one needs
            raise InputError(f"Beam's flags after `--`: {' '.join(str(error).split())}") from error
    options.view_as(DirectOptions).direct_num_workers = config.workers
    environment = LocalWorkers() if config.workers > 1 else None
    return beam.Pipeline(runner=FnApiRunner(environment), options=options)


def _known_options(flags: Sequence[str]) -> PipelineOptions:
    """Refuse what Beam would drop with a warning that nobody reads."""
    _refuse_words(flags)
    logging.getLogger("apache_beam.options").setLevel(logging.ERROR)  # we say it better below
    options = PipelineOptions(list(flags))
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            known = options.get_all_options()
            given = options.get_all_options(retain_unknown_options=True)
    except SystemExit:
        why = complaint.getvalue().strip().splitlines()[-1:]
        raise InputError(f"Beam's flags after `--`: {''.join(why)}") from None
    unknown = sorted(given.keys() - known.keys())
    if unknown:
        name = _as_typed(unknown[0], flags)
        raise InputError(f"{name}: Beam has no such flag (those after `--` go to Beam)")
    return options


def _as_typed(name: str, flags: Sequence[str]) -> str:
    """Return the flag that Beam calls by a name of its own."""
    typed = (flag.partition("=")[0] for flag in flags)
    plain = name.replace("-", "_")
    return next((t for t in typed if t.lstrip("-").replace("-", "_") == plain), f"--{name}")


def _refuse_words(flags: Sequence[str]) -> None:
    """Refuse a word that is no flag and no flag's value: a mistyped command, not an option."""
    before = ""
    for flag in flags:
        if not flag.startswith("-") and (not before.startswith("--") or "=" in before):
            raise InputError(f"{flag}: a stray word; give every value its flag")
        before = flag


class EachShard(beam.DoFn):
    """Base of the jobs' functions: makes one shard of ``output`` from its stem.

    A shard that cannot be made costs that shard: its reason goes to ``failed/<stem>.txt``, the
    others go on, and the job says so at its end. A full disk stops the job at once.
    """

    output: str

    def process(self, stem: str) -> None:
        """Make one shard."""
        try:
            with storage.disk_errors(storage.join(self.output, stem)):
                self.make(stem)
        except storage.DiskFullError:
            raise
        except InputError as error:
            note = storage.join(self.output, FAILED, f"{stem}.txt")
            storage.write_bytes(note, str(error).encode())

    def make(self, stem: str) -> None:
        """Make the shard ``stem``; jobs implement this."""
        raise TypeError("EachShard has no shard of its own to make")


def run_each_shard(
    make: EachShard,
    stems: Sequence[str],
    *,
    runner: RunnerConfig,
    progress: contextlib.AbstractContextManager[None] | None = None,
) -> None:
    """Run ``make`` for every stem and wait; the shards appear in ``make.output``.

    Finished shards are counted on standard error unless a ``progress`` of its own shows more.

    Raises:
        InputError: something that stops the whole job, such as a full disk.
    """
    pipeline = new_pipeline(runner)
    if not stems:
        return
    begin_work(make.output)
    _ = (
        pipeline
        | "Shards" >> beam.Create(list(stems))
        | "Spread" >> beam.Reshuffle()
        | "Make" >> beam.ParDo(make)
    )
    with progress or watch(make.output, [stem + STATS for stem in stems]):
        run_pipeline(pipeline)


def run_pipeline(pipeline: beam.Pipeline) -> None:
    """Run a pipeline to its end; the user's errors come out as they went in.

    Raises:
        InputError: one was raised in a worker, on whatever machine.
    """
    # Beam logs each failure with its traceback before it raises it: once is enough.
    logging.getLogger("apache_beam").setLevel(logging.CRITICAL)
    try:
        result = pipeline.run()
        _say_where(pipeline, result)
        result.wait_until_finish()
    except InputError as error:
        raise InputError(_STEP.sub("", str(error))) from error
    except (Exception, KeyboardInterrupt) as error:
        if "KeyboardInterrupt" in repr(error):  # Beam wraps it where it runs in this process
            raise StoppedError(
                "stopped; run the same command again to go on where it was"
            ) from None
        found = _MESSAGE.findall(str(error))
        if found:
            raise InputError(_STEP.sub("", found[-1])) from error
        raise
    finally:
        end_nursery()


def _say_where(pipeline: beam.Pipeline, result: Any) -> None:
    """Name the job that Dataflow runs: it has a page, and goes on when this process ends."""
    options = pipeline.options
    if type(pipeline.runner).__name__ != "DataflowRunner":
        return
    if options.view_as(TestOptions).dry_run:
        raise InputError("--dry_run: the Dataflow job was built, and neither sent nor run")
    cloud = options.view_as(GoogleCloudOptions)
    page = f"https://console.cloud.google.com/dataflow/jobs/{cloud.region}/{result.job_id()}"
    print(f"Dataflow job: {page}?project={cloud.project}", file=sys.stderr)  # noqa: T201
