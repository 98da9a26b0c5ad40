"""Samples a second from labelled shards to a batch, against webdataset as it is mostly used.

The peer decodes with Pillow, crops and normalises to floats with torchvision, and reads dense
labels; both crop and flip, draw a caption and make the same three kinds of tokens. They take turns
in one process on the same images; figures are by its processor time, so they are for one core. Two
lines do other work: crops and RandAugment, and whole images, as `tiny` reads them. Then: how long a
full training step of the `tiny` preset waits for one worker.

    python -m benchmarks.reader [--data ../shared/data] [--size 224] [--rounds 5]
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
import webdataset
from torch import Tensor
from torchvision import transforms

from benchmarks import model_step
from benchmarks.tables import print_table
from model.config import ModelConfig, preset
from model.network import Network
from model.preprocess import normalise
from model.tokenizer import Tokenizer, train_tokenizer
from pipeline.tar import SampleTar
from train import decode, samples
from train.reader import IndexedReader, ReaderConfig
from train.samples import Batch, SampleMaker
from train.shards import ShardSet, read_shard
from train.web_reader import WebReader, WebShards
from vocab.graph import Tag
from vocab.vocabulary import Entry, Vocabulary

Readers = dict[str, Callable[[], Iterator[Any]]]
DATA = Path(__file__).parents[2] / "shared" / "data"
FOLDERS = {"Flickr8k": "flickr8k/images", "CC3M": "cc3m/images", "COCO": "coco/images"}
CLASSES, LABELS, SHARDS, BATCH = 3429, 6, 2, 32
PEER = "webdataset + Pillow + float + dense labels"
FEW = 80  # classes of the drawn scenes: their step is the shortest
CAPTIONS = (
    "a man in a red shirt rides a brown horse along the beach",
    "two dogs run through the grass while a child watches them",
    "a plate of food with vegetables on a wooden table",
)


def main() -> None:
    """Print a table for each kind of image, and one for the step."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--rounds", type=int, default=5)
    flags = parser.parse_args()
    torch.set_num_threads(1)
    tokenizer = train_tokenizer(CAPTIONS, words=model_step.WORDS)
    for name, folder in FOLDERS.items():
        images = usable(flags.data / folder)
        with tempfile.TemporaryDirectory() as made:
            compare(name, images, Path(made), tokenizer, flags.size, flags.rounds)
    with tempfile.TemporaryDirectory() as made:
        wait(usable(flags.data / FOLDERS["CC3M"]), Path(made), tokenizer)


def usable(folder: Path) -> list[bytes]:
    """Return the images that both can read, a whole number of batches."""
    found = []
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        try:
            decode.training_pixels(data, 32, random.Random(0))
        except ValueError:
            continue
        found.append(data)
    return found[: len(found) // BATCH // SHARDS * BATCH * SHARDS]


def vocabulary(classes: int = CLASSES) -> Vocabulary:
    """Return as many classes as the paper has, or another number."""
    return Vocabulary(tuple(Entry(Tag("object", f"thing {n}")) for n in range(classes)))


def write(images: list[bytes], folder: Path, classes: int = CLASSES) -> dict[str, int]:
    """Write the same samples as our shards and as the peer's; return the sizes of ours."""
    draw, sizes = random.Random(0), {}
    share = len(images) // SHARDS
    for number in range(SHARDS):
        stem = folder / f"s-{number:06d}"
        with (
            SampleTar(stem.with_suffix(".tar"), stem.with_suffix(".index")) as ours,
            webdataset.TarWriter(str(folder / f"peer-{number}.tar")) as peer,
        ):
            for row, image in enumerate(images[number * share : (number + 1) * share]):
                key = f"s-{number * share + row:09d}"
                ids = [sorted(draw.sample(range(classes), LABELS)) for _ in CAPTIONS]
                text = json.dumps({"captions": CAPTIONS, "tags": ids}).encode()
                dense = np.zeros(classes, np.float32)
                dense[[index for row in ids for index in row]] = 1
                ours.add(key, [("jpg", image), ("json", text)])
                peer.write({"__key__": key, "jpg": image, "json": text, "labels.npy": dense})
        sizes[str(stem.with_suffix(".tar"))] = share
    return sizes


def peer_batches(folder: Path, tokenizer: Tokenizer, names: list[str], size: int) -> Iterator[Any]:
    """Yield batches as most training code makes them."""
    bicubic = transforms.InterpolationMode.BICUBIC
    prepare = transforms.Compose(
        [
            transforms.RandomResizedCrop(size, (0.2, 1.0), interpolation=bicubic),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ]
    )

    def text(value: dict[str, Any]) -> tuple[str, list[str]]:
        chosen = random.randrange(len(value["captions"]))
        return value["captions"][chosen], [names[index] for index in value["tags"][chosen]]

    urls = sorted(str(path) for path in folder.glob("peer-*.tar"))
    loaded = (
        webdataset.WebDataset(urls, shardshuffle=False)
        .shuffle(1000)
        .decode("pilrgb")
        .to_tuple("jpg", "json", "labels.npy")
        .map_tuple(prepare, text, torch.from_numpy)
        .batched(BATCH, collation_fn=list)
    )
    for batch in loaded:
        pixels, texts, labels = zip(*batch, strict=True)
        captions = [caption for caption, _ in texts]
        yield (
            torch.stack(pixels),
            tokenizer.encode_captions(captions),
            tokenizer.encode_texts(captions),
            tokenizer.encode_tags([tags for _, tags in texts]),
            torch.stack(labels),
        )


def compare(
    name: str, images: list[bytes], folder: Path, tokenizer: Tokenizer, size: int, rounds: int
) -> None:
    """Let all take turns on one kind of image and print medians."""
    count = len(images) // BATCH * BATCH
    seconds = measured(contest(write(images, folder), folder, tokenizer, size), count, rounds)
    peer = seconds[PEER]
    rows = [
        (
            reader,
            f"{count / statistics.median(took):,.0f}",
            f"{statistics.median(p / t for p, t in zip(peer, took, strict=True)):.2f}",
        )
        for reader, took in seconds.items()
    ]
    title = f"{name}: {len(images)} images of {sum(map(len, images)) / len(images) / 1024:.0f} KiB"
    print_table(f"{title}, to {size} pixels", ("reader", "samples/s a core", "ratio"), rows)


def contest(sizes: dict[str, int], folder: Path, tokenizer: Tokenizer, size: int) -> Readers:
    """Return what takes turns, by name; each makes an epoch's batches anew."""
    words, count = vocabulary(), sum(sizes.values()) // BATCH
    cropped, whole = (
        SampleMaker(
            config=preset("tiny", image_size=size, words=len(tokenizer)),
            vocabulary=words,
            tokenizer=tokenizer,
            augmented=augmented,
        )
        for augmented in (True, False)
    )
    config = ReaderConfig(batch_size=BATCH, workers=0)
    shards, web = ShardSet(tuple(map(read_shard, sizes))), WebShards(sizes)
    names = [tag.tag for tag in words.tags]

    def indexed(maker: SampleMaker) -> Iterator[Any]:
        return IndexedReader(shards, maker, config).batches(0, count)

    return {
        PEER: lambda: peer_batches(folder, tokenizer, names, size),
        "ours, webdataset": lambda: crops_alone(WebReader(web, cropped, config).batches(0, count)),
        "ours, indexed": lambda: crops_alone(indexed(cropped)),
        "ours, indexed, Pillow decodes": lambda: without_simplejpeg(crops_alone(indexed(cropped))),
        "ours, indexed, with RandAugment": lambda: indexed(cropped),
        "ours, indexed, whole images": lambda: indexed(whole),
    }


def measured(readers: Readers, count: int, rounds: int) -> dict[str, list[float]]:
    """Return each reader's processor seconds an epoch, round by round."""
    seconds: dict[str, list[float]] = {reader: [] for reader in readers}
    for _ in range(rounds + 1):
        for reader, batches in readers.items():
            begin = time.process_time()
            found = sum(len(b[0]) if isinstance(b, tuple) else len(b) for b in batches())
            seconds[reader].append(time.process_time() - begin)
            if found != count:
                raise SystemExit(f"{reader}: {found} samples instead of {count}")
    return {reader: took[1:] for reader, took in seconds.items()}  # the first warms caches


def crops_alone(batches: Iterator[Any]) -> Iterator[Any]:
    """Yield batches without RandAugment, which the peer does not do."""
    with mock.patch.object(samples, "augment", lambda pixels, _: pixels):
        yield from batches


def without_simplejpeg(batches: Iterator[Any]) -> Iterator[Any]:
    """Yield batches that Pillow decoded."""
    with mock.patch.object(decode, "simplejpeg", None):
        yield from batches


def wait(images: list[bytes], folder: Path, tokenizer: Tokenizer, steps: int = 30) -> None:
    """Print which part of a training step's time goes to waiting for one worker."""
    shards = ShardSet(tuple(map(read_shard, write(images, folder, FEW))))
    torch.manual_seed(0)
    config = preset("tiny", words=model_step.WORDS)
    network = Network(config, classes=FEW)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
    maker = SampleMaker(config=config, vocabulary=vocabulary(FEW), tokenizer=tokenizer)
    reader = IndexedReader(shards, maker, ReaderConfig(batch_size=BATCH, workers=1))
    batches, waited, begin = reader.batches(), 0.0, 0.0
    for step in range(steps + 1):
        asked = time.perf_counter()
        batch = next(batches)
        if step:  # the first one waits for the worker to start
            waited += time.perf_counter() - asked
        else:
            begin = time.perf_counter()
        losses = model_step.lean(network, as_step(batch, config))
        torch.stack(list(losses.values())).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        if not step:
            begin = time.perf_counter()
    total = time.perf_counter() - begin
    rows = [(f"{total / steps:.2f}", f"{waited / steps * 1000:.2f}", f"{100 * waited / total:.2f}")]
    header = ("seconds a step", "of it waiting, ms", "%")
    print_table(f"A full step of `tiny`, batch {BATCH}, {FEW} classes, one worker", header, rows)


def as_step(batch: Batch, config: ModelConfig) -> model_step.Batch:
    """Return a batch as the step takes it."""
    return model_step.Batch(
        images=normalise(batch.images, config),
        targets=batch.labels(FEW),
        tags=as_numbers(batch.tags),
        captions=as_numbers(batch.captions),
        texts=as_numbers(batch.texts),
        keys=batch.image_keys,
    )


def as_numbers(tokens: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """Return ids and an integer mask, as the step's own batches have them."""
    return tokens[0], tokens[1].long()


if __name__ == "__main__":
    main()
