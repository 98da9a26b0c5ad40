"""What a model is evaluated on: images with captions and tags, or with a benchmark's labels."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from torch import Tensor

from model.preprocess import to_pixels
from train.decode import evaluation_pixels
from train.metrics import Flags
from train.samples import parse
from train.shards import BadSampleError, open_shards
from vocab.errors import InputError
from vocab.graph import SceneGraph
from vocab.overlap import parse_class, read_class_list
from vocab.vocabulary import Vocabulary

Read = Callable[[int], Tensor]  # size -> pixels (3, size, size), uint8
Parse = Callable[[Iterable[str]], Iterable[SceneGraph]]
Forms = tuple[str, ...]  # a class by its name and its synonyms
MATCHES: Final = "a benchmark is lines of path,id,id with --classes, or COCO's instances as .json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One image: its captions, the class ids of each; ``group`` is NoCaps' domain, if any.

    ``read`` gives its pixels, or raises :class:`~model.preprocess.ImageError` or
    :class:`~train.shards.BadSampleError`. In a benchmark, ``tags`` is one row, its labels.
    """

    key: str
    read: Read
    captions: tuple[str, ...] = ()
    tags: tuple[tuple[int, ...], ...] = ()
    group: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationSet:
    """Images to evaluate on; ``classes`` are a benchmark's, ``None`` for those of the model.

    ``labelled`` is False where the images have captions but no tags.
    """

    name: str
    examples: tuple[Example, ...]
    classes: tuple[Forms, ...] | None = None
    labelled: bool = True

    def __post_init__(self) -> None:
        if not self.examples:
            raise InputError(f"{self.name}: holds no image to evaluate on")

    def take(self, limit: int | None) -> EvaluationSet:
        """Return ``limit`` of the images, spread evenly; all of them when it is ``None``."""
        total = len(self.examples)
        if limit is None or limit >= total:
            return self
        picks = (number * total // limit for number in range(limit))
        return replace(self, examples=tuple(self.examples[pick] for pick in picks))


def label_matrix(examples: Sequence[Example], classes: int) -> Flags:
    """Return the labels (images, classes): what any caption of the image says."""
    labels = np.zeros((len(examples), classes), np.bool_)
    for row, example in enumerate(examples):
        labels[row, [index for ids in example.tags for index in ids]] = True
    return labels


def read_shards(spec: Sequence[str], vocabulary: Vocabulary) -> EvaluationSet:
    """Return the samples of labelled shards; those that cannot be read fail when they are used.

    :class:`InputError` is that of :func:`train.shards.open_shards`.
    """
    shards = open_shards(spec, vocabulary)

    def example(number: int) -> Example:
        def read(size: int) -> Tensor:
            return evaluation_pixels(shards.read(number).image, size).permute(2, 0, 1)

        try:
            captions, tags = parse(shards.read(number).text, len(vocabulary))
        except BadSampleError:
            return Example(key=shards.key(number), read=_failing(shards.key(number)))
        ids = tuple(map(tuple, tags))
        return Example(key=shards.key(number), read=read, captions=tuple(captions), tags=ids)

    return EvaluationSet(name=" ".join(spec), examples=tuple(map(example, range(len(shards)))))


def read_captions(
    path: Path, images: Path, vocabulary: Vocabulary, parse_captions: Parse | None
) -> EvaluationSet:
    """Return the images of a captions file in COCO's JSON form, NoCaps' among them.

    ``parse_captions`` makes the tags of the captions; without it the images have none.
    """
    value = _read_json(path)
    captions: dict[object, list[str]] = {}
    try:
        for row in value["annotations"]:
            captions.setdefault(row["image_id"], []).append(_text(row["caption"]))
        examples = [
            _file_example(
                _text(row["id"]),
                _inside(images, row["file_name"]),
                captions=tuple(captions[row["id"]]),
                group=_text(row.get("domain", "")),
            )
            for row in value["images"]
            if row["id"] in captions
        ]
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: not captions in COCO's JSON form ({error!r})") from error
    if parse_captions is not None:
        examples = _with_tags(examples, vocabulary, parse_captions)
    labelled = parse_captions is not None
    return EvaluationSet(name=path.name, examples=tuple(examples), labelled=labelled)


def read_benchmark(path: Path, images: Path, classes: Path | None = None) -> EvaluationSet:
    """Return a tagging benchmark: lines ``path,id,id``, or COCO's instances as JSON.

    ``classes`` names the ids of the first form, a class a line, from 0. What an image is not
    said to be of, it is not of.
    """
    if path.suffix == ".json":
        return _read_instances(path, images)
    if classes is None:
        raise InputError(f"{path}: the classes of its ids are missing; {MATCHES}")
    names = read_class_list(classes).classes
    try:
        lines = path.read_text(encoding="utf-8").split("\n")  # a name may hold other breaks
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error}); {MATCHES}") from error
    examples = tuple(
        _line_example(line, f"{path}:{number}", images, len(names))
        for number, line in enumerate(lines, 1)
        if line.strip()
    )
    return EvaluationSet(name=path.name, examples=examples, classes=names)


def read_results(path: Path) -> dict[str, str]:
    """Return any captioner's captions by image key: COCO's result form.

    ``[{"image_id": ..., "caption": ...}, ...]``; the id is a sample's key in shards, an image's
    id in a captions file, its path in a benchmark.
    """
    try:
        return {_text(row["image_id"]): _text(row["caption"]) for row in _read_json(path)}
    except (KeyError, TypeError) as error:
        raise InputError(
            f'{path}: not a list of {{"image_id": ..., "caption": ...}} ({error!r})'
        ) from error


def _read_instances(path: Path, images: Path) -> EvaluationSet:
    value = _read_json(path)
    try:
        ids = {row["id"]: place for place, row in enumerate(value["categories"])}
        classes = tuple(parse_class(row["name"]) for row in value["categories"])
        found: dict[object, set[int]] = {}
        for row in value["annotations"]:
            found.setdefault(row["image_id"], set()).add(ids[row["category_id"]])
        examples = tuple(
            _file_example(
                row["file_name"],
                _inside(images, row["file_name"]),
                tags=(tuple(sorted(found.get(row["id"], ()))),),
            )
            for row in value["images"]
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: not instances in COCO's JSON form ({error!r})") from error
    return EvaluationSet(name=path.name, examples=examples, classes=classes)


def _line_example(line: str, place: str, images: Path, classes: int) -> Example:
    name, *cells = (cell.strip() for cell in line.split(","))
    if not all(_is_class(cell, classes) for cell in cells):
        raise InputError(f"{place}: ids must be numbers below {classes}, the classes; {MATCHES}")
    return _file_example(name, _inside(images, name), tags=(tuple(map(int, cells)),))


def _is_class(cell: str, classes: int) -> bool:
    short = len(cell) <= len(str(classes))  # Python makes no numbers of thousands of digits
    return short and cell.isascii() and cell.isdecimal() and int(cell) < classes


def _inside(images: Path, name: str) -> Path:
    """Return the path of an image; a list of images cannot name files outside their folder."""
    if name.startswith("/") or ".." in name.split("/") or "\0" in name or name != _text(name):
        raise InputError(f"image {name[:80]!r}: is no path below {images}; mend the list")
    return images / name


def _text(value: object) -> str:
    """Return a value as text that files can hold: half a surrogate pair has no form in UTF-8."""
    return str(value).encode("utf-8", "replace").decode()


def _file_example(
    key: str,
    path: Path,
    *,
    captions: tuple[str, ...] = (),
    tags: tuple[tuple[int, ...], ...] = (),
    group: str = "",
) -> Example:
    def read(size: int) -> Tensor:
        return to_pixels(path, size)

    return Example(key=key, read=read, captions=captions, tags=tags, group=group)


def _with_tags(
    examples: Iterable[Example], vocabulary: Vocabulary, parse_captions: Parse
) -> list[Example]:
    listed = list(examples)
    graphs = iter(parse_captions(text for example in listed for text in example.captions))
    return [
        replace(one, tags=tuple(tuple(vocabulary.encode(next(graphs).tags)) for _ in one.captions))
        for one in listed
    ]


def _failing(key: str) -> Read:
    def read(size: int) -> Tensor:
        raise BadSampleError("broken_sample")

    return read


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({error})") from error


def by_key(texts: Mapping[str, str], examples: Iterable[Example], place: str) -> list[str]:
    """Return each example's text; :class:`InputError` names the first image without one."""
    listed = list(examples)
    missing = [example.key for example in listed if example.key not in texts]
    if missing:
        raise InputError(f"{place}: has no caption for {missing[0]} and {len(missing) - 1} more")
    return [texts[example.key] for example in listed]
