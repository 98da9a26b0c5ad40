"""``tag2text evaluate``: how good a model is, in figures and on a page."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tag2text.options import checked_flags
from tag2text.output import table
from vocab.errors import InputError, UsageError

if TYPE_CHECKING:
    from model.tag2text import Tag2Text
    from train.evaluate import Helpers
    from train.evaluation import Evaluation
    from train.evaluation_data import EvaluationSet, Parse
    from train.tuning import Tuned

Advance = Callable[[int], None]


def evaluate(
    model: Annotated[Path, typer.Option(help="Directory of a model.")],
    output: Annotated[Path, typer.Option(help="The HTML page to write; figures go beside, .json.")],
    data: Annotated[
        list[str] | None, typer.Option(help="Labelled shards: a directory, or tars.")
    ] = None,
    captions: Annotated[
        Path | None, typer.Option(help="Captions in COCO's JSON form, NoCaps' too; needs --images.")
    ] = None,
    benchmark: Annotated[
        Path | None,
        typer.Option(help="Lines of path,id,id, or COCO's instances (.json); needs --images."),
    ] = None,
    classes: Annotated[
        Path | None, typer.Option(help="Names of the benchmark's ids, one a line.")
    ] = None,
    images: Annotated[Path | None, typer.Option(help="Folder of their images.")] = None,
    task: Annotated[
        list[str] | None, typer.Option(help="tagging, captioning, retrieval; default: all.")
    ] = None,
    tune: Annotated[
        list[str] | None,
        typer.Option(help="Other labelled shards: search thresholds and the tags' weight there."),
    ] = None,
    write_thresholds: Annotated[
        bool, typer.Option("--write-thresholds", help="Keep those of --tune in the model.")
    ] = False,
    control: Annotated[
        bool, typer.Option("--control", help="Captions at several thresholds (Figure 6).")
    ] = False,
    clip: Annotated[
        str | None, typer.Option(help="Compare with a CLIP-like model of transformers.")
    ] = None,
    captioner: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=FILE", help="Compare with captions in COCO's result form."),
    ] = None,
    java: Annotated[
        list[str] | None,
        typer.Option(help="meteor, spice: by pycocoevalcap's Java programs."),
    ] = None,
    beams: Annotated[int, typer.Option(min=1, help="Beams of the search; 1 is greedy.")] = 3,
    batch_size: Annotated[int, typer.Option(min=1, help="Images worked on at once.")] = 16,
    limit: Annotated[int | None, typer.Option(min=1, help="Images, spread evenly.")] = None,
    show: Annotated[int, typer.Option(min=0, help="Example images on the page.")] = 24,
) -> None:
    """Measure tags, captions and retrieval; write a page of figures, curves and examples."""
    _check_flags(data, captions, benchmark, images, tune, write_thresholds=write_thresholds)
    with _libraries():
        from model.tag2text import Tag2Text
        from train.evaluate import CONTROL, TASKS, EvaluationConfig
        from train.evaluate import evaluate as measure

    with checked_flags():
        config = EvaluationConfig(
            tasks=tuple(task or TASKS),
            beams=beams,
            batch_size=batch_size,
            control=CONTROL if control else (),
            shown=show,
            java=tuple(java or ()),
        )
    loaded = Tag2Text.from_pretrained(model)
    helpers = _helpers(loaded, clip, captioner or [])
    chosen = _data(loaded, data, captions, benchmark, classes, images, helpers.parse).take(limit)
    if tune:
        tuned = _tune(loaded, tune, batch_size)
        loaded = Tag2Text(loaded.network, tuned.vocabulary, loaded.tokenizer)
        config = replace(config, tag_weight=tuned.tag_weight)
        if write_thresholds:
            tuned.vocabulary.save(model / "vocabulary")
    with _progress(len(chosen.examples), "evaluating") as advance:
        found = measure(loaded, chosen, config, helpers, advance=advance)
    _write(output, found)


def _check_flags(
    data: list[str] | None,
    captions: Path | None,
    benchmark: Path | None,
    images: Path | None,
    tune: list[str] | None,
    *,
    write_thresholds: bool,
) -> None:
    if sum((bool(data), captions is not None, benchmark is not None)) != 1:
        raise UsageError("give one of --data, --captions and --benchmark")
    if not data and images is None:
        raise UsageError("--captions and --benchmark need --images, the folder of their images")
    if write_thresholds and not tune:
        raise UsageError("--write-thresholds keeps what --tune finds; give --tune as well")
    if set(tune or ()) & set(data or ()):
        raise UsageError("--tune and --data name the same shards: the figures would flatter")


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
    typer.echo(f"{output}: {found.images:,} images", err=True)


def _data(
    model: Tag2Text,
    data: list[str] | None,
    captions: Path | None,
    benchmark: Path | None,
    classes: Path | None,
    images: Path | None,
    parse: Parse | None,
) -> EvaluationSet:
    from train.evaluation_data import read_benchmark, read_captions, read_shards

    if data:
        return read_shards(data, model.vocabulary)
    if captions is not None:
        return read_captions(captions, images or Path(), model.vocabulary, parse)
    return read_benchmark(benchmark or Path(), images or Path(), classes)


def _helpers(model: Tag2Text, clip: str | None, captioner: list[str]) -> Helpers:
    from train.alignment_baseline import ClipScorer
    from train.evaluate import Helpers
    from train.evaluation_data import read_results
    from vocab.wordnet import load_senses

    senses = load_senses()
    texts = {}
    for entry in captioner:
        name, sign, path = entry.partition("=")
        if not sign:
            raise UsageError(f"--captioner {entry}: give NAME=FILE")
        texts[name] = read_results(Path(path))
    return Helpers(
        parse=_parser(),
        synonyms=None if senses is None else lambda tag: senses.synonyms(tag, 1),
        clip=None if clip is None else ClipScorer(clip, device=model.device),
        captioners=texts,
    )


def _parser() -> Parse | None:
    """Return the caption parser, loaded when it is first needed; None where spaCy is missing."""
    import importlib.util

    if importlib.util.find_spec("spacy") is None:
        return None

    def parse(captions):  # type: ignore[no-untyped-def]
        from vocab.parser import load_parser

        return load_parser().parse(captions)

    return parse


def _tune(model: Tag2Text, spec: list[str], batch_size: int) -> Tuned:
    from train.evaluation_data import read_shards
    from train.tuning import tune

    data = read_shards(spec, model.vocabulary)
    with _progress(len(data.examples), "tuning") as advance:
        tuned = tune(model, data, batch_size=batch_size, advance=advance)
    found = f"{tuned.found:,} of {len(model.vocabulary):,} tags"
    typer.echo(f"thresholds for {found}; tags weigh {tuned.tag_weight:g} in retrieval", err=True)
    return tuned


@contextlib.contextmanager
def _progress(total: int, what: str) -> Iterator[Advance]:
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.advance(task, done)


@contextlib.contextmanager
def _libraries() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        raise InputError(f"{error.name} is missing: pip install 'tag2text[train]'") from error
