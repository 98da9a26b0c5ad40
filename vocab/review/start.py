"""From a project's directory to a review: what the commands share."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from vocab.candidates import read_candidates
from vocab.decisions import Event, Problem, read_log, replay
from vocab.graph import Tag
from vocab.log import LogWriter, log_path, open_log
from vocab.project import Project, load_project
from vocab.review.desk import Desk, left_out
from vocab.review.disputes import Docket, disputes, with_notes
from vocab.review.evidence import Evidence
from vocab.review.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """How a review begins."""

    project: Path
    annotator: str
    mined: Sequence[Path] = ()
    order: str = "effect"


@contextlib.contextmanager
def review_desk(setup: Setup) -> Iterator[Desk]:
    """Yield the desk of an annotator, whose log is open for nobody else until it is left."""
    from vocab.learner import KeepModel
    from vocab.queue import Queue
    from vocab.wordnet import load_senses

    project = load_project(setup.project)
    with _opened(project, setup.annotator) as (writer, events, problems):
        with _no_collections():
            candidates = read_candidates(project.candidates)
            session = Session(candidates, writer, by=setup.annotator, events=events)
            senses = load_senses()
            model = KeepModel(candidates, senses)
            made = session.decisions()
            model.recall((event.tag, event.act != "drop") for event in made)
            done = [event.tag for event in made]
            seed = f"{setup.annotator} {candidates.sha256}"
            queue = Queue(candidates, model, order=setup.order, done=done, seed=seed)
            for tag in session.skipped():
                queue.defer(tag)
        evidence = Evidence(candidates, table=project.candidates, mined=setup.mined, senses=senses)
        with contextlib.closing(evidence):
            desk = Desk(
                session, queue, evidence, model=model, target=project.target,
                reasons=project.reasons, order=setup.order,
            )  # fmt: skip
            desk.greeting = left_out(problems)
            yield desk


@contextlib.contextmanager
def dispute_desk(
    setup: Setup, *, majority: bool = False
) -> Iterator[tuple[Desk, dict[Tag, tuple[Event, ...]]]]:
    """Yield the desk of an adjudicator, and the votes on each tag that needs a ruling."""
    from vocab.wordnet import load_senses

    project = load_project(setup.project)
    with _opened(project, setup.annotator) as (writer, _, _):
        candidates = read_candidates(project.candidates)
        events, problems = read_log(project.logs)
        session = Session(candidates, writer, by=setup.annotator, events=events, via="adjudicate")
        votes = disputes(replay(events), majority=majority)
        votes = {tag: ballots for tag, ballots in votes.items() if tag in session.rows}
        votes = with_notes(votes, events)
        docket = Docket(votes, {tag: session.rows[tag].images for tag in votes})
        docket.reorder("frequency")
        for tag in session.skipped():
            docket.defer(tag)
        evidence = Evidence(
            candidates, table=project.candidates, mined=setup.mined, senses=load_senses()
        )
        with contextlib.closing(evidence):
            desk = Desk(
                session, docket, evidence, target=0, reasons=project.reasons,
                order="frequency", total=session.decided + len(votes),
            )  # fmt: skip
            desk.greeting = left_out(problems)
            yield desk, votes


@contextlib.contextmanager
def _no_collections() -> Iterator[None]:
    """Keep the collector out while there is only more and more: a third of the time to start."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@contextlib.contextmanager
def _opened(
    project: Project, annotator: str
) -> Iterator[tuple[LogWriter, list[Event], list[Problem]]]:
    path = log_path(project.log, annotator)
    with open_log(path) as writer:
        events, problems = read_log([path]) if path.exists() else ([], [])
        yield writer, events, problems
