"""Directories of labelled shards, small and quick to make, for the tiny model's vocabulary."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from model.config import preset
from pipeline.tar import SampleTar
from tests.model.tiny import WORDS, tiny_tokenizer, tiny_vocabulary
from tests.pictures import picture
from train.samples import SampleMaker

CAPTIONS = ("a cat sits", "the red dog runs", "an orange at the beach")
TAGS = ([0, 7], [1, 6, 9], [2, 5])


def text(captions: Sequence[str] = CAPTIONS, tags: Sequence[Sequence[int]] = TAGS) -> bytes:
    """Return the JSON of a sample."""
    value = {"captions": captions, "tags": tags, "source": "s", "url": "u"}
    return json.dumps(value).encode()


def write_shards(
    folder: Path, *, shards: int = 3, samples: int = 5, broken: Sequence[int] = ()
) -> Path:
    """Write a finished directory; samples numbered in ``broken`` have no readable image."""
    folder.mkdir(parents=True)
    sizes = {}
    for number in range(shards):
        stem = f"s-{number:06d}"
        with SampleTar(folder / f"{stem}.tar", folder / f"{stem}.index") as tar:
            for place in range(number * samples, (number + 1) * samples):
                image = b"\xff\xd8 no" if place in broken else picture(size=(40 + place, 30))
                tar.add(f"s-{place:09d}", [("jpg", image), ("json", text()), ("labels.npy", b"x")])
        sizes[f"{stem}.tar"] = samples
    (folder / "sizes.json").write_text(json.dumps(sizes))
    tiny_vocabulary().save(folder / "vocabulary")
    (folder / "COMPLETED").touch()
    return folder


def maker(**changes: Any) -> SampleMaker:
    """Return what makes batches of the tiny model, with images of 32 pixels."""
    given: dict[str, Any] = {
        "config": preset("tiny", words=WORDS, image_size=32),
        "vocabulary": tiny_vocabulary(),
        "tokenizer": tiny_tokenizer(),
    }
    return SampleMaker(**(given | changes))
