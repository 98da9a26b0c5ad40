from pathlib import Path

import pytest

from vocab.errors import InputError
from vocab.graph import Tag
from vocab.wordnet import DEBIAN, Senses, load_senses

LICENCE = "  1 This stands before the words and holds none of them.  \n"


def _data(*lines: tuple[int, str, str]) -> tuple[str, list[int]]:
    """Return a data file of synsets (lexicographer's number, words, gloss) and their offsets."""
    text, offsets = LICENCE, []
    for number, words, gloss in lines:
        offsets.append(len(text))
        names = words.split()
        cells = "".join(f"{name} 0 " for name in names)
        text += f"{len(text):08d} {number:02d} n {len(names):02x} {cells}000 | {gloss}  \n"
    return text, offsets


@pytest.fixture
def wordnet(tmp_path: Path) -> Path:
    """A WordNet of a few words in the real form: senses in the order of their frequency."""
    text, (dog, fool, dallas, rack, gray) = _data(
        (5, "dog domestic_dog", 'a pet; "the dog barked all night"'),
        (18, "frump dog", "a dull person"),
        (15, "Dallas", "a city"),
        (6, "hat_rack", "a rack for hats"),
        (0, "gray(a) grey(a)", "between black and white"),
    )
    index = {
        "noun": [
            f"dallas n 1 1 @i 1 0 {dallas:08d}",
            f"dog n 2 2 @ ~ 2 1 {dog:08d} {fool:08d}",
            f"hat_rack n 1 0 1 0 {rack:08d}",
        ],
        "adj": [f"gray a 1 1 & 1 1 {gray:08d}"],
        "verb": [f"dog v 1 1 @ 1 0 {fool:08d}"],
    }
    for part, lines in index.items():
        (tmp_path / f"index.{part}").write_text(LICENCE + "".join(f"{x}  \n" for x in lines))
        (tmp_path / f"data.{part}").write_text(text)
    return tmp_path


def test_senses_come_in_the_order_of_their_frequency(wordnet: Path) -> None:
    senses = Senses(wordnet).senses(Tag("object", "dog"))
    assert [sense.topic for sense in senses] == ["noun.animal", "noun.person"]
    assert senses[0].words == ("dog", "domestic dog")
    assert [sense.topic for sense in Senses(wordnet).senses(Tag("object", "dog"), 1)] == [
        "noun.animal"
    ]


def test_a_gloss_has_no_examples(wordnet: Path) -> None:
    assert Senses(wordnet).gloss(Tag("object", "dog")) == "a pet"


def test_the_kind_decides_the_part_of_speech(wordnet: Path) -> None:
    senses = Senses(wordnet)
    assert senses.gloss(Tag("attribute", "gray")) == "between black and white"
    assert senses.gloss(Tag("object", "gray")) is None
    assert senses.gloss(Tag("scene", "hat rack")) == "a rack for hats"
    assert senses.gloss(Tag("attribute", "dog")) == "(noun) a pet"


def test_synonyms_are_tags_of_the_kind_without_markers(wordnet: Path) -> None:
    senses = Senses(wordnet)
    assert senses.synonyms(Tag("attribute", "gray")) == (Tag("attribute", "grey"),)
    assert senses.synonyms(Tag("object", "dog"), 1) == (Tag("object", "domestic dog"),)


@pytest.mark.parametrize("text", ["", " ", "1", "this", "a", "zzz", "dog'", "do", "hat", "ö", "\n"])
def test_what_is_no_word_has_no_senses(wordnet: Path, text: str) -> None:
    assert Senses(wordnet).senses(Tag("object", text)) == ()


def test_inflected_words_are_found(wordnet: Path) -> None:
    assert Senses(wordnet).gloss(Tag("object", "dogs")) == "a pet"
    assert Senses(wordnet).gloss(Tag("action", "dogs")) == "a dull person"


def test_a_place_that_is_named_must_hold_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAG2TEXT_WORDNET", str(tmp_path))
    with pytest.raises(InputError, match=r"holds no index\.noun"):
        load_senses()


def test_the_named_place_goes_first(wordnet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAG2TEXT_WORDNET", str(wordnet))
    senses = load_senses()
    assert senses is not None and senses.gloss(Tag("object", "dog")) == "a pet"


def test_data_of_nltk_are_found(wordnet: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = wordnet.parent / "home"
    (home / "nltk_data/corpora").mkdir(parents=True)
    (home / "nltk_data/corpora/wordnet").symlink_to(wordnet)
    monkeypatch.delenv("TAG2TEXT_WORDNET", raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr("vocab.wordnet.DEBIAN", home)
    senses = load_senses()
    assert senses is not None and senses.gloss(Tag("object", "dog")) == "a pet"


def test_nowhere_to_be_found_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TAG2TEXT_WORDNET", raising=False)
    monkeypatch.setattr("vocab.wordnet._places", lambda: [tmp_path])
    assert load_senses() is None


@pytest.mark.parametrize("content", [b"", b"dog n\n", b"\xff" * 200])
def test_a_damaged_file_is_one_clear_line(wordnet: Path, content: bytes) -> None:
    (wordnet / "index.noun").write_bytes(content)
    senses = Senses(wordnet)
    try:
        assert senses.gloss(Tag("object", "dog")) is None
    except InputError as error:
        assert "damaged" in str(error) and "\n" not in str(error)


@pytest.mark.skipif(not (DEBIAN / "index.noun").exists(), reason="wordnet-base is not installed")
def test_every_word_of_the_real_wordnet_is_found() -> None:
    senses = Senses(DEBIAN)
    for part in ("noun", "verb", "adj"):
        lines = (DEBIAN / f"index.{part}").read_text().splitlines()
        words = [line.split(" ")[0] for line in lines if not line.startswith(" ")]
        for word in words[::97] + words[:3] + words[-3:]:
            entry = senses.entry(part, word.replace("_", " "))
            assert entry is not None and entry.offsets, word
