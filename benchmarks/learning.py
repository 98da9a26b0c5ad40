"""What `tiny` learns of drawn scenes in three minutes on two cores, and what each task adds.

Scenes are drawn and labelled as `tag2text demo` does it; a sixth of them is never trained on.
Training is two commands: pre-training, then caption fine-tuning. `--ablations` switches off
alignment, generation or tagging in both (the paper's Tables 4 and 5, in small).

    python -m benchmarks.learning [--scenes 6000] [--seeds 0] [--ablations] [--work DIRECTORY]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.tables import print_table
from model.tag2text import Tag2Text
from tag2text.command_search import caption_parser
from tag2text.demo import DemoConfig, run_demo
from train.evaluate import EvaluationConfig, Helpers, evaluate
from train.evaluation_data import EvaluationSet, read_shards
from train.tuning import tune

FINETUNING_RATE: Final = "7e-4"
AMONG: Final = 100  # images that a text is searched among
CANDIDATES: Final = 16  # of them that matching looks at
TARGETS: Final = {
    "training, s": "180",
    "mAP": "0.90",
    "caption tags recall": "0.80",
    "R@1, image to text": "0.50",
    "R@1, text to image": "0.50",
}


Row = dict[str, float]


class Setting(NamedTuple):
    """One row of the table: flags of both stages, and what is then left to measure."""

    flags: tuple[str, ...] = ()
    finetuned: tuple[str, ...] = ()
    tagging: bool = True
    captioning: bool = True
    retrieval: bool = True


FULL: Final = "all tasks"
SETTINGS: Final[Mapping[str, Setting]] = {
    FULL: Setting(),
    "without alignment": Setting(
        ("--weights", "generation=0.3,contrast=0,matching=0"), retrieval=False
    ),
    "without generation": Setting(
        ("--weights", "generation=0,contrast=0.3,matching=0.1"),
        ("--weights", "generation=0"),
        captioning=False,
    ),
    # No tags are recognised then, so none guide the captions that it is fine-tuned on.
    "without tagging": Setting(
        ("--weights", "tagging=0,generation=0.3,contrast=0.3,matching=0.1"),
        ("--weights", "tagging=0", "--recognised", "1"),
        tagging=False,
    ),
}


class Stages(NamedTuple):
    """Steps of the two stages, and the images of a step in each process."""

    pretraining: int
    finetuning: int
    batch: int
    processes: int


def draw(folder: Path, scenes: int) -> None:
    """Draw and label scenes, once."""
    if not (folder / "shards" / "COMPLETED").exists():
        run_demo(DemoConfig(output=folder, images=scenes, steps=0))


def train(shards: list[Path], output: Path, setting: Setting, stages: Stages, seed: int) -> Path:
    """Run the two commands of training; return the model's directory."""
    first, second = output / "pretrained", output / "captions"
    common = ["--preset", "tiny", "--train-data", "::".join(map(str, shards)), "--workers", "0"]
    common += ["--seed", str(seed), "--batch-size", str(stages.batch), "--log-every", "50"]
    common += ["--save-every", "100000"]
    pretraining = [*common, "--steps", str(stages.pretraining)]
    command(stages, [*pretraining, "--output", str(first), *setting.flags])
    finetuning = ["--task", "caption", "--init", str(first / "model"), "--lr", FINETUNING_RATE]
    finetuning += ["--warmup", "20", "--steps", str(stages.finetuning), *setting.finetuned]
    command(stages, [*common, *finetuning, "--output", str(second)])
    return second / "model"


def command(stages: Stages, flags: list[str]) -> None:
    """Run `tag2text train` in as many processes, a thread each."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    launch += ["--nproc-per-node", str(stages.processes), "-m", "tag2text.cli", "train"]
    threads = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([*launch, *flags], check=True, env=threads)


def measure(folder: Path, tuning: EvaluationSet, unseen: EvaluationSet, setting: Setting) -> Row:
    """Return the figures of a model on scenes that it has not seen, by name.

    Thresholds and the weight of tags in retrieval are searched on scenes of its training.
    """
    model = Tag2Text.from_pretrained(folder)
    weight = 0.0
    if setting.tagging:
        tuned = tune(model, tuning, batch_size=32)
        model = Tag2Text(model.network, tuned.vocabulary, model.tokenizer)
        weight = tuned.tag_weight if setting.retrieval else 0.0
    config = EvaluationConfig(tasks=("tagging", "captioning"), batch_size=32)
    figures = evaluate(model, unseen, config, Helpers(parse=caption_parser())).figures()
    row: Row = {}
    if setting.tagging:
        row["mAP"] = figures["tagging/map"]
    if setting.captioning:
        row["caption tags recall"] = figures["captioning/tag_recall"]
        row["CIDEr"] = figures["captioning/cider"]
    return row | (retrieved(model, unseen, weight) if setting.retrieval else {})


def retrieved(model: Tag2Text, unseen: EvaluationSet, weight: float) -> Row:
    """Return R@1 among some images, by contrast alone and with the tags' share."""
    config = EvaluationConfig(
        tasks=("retrieval",), batch_size=32, candidates=CANDIDATES, tag_weight=weight
    )
    rows = {
        row.method: row.figures for row in evaluate(model, unseen.take(AMONG), config).retrieval
    }
    best = rows["ITC + tags"] if weight else rows["ITC"]
    return {
        "R@1, image to text": best.image_to_text.at_1,
        "R@1, text to image": best.text_to_image.at_1,
        "R@1, image to text, ITC": rows["ITC"].image_to_text.at_1,
        "R@1, text to image, ITC": rows["ITC"].text_to_image.at_1,
    }


def spread(values: list[float], digits: int) -> str:
    """Return mean, and the lowest and highest of several."""
    mean = f"{statistics.mean(values):.{digits}f}"
    if len(values) == 1:
        return mean
    return f"{mean} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def report(work: Path, names: list[str], seeds: list[int], stages: Stages) -> None:
    """Train each setting with each seed and print its row."""
    shards = sorted((work / "scenes" / "shards").glob("*.tar"))
    found: dict[str, list[Row]] = {}
    for name in names:
        for seed in seeds:
            with tempfile.TemporaryDirectory(dir=work) as output:
                begin = time.monotonic()
                made = train(shards[:-1], Path(output), SETTINGS[name], stages, seed)
                row = {"training, s": time.monotonic() - begin}
                words = Tag2Text.from_pretrained(made).vocabulary
                tuning, unseen = (read_shards([str(tar)], words) for tar in shards[-2:])
                row |= measure(made, tuning, unseen, SETTINGS[name])
            found.setdefault(name, []).append(row)
            print(json.dumps({"setting": name, "seed": seed, **row}), flush=True)
    columns = list(found[names[0]][0])
    rows = [("target", *(TARGETS.get(column, "") for column in columns))] + [
        (name, *(cell([row.get(column) for row in rows]) for column in columns))
        for name, rows in found.items()
    ]
    steps = f"{stages.pretraining} + {stages.finetuning} steps of "
    title = f"{steps}{stages.batch * stages.processes}, {len(seeds)} seeds, mean (range)"
    print_table(title, ("", *columns), rows)


def cell(values: list[float | None]) -> str:
    """Return a cell of the table; a dash where a setting has no such figure."""
    known = [value for value in values if value is not None]
    return spread(known, 0 if max(known) > 10 else 3) if known else "-"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=6000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--ablations", action="store_true")
    parser.add_argument("--steps", type=int, nargs=2, default=[680, 280])
    parser.add_argument("--batch", type=int, default=16, help="images a process")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--work", type=Path, default=Path(".bench") / "learning")
    flags = parser.parse_args()
    draw(flags.work / "scenes", flags.scenes)
    names = list(SETTINGS) if flags.ablations else [FULL]
    stages = Stages(*flags.steps, flags.batch, flags.processes)
    report(flags.work, names, flags.seeds, stages)


if __name__ == "__main__":
    main()
