"""Small finished directories of each stage, made with the code that makes the real ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.job import Job, finish, open_output
from pipeline.records import MANIFEST_SCHEMA, MINED_SCHEMA, PARQUET, RowWriter, sample_key
from pipeline.shard import ShardOutput, shard_name

Captions = Sequence[tuple[str, Sequence[tuple[str, str]]]]  # (caption, its (kind, tag) pairs)


def write_manifest(
    directory: Path, images: Sequence[tuple[str, Sequence[str]]], *, source: str, shard_rows: int
) -> Path:
    """Write a manifest directory of (image, captions) pairs."""
    job = Job("manifest", str(directory), {"source": source}, {"input": "test"})
    shards = [images[i : i + shard_rows] for i in range(0, len(images), shard_rows)]
    with open_output(job):
        for number, rows in enumerate(shards):
            with (
                ShardOutput(str(directory), shard_name(number), "manifest", {}) as output,
                RowWriter(output.file(PARQUET), MANIFEST_SCHEMA) as writer,
            ):
                for offset, (image, captions) in enumerate(rows):
                    key = sample_key(source, number * shard_rows + offset)
                    row = {"key": key, "source": source, "image": image, "captions": captions}
                    writer.write(row)
                output.rows_in = output.rows = len(rows)
        finish(job, [shard_name(n) for n in range(len(shards))])
    return directory


def write_mined(
    directory: Path, shards: Sequence[Sequence[tuple[str, Captions]]], *, source: str
) -> Path:
    """Write a mined directory; a shard is a list of (image, captions with their tags)."""
    job = Job("mine", str(directory), {"source": source, "parser": "rules"}, {"manifest": "test"})
    position = 0
    with open_output(job):
        for number, images in enumerate(shards):
            with (
                ShardOutput(str(directory), shard_name(number), "mine", {}) as output,
                RowWriter(output.file(PARQUET), MINED_SCHEMA) as writer,
            ):
                for image, captions in images:
                    key = sample_key(source, position)
                    position += 1
                    for index, (caption, tags) in enumerate(captions):
                        writer.write(_mined_row(key, source, image, index, caption, tags))
                        output.rows_in += 1
                        output.rows += 1
        finish(job, [shard_name(n) for n in range(len(shards))])
    return directory


def _mined_row(
    key: str,
    source: str,
    image: str,
    index: int,
    caption: str,
    tags: Sequence[tuple[str, str]],
) -> dict[str, object]:
    return {
        "key": key,
        "source": source,
        "image": image,
        "caption_index": index,
        "caption": caption,
        "graph": {"entities": [], "relations": []},
        "tags": [{"kind": kind, "tag": tag} for kind, tag in tags],
    }
