"""The jobs: manifest, mine, count, shards; and the tools to look at what they made."""

from __future__ import annotations

from typing import Annotated

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
    for command in (mine, count):
        app.command(context_settings=BEAM_FLAGS, epilog=BEAM_EPILOG)(command)


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
