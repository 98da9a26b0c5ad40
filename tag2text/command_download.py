"""``tag2text download``: the flags of the download job, and the table at its end."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

from tag2text.options import (
    ImageRoot,
    Manifest,
    MaxBadRatio,
    Output,
    Quality,
    TakeOver,
    Workers,
    checked_flags,
    importing,
    runner,
)
from tag2text.output import table
from vocab.wording import counted

if TYPE_CHECKING:
    from pipeline.download import DownloadConfig
    from pipeline.job import Summary

Settings = TypeVar("Settings")

ImageSize = Annotated[int, typer.Option(min=1, help="Pixels; larger ones are resized.")]
ResizeMode = Annotated[
    Literal["no", "keep_ratio", "center_crop", "border", "keep_ratio_largest"],
    typer.Option(help="keep_ratio: the shorter side becomes the image size."),
]
MinImageSize = Annotated[int, typer.Option(min=0, help="Least shorter side, pixels.")]
MaxAspectRatio = Annotated[
    float | None, typer.Option(min=1.0, help="Longer side over shorter side.")
]
MaxPixels = Annotated[int, typer.Option(min=1, help="Larger images are never decoded.")]
MaxBytes = Annotated[int, typer.Option(min=1, help="Of one image, as sent.")]
Options = Annotated[
    list[str] | None,
    typer.Option(help="NAME=VALUE of img2dataset's, as extract_exif=true; repeatable."),
]
Threads = Annotated[int, typer.Option(min=1, help="Fetches at once, a worker.")]
PerHost = Annotated[int, typer.Option(min=1, help="Fetches at once from one host.")]
Timeout = Annotated[float, typer.Option(help="Seconds without a sign; 6 times in all.")]
Retries = Annotated[int, typer.Option(min=0, help="More tries of what fails quickly.")]
UserAgent = Annotated[str | None, typer.Option(help="Says who asks.")]
IgnoreOptOut = Annotated[
    bool, typer.Option("--ignore-opt-out", help="Keep images whose owners say noai, noindex.")
]
AllowNetwork = Annotated[
    list[str] | None, typer.Option(help="A private network to permit, as 10.1.0.0/16; repeatable.")
]
AllowPrivate = Annotated[
    bool, typer.Option("--allow-private-addresses", help="Permit all of them, localhost too.")
]
RetryFailed = Annotated[
    bool, typer.Option("--retry-failed", help="Fetch again what may succeed this time.")
]


def download(
    context: typer.Context,
    manifest: Manifest,
    output: Output,
    image_root: ImageRoot = None,
    image_size: ImageSize = 384,
    resize_mode: ResizeMode = "keep_ratio",
    min_image_size: MinImageSize = 0,
    max_aspect_ratio: MaxAspectRatio = None,
    quality: Quality = 95,
    max_pixels: MaxPixels = 64_000_000,
    max_bytes: MaxBytes = 32 << 20,
    option: Options = None,
    threads: Threads = 128,
    per_host: PerHost = 4,
    timeout: Timeout = 4,
    retries: Retries = 1,
    user_agent: UserAgent = None,
    ignore_opt_out: IgnoreOptOut = False,
    allow_network: AllowNetwork = None,
    allow_private_addresses: AllowPrivate = False,
    retry_failed: RetryFailed = False,
    workers: Workers = 1,
    max_bad_ratio: MaxBadRatio = 0.9,
    take_over: TakeOver = False,
) -> None:
    """Fetch the images of a manifest into shards.

    They have img2dataset's layout; what cannot be fetched is a row with its reason. A rerun does
    what is missing.
    """
    flags = dict(locals())
    if workers > 1:
        from pipeline.worker import start_nursery

        start_nursery("pipeline.download", "pipeline.img2dataset_classes")
    with importing():
        from pipeline.download import download as run
    with checked_flags():
        config = _config(context, flags)
    _say_done(output, run(config))


def _config(context: typer.Context, flags: Mapping[str, Any]) -> DownloadConfig:
    from pipeline.addresses import EVERYTHING, AddressGuard
    from pipeline.download import DownloadConfig
    from pipeline.fetch import USER_AGENT, FetchSettings
    from pipeline.politeness import Politeness
    from pipeline.resized import ResizeSettings

    allowed = EVERYTHING if flags["allow_private_addresses"] else flags["allow_network"] or ()
    given = {
        **flags,
        "options": tuple(map(_option, flags["option"] or ())),
        "guard": AddressGuard(allow=tuple(allowed)),
        "honour_opt_out": not flags["ignore_opt_out"],
        "user_agent": flags["user_agent"] or USER_AGENT,
        "runner": runner(context, flags["workers"]),
    }
    parts = {
        "resize": _settings(ResizeSettings, given),
        "fetch": _settings(FetchSettings, given),
        "politeness": _settings(Politeness, given),
    }
    return _settings(DownloadConfig, given | parts)


def _settings(kind: type[Settings], flags: Mapping[str, Any]) -> Settings:
    """Return the settings of a kind from the flags of the same names."""
    names = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    return kind(**{name: flags[name] for name in names if name in flags})


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
    images = counted(summary.rows_in, "image")
    table(
        ("result", "images", "share"),
        [(reason, count, f"{count / rows:.1%}") for reason, count in results],
        title=f"{output}: {images} in {counted(summary.shards, 'shard')}",
    )
    made = counted(summary.rows, "image")
    megabytes = summary.counts["bytes"] / 1e6
    typer.echo(f"{output}: {made}, {megabytes:,.1f} MB as sent; {REPORT}")
