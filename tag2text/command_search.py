"""``tag2text index`` and ``search``: find images by a sentence or by keywords."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tag2text.options import BatchSize, Data, JsonLines, Model, check_file, needs
from tag2text.output import COLOURS, progress, style
from vocab.errors import UsageError, printable

if TYPE_CHECKING:
    from train.evaluation_data import Parse
    from train.index import Entry
    from train.search import Found, Hit
    from vocab.graph import Tag
    from vocab.parser import CaptionParser


def index(
    model: Model,
    output: Annotated[Path, typer.Option(help="Directory of the index to write.")],
    images: Annotated[
        list[str] | None, typer.Argument(help="Image files, folders, or glob patterns.")
    ] = None,
    data: Data = None,
    batch_size: BatchSize = 16,
) -> None:
    """Index images, to be searched by sentences or keywords."""
    if bool(images) == bool(data):
        raise UsageError("give either images or, with --data, labelled shards")
    with needs("train"):
        from model.tag2text import Tag2Text
        from train.index import build_index

    entries = _entries(images or [], data or [])
    loaded = Tag2Text.from_pretrained(model)
    with progress(len(entries), "indexing") as advance:
        made = build_index(loaded, entries, output, batch_size=batch_size, advance=advance)
    refused = f"; {made.bad:,} could not be used (bad.jsonl)" if made.bad else ""
    typer.echo(f"{output}: {made.images:,} images{refused}")


def search(
    query: Annotated[list[str], typer.Argument(help="Sentences or keywords, one an argument.")],
    index: Annotated[Path, typer.Option("--index", help="Directory of an index.")],
    model: Annotated[Path, typer.Option(help="Directory of the model that made it.")],
    top: Annotated[int, typer.Option(min=1, help="Images a query.")] = 12,
    tag_weight: Annotated[
        float, typer.Option(min=0, help="Of the share of matching tags, beside the cosine.")
    ] = 0.1,
    rerank: Annotated[
        int, typer.Option(min=0, help="First images to look at again together with the query.")
    ] = 0,
    output: Annotated[Path | None, typer.Option(help="HTML contact sheet to write, too.")] = None,
    as_json: JsonLines = False,
) -> None:
    """Find images of an index by sentences or keywords."""
    check_file(output)
    with needs("train"):
        from model.tag2text import Tag2Text
        from train.index import Index
        from train.search import search as find
        from train.search_page import write_sheet

    opened = Index.open(index)
    loaded, parse = Tag2Text.from_pretrained(model), caption_parser()
    found = []
    for text in query:
        found.append(
            find(opened, loaded, text, parse=parse, top=top, tag_weight=tag_weight, rerank=rerank)
        )
        typer.echo(_as_json(found[-1]) if as_json else _as_text(found[-1]))
    if output is not None:
        write_sheet(output, found, images=len(opened.entries))
        typer.echo(f"{output}: open it in a browser", err=True)


def caption_parser() -> Parse | None:
    """Return the caption parser, loaded when it is first needed; None where spaCy is missing."""
    import importlib.util

    if importlib.util.find_spec("spacy") is None:
        return None
    loaded: list[CaptionParser] = []

    def parse(captions):  # type: ignore[no-untyped-def]
        from vocab.parser import load_parser

        if not loaded:
            loaded.append(load_parser())
        return loaded[0].parse(captions)

    return parse


def _entries(images: list[str], data: list[str]) -> list[Entry]:
    from tag2text.commands_model import image_paths
    from train.index import file_entries, shard_entries

    return shard_entries(data) if data else file_entries(image_paths(images))


def _as_json(found: Found) -> str:
    return json.dumps(
        {
            "query": found.query,
            "tags": _keys(found.tags),
            "images": [_hit_json(hit) for hit in found.hits],
        },
        ensure_ascii=False,
    )


def _hit_json(hit: Hit) -> dict[str, object]:
    value: dict[str, object] = {"image": hit.entry.name, "file": hit.entry.file}
    value |= {"score": round(hit.score, 6), "similarity": round(hit.similarity, 6)}
    if hit.probability is not None:
        value["probability"] = round(hit.probability, 6)
    return {**value, "matching": _keys(hit.matching), "missing": _keys(hit.missing)}


def _keys(tags: Iterable[Tag]) -> list[str]:
    from vocab.keys import key_of

    return [key_of(tag) for tag in tags]


def _as_text(found: Found) -> str:
    lines = [style(found.query, bold=True) + f"  ({_tags(found.tags) or 'no tags'})"]
    for hit in found.hits:
        tags = _tags(hit.matching)
        if hit.missing:
            tags += style(f"  not {', '.join(t.tag for t in hit.missing)}", dim=True)
        sure = "" if hit.probability is None else f" {hit.probability:4.0%}"
        lines.append(f"  {hit.similarity:6.3f}{sure}  {printable(hit.entry.name)}  {tags}".rstrip())
    return "\n".join(lines)


def _tags(tags: Iterable[Tag]) -> str:
    return ", ".join(style(tag.tag, fg=COLOURS[tag.kind]) for tag in tags)
