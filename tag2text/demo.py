"""``tag2text demo``: drawn scenes through the same jobs that real data goes through."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import typer

from pipeline.check import check_directory
from pipeline.count import CANDIDATES, CountConfig, count
from pipeline.drawn.captions import captions
from pipeline.drawn.render import scene_index, write_scenes
from pipeline.drawn.scenes import ground_truth, scene
from pipeline.inspect_page import write_page
from pipeline.manifest import ManifestConfig, write_manifest
from pipeline.mine import MineConfig, mine
from pipeline.records import read_rows
from pipeline.runner import RunnerConfig
from pipeline.shard import list_stems
from pipeline.shards import ShardsConfig, write_shards
from tag2text.demo_model import ModelDemo, missing_library, run_model_demo
from vocab.build import build
from vocab.candidates import Candidates, read_candidates
from vocab.decisions import Event, format_event, read_log, replay, resolve
from vocab.errors import InputError
from vocab.files import write_whole
from vocab.install import install_hint
from vocab.keys import key_of
from vocab.vocabulary import Vocabulary

SOURCE: Final = "scenes"
SHARDS: Final = 6
NEXT = """(after `make demo`, `. .venv/bin/activate` puts tag2text on the path)

Your own captions, from a table with the columns image and caption:
  tag2text manifest pairs.tsv --format tsv --source mine --output data/manifest
  tag2text mine --manifest data/manifest --output data/mined --workers 2
  tag2text count --mined data/mined --output data/counts --top 5000
  tag2text vocab build --candidates data/counts/candidates.tsv --output data/vocabulary
  tag2text shards --mined data/mined --vocabulary data/vocabulary --image-root IMAGES \\
      --output data/shards
One caption:
  tag2text parse "A woman is playing the piano in the room"
A model of them, small enough for a CPU (docs/training.md has the paper's, for GPUs):
  tag2text train --preset tiny --train-data data/shards --output data/model
Images, with that model:
  tag2text caption IMAGES --model data/model/model
  tag2text index IMAGES --model data/model/model --output data/index
  tag2text search "a dog on the beach" --index data/index --model data/model/model
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoConfig:
    """How many scenes of which size (pixels a side), drawn from which seed, and where to.

    ``steps`` is how long a model learns from them; 0: there is none.
    """

    output: Path
    images: int = 3000
    seed: int = 0
    size: int = 128
    workers: int = 1
    steps: int = 600

    def folder(self, name: str) -> str:
        """Return the directory of one stage."""
        return str(self.output / name)


def run_demo(config: DemoConfig) -> None:
    """Draw scenes, make labelled shards of them, train a model, saying what happens."""
    if config.output.exists() and any(config.output.iterdir()):
        raise InputError(f"--output {config.output}: is not empty; remove it or name another one")
    begin = time.monotonic()
    table = _draw(config)
    _mine(config, table)
    vocabulary = _vocabulary(config)
    _shards(config, vocabulary)
    _look(config)
    _model(config)
    typer.echo(f"\nAll of it took {time.monotonic() - begin:.0f} s. What to try next:\n{NEXT}")


def _draw(config: DemoConfig) -> Path:
    table = write_scenes(
        config.output / "scenes", count=config.images, seed=config.seed, size=config.size
    )
    _say("scenes", f"{config.images} drawn, with captions", table)
    for caption in captions(scene(0, config.seed))[:2]:
        _say("", f'  "{caption}"')
    return table


def _mine(config: DemoConfig, table: Path) -> None:
    manifest = ManifestConfig(
        inputs=(str(table),),
        output=config.folder("manifest"),
        format="tsv",
        source=SOURCE,
        image_column="file",
        shard_rows=-(-config.images // SHARDS),
    )
    rows = write_manifest(manifest)
    _say("manifest", f"{rows.rows:,} images, {rows.rows_in:,} captions", manifest.output)
    runner = RunnerConfig(config.workers)
    mined = mine(MineConfig(manifest=manifest.output, output=config.folder("mined"), runner=runner))
    tags = sum(n for name, n in mined.counts.items() if name.endswith("_tags"))
    _say("mine", f"{tags:,} tags in {mined.rows:,} captions", config.folder("mined"))
    count(CountConfig(mined=(config.folder("mined"),), output=config.folder("counts")))


def _vocabulary(config: DemoConfig) -> Vocabulary:
    """Build the vocabulary from the candidates and a log of decisions, as people make them."""
    table = config.output / "counts" / CANDIDATES
    candidates = read_candidates(table)
    _say("count", f"{len(candidates.rows):,} candidates", table)
    log = config.output / "log" / "demo.jsonl"
    log.parent.mkdir(parents=True, exist_ok=True)
    write_whole(log, "".join(map(format_event, _decisions(config, candidates))))
    built = build(candidates, resolve(replay(read_log([log])[0])))
    built.vocabulary.save(config.output / "vocabulary")
    dropped = len(built.vocabulary.dropped)
    _say("review", f"{dropped} dropped, for no scene shows them (here a rule, else people)", log)
    _say("vocab", built.vocabulary.describe().split(";")[0], config.folder("vocabulary"))
    return built.vocabulary


def _decisions(config: DemoConfig, candidates: Candidates) -> Iterator[Event]:
    """Yield what a person who knows the scenes would decide: drop what none of them shows."""
    shown = {tag for i in range(config.images) for tag in ground_truth(scene(i, config.seed))}
    for number, row in enumerate(candidates.rows):
        keep = row.key in shown
        yield Event(
            id=f"demo-{number}",
            ts=number,
            by="demo",
            key=key_of(row.key),
            act="keep" if keep else "drop",
            why=None if keep else "not in the scenes",
            via="rule",
            cand=candidates.sha256,
        )


def _shards(config: DemoConfig, vocabulary: Vocabulary) -> None:
    shards = ShardsConfig(
        mined=config.folder("mined"),
        vocabulary=config.folder("vocabulary"),
        image_root=str(config.output / "scenes" / "images"),
        output=config.folder("shards"),
        runner=RunnerConfig(config.workers),
    )
    made = write_shards(shards)
    _say("shards", f"{made.rows:,} labelled samples, {made.shards} tars", shards.output)
    precision, recall = _agreement(config, vocabulary)
    _say(
        "",
        f"  of the labels {precision:.1%} are true of the drawing, of the truth "
        f"{recall:.1%} is labelled",
    )


def _agreement(config: DemoConfig, vocabulary: Vocabulary) -> tuple[float, float]:
    """Return precision and recall of the labels against what was drawn."""
    hits = labels = truths = 0
    for stem in list_stems(config.folder("shards")):
        for row in read_rows(f"{config.folder('shards')}/{stem}.parquet", ["url", "tags"]):
            true = set(ground_truth(scene(scene_index(row["url"]), config.seed)))
            labelled = {vocabulary.tags[i] for i in row["tags"]}
            hits += len(true & labelled)
            labels += len(labelled)
            truths += len(true)
    return hits / labels, hits / truths


def _look(config: DemoConfig) -> None:
    problems = check_directory(config.folder("shards"))
    if problems:
        raise InputError(f"{config.folder('shards')}: {problems[0]}")
    _say("check", "the shards are whole: counts, digests, labels", config.folder("shards"))
    page = config.folder("inspect.html")
    write_page(config.folder("shards"), page)
    _say("inspect", "open this page in a browser", page)


def _model(config: DemoConfig) -> None:
    missing = missing_library() if config.steps else None
    if missing:
        _say("train", f"left out, for {missing} is missing: {install_hint('train')}")
    elif config.steps:
        shards = Path(config.folder("shards"))
        chosen = ModelDemo(
            shards=shards, output=config.output, steps=config.steps, seed=config.seed
        )
        run_model_demo(chosen, _say)


def _say(step: str, text: str, where: object = "") -> None:
    typer.echo(f"{step:>9}  {text}" + (f"  [{where}]" if where else ""))
