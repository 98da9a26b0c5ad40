import hashlib
from pathlib import Path

import pytest

from vocab.candidates import Candidate, write_candidates
from vocab.check import check
from vocab.decisions import Event, format_event
from vocab.project import read_project


@pytest.fixture
def root(tmp_path):
    rows = [Candidate(0, "object", tag, 9 - n, 9) for n, tag in enumerate(("dog", "cat", "cow"))]
    write_candidates(tmp_path / "candidates.tsv", rows)
    sha = hashlib.sha256((tmp_path / "candidates.tsv").read_bytes()).hexdigest()
    (tmp_path / "project.toml").write_text(f'sha256 = "{sha}"\ntarget = 2\n')
    (tmp_path / "log").mkdir()
    return tmp_path


def write_log(root: Path, *votes, rubbish=""):
    lines = []
    for n, (key, act, *to) in enumerate(votes):
        event = Event(id=str(n), ts=n, by="ann", key=key, act=act, to=to[0] if to else None)
        lines.append(format_event(event))
    (root / "log" / "ann.jsonl").write_text("".join(lines) + rubbish)


def test_a_project_that_builds_has_nothing_in_its_way(root):
    write_log(root, ("object:dog", "keep"), ("object:cat", "drop"), ("object:cow", "keep"))
    assert check(read_project(root)) == []


def test_everything_that_is_wrong_comes_at_once(root):
    write_log(
        root,
        ("object:dog", "merge", "object:cat"),
        ("object:cat", "drop"),
        ("object:zebra", "keep"),
        rubbish="torn\n\nagain",
    )
    text = (root / "candidates.tsv").read_text().replace("\t9\t9\n", "\t8\t8\n")
    (root / "candidates.tsv").write_text(text)
    starts = [
        f"{root}/candidates.tsv: is not the table under review",
        f"{root}/log/ann.jsonl:4: not JSON",
        f"{root}/log/ann.jsonl:6: not JSON",
        "object:zebra was decided on but is no candidate",
        "1 candidate undecided, the first is object:cow",
        "object:dog is merged into object:cat, which is dropped",
    ]
    found = check(read_project(root))
    assert len(found) == len(starts)
    for line, start in zip(found, starts, strict=True):
        assert line.startswith(start)


def test_candidates_that_cannot_be_read_do_not_hide_the_bad_lines(root):
    write_log(root, rubbish="torn")
    (root / "candidates.tsv").write_text("nonsense\n")
    found = check(read_project(root))
    assert [line.removeprefix(f"{root}/").split(" ")[0] for line in found] == [
        "candidates.tsv:",
        "log/ann.jsonl:1:",
        "candidates.tsv:1:",
    ]
    (root / "candidates.tsv").unlink()
    assert any("ann.jsonl:1:" in line for line in check(read_project(root)))


def test_events_of_somebody_else_in_a_log_are_named(root):
    write_log(root, ("object:dog", "keep"), ("object:cat", "drop"), ("object:cow", "keep"))
    copied = (root / "log" / "ann.jsonl").read_bytes()
    (root / "log" / "bob.jsonl").write_bytes(copied)
    (line,) = check(read_project(root))
    assert line.startswith(f"{root}/log/bob.jsonl: 3 events are by ann; move them to ann.jsonl")
