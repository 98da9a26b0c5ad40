"""The demo's second half: a model that learns from the drawn scenes, and what it then can do."""

from __future__ import annotations

import importlib.util
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tag2text.command_search import caption_parser

if TYPE_CHECKING:
    from model.tag2text import Tag2Text
    from train.evaluation import Evaluation
    from train.search import Found

LIBRARIES: Final = ("torch", "timm", "tokenizers", "safetensors", "braceexpand")
PRETRAINED: Final = "pretrained"
AMONG: Final = 100  # images that a text is searched among
CANDIDATES: Final = 16  # of them that matching looks at
SHOWN: Final = 12  # images on the page, of each sort
QUERIES: Final = ("a man is riding a horse on the beach", "boat, lake, sun")

Say = Callable[..., None]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDemo:
    """Where the labelled shards are and where to write to; all but the last shard is learned."""

    shards: Path
    output: Path
    steps: int
    seed: int


def missing_library() -> str | None:
    """Return a library that training needs and that is not installed, if there is one."""
    return next((name for name in LIBRARIES if importlib.util.find_spec(name) is None), None)


def run_model_demo(config: ModelDemo, say: Say) -> None:
    """Train, evaluate on unseen scenes, tag, caption and search them, and write one page."""
    learned, unseen = _split(config.shards)
    model, tag_weight = _tune(_learn(config, learned, say), learned[-1], say)
    found = _evaluate(model, unseen, tag_weight, say)
    _look(model, unseen, say)
    searches = _search(config, model, unseen, tag_weight, say)
    page = config.output / "report.html"
    _write_page(page, found, searches, config.output / PRETRAINED / "log.jsonl")
    say("report", "open this page in a browser", page)


def _split(shards: Path) -> tuple[list[str], str]:
    """Return the tars to learn from, and the one to be tested on."""
    *learned, unseen = map(str, sorted(shards.glob("*.tar")))
    return learned, unseen


def _learn(config: ModelDemo, learned: list[str], say: Say) -> Path:
    """Train all tasks, then captions, guided by the tags that the model itself recognises."""
    common = {"train_data": tuple(learned), "seed": config.seed}
    first = _train("train", config.output / PRETRAINED, say, **common, steps=config.steps)
    second = {"task": "caption", "init": str(first), "lr": 7e-4, "warmup": 20}
    steps = -(-config.steps * 2 // 5)
    return _train("captions", config.output / "model", say, **common, **second, steps=steps)


def _train(name: str, output: Path, say: Say, **flags: Any) -> Path:
    """Run what ``tag2text train`` runs; return the model's directory."""
    from train.config import train_config
    from train.loop import train
    from vocab.errors import StoppedError

    begin = time.monotonic()
    settings = train_config("tiny", output=str(output), save_every=flags["steps"], **flags)
    made = train(settings)
    if made is None:
        raise StoppedError("stopped while training")
    say(name, f"{settings.steps:,} steps in {time.monotonic() - begin:.0f} s", made)
    return made


def _tune(made: Path, learned: str, say: Say) -> tuple[Tag2Text, float]:
    """Return the model with thresholds that fit learned scenes, and the tags' weight in search."""
    from model.tag2text import Tag2Text
    from train.evaluation_data import read_shards
    from train.tuning import tune

    model = Tag2Text.from_pretrained(made)
    tuned = tune(model, read_shards([learned], model.vocabulary), batch_size=32)
    tuned.vocabulary.save(made / "vocabulary")
    say("tune", f"{tuned.found} thresholds, on scenes that it has learned from", made)
    return Tag2Text(model.network, tuned.vocabulary, model.tokenizer), tuned.tag_weight


def _evaluate(
    model: Tag2Text, unseen: str, tag_weight: float, say: Say
) -> tuple[Evaluation, Evaluation]:
    """Return the figures of tags and captions, and those of retrieval among some images."""
    from train.evaluate import EvaluationConfig, Helpers, evaluate
    from train.evaluation_data import read_shards

    data = read_shards([unseen], model.vocabulary)
    settings = EvaluationConfig(
        tasks=("tagging", "captioning"), batch_size=32, shown=SHOWN, candidates=CANDIDATES
    )
    found = evaluate(model, data, settings, Helpers(parse=caption_parser()))
    fewer = replace(settings, tasks=("retrieval",), shown=0, tag_weight=tag_weight)
    retrieved = evaluate(model, data.take(AMONG), fewer)
    own = {**found.figures(), **retrieved.figures()}
    say("evaluate", f"on {found.images:,} scenes that it has not seen")
    say("", f"  tags: mean average precision {own['tagging/map']:.1%} (chance {found.chance:.1%})")
    if "captioning/tag_recall" in own:
        say("", f"  captions: {own['captioning/tag_recall']:.1%} of the tags that people say")
    first = own["retrieval/text_to_image_1"]
    say("", f"  search: {first:.1%} of captions find their scene first among {retrieved.images}")
    return found, retrieved


def _look(model: Tag2Text, unseen: str, say: Say) -> None:
    """Say what the model sees in one picture."""
    from train.index import shard_entries

    entry = shard_entries([unseen])[0]
    pixels = [entry.pixels(model.config.image_size)]
    (tags,), (caption,) = model.tag(pixels), model.caption(pixels)
    say("tag", ", ".join(tag.tag for tag in tags), entry.name)
    say("caption", f'"{caption.text}"')


def _search(
    config: ModelDemo, model: Tag2Text, unseen: str, tag_weight: float, say: Say
) -> list[Found]:
    from train.index import Index, build_index, shard_entries
    from train.search import search

    folder, parse = config.output / "index", caption_parser()
    made = build_index(model, shard_entries([unseen]), folder, batch_size=32)
    say("index", f"{made.images:,} images", folder)
    opened = Index.open(folder)
    found = [
        search(opened, model, text, parse=parse, top=SHOWN, tag_weight=tag_weight)
        for text in QUERIES
    ]
    for one in found:
        best = one.hits[0]
        say("search", f'"{one.query}": {", ".join(t.tag for t in best.matching)}', best.entry.name)
    return found


def _write_page(
    path: Path, found: tuple[Evaluation, Evaluation], searches: list[Found], log: Path
) -> None:
    from train.evaluation_report import headline, sections
    from train.search_page import STYLE
    from train.search_page import sections as search_sections
    from vocab.files import write_whole
    from vocab.page import document, figures, text

    words = f"A tiny model that learned from drawn scenes, on {found[0].images:,} others of them."
    body = f"""<header><h1>What the demo's model learned</h1>
<p class="note">{text(words)}</p>
{figures([pair for one in found for pair in headline(one)])}</header>
<main><section><h2>Training</h2>{_curves(log)}</section>
{"".join(map(sections, found))}{search_sections(searches)}</main>
<footer>Made by <code>tag2text demo</code>.</footer>"""
    write_whole(path, document(title="tag2text demo", style=STYLE, body=body, images=True))


def _curves(log: Path) -> str:
    """Return the losses by step as charts, one a loss."""
    from vocab.charts import NEUTRAL, Series, line_chart, linear
    from vocab.page import figure

    rows = list(_records(log))
    names = [name for name in ("tagging", "generation", "contrast", "matching") if name in rows[0]]
    made = []
    for name, tone in zip(names, NEUTRAL, strict=False):
        points = [(row["step"], row[name]) for row in rows]
        x, y = linear("step", points[-1][0]), linear("loss", max(value for _, value in points))
        made.append(figure(name, line_chart(name, [Series(name, tone, points)], x=x, y=y)))
    return f'<div class="charts">{"".join(made)}</div>'


def _records(log: Path) -> Iterator[dict[str, float]]:
    for line in log.read_text("utf-8").splitlines():
        record = json.loads(line)
        if record.get("of") == "training":
            yield record
