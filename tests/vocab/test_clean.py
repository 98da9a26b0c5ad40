"""Cleaning: what is taken out, that it is stable, and that no text can make it slow."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vocab.clean import MAX_WORDS, clean_caption, looks_english

DATA = Path(__file__).parents[2].parent / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="needs the real captions")


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("  A\tDOG\nruns  ", "a dog runs"),
        ("<PERSON> holds a cup", "person holds a cup"),
        ("farmers&#39; &quot;market&quot;", 'farmers\' "market"'),
        ("black &amp; white &amp;amp; red", "black and white and red"),
        ("<b>Red</b> car<br/>", "red car"),
        ("see https://example.org/a?b=c www.site.com now", "see now"),
        ("write to me@example.org today", "write to today"),
        ("sunset at the beach #nofilter #travel", "sunset at the beach"),
        ("our #sunset at the beach", "our sunset at the beach"),
        ("ﬁne ｄｏｇ\u200b", "fine dog"),
        ("a cat\x00 on\x07 a mat 😀", "a cat on a mat"),
        ("a\ud800cat\u0378on\ue000a\u2028mat\u2029here", "a cat on a mat here"),
        ("close - up of a cat in a t - shirt", "close-up of a cat in a t-shirt"),
        ("Red shoes | Shop", "red shoes , shop"),
        ("a man’s ‘hat’ `x` “y” – z—w", "a man's 'hat' 'x' \"y\" - z - w"),
        ("", ""),
    ],
)
def test_known_noise_is_taken_out(raw: str, clean: str) -> None:
    assert clean_caption(raw) == clean


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=300))
@example("&amp;amp;lt;b&gt;x")
@example("http<b>://x")
@example("＜ＰＥＲＳＯＮ＞")
@example("İSTANBUL ℌ ẞ")
@example("close - close - up")
@example("\u0345ͅ Ά")
def test_cleaning_twice_changes_nothing(text: str) -> None:
    once = clean_caption(text)
    assert clean_caption(once) == once
    assert once == " ".join(once.split())


def test_long_captions_are_cut_at_a_word() -> None:
    assert clean_caption("word " * 500) == " ".join(["word"] * MAX_WORDS)
    assert clean_caption("x" * 1_000_000) == ""


@pytest.mark.parametrize(
    "piece", ["<", "&amp;", "http://", "#", "@", "a@", " ", "\u0300\u0316", "ﷺ", "|", "<a", "- t "]
)
def test_a_megabyte_of_anything_takes_no_time(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    start = time.perf_counter()
    clean_caption(text)
    looks_english(text)
    assert time.perf_counter() - start < 1.0


@pytest.mark.parametrize(
    "caption",
    [
        "A café in São Paulo",
        "Björk sings",
        "El Niño and La Niña from space",
        "",
        "42",
        "Los Angeles",
    ],
)
def test_foreign_names_are_english(caption: str) -> None:
    assert looks_english(caption)


@pytest.mark.parametrize(
    "caption",
    [
        "Một người đàn ông đang đứng trên đá",
        "Ein Hund läuft mit einer Katze auf der Wiese",
        "una mujer con un perro en la playa",
        "собака бежит по пляжу",
        "海辺を走る犬",
    ],
)
def test_other_languages_are_not(caption: str) -> None:
    assert not looks_english(caption)


@needs_data
@pytest.mark.data
def test_language_filter_on_real_captions() -> None:
    with gzip.open(DATA / "captions" / "vi_captions_nonenglish.tsv.gz", "rt") as lines:
        vietnamese = [line.rstrip("\n").split("\t")[-1] for line in lines][1:]
    assert sum(map(looks_english, vietnamese)) < 0.01 * len(vietnamese)
    with gzip.open(DATA / "coco" / "captions_dev.json.gz", "rt") as file:
        english = [entry["caption"] for entry in json.load(file)["annotations"]]
    assert sum(map(looks_english, english)) > 0.999 * len(english)
