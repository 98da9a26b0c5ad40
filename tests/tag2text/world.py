"""A small world in which the documents' commands run: their input files, a project, a model."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.pictures import picture
from vocab.candidates import read_candidates
from vocab.decisions import Event, format_event
from vocab.keys import key_of

CAPTIONS = (
    "A brown dog runs along the beach",
    "A woman is playing the piano in the room",
    "Two men eat a hot dog in the park",
    "a cat sits on a red chair",
    "a person holds a tennis racket",
    "An orange cat sleeps",
)


def caption(number: int) -> str:
    """Return one of the captions."""
    return CAPTIONS[number % len(CAPTIONS)]


def write_files(folder: Path) -> None:
    """Write the pictures and the caption files that the documents take as given."""
    _write_pictures(folder)
    rows = [(f"{n:02d}.jpg", caption(n)) for n in range(24)]
    table = "".join(f"{image}\t{text}\n" for image, text in rows)
    (folder / "pairs.tsv").write_text("image\tcaption\n" + table)
    _write_coco(folder)
    _write_genome(folder)


def write_web(folder: Path, url: Callable[[str], str]) -> None:
    """Write the files whose pictures are on a server; ``url`` names one of them."""
    web = [(url(f"ok/{n}.jpg"), caption(n)) for n in range(24)]
    (folder / "Train_GCC-training.tsv").write_text("".join(f"{t}\t{u}\n" for u, t in web))
    (folder / "cc12m.tsv").write_text("".join(f"{u}\t{t}\n" for u, t in web[:8]))
    sbu = {"image_urls": [u for u, _ in web[:8]], "captions": [t for _, t in web[:8]]}
    (folder / "sbu-captions-all.json").write_text(json.dumps(sbu))


def _write_pictures(folder: Path) -> None:
    for name, count in (("images", 24), ("photos", 2), ("val2014", 4)):
        (folder / name).mkdir()
        for n in range(count):
            (folder / name / f"{n:02d}.jpg").write_bytes(picture(size=(64, 48)))
    (folder / "more").mkdir()
    (folder / "more/b.png").write_bytes(picture("PNG"))
    (folder / "photo.jpg").write_bytes(picture(size=(64, 48)))


def _write_coco(folder: Path) -> None:
    """Write a Karpathy file with its pictures, and captions in COCO's own form."""
    images = []
    for n, split in enumerate(("train", "restval", "val", "test") * 2):
        path = folder / f"images/coco/val2014/COCO_val2014_{n:012d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture())
        one = {"filepath": "val2014", "filename": path.name, "cocoid": n, "split": split}
        images.append({**one, "sentences": [{"raw": caption(n)}]})
    (folder / "dataset_coco.json").write_text(json.dumps({"images": images, "dataset": "coco"}))
    own = {
        "images": [{"id": n, "file_name": f"{n:02d}.jpg"} for n in range(4)],
        "annotations": [{"id": n, "image_id": n, "caption": caption(n)} for n in range(4)],
    }
    (folder / "captions_val2014.json").write_text(json.dumps(own))


def _write_genome(folder: Path) -> None:
    """Write Visual Genome's two files, gzipped as well, with pictures."""
    regions = [{"id": n, "regions": [{"phrase": caption(n)}]} for n in range(6)]
    data = [{"image_id": n, "coco_id": n, "url": f"http://x/{n}.jpg"} for n in range(6)]
    for name, content in (("region_descriptions.json", regions), ("image_data.json", data)):
        text = json.dumps(content)
        (folder / name).write_text(text)
        (folder / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
    (folder / "images/vg").mkdir()
    for n in range(6):
        (folder / f"images/vg/{n}.jpg").write_bytes(picture())
    for name in ("vg_held_out.txt", "coco_val_and_test.txt"):
        (folder / name).write_text("2\n")


def write_project(project: Path, *, target: int = 20, policy: str = "") -> None:
    """Write the settings of a review of the candidates in a directory."""
    digest = hashlib.sha256((project / "candidates.tsv").read_bytes()).hexdigest()
    reasons = '[reasons]\nvague = "says nothing in particular"\n'
    text = f'sha256 = "{digest}"\ntarget = {target}\n{policy}{reasons}'
    (project / "project.toml").write_text(text)


def write_decisions(project: Path, annotator: str, acts: Sequence[str], *, day: int) -> None:
    """Add the annotator's decisions on the first candidates, made on a day of March 2026."""
    candidates = read_candidates(project / "candidates.tsv")
    start = 1_772_323_200_000 + day * 86_400_000  # 2026-03-01, UTC, in milliseconds
    rows = zip(candidates.rows, acts, strict=False)
    events = [
        Event(
            id=f"{annotator}-{day}-{n}",
            ts=start + n,
            by=annotator,
            key=key_of(row.key),
            act=act,
            via="card",
            cand=candidates.sha256,
        )
        for n, (row, act) in enumerate(rows)
    ]
    log = project / "log" / f"{annotator}.jsonl"
    log.parent.mkdir(exist_ok=True)
    with log.open("a") as file:
        file.writelines(map(format_event, events))
