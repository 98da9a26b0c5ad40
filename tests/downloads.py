"""Downloads of a few rows, and what came of them."""

from __future__ import annotations

import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipeline.addresses import AddressGuard
from pipeline.download import DownloadConfig
from pipeline.fetch import FetchSettings
from pipeline.politeness import Politeness
from tests.factories import write_manifest

LOCAL = FetchSettings(timeout=0.5, max_bytes=1 << 20, guard=AddressGuard(allow=("127.0.0.1/32",)))
POLITE = Politeness(pause=0.05, failures=100)


def configured(folder: Path, **changes: Any) -> DownloadConfig:
    settings: dict[str, Any] = {
        "manifest": str(folder / "manifest"),
        "output": str(folder / "images"),
        "threads": 32,
        "fetch": LOCAL,
        "politeness": POLITE,
        "max_bad_ratio": 1.0,
        **changes,
    }
    return DownloadConfig(**settings)


def manifest(folder: Path, urls: Sequence[str], *, shard_rows: int = 100) -> None:
    rows = [(url, [f"{n} cats chase a dog", "it barks"]) for n, url in enumerate(urls)]
    write_manifest(folder / "manifest", rows, source="web", shard_rows=shard_rows)


def table(folder: Path, stem: str = "00000") -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(folder / f"images/{stem}.parquet").to_pylist()
    return rows


def members(folder: Path, stem: str = "00000") -> dict[str, bytes]:
    with tarfile.open(folder / f"images/{stem}.tar") as tar:
        return {m.name: tar.extractfile(m).read() for m in tar}  # type: ignore[union-attr]
