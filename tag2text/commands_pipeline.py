"""The jobs: manifest, mine, count, shards; and the tools to look at what they made."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from tag2text.options import (
    BEAM_EPILOG,
    BEAM_FLAGS,
    MaxBadRatio,
    Output,
    Parser,
    Quota,
    TakeOver,
    Top,
    Weight,
    Workers,
    runner,
    selection,
)
from tag2text.output import say_done


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the command line."""
    app.command()(manifest)
    for command in (mine, count, shards):
        app.command(context_settings=BEAM_FLAGS, epilog=BEAM_EPILOG)(command)


def manifest(
    inputs: Annotated[list[str], typer.Argument(help="Caption files, plain or gzipped.")],
    output: Output,
    format: Annotated[
        str,
        typer.Option(
            help="cc3m, cc12m, sbu, sbu-text, coco, karpathy, vg, or tsv, csv, jsonl, parquet "
            "with named columns, or lines (captions without images)."
        ),
    ],
    source: Annotated[str, typer.Option(help="Begins every key; default: the format.")] = "",
    image_column: Annotated[str, typer.Option(help="Column of the URL or path.")] = "image",
    caption_column: Annotated[str, typer.Option(help="Column of the text.")] = "caption",
    columns: Annotated[str, typer.Option(help="Names for a file without a header: a,b,c.")] = "",
    split: Annotated[str, typer.Option(help="Splits of a Karpathy file: train,restval.")] = "",
    image_data: Annotated[
        str, typer.Option(help="Visual Genome's image_data.json: URLs and COCO ids.")
    ] = "",
    no_image: Annotated[
        bool, typer.Option("--no-image", help="Keep captions without an image, for mining only.")
    ] = False,
    exclude: Annotated[
        list[str] | None, typer.Option(help="File of keys or image names to leave out.")
    ] = None,
    shard_rows: Annotated[int, typer.Option(min=1, help="Rows a shard.")] = 10_000,
    limit: Annotated[int, typer.Option(min=0, help="Only the first N rows; 0: all.")] = 0,
    max_bad_ratio: MaxBadRatio = 0.05,
    take_over: TakeOver = False,
) -> None:
    """Read caption files of any form into shards of rows with stable keys."""
    from pipeline.manifest import ManifestConfig, write_manifest

    config = ManifestConfig(
        inputs=tuple(inputs),
        output=output,
        format=format,
        source=source,
        image_column=image_column,
        caption_column=caption_column,
        columns=_names(columns),
        splits=_names(split),
        image_data=image_data,
        no_image=no_image,
        exclude=tuple(exclude or ()),
        shard_rows=shard_rows,
        limit=limit,
        max_bad_ratio=max_bad_ratio,
        take_over=take_over,
    )
    say_done(output, write_manifest(config), "images")


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for part in text.split(",") if (name := part.strip()))


def mine(
    context: typer.Context,
    manifest: Annotated[str, typer.Option(help="Directory that `tag2text manifest` made.")],
    output: Output,
    parser: Parser = "rules",
    workers: Workers = 1,
    max_bad_ratio: MaxBadRatio = 0.05,
    take_over: TakeOver = False,
) -> None:
    """Parse captions into scene graphs and tags, shard by shard; a rerun does what is missing."""
    from pipeline.mine import MineConfig
    from pipeline.mine import mine as run

    config = MineConfig(
        manifest=manifest,
        output=output,
        parser=parser,
        max_bad_ratio=max_bad_ratio,
        take_over=take_over,
        runner=runner(context, workers),
    )
    say_done(output, run(config), "captions")


def count(
    context: typer.Context,
    mined: Annotated[list[str], typer.Option(help="Directory of `tag2text mine`; one a source.")],
    output: Output,
    top: Top = 5000,
    quota: Quota = None,
    weight: Weight = None,
    workers: Workers = 1,
    take_over: TakeOver = False,
) -> None:
    """Count tags over distinct images and keep the most frequent as candidates."""
    from pipeline.count import CANDIDATES, CountConfig
    from pipeline.count import count as run

    config = CountConfig(
        mined=tuple(mined),
        output=output,
        selection=selection(top, quota, weight),
        take_over=take_over,
        runner=runner(context, workers),
    )
    summary = run(config)
    kinds = ", ".join(f"{n:,} {name}" for name, n in sorted(summary.counts.items()))
    typer.echo(f"{output}/{CANDIDATES}: {kinds.replace('_', ' ')} of {summary.rows:,} counts")


def shards(
    context: typer.Context,
    mined: Annotated[str, typer.Option(help="Directory that `tag2text mine` made.")],
    vocabulary: Annotated[str, typer.Option(help="Directory of `tag2text vocab build`.")],
    output: Output,
    image_root: Annotated[
        str | None, typer.Option(help="Local folder that the images' paths are relative to.")
    ] = None,
    images: Annotated[
        str | None, typer.Option(help="Directory of downloaded shards (img2dataset's layout).")
    ] = None,
    verify: Annotated[
        Literal["structure", "decode"], typer.Option(help="Check headers and ends, or all pixels.")
    ] = "structure",
    image_size: Annotated[
        int | None, typer.Option(min=1, help="Shorter side in pixels; default: images as they are.")
    ] = None,
    quality: Annotated[int, typer.Option(min=1, max=100, help="JPEG, where re-encoded.")] = 95,
    max_pixels: Annotated[int | None, typer.Option(min=1, help="Larger images are bad.")] = None,
    workers: Workers = 1,
    max_bad_ratio: MaxBadRatio = 0.5,
    take_over: TakeOver = False,
) -> None:
    """Write labelled WebDataset shards: images, captions and multi-hot tags."""
    from pipeline.images import PIXEL_LIMIT, ImageSettings
    from pipeline.shards import ShardsConfig, write_shards

    config = ShardsConfig(
        mined=mined,
        vocabulary=vocabulary,
        output=output,
        image_root=image_root,
        images=images,
        settings=ImageSettings(
            verify=verify,
            image_size=image_size,
            quality=quality,
            max_pixels=max_pixels or PIXEL_LIMIT,
        ),
        max_bad_ratio=max_bad_ratio,
        take_over=take_over,
        runner=runner(context, workers),
    )
    say_done(output, write_shards(config), "samples")
