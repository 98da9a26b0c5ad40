"""Every caption and every image at hand, from files and URLs to a trained model and its report.

    python -m benchmarks.end_to_end [--data DIRECTORY] [--work DIRECTORY] [--kill]

Each stage is a command as a user types it. Images come over HTTP from a server on loopback; a
fifth of them, chosen by name, is never trained on. `--kill` ends three long stages once in the
middle with SIGKILL, and runs the same command again. What is finished already
in the work directory is not done again, so the benchmark itself goes on where it was. Needs the
extras `download` and `train`.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import psutil

from benchmarks.data import DEFAULT
from benchmarks.tables import print_table
from tests.image_server import ImageServer, serving

WORKERS: Final = "2"
ANNOTATIONS: Final = Path(__file__).parents[1] / "annotations"
SAMPLED: Final = 0.25  # seconds between two looks at memory
PAIRS: Final = (4_000_000, 14_000_000)  # of the paper's two models

# Captions without images at hand: file, format, and further flags of `manifest`.
CAPTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "cc3m": ("cc3m/Validation_GCC-dev.tsv.gz", "cc3m"),
    "web": ("cc12m_shaped/laion400m_10k.tsv.gz", "cc12m"),
    "sbu": ("sbu_shaped/fsa.json.gz", "sbu"),
    "coco": ("coco/captions_dev.json.gz", "coco"),
    "vg": ("vg/factual_regions.tsv.gz", "tsv", "--image-column", "vg_image_id"),
    "flickr30k": ("captions/flickr30k_multi30k.tsv.gz", "tsv"),
    "msrvtt": ("captions/msrvtt_video.tsv.gz", "tsv", "--image-column", "video"),
    "abstract": ("captions/abstract48S.tsv.gz", "tsv"),
    "ade20k": ("captions/ade20k_sequences.tsv.gz", "tsv"),
    "bing": ("captions/bing_wallpaper.tsv.gz", "tsv", "--image-column", "url"),
    "artworks": ("captions/cmoa_artworks.tsv.gz", "tsv", "--image-column", "image_url"),
    "didemo": ("captions/didemo.tsv.gz", "tsv", "--image-column", "video"),
    "alt": (
        "captions/digitalgov_alt.tsv.gz",
        "tsv",
        *("--image-column", "where", "--caption-column", "alt"),
    ),
    "fashion": ("captions/fashion_iq.tsv.gz", "tsv", "--image-column", "file"),
    "funny": ("captions/flickrstyle_funny.tsv.gz", "tsv", "--columns", "image,caption"),
    "romantic": ("captions/flickrstyle_romantic.tsv.gz", "tsv", "--columns", "image,caption"),
    "medical": ("captions/roco_medical.tsv.gz", "tsv", "--image-column", "id"),
    "difference": ("captions/spot_the_diff.tsv.gz", "tsv"),
    "unsplash": ("captions/unsplash_alt.tsv.gz", "tsv", "--image-column", "file"),
    "vietnamese": ("captions/vi_captions_nonenglish.tsv.gz", "tsv"),
    "ikea": ("captions/ikea_products.txt.gz", "lines", "--no-image"),
}
SETS: Final = ("train", "unseen")


class Stage(NamedTuple):
    """A command, what it makes, and after how many seconds it may be killed once."""

    command: tuple[str, ...]
    output: Path | None = None
    killed_after: float | None = None
    threads: str = "1"

    @property
    def name(self) -> str:
        """Return the command's name, as `vocab build`."""
        return " ".join(word for word in self.command[:2] if word.isalpha())

    @property
    def line(self) -> list[str]:
        """Return the whole command line."""
        output = () if self.output is None else ("--output", str(self.output))
        return [sys.executable, "-m", "tag2text.cli", *self.command, *output]


class Used(NamedTuple):
    """What a stage took: seconds, CPU seconds, most memory of all its processes (MB), disk (MB)."""

    wall: float
    cpu: float
    memory: float
    disk: float
    kills: int


def image_rows(data: Path) -> Iterator[tuple[Path, list[str]]]:
    """Yield file and captions of every image at hand."""
    for name in ("flickr8k/captions.tsv", "cc3m/images.tsv"):
        with (data / name).open(newline="", encoding="utf-8") as file:
            table = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            rows = [(row["file"], row["caption"]) for row in table]
        yield from grouped(data / name.split("/")[0] / "images", rows)
    coco = json.loads((data / "coco/captions_images.json").read_text("utf-8"))
    names = {image["id"]: image["file_name"] for image in coco["images"]}
    rows = [(names[note["image_id"]], note["caption"]) for note in coco["annotations"]]
    yield from grouped(data / "coco/images", rows)


def grouped(folder: Path, rows: Sequence[tuple[str, str]]) -> Iterator[tuple[Path, list[str]]]:
    """Yield each file once, with all its captions."""
    found: dict[str, list[str]] = {}
    for name, caption in rows:
        found.setdefault(name, []).append(caption)
    yield from ((folder / name, captions) for name, captions in found.items())


def write_tables(images: Mapping[str, list[str]], work: Path, server: ImageServer) -> None:
    """Write a table of URLs and captions for each set; the same images are always unseen."""
    for unseen, name in enumerate(SETS):
        chosen = [file for file in images if (zlib.crc32(file.encode()) % 5 == 0) == unseen]
        lines = [
            json.dumps({"image": server.url(f"files/{file}"), "caption": caption}) + "\n"
            for file in chosen
            for caption in images[file]
        ]
        (work / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")


@contextlib.contextmanager
def served(data: Path, work: Path) -> Iterator[None]:
    """Serve all images on the port of the first run, and write their tables."""
    images, folder, port = {}, work / "served", work / "port"
    folder.mkdir(exist_ok=True)
    for path, captions in image_rows(data):
        link = folder / f"{path.parent.parent.name}-{path.name}"
        if not link.exists():
            link.symlink_to(path)
        images[link.name] = captions
    known = int(port.read_text()) if port.exists() else 0
    with serving(ImageServer(port=known, folder=folder)) as server:
        port.write_text(str(server.server_address[1]))
        write_tables(images, work, server)
        yield


def stages(data: Path, work: Path, steps: int) -> Iterator[Stage]:
    """Yield the stages in their order."""
    yield from manifests(data, work)
    for name in SETS:
        line = ("download", "--manifest", str(work / "manifest" / name), "--workers", WORKERS)
        flags = ("--allow-private-addresses", "--image-size", "384")
        yield Stage((*line, *flags), work / "images" / name, 8 if name == "train" else None)
    for name in (*CAPTIONS, *SETS):
        line = ("mine", "--manifest", str(work / "manifest" / name), "--workers", WORKERS)
        output = work / "mined" / name
        yield Stage((*line, "--max-bad-ratio", "1"), output, 30 if name == "msrvtt" else None)
    mined = [part for name in CAPTIONS for part in ("--mined", str(work / "mined" / name))]
    yield Stage(("count", *mined), work / "counts")
    candidates = ("--candidates", str(work / "counts" / "candidates.tsv"))
    log = ("--log", str(ANNOTATIONS / "log"), "--accept-other-candidates", "--unresolved", "keep")
    line = ("vocab", "build", *candidates, *log, "--undecided", "drop")
    yield Stage(line, work / "vocabulary")
    for name in SETS:
        line = ("shards", "--mined", str(work / "mined" / name), "--workers", WORKERS)
        flags = ("--images", str(work / "images" / name), "--vocabulary", str(work / "vocabulary"))
        yield Stage((*line, *flags), work / "shards" / name)
        yield Stage(("check", str(work / "shards" / name)))
    yield from model_stages(work, steps)


def manifests(data: Path, work: Path) -> Iterator[Stage]:
    """Yield the stage that reads each file."""
    for name, (file, form, *flags) in CAPTIONS.items():
        line = ("manifest", str(data / file), "--format", form, "--source", name, *flags)
        yield Stage((*line, "--max-bad-ratio", "1"), work / "manifest" / name)
    for name in SETS:
        line = ("manifest", str(work / f"{name}.jsonl"), "--format", "jsonl", "--source", name)
        yield Stage((*line, "--shard-rows", "150"), work / "manifest" / name)


def model_stages(work: Path, steps: int) -> Iterator[Stage]:
    """Yield what makes a model of the shards, and what is made with it."""
    unseen = str(work / "shards" / "unseen")
    line = ("train", "--preset", "tiny", "--train-data", str(work / "shards" / "train"))
    flags = ("--validation-data", unseen, "--steps", str(steps), "--keep", "1")
    often = ("--save-every", str(max(1, steps // 10)), "--resume", "latest")
    yield Stage((*line, *flags, *often), work / "model", 150, WORKERS)
    given = ("--model", str(work / "model" / "model"), "--data", unseen)
    yield Stage(("evaluate", *given), work / "report.html", threads=WORKERS)
    yield Stage(("index", *given), work / "index", threads=WORKERS)


def run(stage: Stage, *, kill: bool) -> Used:
    """Run a stage, killed once if so asked; return what it took in all."""
    begin = time.monotonic()
    cpu, memory, kills = 0.0, 0.0, 0
    for limit in (stage.killed_after, None) if kill and stage.killed_after else (None,):
        code, seconds, most = once(stage, limit)
        cpu, memory = cpu + seconds, max(memory, most)
        if code == -signal.SIGKILL and limit is not None:
            kills += 1
        elif code:
            raise SystemExit(f"{' '.join(stage.line)} ended with {code}")
        else:
            break
    disk = sum(file.stat().st_size for file in files(stage.output)) / 1e6
    return Used(time.monotonic() - begin, cpu, memory, disk, kills)


def once(stage: Stage, limit: float | None) -> tuple[int, float, float]:
    """Run a command, for so many seconds at most; return exit code, CPU seconds, memory in MB."""
    threads = {**os.environ, "OMP_NUM_THREADS": stage.threads}
    process = subprocess.Popen(
        stage.line, stdout=subprocess.DEVNULL, env=threads, start_new_session=True
    )
    killer = threading.Timer(limit or 0, kill_all, (process.pid,))
    if limit is not None:
        killer.start()
    watch = Memory(process.pid)
    watch.start()
    _, status, usage = os.wait4(process.pid, 0)
    killer.cancel()
    watch.stop()
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_utime + usage.ru_stime, watch.most / 1e6


def kill_all(group: int) -> None:
    """Kill a command and its workers, as a machine that fails does."""
    os.killpg(group, signal.SIGKILL)


class Memory(threading.Thread):
    """Looks at how much memory a process and its children have, shared pages counted once."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.most, self._ended = pid, 0, threading.Event()

    def run(self) -> None:
        """Look until told to stop."""
        while not self._ended.wait(SAMPLED):
            self.most = max(self.most, sum(self._sizes()))

    def stop(self) -> None:
        """Look no more."""
        self._ended.set()
        self.join()

    def _sizes(self) -> Iterator[int]:
        try:
            root = psutil.Process(self.pid)
            for process in (root, *root.children(recursive=True)):
                yield process.memory_full_info().pss
        except psutil.Error:  # one has ended meanwhile
            return


def files(path: Path | None) -> Iterator[Path]:
    """Yield the files of a directory, or the file."""
    if path is not None:
        yield from (file for file in (path, *path.rglob("*")) if file.is_file())


def total(rows: Sequence[Used]) -> Used:
    """Return the sum of stages of one kind; memory is the largest."""
    walls, cpus, memories, disks, kills = zip(*rows, strict=True)
    return Used(sum(walls), sum(cpus), max(memories), sum(disks), sum(kills))


def report(found: Mapping[str, Used], done: Mapping[str, int]) -> None:
    """Print what each stage took, and what that means for the paper's sets."""
    rows = []
    for name, used in found.items():
        count = done.get(name)
        rows.append(
            (
                name,
                f"{count:,}" if count else "",
                f"{used.wall:.0f}",
                f"{used.cpu:.0f}",
                f"{used.memory:,.0f}",
                f"{used.disk:,.1f}",
                str(used.kills or ""),
            )
        )
    header = ("stage", "items", "wall, s", "CPU, s", "memory, MB", "disk, MB", "killed")
    print_table("End to end", header, rows)
    print_table(
        "Projected: CPU hours (of one core) and disk, one caption an image",
        ("stage", *(f"{pairs / 1e6:.0f} M pairs" for pairs in PAIRS)),
        [projected(name, found[name], count) for name, count in done.items() if count],
    )


def projected(name: str, used: Used, count: int) -> tuple[str, ...]:
    """Return a row: what a stage costs an item, times the paper's numbers of pairs."""
    cells = (
        f"{used.cpu / count * pairs / 3600:,.1f} h, {used.disk / count * pairs / 1e3:,.1f} GB"
        for pairs in PAIRS
    )
    return (name, *cells)


def counted(work: Path) -> dict[str, int]:
    """Return how many captions or images the stages that grow with the data have done."""

    def rows(folder: Path, field: str) -> int:
        stats = folder.glob("*/*_stats.json")
        return sum(json.loads(path.read_text("utf-8"))[field] for path in stats)

    return {
        "manifest": rows(work / "manifest", "rows_in"),
        "download": rows(work / "images", "count"),
        "mine": rows(work / "mined", "rows_in"),
        "shards": rows(work / "shards", "rows"),
    }


def main() -> None:
    """Run what is missing; print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DEFAULT)
    parser.add_argument("--work", type=Path, default=Path(".bench") / "end_to_end")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--kill", action="store_true")
    flags = parser.parse_args()
    data, work = flags.data.resolve(), flags.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    ledger = work / "stages.jsonl"
    done = set(read_ledger(ledger))
    with served(data, work):
        for stage in stages(data, work, flags.steps):
            line = " ".join(stage.line[3:])
            if line not in done:
                used = run(stage, kill=flags.kill)
                print(f"{used.wall:6.0f} s  {line[:90]}", flush=True)
                with ledger.open("a") as file:
                    file.write(json.dumps([stage.name, line, *used]) + "\n")
    by_name: dict[str, list[Used]] = {}
    for name, used in read_ledger(ledger).values():
        by_name.setdefault(name, []).append(used)
    report({name: total(rows) for name, rows in by_name.items()}, counted(work))


def read_ledger(path: Path) -> dict[str, tuple[str, Used]]:
    """Return name and figures of what was done before, by command line."""
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    rows = [json.loads(line) for line in lines]
    return {line: (name, Used(*used)) for name, line, *used in rows}


if __name__ == "__main__":
    main()
