"""The jobs: manifest, mine, count, shards; and the tools to look at what they made."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from tag2text.options import (
    ImageRoot,
    Manifest,
    MaxBadRatio,
    MinImages,
    Output,
    Parser,
    Quality,
    Quota,
    TakeOver,
    Top,
    Weight,
    Workers,
    checked_flags,
    names,
    runner,
    selection,
)
from tag2text.output import say_done, warning
from vocab.errors import InputError
from vocab.wording import counted

Inputs = Annotated[list[str], typer.Argument(help="Caption files, plain or gzipped.")]
Format = Annotated[
    str,
    typer.Option(
        help="cc3m, cc12m, sbu, sbu-text, coco, karpathy, vg, or tsv, csv, jsonl, parquet "
        "with named columns, or lines (captions without images)."
    ),
]
Source = Annotated[str, typer.Option(help="Begins every key; default: the format.")]
ImageColumn = Annotated[str, typer.Option(help="Column of the URL or path.")]
CaptionColumn = Annotated[str, typer.Option(help="Column of the text.")]
Columns = Annotated[str, typer.Option(help="Names for a file without a header: a,b,c.")]
Split = Annotated[str, typer.Option(help="Splits of a Karpathy file: train,restval.")]
ImageData = Annotated[str, typer.Option(help="Visual Genome's image_data.json: URLs and COCO ids.")]
NoImage = Annotated[
    bool, typer.Option("--no-image", help="Keep captions without an image, for mining only.")
]
GroupImages = Annotated[
    bool, typer.Option("--group-images", help="Join rows of an image that stand apart.")
]
Exclude = Annotated[
    list[str] | None,
    typer.Option(help="File of keys or image names to leave out; repeatable."),
]
ShardRows = Annotated[int, typer.Option(min=1, help="Rows a shard.")]
Limit = Annotated[int, typer.Option(min=0, help="Only the first N rows; 0: all.")]
Downloaded = Annotated[
    str | None, typer.Option(help="Directory of downloaded shards (img2dataset's layout).")
]
Verify = Annotated[
    Literal["structure", "decode"], typer.Option(help="Check headers and ends, or all pixels.")
]
ImageSize = Annotated[
    int | None,
    typer.Option(
        min=1, help="Shorter side in pixels; default: images as they are, not turned by EXIF."
    ),
]
MaxPixels = Annotated[int | None, typer.Option(min=1, help="Larger images are bad.")]


def manifest(
    inputs: Inputs,
    output: Output,
    format: Format,
    source: Source = "",
    image_column: ImageColumn = "image",
    caption_column: CaptionColumn = "caption",
    columns: Columns = "",
    split: Split = "",
    image_data: ImageData = "",
    no_image: NoImage = False,
    group_images: GroupImages = False,
    exclude: Exclude = None,
    shard_rows: ShardRows = 10_000,
    limit: Limit = 0,
    max_bad_ratio: MaxBadRatio = 0.05,
    take_over: TakeOver = False,
) -> None:
    """Read caption files into shards of rows with stable keys."""
    flags = dict(locals())
    from pipeline.manifest import ManifestConfig, write_manifest

    with checked_flags():
        flags |= {"inputs": tuple(inputs), "exclude": tuple(exclude or ())}
        flags |= {"columns": tuple(names(columns)), "splits": tuple(names(flags.pop("split")))}
        config = ManifestConfig(**flags)
    summary = write_manifest(config)
    say_done(output, summary, "image")
    if exclude and not summary.counts["excluded"]:
        warning("--exclude fits no image of this file")


def mine(
    context: typer.Context,
    manifest: Manifest,
    output: Output,
    parser: Parser = "rules",
    workers: Workers = 1,
    max_bad_ratio: MaxBadRatio = 0.05,
    take_over: TakeOver = False,
) -> None:
    """Parse captions into scene graphs and tags, shard by shard.

    A rerun does what is missing.
    """
    from pipeline.mine import MineConfig
    from pipeline.mine import mine as run

    with checked_flags():
        config = MineConfig(
            manifest=manifest,
            output=output,
            parser=parser,
            max_bad_ratio=max_bad_ratio,
            take_over=take_over,
            runner=runner(context, workers),
        )
    say_done(output, run(config), "caption")


def count(
    context: typer.Context,
    mined: Annotated[list[str], typer.Option(help="Directory of `tag2text mine`; one a source.")],
    output: Output,
    top: Top = 5000,
    min_images: MinImages = 1,
    quota: Quota = None,
    weight: Weight = None,
    workers: Workers = 1,
    take_over: TakeOver = False,
) -> None:
    """Count tags over images; the most frequent become candidates."""
    from pipeline.count import CANDIDATES, CountConfig
    from pipeline.count import count as run

    with checked_flags():
        config = CountConfig(
            mined=tuple(mined),
            output=output,
            selection=selection(top, min_images, quota, weight),
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
    image_root: ImageRoot = None,
    images: Downloaded = None,
    verify: Verify = "structure",
    image_size: ImageSize = None,
    quality: Quality = 95,
    max_pixels: MaxPixels = None,
    workers: Workers = 1,
    max_bad_ratio: MaxBadRatio = 0.5,
    take_over: TakeOver = False,
) -> None:
    """Write labelled WebDataset shards: images, captions, tags."""
    from pipeline.images import PIXEL_LIMIT, ImageSettings
    from pipeline.shards import ShardsConfig, write_shards

    with checked_flags():
        pixels = max_pixels or PIXEL_LIMIT
        settings = ImageSettings(
            verify=verify, image_size=image_size, quality=quality, max_pixels=pixels
        )
        config = ShardsConfig(
            mined=mined,
            vocabulary=vocabulary,
            output=output,
            image_root=image_root,
            images=images,
            settings=settings,
            max_bad_ratio=max_bad_ratio,
            take_over=take_over,
            runner=runner(context, workers),
        )
    say_done(output, write_shards(config), "sample")


def check(
    directories: Annotated[list[str], typer.Argument(help="Output directories of any job.")],
) -> None:
    """Read finished directories again and say whether they are whole."""
    from pipeline.check import check_directory

    broken = 0
    for path in directories:
        problems = check_directory(path)
        broken += bool(problems)
        for problem in problems:
            typer.echo(str(problem))
        if not problems:
            typer.echo(f"{path}: whole")
    if broken:
        raise InputError(f"{broken:,} of {len(directories):,} directories: not whole, see above")


def inspect(
    shards: Annotated[str, typer.Argument(help="A labelled shard (.tar) or a directory of them.")],
    output: Annotated[str, typer.Option(help="HTML file to write.")] = "inspect.html",
    samples: Annotated[int, typer.Option(min=1, help="How many samples to show.")] = 60,
) -> None:
    """Write one page of a shard: pictures, captions, tags, counts."""
    from pipeline.inspect_page import write_page

    shown = write_page(shards, output, samples=samples)
    typer.echo(f"{output}: {counted(shown, 'sample')}; open it in a browser")


def demo(
    output: Annotated[Path, typer.Option(help="Directory to write.")] = Path("demo"),
    scenes: Annotated[int, typer.Option(min=10, help="How many images to draw.")] = 3000,
    image_size: Annotated[int, typer.Option(min=32, max=1024, help="Pixels a side.")] = 128,
    seed: Annotated[int, typer.Option(min=0, help="Another seed draws other scenes.")] = 0,
    steps: Annotated[int, typer.Option(min=0, help="How long a model learns; 0: none.")] = 600,
    workers: Workers = 1,
) -> None:
    """Run everything on drawn scenes, without network or data.

    It takes less than five minutes, and ends with what to try next.
    """
    from tag2text.demo import DemoConfig, run_demo

    chosen = DemoConfig(
        output=output, images=scenes, size=image_size, seed=seed, workers=workers, steps=steps
    )
    run_demo(chosen)
