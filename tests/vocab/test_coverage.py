import pytest
from hypothesis import given
from hypothesis import strategies as st

from vocab.coverage import Coverage
from vocab.examples import CoverageRow
from vocab.graph import Tag

A, B, C = (Tag("object", text) for text in "abc")
ROWS = [CoverageRow((A, B), 1), CoverageRow((A,), 0), CoverageRow((), 2), CoverageRow((C,), 0)]


def test_shares_of_mentions_and_of_captions() -> None:
    coverage = Coverage(ROWS)
    assert (coverage.share, coverage.captions_share) == (0, 0)
    coverage.set(A, True)
    assert coverage.share == pytest.approx(2 / 7)
    assert coverage.captions_share == pytest.approx(2 / 4)
    coverage.set(B, True)
    assert coverage.share == pytest.approx(3 / 7)
    assert coverage.captions_share == pytest.approx(2 / 4)


def test_no_choice_reaches_what_is_no_candidate() -> None:
    coverage = Coverage(ROWS)
    for tag in (A, B, C):
        coverage.set(tag, True)
    assert coverage.share == pytest.approx(4 / 7)


def test_without_captions_nothing_is_covered() -> None:
    coverage = Coverage([])
    coverage.set(A, True)
    assert (coverage.share, coverage.captions_share) == (0, 0)


rows = st.lists(
    st.builds(CoverageRow, st.sets(st.sampled_from([A, B, C])).map(tuple), st.integers(0, 3))
)


@given(rows, st.lists(st.tuples(st.sampled_from([A, B, C]), st.booleans()), max_size=12))
def test_however_it_came_about_only_the_last_word_on_each_tag_counts(
    rows: list[CoverageRow], said: list[tuple[Tag, bool]]
) -> None:
    coverage = Coverage(rows)
    for tag, kept in said:
        coverage.set(tag, kept)
    kept_tags = {tag for tag, kept in dict(said).items() if kept}
    mentions = sum(len(row.tags) + row.others for row in rows)
    covered = sum(len(kept_tags & set(row.tags)) for row in rows)
    reached = sum(bool(kept_tags & set(row.tags)) for row in rows)
    assert coverage.share == pytest.approx(covered / mentions if mentions else 0)
    assert coverage.captions_share == pytest.approx(reached / len(rows) if rows else 0)
