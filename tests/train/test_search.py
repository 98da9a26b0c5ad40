"""Searches: cosines, matching tags and matching pairs decide the order, as they should."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.model.tiny import tiny_model, tiny_vocabulary
from tests.pictures import picture
from train.index import Index, build_index, file_entries
from train.search import Found, query_tags, search, tag_shares
from train.search_page import write_sheet
from vocab.errors import InputError
from vocab.graph import SceneGraph, Tag

MODEL = tiny_model()
QUERY = "two dogs run at the beach"


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    made = [tmp_path / f"{number}.jpg" for number in range(6)]
    for number, path in enumerate(made):
        path.write_bytes(picture(size=(40 + 30 * number, 50)))
    return made


@pytest.fixture
def index(paths: list[Path], tmp_path: Path) -> Index:
    build_index(MODEL, file_entries(paths), tmp_path / "index")
    return Index.open(tmp_path / "index")


def with_tags(index: Index, rows: dict[int, list[Tag]]) -> Index:
    """Return the index as if these tags were recognised, and no others."""
    bits = np.zeros_like(index.tags)
    for row, tags in rows.items():
        bits[row] = index.vocabulary.pack([index.vocabulary.index(tag) for tag in tags])
    return Index(index.entries, index.vectors, bits, index.vocabulary, index.model)


def names(found: Found) -> list[str]:
    return [Path(hit.entry.name).stem for hit in found.hits]


def test_without_tags_the_order_is_that_of_the_cosines(index: Index, paths: list[Path]) -> None:
    found = search(index, MODEL, QUERY, tag_weight=0)
    cosines = (MODEL.encode_image(paths) @ MODEL.encode_text([QUERY]).T)[:, 0]
    assert names(found) == [str(n) for n in cosines.argsort(descending=True).tolist()]
    for hit in found.hits:
        assert hit.similarity == pytest.approx(
            float(cosines[int(Path(hit.entry.name).stem)]), abs=1e-5
        )
    assert names(search(index, MODEL, QUERY, tag_weight=0, top=2)) == names(found)[:2]


def test_matching_tags_come_first_and_are_shown(index: Index) -> None:
    dog, run, beach = Tag("object", "dog"), Tag("action", "run"), Tag("scene", "beach")
    known = with_tags(index, {4: [dog, beach, Tag("object", "cat")], 2: [dog]})
    found = search(known, MODEL, QUERY, tag_weight=100)
    assert found.tags == (dog, run, beach)
    assert names(found)[:2] == ["4", "2"]
    assert found.hits[0].matching == (dog, beach) and found.hits[0].missing == (run,)
    assert found.hits[2].matching == ()
    assert found.hits[0].score == pytest.approx(found.hits[0].similarity + 100 * 2 / 3, rel=1e-5)


def test_reranking_follows_the_probability_of_a_match(index: Index, paths: list[Path]) -> None:
    plain = search(index, MODEL, QUERY, tag_weight=0)
    found = search(index, MODEL, QUERY, tag_weight=0, rerank=4)
    probability = MODEL.match(paths, [QUERY]).probability[:, 0]
    assert sorted(names(found)[:4]) == sorted(names(plain)[:4])
    assert names(found)[4:] == names(plain)[4:]
    for hit in found.hits[:4]:
        assert hit.probability == pytest.approx(
            float(probability[int(Path(hit.entry.name).stem)]), abs=1e-5
        )
        logit = torch.tensor(hit.probability).logit().item()
        assert hit.score == pytest.approx(hit.similarity + logit, abs=1e-4)
    scores = [hit.score for hit in found.hits[:4]]
    assert scores == sorted(scores, reverse=True)
    assert all(hit.probability is None for hit in found.hits[4:])


def test_what_went_away_comes_after_what_could_be_looked_at(
    index: Index, paths: list[Path], tmp_path: Path
) -> None:
    first = names(search(index, MODEL, QUERY, tag_weight=0))[0]
    (tmp_path / f"{first}.jpg").unlink()
    found = search(index, MODEL, QUERY, tag_weight=0, rerank=3)
    assert names(found)[2] == first
    for path in paths:
        path.unlink(missing_ok=True)
    assert names(search(index, MODEL, QUERY, tag_weight=0, rerank=3))[0] == first


def test_a_query_s_tags_come_from_the_parser_or_from_its_words() -> None:
    vocabulary = tiny_vocabulary()
    graph = SceneGraph((), (), (Tag("object", "puppy"), Tag("object", "unheard")))
    assert query_tags("a puppy", vocabulary, lambda texts: [graph]) == (Tag("object", "dog"),)
    nothing = SceneGraph((), (), ())
    for parse in (None, lambda texts: [nothing]):
        found = query_tags("Tennis rackets, red; DOGS running", vocabulary, parse)
        assert [tag.tag for tag in found] == ["tennis racket", "red", "dog", "run"]
    assert query_tags("nothing of it", vocabulary) == ()


@given(st.lists(st.sets(st.integers(0, 29)), min_size=1, max_size=6), st.sets(st.integers(0, 29)))
def test_shares_are_those_of_sets(images: list[set[int]], wanted: set[int]) -> None:
    flags = np.zeros((len(images), 30), np.bool_)
    for row, ids in zip(flags, images, strict=True):
        row[list(ids)] = True
    shares = tag_shares(np.packbits(flags, axis=1, bitorder="little"), sorted(wanted))
    expected = [len(ids & wanted) / max(1, len(wanted)) for ids in images]
    assert shares == pytest.approx(expected)


def test_queries_that_say_nothing_are_refused(index: Index) -> None:
    with pytest.raises(InputError, match="query is empty"):
        search(index, MODEL, "  ")


def test_the_page_shows_pictures_tags_and_what_is_gone(index: Index, tmp_path: Path) -> None:
    known = with_tags(index, {0: [Tag("object", "dog")]})
    (tmp_path / "5.jpg").unlink()
    found = search(known, MODEL, "<b>dogs</b> at the beach", rerank=6)
    write_sheet(tmp_path / "page.html", [found], images=6)
    page = (tmp_path / "page.html").read_text()
    assert page.count("data:image/jpeg;base64,") == 5 and "No such file" in page
    assert "6 images searched." in page
    assert "<b>dogs" not in page and "&lt;b&gt;dogs" in page
    assert (
        '<li class="object had">dog</li>' in page and '<li class="scene missed">beach</li>' in page
    )
    write_sheet(tmp_path / "again.html", [found], images=6)
    assert (tmp_path / "again.html").read_text() == page
