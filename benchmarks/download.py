"""`download` against img2dataset's own command: the same server, the same URLs, the same work.

    python -m benchmarks.download            # speed, start-up, dead hosts
    python -m benchmarks.download --kills 20 # SIGKILL at random moments, then run again
    python -m benchmarks.download --memory   # one worker over 50 shards

The server is a process of its own on loopback; dead hosts are listeners that never answer. Both
write 384-pixel JPEGs of quality 95 into WebDataset shards of the same number of rows with two
processes. Needs the extra `download`.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from benchmarks.data import DEFAULT
from benchmarks.mining_job import _spread
from benchmarks.tables import print_table
from tests.e2e.jobs import assert_same_but_times
from tests.factories import write_manifest
from tests.image_server import dead_hosts

PROCESSES = 2
_PEER = """
import sys
from img2dataset import download
if __name__ == "__main__":
    download(
        url_list=sys.argv[1], output_folder=sys.argv[2], number_sample_per_shard=int(sys.argv[3]),
        processes_count=int(sys.argv[4]), input_format="parquet", caption_col="caption",
        output_format="webdataset", image_size=384, resize_mode="keep_ratio",
        resize_only_if_bigger=True, extract_exif=False,
    )
"""


def make_images(data: Path, folder: Path, kilobytes: int) -> list[str]:
    """Write COCO's images with the JPEG quality that makes their mean size ``kilobytes``."""
    originals = [Image.open(path) for path in sorted((data / "coco/images").iterdir())]
    for quality in range(80, 100):
        encoded = [_jpeg(image, quality) for image in originals]
        if sum(map(len, encoded)) > kilobytes * 1000 * len(encoded):
            break
    folder.mkdir(exist_ok=True)
    for number, content in enumerate(encoded):
        (folder / f"{number}.jpg").write_bytes(content)
    return [f"{number}.jpg" for number in range(len(encoded))]


def _jpeg(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


@contextlib.contextmanager
def servers(folder: Path, port_file: Path, hosts: int = 1) -> Iterator[list[str]]:
    """Serve a folder from a process of its own, on so many ports; give the URL of each."""
    port_file.unlink(missing_ok=True)
    command = [sys.executable, "-m", "tests.image_server", "--folder", str(folder)]
    command += ["--port-file", str(port_file), "--hosts", str(hosts)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        while not (port_file.exists() and port_file.read_text()):
            time.sleep(0.05)
        yield [f"http://127.0.0.1:{port}" for port in port_file.read_text().split()]
        process.kill()
    port_file.unlink()


def urls_of(base: str, names: Sequence[str], count: int) -> list[str]:
    """Return ``count`` URLs, all of them different, of the files ``names``."""
    return [f"{base}/files/{names[n % len(names)]}?{n}" for n in range(count)]


class Comparison:
    """The same rows for both, each as it likes to be given them."""

    def __init__(self, urls: Sequence[str], folder: Path, shard_rows: int) -> None:
        self._folder, self._shard_rows = folder, shard_rows
        rows = [(url, [f"caption {number}"]) for number, url in enumerate(urls)]
        self.manifest = self._fresh("manifest")
        write_manifest(self.manifest, rows, source="bench", shard_rows=shard_rows)
        self._table = folder / "urls.parquet"
        captions = [captions[0] for _, captions in rows]
        pq.write_table(pa.table({"url": list(urls), "caption": captions}), self._table)

    def ours(self, name: str = "ours", *, workers: int = PROCESSES) -> tuple[Path, list[str]]:
        """Return where our run writes, and its command."""
        output = self._fresh(name)
        line = [sys.executable, "-m", "tag2text.cli", "download", "--manifest", str(self.manifest)]
        line += ["--output", str(output), "--workers", str(workers), "--allow-private-addresses"]
        return output, line

    def peer(self) -> tuple[Path, list[str]]:
        """Return where img2dataset writes, and its command."""
        output, script = self._fresh("peer"), self._folder / "peer.py"
        script.write_text(_PEER)
        line = [sys.executable, str(script), str(self._table), str(output)]
        return output, [*line, str(self._shard_rows), str(PROCESSES)]

    def _fresh(self, name: str) -> Path:
        output = self._folder / name
        shutil.rmtree(output, ignore_errors=True)
        return output


def timed(job: tuple[Path, list[str]]) -> dict[str, float]:
    """Run a job; return its seconds in all, images a second after start-up, and images."""
    output, line = job
    begin = time.monotonic()
    done = subprocess.run(line, check=False, capture_output=True, text=True)
    seconds = time.monotonic() - begin
    if done.returncode:
        raise SystemExit(f"{line[:4]} failed: {done.stderr.strip().splitlines()[-3:]}")
    stats = [json.loads(p.read_text()) for p in output.glob("*_stats.json")]
    stats.sort(key=lambda s: s["start_time"])
    settled = stats[PROCESSES:]  # each process's first shard pays for its imports
    busy = sum(s["duration"] for s in settled)
    rate = PROCESSES * sum(s["count"] for s in settled) / busy if busy else 0.0
    return {"seconds": seconds, "rate": rate, "images": sum(s["successes"] for s in stats)}


def compare(comparison: Comparison, runs: int) -> list[tuple[dict[str, float], dict[str, float]]]:
    """Run both in turn; what disturbs one run disturbs its neighbour too."""
    return [(timed(comparison.ours()), timed(comparison.peer())) for _ in range(runs)]


def speed(data: Path, folder: Path, images: int, runs: int) -> None:
    """Print images a second and whole runs, with all hosts alive and with a tenth dead."""
    names = make_images(data, folder / "served", 100)
    with servers(folder / "served", folder / "port") as (base,), dead_hosts(20) as dead:
        urls = urls_of(base, names, images)
        alive = compare(Comparison(urls, folder, images // 8), runs)
        mixed = [f"{dead[n // 10 % 20]}/{n}" if n % 10 == 0 else url for n, url in enumerate(urls)]
        tenth = {n: compare(Comparison(mixed, folder, images // n), runs) for n in (2, 8)}
    rows = [
        _row("images/s after start-up, 8 shards", alive, "rate", ">= 1.0", inverse=True),
        _row("whole run, 8 shards, s", alive, "seconds", ">= 1.3"),
    ]
    for shards, found in tenth.items():
        what = f"10% dead hosts, {shards} shards"
        rows.append(_row(f"whole run, {what}, s", found, "seconds", ">= 2.0"))
        rows.append(_row(f"images fetched, {what}", found, "images", "1.0", inverse=True))
    print_table(
        f"download against img2dataset, {images:,} images of about 100 KB, {PROCESSES} processes, "
        f"{runs} runs",
        ("what", "ours", "img2dataset", "ratio (median)", "lowest", "highest", "target"),
        rows,
    )


def _row(
    what: str,
    runs: Sequence[tuple[dict[str, float], dict[str, float]]],
    name: str,
    target: str,
    *,
    inverse: bool = False,
) -> tuple[str, ...]:
    ratios = [peer[name] / ours[name] for ours, peer in runs]
    if inverse:
        ratios = [1 / ratio for ratio in ratios]
    ours, peer = (_spread([run[side][name] for run in runs])[0] for side in (0, 1))
    return (what, ours, peer, *_spread(ratios), target)


def kills(data: Path, folder: Path, count: int, images: int) -> None:
    """Kill a run at a random moment, run it again, and compare with an undisturbed one."""
    names, chance = make_images(data, folder / "served", 100), random.Random(0)
    shards_kept = 0
    with servers(folder / "served", folder / "port") as (base,):
        urls = urls_of(base, names, images)
        comparison = Comparison(urls, folder, images // 10)
        undisturbed, line = comparison.ours("undisturbed")
        seconds = timed((undisturbed, line))["seconds"]
        for _ in range(count):
            output, line = comparison.ours("killed")
            _kill_after(line, chance.uniform(0.2, seconds))
            kept = {p: p.stat().st_mtime_ns for p in output.glob("*_stats.json")}
            timed((output, line))
            assert_same_but_times(output, undisturbed)
            if any(p.stat().st_mtime_ns != at for p, at in kept.items()):
                raise SystemExit(f"{output}: a finished shard was made twice")
            shards_kept += len(kept)
    rows = [("runs killed", count), ("the same content after a rerun", count)]
    rows += [("finished shards kept, none made twice", shards_kept)]
    print_table("SIGKILL at a random moment, then the same command again", ("what", "count"), rows)


def _kill_after(line: Sequence[str], seconds: float) -> None:
    quiet = subprocess.DEVNULL
    with subprocess.Popen(line, stdout=quiet, stderr=quiet) as process:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
        process.send_signal(signal.SIGKILL)
    time.sleep(1.5)  # until its workers have noticed that their driver is gone


def memory(data: Path, folder: Path, images: int) -> None:
    """Print the memory of a worker along 50 shards."""
    names = make_images(data, folder / "served", 100)
    with servers(folder / "served", folder / "port") as (base,):
        urls = urls_of(base, names, images)
        output, line = Comparison(urls, folder, images // 50).ours()
        sizes = _sizes(line, output)
    shards = sorted({0, 5, 10, 20, 30, 40, 49})
    rows = [(f"{at + 1}", f"{max(sizes.get(at, [0])):.0f}") for at in shards if at in sizes]
    rows.append(("highest of any process", f"{max(max(s) for s in sizes.values()):.0f} (< 1,500)"))
    print_table(f"Memory, 50 shards of {images // 50}", ("after shard", "MB"), rows)


def _sizes(line: Sequence[str], output: Path) -> dict[int, list[float]]:
    """Return the largest process's megabytes, by the number of shards finished when it was seen."""
    sizes: dict[int, list[float]] = {}
    quiet = subprocess.DEVNULL
    with subprocess.Popen(line, stdout=quiet, stderr=quiet) as process:
        root = psutil.Process(process.pid)
        while process.poll() is None:
            with contextlib.suppress(psutil.Error):
                family = [root, *root.children(recursive=True)]
                largest = max(member.memory_info().rss for member in family) / 1e6
                sizes.setdefault(len(list(output.glob("*_stats.json"))), []).append(largest)
            time.sleep(0.1)
    return sizes


def main() -> None:
    """Parse the flags and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DEFAULT)
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--kills", type=int, metavar="TIMES")
    parser.add_argument("--memory", action="store_true")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if flags.kills:
            kills(flags.data, Path(name), flags.kills, flags.images)
        elif flags.memory:
            memory(flags.data, Path(name), flags.images)
        else:
            speed(flags.data, Path(name), flags.images, flags.runs)


if __name__ == "__main__":
    main()
