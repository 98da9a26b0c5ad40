"""What the project ships under annotations/: candidates, decisions, and what follows from them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from vocab.agreement import agreements
from vocab.build import Build, build
from vocab.candidates import format_candidates, read_candidates
from vocab.check import check
from vocab.decisions import Event, State, read_log, replay, resolve
from vocab.project import Project, load_project
from vocab.vocabulary import Vocabulary

ROOT = Path(__file__).parents[2] / "annotations"
PATH = ROOT / "candidates.tsv"


@pytest.fixture(scope="module")
def project() -> Project:
    return load_project(ROOT)


@pytest.fixture(scope="module")
def events(project: Project) -> list[Event]:
    found, problems = read_log(project.logs)
    assert not problems
    return found


@pytest.fixture(scope="module")
def made(events: list[Event]) -> Build:
    return build(read_candidates(PATH), resolve(replay(events)), undecided="fail")


def test_there_are_5000_in_the_announced_shares() -> None:
    rows = read_candidates(PATH).rows
    kinds = Counter(row.kind for row in rows)
    assert len(rows) == 5000
    assert (kinds["action"], kinds["attribute"]) == (400, 600)
    assert kinds["object"] + kinds["scene"] == 4000
    assert kinds["scene"] > 100


def test_the_file_is_byte_for_byte_what_the_project_writes() -> None:
    assert format_candidates(read_candidates(PATH).rows) == PATH.read_text(encoding="utf-8")


def test_every_tag_has_three_images_of_its_own() -> None:
    assert min(sum(row.sources.values()) for row in read_candidates(PATH).rows) >= 3


def test_a_vocabulary_can_be_built_of_them_without_any_decision() -> None:
    made = build(read_candidates(PATH), {})
    assert len(made.vocabulary) == 5000


def test_nothing_is_in_the_way_of_a_build(project: Project) -> None:
    assert check(project) == []


def test_the_log_replays_to_the_vocabulary_that_is_shipped(made: Build, project: Project) -> None:
    shipped = Vocabulary.load(ROOT)
    assert len(shipped) == project.target == 3429
    assert shipped.fingerprint == made.vocabulary.fingerprint
    assert shipped.encoding == made.vocabulary.encoding
    assert shipped.dropped == made.vocabulary.dropped
    text = "".join(f"{tag.tag}\n" for tag in made.vocabulary.tags)
    assert (ROOT / "tag_list.txt").read_text(encoding="utf-8") == text


def test_images_of_merged_classes_lie_between_the_largest_member_and_the_sum(made: Build) -> None:
    images = {row.key: row.images for row in read_candidates(PATH).rows}
    members: dict[object, list[int]] = {}
    for outcome in made.outcomes:
        if outcome.into is not None:
            members.setdefault(outcome.into, []).append(images[outcome.tag])
    for entry in Vocabulary.load(ROOT).entries:
        assert max(members[entry.tag]) <= entry.images <= sum(members[entry.tag])


def test_every_reason_is_one_of_the_project(events: list[Event], project: Project) -> None:
    drops = [event for event in events if event.act == "drop"]
    assert drops
    assert {event.why for event in drops} <= set(project.reasons)


def test_the_first_pass_read_everything_and_the_second_500_blind(events: list[Event]) -> None:
    first: dict[tuple[str, object], Event] = {}
    for event in events:
        if event.via == "import":
            first.setdefault((event.by, event.tag), event)
    counts = Counter(by for by, _ in first)
    assert counts == {"bootstrap-a": 5000, "bootstrap-b": 500}
    blind = agreements(State(first, {}).votes)
    assert blind["all"].ac1 == pytest.approx(0.958, abs=0.001)
