"""``tag2text download``: the flags of the download job, and the table at its end."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from pipeline.worker import start_nursery
from tag2text.options import (
    MaxBadRatio,
    Output,
    TakeOver,
    Workers,
    checked_flags,
    importing,
    runner,
)
from tag2text.output import table

if TYPE_CHECKING:
    from pipeline.job import Summary

ResizeMode = Literal["no", "keep_ratio", "center_crop", "border", "keep_ratio_largest"]


def download(
    context: typer.Context,
    manifest: Annotated[str, typer.Option(help="Directory that `tag2text manifest` made.")],
    output: Output,
    image_root: Annotated[
        str | None, typer.Option(help="Take the images from this folder, not the internet.")
    ] = None,
    image_size: Annotated[int, typer.Option(min=1, help="Pixels; larger ones are resized.")] = 384,
    resize_mode: Annotated[
        ResizeMode, typer.Option(help="keep_ratio: the shorter side becomes the image size.")
    ] = "keep_ratio",
    min_image_size: Annotated[int, typer.Option(min=0, help="Least shorter side, pixels.")] = 0,
    max_aspect_ratio: Annotated[
        float | None, typer.Option(min=1.0, help="Longer side over shorter side.")
    ] = None,
    quality: Annotated[int, typer.Option(min=1, max=100, help="Of the JPEGs written.")] = 95,
    max_pixels: Annotated[
        int, typer.Option(min=1, help="Larger images are never decoded.")
    ] = 64_000_000,
    max_bytes: Annotated[int, typer.Option(min=1, help="Of one image, as sent.")] = 32 << 20,
    option: Annotated[
        list[str] | None, typer.Option(help="NAME=VALUE for img2dataset's resizer, repeatable.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Fetches at once, a worker.")] = 128,
    per_host: Annotated[int, typer.Option(min=1, help="Fetches at once from one host.")] = 4,
    timeout: Annotated[float, typer.Option(help="Seconds without a sign; 6 times in all.")] = 4,
    retries: Annotated[int, typer.Option(min=0, help="More tries of what fails quickly.")] = 1,
    user_agent: Annotated[str | None, typer.Option(help="Says who asks.")] = None,
    ignore_opt_out: Annotated[
        bool, typer.Option("--ignore-opt-out", help="Keep images whose owners say noai, noindex.")
    ] = False,
    allow_network: Annotated[
        list[str] | None, typer.Option(help="A private network to permit, as 10.1.0.0/16.")
    ] = None,
    allow_private_addresses: Annotated[
        bool, typer.Option("--allow-private-addresses", help="Permit all of them, localhost too.")
    ] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Fetch again what may succeed this time.")
    ] = False,
    workers: Workers = 1,
    max_bad_ratio: MaxBadRatio = 0.9,
    take_over: TakeOver = False,
) -> None:
    """Fetch the images of a manifest into shards of img2dataset's layout; failures are rows."""
    if workers > 1:
        start_nursery("pipeline.download", "pipeline.img2dataset_classes")
    with importing():
        from pipeline.addresses import EVERYTHING, AddressGuard
        from pipeline.download import DownloadConfig
        from pipeline.download import download as run
        from pipeline.fetch import USER_AGENT, FetchSettings
        from pipeline.politeness import Politeness
        from pipeline.resized import ResizeSettings

    allowed = EVERYTHING if allow_private_addresses else tuple(allow_network or ())
    with checked_flags():
        config = DownloadConfig(
            manifest=manifest,
            output=output,
            image_root=image_root,
            threads=threads,
            resize=ResizeSettings(
                image_size=image_size,
                resize_mode=resize_mode,
                min_image_size=min_image_size,
                max_aspect_ratio=max_aspect_ratio,
                quality=quality,
                max_pixels=max_pixels,
                options=tuple(map(_option, option or ())),
            ),
            fetch=FetchSettings(
                timeout=timeout,
                max_bytes=max_bytes,
                user_agent=user_agent or USER_AGENT,
                honour_opt_out=not ignore_opt_out,
                guard=AddressGuard(allow=allowed),
            ),
            politeness=Politeness(per_host=per_host, retries=retries),
            retry_failed=retry_failed,
            max_bad_ratio=max_bad_ratio,
            take_over=take_over,
            runner=runner(context, workers),
        )
    _say_done(output, run(config))


def _option(text: str) -> tuple[str, Any]:
    """Return name and value of ``NAME=VALUE``; a value that is JSON is read as such."""
    name, _, value = text.partition("=")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _say_done(output: str, summary: Summary) -> None:
    from pipeline.download import REPORT

    rows = max(summary.rows_in, 1)
    results = [("success", summary.rows), *summary.bad.most_common()]
    table(
        ("result", "images", "share"),
        [(reason, count, f"{count / rows:.1%}") for reason, count in results],
        title=f"{output}: {summary.rows_in:,} images in {summary.shards:,} shards",
    )
    megabytes = summary.counts["bytes"] / 1e6
    typer.echo(f"{output}: {summary.rows:,} images, {megabytes:,.1f} MB as sent; {REPORT}")
