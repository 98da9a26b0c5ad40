"""Count the candidates over all the real captions beside the checkout, weighed to the paper's mix.

    python -m benchmarks.candidates --work .bench/candidates --workers 2

runs the commands that a user would type (``--print`` only shows them) and ends with time, memory
and counts. ``annotations/candidates.tsv`` was made so; see ``annotations/README.md``.
"""

from __future__ import annotations

import argparse
import json
import resource
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.data import DEFAULT
from benchmarks.tables import print_table


@dataclass(frozen=True, slots=True)
class Corpus:
    """A file of captions, how to read it, and which part of the paper's mix it stands for."""

    name: str
    part: str
    files: tuple[str, ...]
    flags: str
    bad: float = 0.05


# The paper's 4 M pairs: COCO 113 k, Visual Genome 100 k, SBU 849 k, CC3M 2.8 M images. What people
# wrote under their photographs stands for SBU, what the web says of its pictures for CC3M. Corpora
# of one narrow subject (radiology, dresses, furniture, art, an archive of the 1930s) count as they
# are. No image counts for more than WEIGHT_LIMIT: what 8,000 web captions say once is not what
# 2.8 million would say often.
MIX = {"coco": 113_000, "vg": 100_000, "sbu": 849_000, "cc3m": 2_800_000}
WEIGHT_LIMIT = 20
TSV = "--format tsv"
CORPORA = (
    Corpus(
        "coco",
        "coco",
        ("coco/captions_dev.json.gz", "coco/captions_images.json"),
        "--format coco",
    ),
    Corpus(
        "vg",
        "vg",
        ("vg/factual_regions.tsv.gz",),
        f"{TSV} --image-column vg_image_id --group-images --source vg",
    ),
    Corpus("fsa", "", ("sbu_shaped/fsa.json.gz",), "--format sbu --source fsa --no-image", 0.2),
    Corpus(
        "flickr30k",
        "sbu",
        ("captions/flickr30k_multi30k.tsv.gz",),
        f"{TSV} --group-images --source flickr30k",
    ),
    Corpus(
        "flickr8k",
        "sbu",
        ("flickr8k/captions.tsv",),
        f"{TSV} --image-column file --source flickr8k",
    ),
    Corpus(
        "flickrstyle",
        "sbu",
        ("captions/flickrstyle_funny.tsv.gz", "captions/flickrstyle_romantic.tsv.gz"),
        f"{TSV} --columns style,caption --no-image --source flickrstyle",
    ),
    Corpus("cc3m", "cc3m", ("cc3m/Validation_GCC-dev.tsv.gz",), "--format cc3m"),
    Corpus("web", "cc3m", ("cc12m_shaped/laion400m_10k.tsv.gz",), "--format cc12m --source web"),
    Corpus(
        "unsplash",
        "cc3m",
        ("captions/unsplash_alt.tsv.gz",),
        f"{TSV} --image-column file --source unsplash",
    ),
    Corpus(
        "bing",
        "cc3m",
        ("captions/bing_wallpaper.tsv.gz",),
        f"{TSV} --image-column url --source bing",
    ),
    Corpus(
        "digitalgov",
        "",
        ("captions/digitalgov_alt.tsv.gz",),
        f"{TSV} --caption-column alt --no-image --source digitalgov",
    ),
    Corpus(
        "msrvtt",
        "",
        ("captions/msrvtt_video.tsv.gz",),
        f"{TSV} --image-column video --source msrvtt",
    ),
    Corpus(
        "didemo",
        "",
        ("captions/didemo.tsv.gz",),
        f"{TSV} --image-column video --group-images --source didemo",
    ),
    Corpus("ade20k", "", ("captions/ade20k_sequences.tsv.gz",), f"{TSV} --source ade20k"),
    Corpus("abstract", "", ("captions/abstract48S.tsv.gz",), f"{TSV} --source abstract"),
    Corpus(
        "spotdiff",
        "",
        ("captions/spot_the_diff.tsv.gz",),
        f"{TSV} --group-images --source spotdiff",
    ),
    Corpus(
        "cmoa",
        "",
        ("captions/cmoa_artworks.tsv.gz",),
        f"{TSV} --image-column image_url --no-image --source cmoa",
    ),
    Corpus("roco", "", ("captions/roco_medical.tsv.gz",), f"{TSV} --image-column id --source roco"),
    Corpus(
        "fashioniq",
        "",
        ("captions/fashion_iq.tsv.gz",),
        f"{TSV} --no-image --source fashioniq",
    ),
    Corpus(
        "ikea", "", ("captions/ikea_products.txt.gz",), "--format lines --no-image --source ikea"
    ),
    Corpus(
        "vietnamese",
        "",
        ("captions/vi_captions_nonenglish.tsv.gz",),
        f"{TSV} --source vietnamese",
        1.0,  # the language filter sets all of it aside
    ),
)


def commands(data: Path, work: Path, workers: int) -> Iterator[tuple[str, list[str]]]:
    """Yield (stage, command line) of manifest and mine for every corpus."""
    for corpus in CORPORA:
        files = [str(data / name) for name in corpus.files]
        manifest, mined = str(work / "manifest" / corpus.name), str(work / "mined" / corpus.name)
        bad = ["--max-bad-ratio", str(corpus.bad)]
        yield "manifest", ["manifest", *files, *corpus.flags.split(), "--output", manifest, *bad]
        yield (
            "mine",
            ["mine", "--manifest", manifest, "--output", mined, "--workers", str(workers), *bad],
        )


def count_command(work: Path, selection: list[str]) -> list[str]:
    """Return the command line of count, with the weights of the mix."""
    mined = [flag for c in CORPORA for flag in ("--mined", str(work / "mined" / c.name))]
    weights = [flag for w in _weights(work) for flag in ("--weight", w)]
    return ["count", *mined, *weights, *selection, "--output", str(work / "counts")]


def _weights(work: Path) -> list[str]:
    images = {
        c.name: _completed(work / "mined" / c.name)["counts"].get("images", 0) for c in CORPORA
    }
    totals = {part: sum(images[c.name] for c in CORPORA if c.part == part) for part in MIX}
    exact = {part: MIX[part] / totals[part] for part in MIX}
    return [f"{c.name}={min(exact[c.part], WEIGHT_LIMIT):.2f}" for c in CORPORA if c.part]


def _completed(directory: Path) -> dict[str, dict[str, int]]:
    loaded: dict[str, dict[str, int]] = json.loads((directory / "COMPLETED").read_text())
    return loaded


def _run(command: list[str]) -> float:
    print("tag2text", shlex.join(command), flush=True)
    begin = time.monotonic()
    subprocess.run([sys.executable, "-m", "tag2text.cli", *command], check=True)
    return time.monotonic() - begin


def main() -> None:
    """Run the stages and print what they took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=DEFAULT)
    parser.add_argument("--work", type=Path, default=Path(".bench/candidates"))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--print", action="store_true", dest="show", help="do not run anything")
    flags, selection = parser.parse_known_args()
    spent = {"manifest": 0.0, "mine": 0.0, "count": 0.0}
    for stage, command in commands(flags.data, flags.work, flags.workers):
        if flags.show:
            print("tag2text", shlex.join(command))
        else:
            spent[stage] += _run(command)
    if flags.show:
        return
    spent["count"] = _run(count_command(flags.work, selection))
    mined = [_completed(flags.work / "mined" / c.name) for c in CORPORA]
    kinds = sorted({name for m in mined for name in m["counts"] if name.endswith("_tags")})
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    rows = [
        ("captions mined", f"{sum(m['rows'] for m in mined):,}"),  # type: ignore[misc]
        ("images", f"{sum(m['counts'].get('images', 0) for m in mined):,}"),
        *((name, f"{sum(m['counts'].get(name, 0) for m in mined):,}") for name in kinds),
        *((f"seconds, {stage}", f"{seconds:,.0f}") for stage, seconds in spent.items()),
        ("largest process, MB", f"{peak:,.0f}"),
    ]
    print_table("Candidates over all captions", ("what", "figure"), rows)


if __name__ == "__main__":
    main()
