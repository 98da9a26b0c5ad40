"""``tag2text convert``, ``tag`` and ``caption``: a trained model at work on pictures."""

from __future__ import annotations

import contextlib
import glob
import itertools
import json
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from tag2text.options import BatchSize, Beams, Images, JsonLines, Model, Threshold, names, needs
from tag2text.output import COLOURS, Advance, error, progress, style
from vocab.errors import InputError, UsageError, printable

if TYPE_CHECKING:
    from torch import Tensor

    from model.recognition import TagScore
    from model.tag2text import Description, Tag2Text

SUFFIXES = frozenset((".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"))
ONNX = "tagging.onnx"


Checkpoint = Annotated[Path, typer.Option(help="A released .pth file.")]
TagList = Annotated[
    Path, typer.Option(help="Its tag list, one a line; or a vocabulary's directory.")
]
Output = Annotated[Path, typer.Option(help="Directory of the model to write.")]
Blocks = Annotated[
    str | None,
    typer.Option(help="How many lines are objects and scenes, actions, attributes: 9,5,3."),
]
ImageSize = Annotated[
    int | None, typer.Option(min=32, help="Pixels a side; default: the checkpoint's.")
]
Words = Annotated[
    str | None, typer.Option(help="bert-base-uncased's vocab.txt; default: from the hub.")
]
Onnx = Annotated[bool, typer.Option("--onnx", help=f"Write the tagging path, {ONNX}.")]
Top = Annotated[int | None, typer.Option(min=1, help="Tags an image at most.")]
Labels = Annotated[str | None, typer.Option(help="Score only these: dog,cat or object:orange.")]
Heatmap = Annotated[
    Path | None, typer.Option(help="Folder for pictures of where each tag was seen.")
]
Guide = Annotated[
    str | None, typer.Option(help="Guide all captions by these, free text: dog,red ball.")
]
Nucleus = Annotated[
    float | None, typer.Option(min=0, max=1, help="Draw words instead, from this share.")
]
Seed = Annotated[int, typer.Option(min=0, help="Of the draws.")]
Tokens = Annotated[int, typer.Option(min=1, help="Prompt included.")]


def convert(
    checkpoint: Checkpoint,
    vocabulary: TagList,
    output: Output,
    blocks: Blocks = None,
    image_size: ImageSize = None,
    tokenizer: Words = None,
    onnx: Onnx = False,
) -> None:
    """Make a model of a released checkpoint and its tag list."""
    with needs("model"):
        from model.export import export_tagging
        from model.released import RELEASED, convert_weights, read_released, read_tag_list
        from model.tag2text import Tag2Text
        from model.tokenizer import load_tokenizer
        from vocab.vocabulary import Vocabulary

    if vocabulary.is_dir():
        tags = Vocabulary.load(vocabulary)
    else:
        tags = read_tag_list(vocabulary, None if blocks is None else _sizes(blocks))
    weights = read_released(checkpoint)
    words = load_tokenizer(tokenizer, words=RELEASED.words)
    network = convert_weights(weights, classes=len(tags), image_size=image_size, config=RELEASED)
    made = Tag2Text(network, tags, words)
    made.save_pretrained(output)
    typer.echo(f"{output}: {tags.describe()}; {made.config.image_size} px")
    if onnx:
        worst = export_tagging(network, output / ONNX)
        typer.echo(f"{output / ONNX}: scores within {worst:.1e} of PyTorch's")


def tag(
    images: Images,
    model: Model,
    threshold: Threshold = None,
    top: Top = None,
    labels: Labels = None,
    heatmap: Heatmap = None,
    batch_size: BatchSize = 16,
    as_json: JsonLines = False,
) -> None:
    """Recognise objects, scenes, attributes and actions in images."""
    paths = image_paths(images)
    loaded = _load(model)
    wanted = None if labels is None else names(labels)
    folders = _folders(paths)

    def work(pixels: list[Tensor]) -> list[list[TagScore]]:
        return loaded.tag(pixels, threshold=threshold, top=top, labels=wanted)

    def show(picture: _Picture, found: list[TagScore]) -> str:
        if heatmap is not None:
            _write_heatmaps(loaded, picture, found, heatmap / folders[picture.path])
        return _tags_json(picture.path, found) if as_json else _tags_text(picture.path, found)

    _work_through(paths, loaded, batch_size, work, show, as_json=as_json)


def caption(
    images: Images,
    model: Model,
    tags: Guide = None,
    threshold: Threshold = None,
    beams: Beams = 3,
    nucleus: Nucleus = None,
    seed: Seed = 0,
    min_tokens: Tokens = 10,
    max_tokens: Tokens = 30,
    batch_size: BatchSize = 16,
    as_json: JsonLines = False,
) -> None:
    """Describe images in a sentence, guided by their tags or by yours."""
    paths = image_paths(images)
    loaded = _load(model)
    given = None if tags is None else names(tags)

    def work(pixels: list[Tensor]) -> list[Description]:
        return loaded.caption(
            pixels,
            given,
            threshold=threshold,
            beams=beams,
            nucleus=nucleus,
            seed=seed,
            min_tokens=min_tokens,
            max_tokens=max_tokens,
        )

    def show(picture: _Picture, made: Description) -> str:
        return _caption_json(picture.path, made) if as_json else _caption_text(picture.path, made)

    _work_through(paths, loaded, batch_size, work, show, as_json=as_json)


class _Picture(NamedTuple):
    """A file as pixels of the model's size, or what is wrong with it."""

    path: Path
    pixels: Tensor | None
    error: str = ""


def image_paths(given: Iterable[str]) -> list[Path]:
    """Return the files that arguments mean: a folder's images, also in its folders; a pattern's.

    A file that does not exist stays in the list: it is that image's error.
    """
    paths: list[Path] = []
    for text in given:
        path = Path(text)
        if path.is_dir():
            found = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES)
        elif glob.has_magic(text) and not path.exists():
            found = [Path(p) for p in sorted(glob.glob(text, recursive=True))]  # noqa: PTH207
        else:
            found = [path]
        if not found:
            raise InputError(f"{text}: no image there; give files, folders or patterns")
        paths += found
    return list(dict.fromkeys(paths))


def _work_through(
    paths: Sequence[Path],
    model: Tag2Text,
    batch_size: int,
    work: Callable[[list[Tensor]], list[Any]],
    show: Callable[[_Picture, Any], str],
    *,
    as_json: bool,
) -> None:
    """Print what ``work`` makes of each image, in order; what cannot be read fails alone."""
    bad = 0
    for batch in _batches(paths, model.config.image_size, batch_size):
        pixels = [picture.pixels for picture in batch if picture.pixels is not None]
        results = iter(work(pixels) if pixels else ())
        for picture in batch:
            if picture.pixels is not None:
                typer.echo(show(picture, next(results)))
                continue
            bad += 1
            error(picture.error)
            if as_json:
                typer.echo(_json_line(picture.path, error=picture.error))
    if bad:
        raise typer.Exit(1)


def _batches(paths: Sequence[Path], size: int, batch_size: int) -> Iterator[list[_Picture]]:
    """Yield batches of pictures, decoded side by side, and show progress."""
    from model.preprocess import ImageError, to_pixels

    def read(path: Path) -> _Picture:
        try:
            return _Picture(path, to_pixels(path, size))
        except ImageError as error:
            return _Picture(path, None, str(error))

    with ThreadPoolExecutor(os.cpu_count()) as pool, _progress(len(paths)) as advance:
        for start in range(0, len(paths), batch_size):
            part = paths[start : start + batch_size]
            yield list(pool.map(read, part))
            advance(len(part))


def _progress(total: int) -> contextlib.AbstractContextManager[Advance]:
    """Show progress where the results do not stand on the terminal and show it themselves."""
    if sys.stdout.isatty():
        return contextlib.nullcontext(lambda done: None)
    return progress(total, "images", unit="done")


def _load(directory: Path) -> Tag2Text:
    with needs("model"):
        from model.tag2text import Tag2Text
    return Tag2Text.from_pretrained(directory)


def _sizes(text: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")]
    except ValueError as error:
        raise UsageError(f"--blocks {text}: three numbers are needed, as 9,5,3") from error


def _folders(paths: Iterable[Path]) -> dict[Path, str]:
    """Return a folder name for each image: its own, with a number where another has the same."""
    named: dict[str, Path] = {}
    for path in paths:
        stem = path.stem.strip(".") or "image"  # of "...jpg" the stem is "..", which leads out
        names = (f"{stem}-{n}" if n > 1 else stem for n in itertools.count(1))
        named[next(name for name in names if name not in named)] = path
    return {path: name for name, path in named.items()}


def _write_heatmaps(
    model: Tag2Text, picture: _Picture, found: Sequence[TagScore], folder: Path
) -> None:
    """Write one JPEG a tag into the image's folder."""
    from model.heatmap import SIDE, overlay
    from model.preprocess import open_picture

    if not found or picture.pixels is None:
        return
    folder.mkdir(parents=True, exist_ok=True)
    whole = open_picture(picture.path, side=SIDE)
    for tag, grid in zip(found, model.heatmaps(picture.pixels, found), strict=True):
        name = re.sub(r"[^\w-]", "_", f"{tag.kind}-{tag.tag}")[:60]
        overlay(whole, grid).save(folder / f"{name}.jpg", quality=90)


def _json_line(path: Path, **values: object) -> str:
    line = json.dumps({"image": str(path), **values}, ensure_ascii=False)
    return line.encode("utf-8", "backslashreplace").decode()  # of names that are not UTF-8


def _tags_json(path: Path, found: Sequence[TagScore]) -> str:
    rows = [{"kind": t.kind, "tag": t.tag, "score": round(t.score, 6)} for t in found]
    return _json_line(path, tags=rows)


def _caption_json(path: Path, made: Description) -> str:
    return _json_line(path, caption=made.text, score=round(made.score, 6), tags=list(made.tags))


def _tags_text(path: Path, found: Sequence[TagScore]) -> str:
    lines = [style(printable(str(path)), bold=True)]
    for kind, colour in COLOURS.items():
        tags = [f"{t.tag} {t.score:.2f}" for t in found if t.kind == kind]
        if tags:
            lines.append(f"  {style(f'{kind:<10}', fg=colour)}{', '.join(tags)}")
    return "\n".join(lines if found else [*lines, "  no tag above its threshold"])


def _caption_text(path: Path, made: Description) -> str:
    guided = style(f"  ({', '.join(made.tags) or 'no tags'})", dim=True)
    return f"{style(printable(str(path)), bold=True)}\n  {made.text}{guided}"
