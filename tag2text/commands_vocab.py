"""``tag2text vocab ...``: candidates, and the vocabulary that people's decisions make of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from tag2text import (
    command_build,
    command_report,
    command_review,
    command_start,
    commands_decisions,
    commands_exchange,
)
from tag2text.options import MinImages, Quota, Top, Weight, checked_flags, selection

app = typer.Typer(
    help="From candidates to a vocabulary: review, build, report.", no_args_is_help=True
)


@app.command()
def candidates(
    counts: Annotated[Path, typer.Argument(help="The counts.parquet of `tag2text count`.")],
    output: Annotated[Path | None, typer.Option(help="Where to write the TSV.")] = None,
    top: Top = 5000,
    min_images: MinImages = 1,
    quota: Quota = None,
    weight: Weight = None,
) -> None:
    """Select candidates anew: another size, quotas or weights."""
    from pipeline.count import read_counts, select_candidates
    from vocab.candidates import format_candidates, write_candidates

    with checked_flags():
        wanted = selection(top, min_images, quota, weight)
    chosen = select_candidates(read_counts(str(counts)), wanted)
    if output is None:
        typer.echo(format_candidates(chosen), nl=False)
        return
    write_candidates(output, chosen)
    typer.echo(f"{output}: {len(chosen)} candidates")


app.command()(command_start.start)
app.command()(command_review.review)
app.command()(command_review.adjudicate)
app.command()(commands_decisions.status)
app.command()(commands_decisions.agreement)
app.command()(commands_decisions.check)
app.command("export")(commands_exchange.export)
app.command("import")(commands_exchange.import_)
app.command()(command_build.build)
app.command()(command_build.diff)
app.command()(command_report.report)
