"""``tag2text vocab ...``: candidates, and the vocabulary that people's decisions make of them."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from tag2text import command_review
from tag2text.options import MinImages, Quota, Top, Weight, checked_flags, selection

CANDIDATES = Path("annotations/candidates.tsv")

app = typer.Typer(help="From candidates to a vocabulary.", no_args_is_help=True)


@app.command()
def candidates(
    counts: Annotated[Path, typer.Argument(help="The counts.parquet of `tag2text count`.")],
    output: Annotated[Path | None, typer.Option(help="Where to write the TSV.")] = None,
    top: Top = 5000,
    min_images: MinImages = 1,
    quota: Quota = None,
    weight: Weight = None,
) -> None:
    """Select candidates anew from counts, with another size, quotas or weights; takes a second."""
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


class Policy(str, enum.Enum):
    """What becomes of a tag that people did not settle."""

    KEEP = "keep"
    DROP = "drop"
    FAIL = "fail"


@app.command()
def build(
    output: Annotated[Path, typer.Option(help="Directory of the vocabulary.")],
    candidates: Annotated[Path, typer.Option(help="The table under review.")] = CANDIDATES,
    log: Annotated[
        list[Path] | None, typer.Option(help="Decision log (.jsonl) or a directory of them.")
    ] = None,
    undecided: Annotated[Policy, typer.Option(help="Tags nobody decided on.")] = Policy.KEEP,
    unresolved: Annotated[Policy, typer.Option(help="Tags people disagree on.")] = Policy.FAIL,
    accept_other_candidates: Annotated[
        bool, typer.Option("--accept-other-candidates", help="Use decisions on another table.")
    ] = False,
) -> None:
    """Make the vocabulary from candidates and the decision log; the same input, the same bytes."""
    from vocab.build import build as run
    from vocab.candidates import read_candidates
    from vocab.decisions import read_log, replay, resolve

    logs = log_files(log or ())
    events, problems = read_log(logs)
    for problem in problems:
        typer.echo(f"{problem.file}:{problem.line}: {problem.reason}; line left out", err=True)
    made = run(
        read_candidates(candidates),
        resolve(replay(events)),
        undecided=undecided.value,
        unresolved=unresolved.value,
        accept_other_candidates=accept_other_candidates,
        provenance={"log_sha256": _digest(logs)},
    )
    made.vocabulary.save(output)
    for line in made.summary():
        typer.echo(line)
    typer.echo(f"{output}: fingerprint {made.vocabulary.fingerprint[:12]}")


def log_files(paths: Iterable[Path]) -> list[Path]:
    """Return the log files among ``paths``; a directory stands for its ``*.jsonl``."""
    from vocab.errors import InputError

    files: list[Path] = []
    for path in paths:
        if not path.exists():
            raise InputError(f"--log {path}: no such file or directory")
        files += sorted(path.glob("*.jsonl")) if path.is_dir() else [path]
    return files


def _digest(files: Iterable[Path]) -> str:
    """Return one digest over the log files, so that a vocabulary names what it was built from."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


app.command()(command_review.review)
app.command()(command_review.adjudicate)
