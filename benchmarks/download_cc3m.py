"""`download` over real rows of CC3M, served on loopback as the web served them once.

    python -m benchmarks.download_cc3m --output DIRECTORY

Rows whose image is at hand get it; the others get the HTTP status that was recorded for them (a
recorded 200 without an image at hand is left out). The hosts are spread over 64 ports. Prints the
command's own summary; the report page lies in the directory.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import subprocess
import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.data import DEFAULT
from benchmarks.download import servers
from pipeline.politeness import host_of
from tests.factories import write_manifest

HOSTS = 64


def rows(data: Path, bases: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield (URL on loopback, captions) of the rows that can be served."""
    folder = data / "cc3m"
    with (folder / "images.tsv").open(newline="") as file:
        at_hand = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    with gzip.open(folder / "url_status.tsv.gz", "rt") as file:
        status = {r["url"]: r["http_status"] for r in csv.DictReader(file, delimiter="\t")}
    for row in at_hand:
        yield f"{_host(bases, row['url'])}/files/{row['file']}", [row["caption"]]
        status[row["url"]] = "200"
    with gzip.open(folder / "Validation_GCC-dev.tsv.gz", "rt") as file:
        for line in file:
            caption, url = line.rstrip("\n").split("\t")
            if status.get(url, "200") != "200":
                yield f"{_host(bases, url)}/status/{status[url]}", [caption]


def _host(bases: Sequence[str], url: str) -> str:
    return bases[zlib.crc32(host_of(url).encode()) % len(bases)]


def main() -> None:
    """Serve, download, show."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DEFAULT)
    parser.add_argument("--output", type=Path, required=True)
    flags = parser.parse_args()
    flags.output.mkdir(parents=True, exist_ok=True)
    with servers(flags.data / "cc3m/images", flags.output / "port", HOSTS) as bases:
        served = list(rows(flags.data, bases))
        write_manifest(flags.output / "manifest", served, source="cc3m", shard_rows=250)
        line = [sys.executable, "-m", "tag2text.cli", "download", "--workers", "2"]
        line += ["--manifest", str(flags.output / "manifest"), "--allow-private-addresses"]
        subprocess.run([*line, "--output", str(flags.output / "images")], check=True)


if __name__ == "__main__":
    main()
