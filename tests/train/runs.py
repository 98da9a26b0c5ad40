"""Small training runs: shards of the tiny vocabulary, a network of 32 pixels, no chance in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from model.config import preset
from tests.model.tiny import SWIN, WORDS
from tests.train.labelled import write_shards
from train.config import TrainConfig, train_config
from train.loop import train

TIMES = ("images_per_second", "data_share")


def sizes(folder: Path, **changes: Any) -> str:
    """Write a config.json of a very small model without dropout; return its path."""
    options = {"embed_dim": 16, "depths": [1, 1], "num_heads": [2, 4], "drop_path_rate": 0.0}
    small: dict[str, Any] = {
        "image_size": 32,
        "words": WORDS,
        "width": 32,
        "feed_forward": 64,
        "dropout": 0.0,
    }
    config = preset(
        "tiny", **{**SWIN, **small, "image_options": options, "projection": 16, **changes}
    )
    path = folder / ("changed.json" if changes else "sizes.json")
    path.write_text(config.to_json())
    return str(path)


def run_config(folder: Path, name: str = "run", **changes: Any) -> TrainConfig:
    """Return a configuration of six steps on shards below the folder, made when missing."""
    shards = folder / "shards"
    if not shards.exists():
        write_shards(shards)
    given = {
        "output": str(folder / name),
        "train_data": (str(shards),),
        "model_config": sizes(folder),
        "batch_size": 4,
        "steps": 6,
        "workers": 0,
        "warmup": 2,
        "save_every": 2,
        "log_every": 1,
    }
    return train_config("tiny", **{**given, **changes})


def run(folder: Path, name: str = "run", **changes: Any) -> Path:
    """Train, and return the run's directory."""
    train(run_config(folder, name, **changes))
    return folder / name


def weights(directory: Path) -> bytes:
    """Return the finished model's weights."""
    return (directory / "model" / "model.safetensors").read_bytes()


def figures(directory: Path, of: str = "training") -> list[dict[str, Any]]:
    """Return the log's figures without what depends on the time."""
    records = [json.loads(line) for line in (directory / "log.jsonl").read_text().splitlines()]
    found = [record for record in records if record.get("of") == of]
    return [{n: v for n, v in record.items() if n not in TIMES} for record in found]


def events(directory: Path) -> list[dict[str, Any]]:
    """Return the log's events."""
    records = [json.loads(line) for line in (directory / "log.jsonl").read_text().splitlines()]
    return [record for record in records if "event" in record]
