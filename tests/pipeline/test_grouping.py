"""Rows of an image come together, wherever they stand, and none is lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.grouping import gathered, temporary_database
from pipeline.source_rows import BadRow, Row, SourceRow, merge
from vocab.errors import InputError

kinds = st.sampled_from(["a.jpg", "b.jpg", "c.jpg", "", None])


def rows_of(images: list[str | None]) -> list[Row]:
    return [
        BadRow(i, "no_url", "") if image is None else SourceRow(i, image, (f"caption {i}",))
        for i, image in enumerate(images)
    ]


@given(st.lists(kinds, max_size=30))
def test_every_row_comes_out_once_and_images_are_together(images: list[str | None]) -> None:
    out = list(merge(gathered(rows_of(images), "file")))
    good = [row for row in out if isinstance(row, SourceRow)]
    captions = sorted(c for row in good for c in row.captions)
    assert captions == sorted(f"caption {i}" for i, image in enumerate(images) if image is not None)
    assert [r.position for r in out if isinstance(r, BadRow)] == [
        i for i, image in enumerate(images) if image is None
    ]
    named = [row.image for row in good if row.image]
    assert len(named) == len(set(named))
    assert [row.position for row in good] == sorted(row.position for row in good)


def test_captions_keep_the_order_of_the_file_and_the_first_position() -> None:
    out = list(merge(gathered(rows_of(["a.jpg", "b.jpg", "a.jpg", "a.jpg"]), "file")))
    assert out == [
        SourceRow(0, "a.jpg", ("caption 0", "caption 2", "caption 3")),
        SourceRow(1, "b.jpg", ("caption 1",)),
    ]


def test_a_full_temporary_directory_is_one_line_that_says_what_to_do() -> None:
    message = r"cc.tsv: grouping its captions failed \(database or disk is full\); free space"
    with pytest.raises(InputError, match=message), temporary_database("cc.tsv") as database:
        database.execute("CREATE TABLE rows (caption TEXT)")
        database.execute("PRAGMA max_page_count = 2")
        database.execute("INSERT INTO rows VALUES (?)", ("a dog" * 10_000,))
