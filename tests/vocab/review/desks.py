"""Small sessions and desks for the tests of the review."""

from __future__ import annotations

from vocab.candidates import Candidate, Candidates
from vocab.decisions import format_event
from vocab.errors import InputError
from vocab.graph import Tag
from vocab.learner import KeepModel
from vocab.queue import Queue
from vocab.review.desk import Desk
from vocab.review.evidence import Evidence
from vocab.review.session import Session

NAMES = (
    "object:dog", "object:puppy", "object:gray", "attribute:gray", "attribute:grey",
    "action:surf", "object:surf", "scene:beach", "object:thing", "action:run",
)  # fmt: skip
REASONS = {"vague": "points at nothing", "name": "one bearer"}


class Memory:
    """A log that is a list, and that can be full."""

    def __init__(self):
        self.events = []
        self.full = False

    def append(self, *events):
        if self.full:
            raise InputError("log: cannot be written (No space left on device); make room")
        self.events += events

    def news(self):
        return None


def pull(path, *events):
    """Put a log with more events in the place of one, as git does."""
    merged = path.with_suffix(".merged")
    old = path.read_bytes() if path.exists() else b""
    merged.write_bytes(old + "".join(map(format_event, events)).encode())
    merged.replace(path)


def tag(key):
    return Tag(*key.split(":"))


def make_candidates(names=NAMES):
    rows = [
        Candidate(rank, *name.split(":"), 1000 - rank, 2000 - rank, {"coco": 900 - rank, "vg": 3})
        for rank, name in enumerate(names, 1)
    ]
    return Candidates(tuple(rows), ("coco", "vg"), "c" * 64)


def make_session(writer=None, events=(), *, by="ann", via="card", candidates=None):
    candidates = candidates or make_candidates()
    return Session(candidates, writer or Memory(), by=by, events=events, via=via)


def make_desk(writer=None, events=(), *, clock=None, order="frequency", candidates=None):
    session = make_session(writer, events, candidates=candidates)
    model = KeepModel(session.candidates)
    made = session.decisions()
    for event in made:
        model.learn(event.tag, event.act != "drop")
    done = [event.tag for event in made]
    queue = Queue(session.candidates, model, order=order, done=done)
    for skipped in session.skipped():
        queue.defer(skipped)
    evidence = Evidence(session.candidates)
    extra = {"clock": clock} if clock else {}
    return Desk(
        session, queue, evidence, model=model, target=6, reasons=REASONS, order=order, **extra
    )
