"""Speed and memory of the manifest job over files that grow: memory must not grow with them.

    python -m benchmarks.manifest --rows 12000000 --formats cc12m
    python -m benchmarks.manifest --rows 1000000

Each line of the table is one run in a process of its own, over a file of made-up captions.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

_IMAGE_CAPTIONS = {"coco": 5, "vg": 50}
_PARTS = (100, 10, 1)


def _caption(row: int) -> str:
    colour = ("red", "blue", "green", "grey", "weißer")[row % 5]
    return f"A {colour} dog number {row} runs along the sandy beach beside {row % 97} old boats"


def _url(row: int) -> str:
    return f"https://images.example.org/{row % 1000:03d}/photograph-{row:09d}.jpg?size=large"


def _cc12m(rows: int) -> Iterator[str]:
    for row in range(rows):
        yield f"{_url(row)}\t{_caption(row)}\n"


def _sbu(rows: int) -> Iterator[str]:
    yield '{"image_urls": [' + json.dumps(_url(0))
    yield from (", " + json.dumps(_url(row)) for row in range(1, rows))
    yield '], "captions": [' + json.dumps(_caption(0))
    yield from (", " + json.dumps(_caption(row)) for row in range(1, rows))
    yield "]}"


def _coco(rows: int) -> Iterator[str]:
    images = rows // _IMAGE_CAPTIONS["coco"]
    yield '{"images": [{"id": 0, "file_name": "000000000000.jpg"}'
    for image in range(1, images):
        yield f', {{"id": {image}, "file_name": "{image:012d}.jpg"}}'
    yield '], "annotations": ['
    for row in range(images * _IMAGE_CAPTIONS["coco"]):  # images in no order, as in COCO
        value = {"id": row, "image_id": row * 7919 % images, "caption": _caption(row)}
        yield ", " * (row > 0) + json.dumps(value)
    yield "]}"


def _vg(rows: int) -> Iterator[str]:
    yield "["
    for image in range(rows // _IMAGE_CAPTIONS["vg"]):
        regions = [
            {"region_id": row, "image_id": image, "phrase": _caption(row), "x": 1, "y": 2}
            for row in range(_IMAGE_CAPTIONS["vg"])
        ]
        yield ", " * (image > 0) + json.dumps({"id": image, "regions": regions})
    yield "]"


_MAKERS: dict[str, Callable[[int], Iterator[str]]] = {
    "cc12m": _cc12m,
    "sbu": _sbu,
    "coco": _coco,
    "vg": _vg,
}


def _run(path: str, output: str, form: str) -> None:
    """Write the manifest of one file and print its figures as JSON."""
    from pipeline.manifest import ManifestConfig, write_manifest

    begin = time.perf_counter()
    summary = write_manifest(ManifestConfig(inputs=(path,), output=output, format=form))
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"captions": summary.rows_in, "seconds": seconds, "peak_mib": peak}))


def _measure(form: str, rows: int, folder: Path) -> None:
    path = folder / f"{form}-{rows}"
    with path.open("w", encoding="utf-8") as file:
        file.writelines(_MAKERS[form](rows))
    run = [sys.executable, "-m", "benchmarks.manifest", "--run", str(path), f"{path}-out", form]
    figures = json.loads(subprocess.run(run, check=True, stdout=subprocess.PIPE).stdout)
    size = path.stat().st_size / 2**20
    path.unlink()
    print(
        f"| {form} | {figures['captions']:,} | {size:,.0f} | {figures['seconds']:.1f} "
        f"| {figures['captions'] / figures['seconds']:,.0f} | {figures['peak_mib']:.0f} |",
        flush=True,
    )


def main() -> None:
    """Measure each format at a hundredth, a tenth and all of ``--rows`` captions."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--formats", nargs="+", choices=_MAKERS, default=list(_MAKERS))
    parser.add_argument("--run", nargs=3, metavar=("FILE", "OUTPUT", "FORMAT"))
    arguments = parser.parse_args()
    if arguments.run:
        return _run(*arguments.run)
    print("| format | captions | MiB | seconds | captions/s | peak MiB |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder:
        for form in arguments.formats:
            for part in _PARTS:
                _measure(form, arguments.rows // part, Path(folder))
    return None


if __name__ == "__main__":
    main()
