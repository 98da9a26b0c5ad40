"""``tag2text evaluate``: how good a model is, in figures and on a page."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tag2text.command_search import caption_parser
from tag2text.options import (
    BatchSize,
    Beams,
    Data,
    ImageRoot,
    Model,
    check_file,
    checked_flags,
    needs,
)
from tag2text.output import progress, table
from vocab.errors import UsageError
from vocab.wording import counted

if TYPE_CHECKING:
    from model.tag2text import Tag2Text
    from train.evaluate import EvaluationConfig, Helpers
    from train.evaluation import Evaluation
    from train.evaluation_data import EvaluationSet
    from train.tuning import Tuned

Flags = Mapping[str, Any]

Page = Annotated[Path, typer.Option(help="The HTML page to write; figures go beside, .json.")]
Captions = Annotated[
    Path | None, typer.Option(help="Captions in COCO's JSON form, NoCaps' too; needs --image-root.")
]
Benchmark = Annotated[
    Path | None,
    typer.Option(help="Lines of path,id,id, or COCO's instances (.json); needs --image-root."),
]
Classes = Annotated[Path | None, typer.Option(help="Names of the benchmark's ids, one a line.")]
Task = Annotated[
    list[str] | None,
    typer.Option(
        metavar="tagging|captioning|retrieval", help="What to measure; default: all; repeatable."
    ),
]
Tune = Annotated[
    list[str] | None,
    typer.Option(help="Other labelled shards: search thresholds and the tags' weight there."),
]
WriteThresholds = Annotated[
    bool, typer.Option("--write-thresholds", help="Keep those of --tune in the model.")
]
Control = Annotated[
    bool, typer.Option("--control", help="Captions at several thresholds (Figure 6).")
]
ClipModel = Annotated[
    str | None, typer.Option(help="Compare with a CLIP-like model of transformers.")
]
Captioner = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME=FILE", help="Compare with captions in COCO's result form."),
]
Java = Annotated[
    list[str] | None,
    typer.Option(
        metavar="meteor|spice",
        help="Also these figures, by pycocoevalcap's Java programs; repeatable.",
    ),
]
Limit = Annotated[int | None, typer.Option(min=1, help="Images, spread evenly; default: all.")]
Show = Annotated[int, typer.Option(min=0, help="Example images on the page.")]


def evaluate(
    model: Model,
    output: Page,
    data: Data = None,
    captions: Captions = None,
    benchmark: Benchmark = None,
    classes: Classes = None,
    image_root: ImageRoot = None,
    task: Task = None,
    tune: Tune = None,
    write_thresholds: WriteThresholds = False,
    control: Control = False,
    clip_model: ClipModel = None,
    captioner: Captioner = None,
    java: Java = None,
    beams: Beams = 3,
    batch_size: BatchSize = 16,
    limit: Limit = None,
    show: Show = 24,
) -> None:
    """Measure tags, captions and retrieval; write a page of figures."""
    flags = dict(locals())
    _check_flags(flags)
    check_file(output)
    with needs("train"):
        from model.tag2text import Tag2Text
        from train.evaluate import evaluate as measure

    with checked_flags():
        config = _config(flags)
    loaded = Tag2Text.from_pretrained(model)
    helpers = _helpers(loaded, flags)
    chosen = _data(loaded, flags, helpers).take(limit)
    if tune:
        loaded, config = _tune(loaded, config, flags)
    with progress(len(chosen.examples), "evaluating") as advance:
        found = measure(loaded, chosen, config, helpers, advance=advance)
    _write(output, found)


def _check_flags(flags: Flags) -> None:
    if sum(bool(flags[name]) for name in ("data", "captions", "benchmark")) != 1:
        raise UsageError("give one of --data, --captions and --benchmark")
    if not flags["data"] and flags["image_root"] is None:
        raise UsageError("--captions and --benchmark need --image-root, the folder of their images")
    if flags["write_thresholds"] and not flags["tune"]:
        raise UsageError("--write-thresholds keeps what --tune finds; give --tune as well")
    if set(flags["tune"] or ()) & set(flags["data"] or ()):
        raise UsageError("--tune and --data name the same shards: the figures would flatter")


def _config(flags: Flags) -> EvaluationConfig:
    from train.evaluate import CONTROL, TASKS, EvaluationConfig

    return EvaluationConfig(
        tasks=tuple(flags["task"] or TASKS),
        beams=flags["beams"],
        batch_size=flags["batch_size"],
        control=CONTROL if flags["control"] else (),
        shown=flags["show"],
        java=tuple(flags["java"] or ()),
    )


def _write(output: Path, found: Evaluation) -> None:
    """Write the page, the figures beside it, and print the headline ones."""
    from train.evaluation_report import write_report
    from vocab.files import write_whole

    write_report(output, found)
    values = json.dumps(found.to_json(), indent=1, ensure_ascii=False, allow_nan=False)
    write_whole(output.with_suffix(".json"), values + "\n")
    table(("figure", "value"), [(name, f"{value:.4f}") for name, value in found.figures().items()])
    for note in found.notes:
        typer.echo(note, err=True)
    typer.echo(f"{output}: {counted(found.images, 'image')}", err=True)


def _data(model: Tag2Text, flags: Flags, helpers: Helpers) -> EvaluationSet:
    from train.evaluation_data import read_benchmark, read_captions, read_shards

    if flags["data"]:
        return read_shards(flags["data"], model.vocabulary)
    root = Path(flags["image_root"])
    if flags["captions"]:
        return read_captions(flags["captions"], root, model.vocabulary, helpers.parse)
    return read_benchmark(flags["benchmark"], root, flags["classes"])


def _helpers(model: Tag2Text, flags: Flags) -> Helpers:
    from train.alignment_baseline import ClipScorer
    from train.evaluate import Helpers
    from train.evaluation_data import read_results
    from vocab.wordnet import load_senses

    senses = load_senses()
    texts = {}
    for entry in flags["captioner"] or ():
        name, sign, path = entry.partition("=")
        if not sign:
            raise UsageError(f"--captioner {entry}: give NAME=FILE")
        texts[name] = read_results(Path(path))
    clip = flags["clip_model"]
    return Helpers(
        parse=caption_parser(),
        synonyms=None if senses is None else lambda tag: senses.synonyms(tag, 1),
        clip=None if clip is None else ClipScorer(clip, device=model.device),
        captioners=texts,
    )


def _tune(
    model: Tag2Text, config: EvaluationConfig, flags: Flags
) -> tuple[Tag2Text, EvaluationConfig]:
    """Return the model with tuned thresholds, and a configuration with the tags' tuned weight."""
    from model.tag2text import Tag2Text

    tuned = _tuned(model, flags["tune"], config.batch_size)
    if flags["write_thresholds"]:
        tuned.vocabulary.save(flags["model"] / "vocabulary")
    changed = Tag2Text(model.network, tuned.vocabulary, model.tokenizer)
    return changed, replace(config, tag_weight=tuned.tag_weight)


def _tuned(model: Tag2Text, spec: list[str], batch_size: int) -> Tuned:
    from train.evaluation_data import read_shards
    from train.tuning import tune

    data = read_shards(spec, model.vocabulary)
    with progress(len(data.examples), "tuning") as advance:
        tuned = tune(model, data, batch_size=batch_size, advance=advance)
    found = f"{tuned.found:,} of {len(model.vocabulary):,} tags"
    typer.echo(f"thresholds for {found}; tags weigh {tuned.tag_weight:g} in retrieval", err=True)
    return tuned
