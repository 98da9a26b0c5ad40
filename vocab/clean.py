"""Captions as they are found in the wild, made fit for a parser.

Only the first few thousand characters are read, so the time for one caption is bounded however
large or hostile the text is.
"""

from __future__ import annotations

import html
import re
import unicodedata
from typing import Final

from vocab.lexicons import words

MAX_WORDS: Final = 60
_MAX_CHARACTERS: Final = 4000
_MAX_WORD_LENGTH: Final = 40

_PERSON: Final = re.compile(r"<\s?person\s?>")
_MARKUP: Final = re.compile(r"<[/!?]?[a-z][^<>]{0,200}>")
_ADDRESS: Final = re.compile(r"(?:[a-z]{2,6}://|www\.)\S*")
_MAIL: Final = re.compile(r"[^\s@]{1,40}@[^\s@]{1,40}\.[a-z]{2,6}\b")
_PLAIN: Final = str.maketrans(
    {"’": "'", "‘": "'", "`": "'", "´": "'", "“": '"', "”": '"', "–": " - ", "—": " - "}
)
_SPLIT: Final = re.compile(r"\b(close|t|x|e|pin|check|pick|make|grown|sit|push) - (?=[a-z])")
_BREAKS: Final = re.compile(r"\s*[|•·~]+\s*")
_NOISE: Final = re.compile(r"[<>{}\[\]\\^*_=#@©®™]+")


def clean_caption(text: str) -> str:
    """Return a caption in lower case, without markup, addresses, hashtags and control characters.

    At most ``MAX_WORDS`` words remain, separated by single spaces; cleaning twice changes nothing.
    """
    text = html.unescape(html.unescape(text[:_MAX_CHARACTERS]))
    text = unicodedata.normalize("NFKC", text[:_MAX_CHARACTERS]).lower()
    text = unicodedata.normalize("NFKC", _without_controls(text)).translate(_PLAIN)
    text = _MARKUP.sub(" ", _PERSON.sub(" person ", text))
    text = _MAIL.sub(" ", _ADDRESS.sub(" ", text)).replace("&", " and ")
    text = _SPLIT.sub(r"\1-", _BREAKS.sub(" , ", text))
    kept = _without_hashtags(text.split())
    kept = _NOISE.sub(" ", " ".join(kept)).split()
    return " ".join([word for word in kept if len(word) <= _MAX_WORD_LENGTH][:MAX_WORDS])


def _without_controls(text: str) -> str:
    """Drop invisible characters; control characters and pictographs become spaces."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_visible, text))


def _visible(letter: str) -> str:
    category = unicodedata.category(letter)
    if category == "Cf":
        return ""
    return " " if category in ("Cc", "Cs", "Co", "Cn", "So", "Zl", "Zp") else letter


def _without_hashtags(tokens: list[str]) -> list[str]:
    while tokens and tokens[-1].startswith("#"):
        tokens.pop()
    return tokens


_WORD: Final = re.compile(r"[^\W\d_]+")
_FOREIGN_LETTERS: Final = 0.2


def looks_english(text: str) -> bool:
    """Tell cheaply whether a caption is English, by its letters and its commonest words.

    A foreign name or an accent does no harm; a caption is refused when one letter in five is not
    of the English alphabet, or when more of its words are other languages' function words.
    """
    found = _WORD.findall(text[:_MAX_CHARACTERS].lower())
    letters = "".join(found)
    if not letters:
        return True
    foreign = sum(not letter.isascii() for letter in letters)
    if foreign > _FOREIGN_LETTERS * len(letters):
        return False
    strange = sum(word in words("foreign_words") for word in found)
    return strange < 2 or strange <= sum(word in words("english_words") for word in found)
