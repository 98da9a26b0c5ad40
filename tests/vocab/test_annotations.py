"""The candidates that the project ships: readable, as many as announced, of every kind."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from vocab.build import build
from vocab.candidates import format_candidates, read_candidates

PATH = Path(__file__).parents[2] / "annotations" / "candidates.tsv"


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
