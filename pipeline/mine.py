"""`mine`: manifest shards become mined shards, a scene graph and its tags for every caption."""

from __future__ import annotations

import functools
import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

from pipeline import storage
from pipeline.job import Job, Summary, finish, open_output, read_completed, read_info
from pipeline.records import MINED_SCHEMA, PARQUET, ManifestRow, RowWriter, read_manifest
from pipeline.runner import EachShard, RunnerConfig, run_each_shard
from pipeline.shard import ShardOutput, input_digest, is_done, list_stems
from vocab.clean import clean_caption, looks_english
from vocab.errors import InputError
from vocab.graph import SceneGraph
from vocab.parser import CaptionParser, load_parser, parser_version

ParserName = Literal["rules", "sng"]
PARSERS: Final = get_args(ParserName)
_PARSING = threading.Lock()


@dataclass(frozen=True, slots=True, kw_only=True)
class MineConfig:
    """Settings of `mine`; ``parser`` is ``rules`` or ``sng``, ratios are shares of captions."""

    manifest: str
    output: str
    parser: ParserName = "rules"
    max_bad_ratio: float = 0.05
    take_over: bool = False
    runner: RunnerConfig = field(default_factory=RunnerConfig)

    def __post_init__(self) -> None:
        if self.parser not in PARSERS:
            raise InputError(f"--parser {self.parser}: choose one of {', '.join(PARSERS)}")


def mine(config: MineConfig) -> Summary:
    """Parse every caption of a manifest directory; only missing shards are made.

    Raises:
        InputError: the manifest is not finished, or too many captions were bad.
    """
    _one_thread_a_process()
    manifest = read_completed(config.manifest, "manifest")
    source = read_info(config.manifest)["config"]["source"]
    job = Job(
        command="mine",
        output=config.output,
        config={
            "source": source,
            "parser": config.parser,
            "parser_version": parser_version(config.parser),
        },
        inputs={"manifest": manifest.digest},
        max_bad_ratio=config.max_bad_ratio,
        take_over=config.take_over,
    )
    make = MineShard(manifest=config.manifest, output=config.output, parser=config.parser)
    with open_output(job):
        stems = list_stems(config.manifest)
        missing = [s for s in stems if not is_done(config.output, s, make.inputs(s))]
        run_each_shard(make, missing, runner=config.runner)
        return finish(job, stems)


class MineShard(EachShard):
    """Makes one mined shard from the manifest shard of the same number."""

    def __init__(self, *, manifest: str, output: str, parser: ParserName) -> None:
        self.manifest, self.output, self.parser = manifest, output, parser

    def setup(self) -> None:
        """Load the model, once a process, before the first shard."""
        _one_thread_a_process()
        _load(self.parser)

    def inputs(self, stem: str) -> dict[str, str]:
        """Return the digest of the manifest shard that ``stem`` is made from."""
        return {"manifest": input_digest(self.manifest, stem, PARQUET, command="manifest")}

    def make(self, stem: str) -> None:
        """Parse the captions of one shard."""
        rows = read_manifest(storage.join(self.manifest, stem + PARQUET))
        output = ShardOutput(self.output, stem, "mine", self.inputs(stem))
        # spaCy's string store is shared by the threads of a process: one parses at a time.
        with _PARSING, output, RowWriter(output.file(PARQUET), MINED_SCHEMA) as writer:
            for mined in mine_rows(rows, _load(self.parser), output):
                writer.write(mined)


def mine_rows(
    rows: Iterable[ManifestRow], parser: CaptionParser, output: ShardOutput
) -> Iterator[dict[str, Any]]:
    """Yield a mined row for every usable caption; count and record the others in ``output``."""
    pending: deque[tuple[ManifestRow, int]] = deque()
    image: ManifestRow | None = None
    for graph in parser.parse(_usable_captions(rows, pending, output)):
        row, index = pending.popleft()
        output.rows += 1
        output.counts["images"] += row is not image
        image = row
        output.counts["untagged"] += not graph.tags
        output.counts.update(f"{tag.kind}_tags" for tag in graph.tags)
        yield mined_row(row, index, graph)


def _usable_captions(
    rows: Iterable[ManifestRow],
    pending: deque[tuple[ManifestRow, int]],
    output: ShardOutput,
) -> Iterator[str]:
    for row in rows:
        for index, caption in enumerate(row.captions):
            output.rows_in += 1
            reason = refuse(caption)
            if reason:
                output.bad(row.key, reason, caption)
            else:
                pending.append((row, index))
                yield caption


def refuse(caption: str) -> str | None:
    """Return why a caption cannot be mined, ``None`` when it can."""
    text = clean_caption(caption)  # markup is no language
    if not any(map(str.isalpha, text)):
        return "no_words"
    return None if looks_english(text) else "not_english"


def mined_row(row: ManifestRow, index: int, graph: SceneGraph) -> dict[str, Any]:
    """Return one row of a mined shard (``records.MINED_SCHEMA``)."""
    parts = graph.to_json()
    return {
        "key": row.key,
        "source": row.source,
        "image": row.image,
        "caption_index": index,
        "caption": row.captions[index],
        "graph": {"entities": parts["entities"], "relations": parts["relations"]},
        "tags": [{"kind": tag.kind, "tag": tag.tag} for tag in graph.tags],
    }


@functools.lru_cache(maxsize=2)
def _load(name: ParserName) -> CaptionParser:
    return load_parser(name)


def _one_thread_a_process() -> None:
    """Processes are the parallelism here; threads of the linear algebra only get in their way."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
