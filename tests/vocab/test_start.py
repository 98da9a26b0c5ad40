"""A project that was begun is one that can be reviewed, and what stood there stands there still."""

from __future__ import annotations

from pathlib import Path

import pytest

from vocab.candidates import Candidate, write_candidates
from vocab.errors import InputError
from vocab.project import load_project
from vocab.start import REASONS, start_project

OURS = Path(__file__).parents[2] / "annotations"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = [Candidate(n, "object", tag, 9 - n, 9, {"coco": 3}) for n, tag in enumerate("abc", 1)]
    write_candidates(tmp_path / "counts.tsv", rows)
    return tmp_path / "counts.tsv"


def test_a_project_is_loaded_with_what_it_was_begun_with(table: Path, tmp_path: Path) -> None:
    root = tmp_path / "new" / "review"
    weights = {"coco": 3.45, "a.b": 2.0}
    made = start_project(table, root, target=2, weights=weights)
    found = load_project(root)
    assert (len(made.rows), found.target, found.weights) == (3, 2, weights)
    assert found.sha256 == made.sha256
    assert found.candidates.read_bytes() == table.read_bytes()
    assert (found.undecided, found.unresolved, found.logs) == ("fail", "fail", [])


def test_the_reasons_are_those_of_the_guidelines(table: Path, tmp_path: Path) -> None:
    start_project(table, tmp_path / "review", target=2)
    assert load_project(tmp_path / "review").reasons == REASONS == load_project(OURS).reasons


def test_the_table_may_lie_there_already(table: Path, tmp_path: Path) -> None:
    start_project(table.rename(tmp_path / "candidates.tsv"), tmp_path, target=2)
    assert load_project(tmp_path).candidates == tmp_path / "candidates.tsv"


def test_nothing_is_overwritten(table: Path, tmp_path: Path) -> None:
    (tmp_path / "candidates.tsv").write_text("mine")
    with pytest.raises(InputError, match="candidates.tsv: is there already, and another table"):
        start_project(table, tmp_path, target=2)
    (tmp_path / "project.toml").write_text("mine")
    with pytest.raises(InputError, match="project.toml: is there already; review it, or give"):
        start_project(table, tmp_path, target=2)
    assert (tmp_path / "candidates.tsv").read_text() == "mine"


def test_what_is_no_table_begins_nothing(tmp_path: Path) -> None:
    (tmp_path / "counts.tsv").write_text("a\tb\n")
    with pytest.raises(InputError, match="counts.tsv:1: the columns must be rank kind tag"):
        start_project(tmp_path / "counts.tsv", tmp_path / "review", target=2)
    assert not (tmp_path / "review").exists()


def test_git_is_told_to_merge_logs_and_to_leave_locks_out(table: Path, tmp_path: Path) -> None:
    root = tmp_path / "review"
    root.mkdir()
    (root / ".gitignore").write_text("mine\n")
    start_project(table, root, target=2)
    assert "log/*.jsonl text eol=lf merge=union\n" in (root / ".gitattributes").read_text()
    assert (root / ".gitignore").read_text() == "mine\n"
    start_project(table, tmp_path / "other", target=2)
    assert (tmp_path / "other" / ".gitignore").read_text() == "/log/*.lock\n"
