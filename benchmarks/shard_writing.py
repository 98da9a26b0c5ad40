"""Labelled shards from a folder of JPEGs, against the loop over `webdataset.ShardWriter`.

Both read the same files and write the same JPEG, JSON and label members, in one process, taking
turns. Ours also parses the mined shard, checks every image, takes digests and syncs to the disk;
the peer gets its captions and class ids ready-made in memory.

    python -m benchmarks.shard_writing [--data ../shared/data] [--images 4000] [--rounds 7]
"""

from __future__ import annotations

import argparse
import csv
import shutil
import statistics
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import webdataset

from pipeline.labelled import Captioned, load_vocabulary, read_captioned
from pipeline.shards import LabelShard, ShardsConfig, labelled_stem
from tests.factories import write_mined
from vocab.graph import Tag
from vocab.parser import load_parser
from vocab.vocabulary import BLOCKS, Entry, Vocabulary

SOURCE = "flickr"
STEM = labelled_stem(SOURCE, "00000")
DATA = Path(__file__).parents[2] / "shared" / "data"


def main() -> None:
    """Print a table of samples per second and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        config = prepare(Path(folder), arguments.data / "flickr8k", arguments.images)
        report(config, Path(folder), arguments.rounds)


def prepare(folder: Path, flickr: Path, count: int) -> ShardsConfig:
    """Make a folder of ``count`` images, their mined shard and a vocabulary."""
    rows = captions_by_file(flickr / "captions.tsv")
    files = sorted(rows)[:count]
    (folder / "images").mkdir()
    images = []
    for number in range(count):
        name = files[number % len(files)]
        copy = f"{number:06d}.jpg"
        shutil.copyfile(flickr / "images" / name, folder / "images" / copy)
        images.append((copy, rows[name]))
    write_mined(folder / "mined", [images], source=SOURCE)
    vocabulary_of(images).save(folder / "vocabulary")
    return ShardsConfig(
        mined=str(folder / "mined"),
        vocabulary=str(folder / "vocabulary"),
        output=str(folder / "ours"),
        image_root=str(folder / "images"),
    )


def captions_by_file(table: Path) -> dict[str, list[tuple[str, list[Tag]]]]:
    """Return the captions of each image with their tags."""
    with table.open(newline="") as stream:
        pairs = [(row["file"], row["caption"]) for row in csv.DictReader(stream, delimiter="\t")]
    graphs = load_parser().parse(caption for _, caption in pairs)
    rows: dict[str, list[tuple[str, list[Tag]]]] = {}
    for (name, caption), graph in zip(pairs, graphs, strict=True):
        rows.setdefault(name, []).append((caption, list(graph.tags)))
    return rows


def vocabulary_of(images: list[tuple[str, list[tuple[str, list[Tag]]]]]) -> Vocabulary:
    """Return the most frequent tags as a vocabulary of the paper's size, 3,429 at most."""
    counts = Counter(tag for _, captions in images for _, tags in captions for tag in tags)
    tags = [tag for tag, _ in counts.most_common(3429)]
    return Vocabulary(tuple(Entry(tag) for tag in sorted(tags, key=lambda t: BLOCKS[t.kind])))


def report(config: ShardsConfig, folder: Path, rounds: int) -> None:
    """Let both take turns, and print medians."""
    vocabulary = load_vocabulary(config.vocabulary)
    samples = read_captioned(f"{config.mined}/00000.parquet", vocabulary)
    ours, peer = [], []
    for _ in range(rounds + 1):  # the first warms the caches
        shutil.rmtree(folder / "peer", ignore_errors=True)
        shutil.rmtree(config.output, ignore_errors=True)
        peer.append(timed(write_by_webdataset, samples, config, folder / "peer"))
        ours.append(timed(LabelShard(config).make, STEM))
    compare_members(Path(config.output, f"{STEM}.tar"), folder / "peer" / f"{SOURCE}-000000.tar")
    ratio = statistics.median(p / o for p, o in zip(peer[1:], ours[1:], strict=True))
    print(f"{len(samples):,} images, {rounds} rounds, {len(vocabulary):,} classes")
    print("writer\tsamples/s\tratio")
    print(f"webdataset.ShardWriter\t{len(samples) / statistics.median(peer[1:]):,.0f}\t1.00")
    print(f"tag2text shards\t{len(samples) / statistics.median(ours[1:]):,.0f}\t{ratio:.2f}")


def timed(function: Any, *arguments: Any) -> float:
    """Return the seconds of one call."""
    begin = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - begin


def write_by_webdataset(samples: list[Captioned], config: ShardsConfig, folder: Path) -> None:
    """Write the shard as its users do."""
    folder.mkdir(exist_ok=True)
    classes = len(load_vocabulary(config.vocabulary))
    pattern = f"{folder}/{SOURCE}-%06d.tar"
    with webdataset.ShardWriter(pattern, maxcount=10_000, verbose=0) as sink:
        for sample in samples:
            hot = np.zeros(classes, np.uint8)
            hot[sample.labels()] = 1
            sink.write(
                {
                    "__key__": sample.key,
                    "jpg": Path(config.image_root or "", sample.image).read_bytes(),
                    "json": {
                        "captions": sample.captions,
                        "tags": sample.tags,
                        "source": sample.source,
                        "url": sample.image,
                    },
                    "labels.npy": np.packbits(hot, bitorder="little"),
                }
            )


def compare_members(ours: Path, peer: Path) -> None:
    """Fail unless a reader gets the same samples from both tars."""
    pairs = zip(read(ours), read(peer), strict=True)
    for one, other in pairs:
        same = one["jpg"] == other["jpg"] and one["json"] == other["json"]
        if not same or not np.array_equal(one["labels.npy"], other["labels.npy"]):
            raise SystemExit(f"{one['__key__']}: the two tars differ")


def read(tar: Path) -> Any:
    """Return the samples of a tar, JSON and labels decoded."""
    return webdataset.WebDataset(str(tar), shardshuffle=False).decode(only=["json", "npy"])


if __name__ == "__main__":
    main()
