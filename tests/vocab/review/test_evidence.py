import shutil
import time

import pytest

from tests.factories import write_mined
from tests.vocab.review.desks import make_candidates, make_desk, tag
from vocab.candidates import read_candidates, write_candidates
from vocab.learner import KeepModel
from vocab.review.evidence import NO_MINED, Evidence
from vocab.wordnet import DEBIAN, Senses, load_senses

DOG, PUPPY = tag("object:dog"), tag("object:puppy")


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = tmp_path / "candidates.tsv"
    write_candidates(path, make_candidates().rows)
    return path


@pytest.fixture
def mined(tmp_path):
    captions = [("a dog and a puppy", [DOG, PUPPY])], [("one more [dog]", [DOG])]
    shard = [(f"{n}.jpg", captions[n % 2]) for n in range(12)]
    return write_mined(tmp_path / "mined", [shard], source="coco")


def gathered(evidence):
    evidence.load()
    deadline = time.monotonic() + 30
    while evidence.pending is not None and time.monotonic() < deadline:
        evidence.poll()
        time.sleep(0.01)
    assert evidence.pending is None
    return evidence


def evidence_of(table, *mined):
    return Evidence(read_candidates(table), table=table, mined=mined)


def test_captions_are_gathered_once_and_then_at_hand(table, mined):
    evidence = evidence_of(table, mined)
    evidence.load()
    assert "being gathered" in evidence.missing
    assert evidence.clues(DOG).captions == ()
    gathered(evidence)
    assert evidence.missing == ""
    assert len(evidence.clues(DOG).captions) == 5
    assert any("[dog]" in caption.text for caption in evidence.clues(DOG).captions)
    again = evidence_of(table, mined)
    again.load()
    assert len(again.clues(DOG).captions) == 5
    again.close()


def test_pages_of_captions_are_different(table, mined):
    evidence = gathered(evidence_of(table, mined))
    pages = [evidence.clues(DOG, page=n).captions for n in range(3)]
    keys = [caption.key for page in pages for caption in page]
    assert len(keys) == len(set(keys)) > 5


def test_turning_the_pages_comes_round_to_the_first(table, mined):
    desk = make_desk()
    desk.evidence = gathered(evidence_of(table, mined))
    desk.show()
    first = desk.clues(DOG).captions
    seen = []
    for _ in range(9):
        seen.append(desk.clues(DOG).captions)
        desk.turn_captions()
    assert first in seen[1:]
    assert all(seen)


def test_the_coverage_follows_the_decisions(table, mined):
    desk = make_desk()
    desk.evidence = gathered(evidence_of(table, mined))
    desk.recount()
    assert desk.progress().coverage == 0
    desk.decide("keep")
    covered = desk.progress().coverage
    assert covered > 0.5
    desk.decide("keep")
    assert desk.progress().coverage == 1
    desk.undo()
    assert desk.progress().coverage == covered


def test_without_mined_captions_it_says_what_is_missing(table):
    evidence = gathered(evidence_of(table))
    assert evidence.missing == NO_MINED
    assert evidence.clues(DOG).captions == ()


def test_a_directory_without_shards_is_said_and_not_fatal(table, tmp_path):
    evidence = gathered(evidence_of(table, tmp_path / "nothing"))
    assert "holds no mined shards" in evidence.missing


def test_shards_that_cannot_be_read_are_said_and_not_fatal(table, tmp_path):
    directory = tmp_path / "broken"
    directory.mkdir()
    (directory / "00000.parquet").write_bytes(b"no parquet")
    evidence = gathered(evidence_of(table, directory))
    assert evidence.missing.startswith("no captions: ")
    assert "00000.parquet" in evidence.missing


def test_leaving_while_captions_are_gathered_ends_that_too(table, mined):
    evidence = evidence_of(table, mined)
    evidence.load()
    builder = evidence._builder
    evidence.close()
    assert builder.poll() is not None
    assert evidence.pending != 0.5


def test_suggestions_and_glosses_come_with_the_dictionary(table):
    senses = load_senses()
    if senses is None:
        pytest.skip("needs WordNet: apt install wordnet-base")
    evidence = gathered(Evidence(read_candidates(table), table=table, senses=senses))
    assert "Canis" in evidence.clues(DOG).gloss
    grey = evidence.clues(tag("attribute:grey"))
    assert tag("attribute:gray") in [merge.tag for merge in grey.merges]


def test_nothing_is_known_before_it_is_loaded(table):
    clues = evidence_of(table).clues(DOG)
    assert (clues.captions, clues.gloss, clues.merges) == ((), None, ())


@pytest.mark.parametrize("name", ["index.noun", "data.noun"])
def test_a_damaged_dictionary_is_said_on_the_card_and_stops_nobody(tmp_path, table, name):
    if load_senses() is None:
        pytest.skip("needs WordNet: apt install wordnet-base")
    broken = tmp_path / "wordnet"
    shutil.copytree(DEBIAN, broken)
    (broken / name).write_bytes(b"dog n\n")
    senses, candidates = Senses(broken), read_candidates(table)
    evidence = gathered(Evidence(candidates, table=table, senses=senses))
    assert evidence.clues(DOG).gloss == f"nothing: {broken / name}: damaged; install WordNet anew"
    model = KeepModel(candidates, senses)
    model.learn(DOG, False)
    assert model.predict(PUPPY) < KeepModel(candidates, senses).predict(PUPPY)
