"""Words as numbers: BERT's WordPiece, from a file, a directory, the hub, or one's own captions.

A tokenizer is its list of words, ``vocab.txt``: one a line, the line number from 0 is the id, the
last two are ``[DEC]`` and ``[ENC]``, which begin what the decoder and the interaction encoder read
(30522 and 30523 with the words of bert-base-uncased).
"""

from __future__ import annotations

import json
import re
import string
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice
from logging import CRITICAL
from pathlib import Path
from typing import Any, Final, NamedTuple

import torch
from tokenizers import Tokenizer as WordPieces
from tokenizers import decoders, models, normalizers, pre_tokenizers, trainers
from torch import Tensor

from vocab.errors import InputError
from vocab.files import read_lines, write_whole
from vocab.keys import encodable

DEFAULT: Final = "bert-base-uncased"
FILE: Final = "vocab.txt"
PROMPT: Final = "a picture of"
MAX_TOKENS: Final = 40
MAX_WORDS: Final = 30
MEMO: Final = 1 << 14  # tags whose ids are remembered
_BERT: Final = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
_OURS: Final = ("[DEC]", "[ENC]")
_RESERVED: Final = re.compile(r"\[(?!SEP\]).+\]")  # [unused7]: no caption has them; [SEP] ends one
_BETWEEN: Final = "|"
_LETTERS: Final = string.ascii_lowercase + string.digits
_MARKS: Final = "|,'-&?/"
_NEEDED: Final = (*_BERT, *_LETTERS, *(f"##{letter}" for letter in _LETTERS), _BETWEEN)
_SPACED: Final = str.maketrans(dict.fromkeys('.!"()*#:;~', " "))


class Tokens(NamedTuple):
    """Token ids (batch, length), int64, and a mask of the same shape, False at padding."""

    ids: Tensor
    mask: Tensor


class Tokenizer:
    """WordPiece over a list of words; lower-cases and strips accents as BERT uncased does."""

    def __init__(self, words: Sequence[str]) -> None:
        self.words = tuple(words)
        ids = {word: index for index, word in enumerate(self.words)}
        self.pad, self.unknown, self.cls, self.sep, self.mask = (ids[word] for word in _BERT)
        self.dec, self.enc = (ids[word] for word in _OURS)
        self._between = ids[_BETWEEN]
        self._special = {ids[word] for word in (*_BERT, *_OURS)}
        self.reserved = tuple(i for word, i in ids.items() if _RESERVED.fullmatch(word))
        self._tags: dict[str, Sequence[int]] = {}
        self._pieces = _untrained(models.WordPiece(ids, unk_token="[UNK]"))  # noqa: S106

    def __len__(self) -> int:
        """Return the number of words, which is the ``words`` of a configuration."""
        return len(self.words)

    def encode_tags(
        self,
        tags: Sequence[Sequence[str]],
        *,
        max_tokens: int = MAX_TOKENS,
        pad_to: int | None = None,
    ) -> Tokens:
        """Return ``[ENC] tag | tag ... [SEP]`` a row: what the interaction encoder reads.

        Tags that would pass ``max_tokens`` are left out from the end, each whole: shuffle them
        before. ``pad_to`` pads all rows to that length. :class:`InputError` names a tag that is
        too long to stand alone. A question stands before its tags as the first (Appendix E).
        """
        rows = [self._joined([self._tag(tag) for tag in row], max_tokens) for row in tags]
        return self._padded(rows, pad_to)

    def fitting(self, tags: Sequence[str], *, max_tokens: int = MAX_TOKENS) -> list[str]:
        """Return the tags of a row that :meth:`encode_tags` does not leave out."""
        return list(tags[: self._room([self._tag(tag) for tag in tags], max_tokens)])

    def encode_captions(
        self, captions: Sequence[str], *, prompt: str = PROMPT, max_tokens: int = MAX_TOKENS
    ) -> Tokens:
        """Return ``[DEC] prompt caption [SEP]`` a row: what the generation decoder learns.

        Captions are cleaned by :func:`clean_caption`; rows end at ``max_tokens``, the last of
        which is ``[SEP]`` always.
        """
        texts = [f"{prompt} {clean_caption(caption)}" for caption in captions]
        return self._framed(texts, self.dec, max_tokens)

    def encode_texts(self, texts: Sequence[str], *, max_tokens: int = MAX_TOKENS) -> Tokens:
        """Return ``[CLS] text [SEP]`` a row, cleaned as captions are: for the alignment task."""
        return self._framed([clean_caption(text) for text in texts], self.cls, max_tokens)

    def encode_prompt(self, prompt: str = PROMPT) -> list[int]:
        """Return ``[DEC]`` and the prompt's ids: what generation starts from."""
        return [self.dec, *self._spelled([prompt])[0]]

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text up to the first ``[SEP]``; special tokens leave no trace."""
        kept = []
        for index in ids:
            if index == self.sep:
                break
            if index not in self._special:
                kept.append(index)
        return self._pieces.decode(kept)

    def save(self, directory: Path) -> None:
        """Write ``vocab.txt`` into the directory; :func:`load_tokenizer` reads it."""
        write_whole(directory / FILE, "".join(f"{word}\n" for word in self.words))

    def _tag(self, tag: str) -> Sequence[int]:
        """Return a tag's ids: training asks for the same few thousand again and again."""
        if tag not in self._tags:
            if len(self._tags) >= MEMO:
                self._tags.clear()
            self._tags[tag] = self._spelled([tag])[0]
        return self._tags[tag]

    def _spelled(self, texts: Sequence[str]) -> list[list[int]]:
        return [found.ids for found in self._pieces.encode_batch_fast(list(texts))]

    def _joined(self, tags: Sequence[Sequence[int]], max_tokens: int) -> list[int]:
        kept = tags[: self._room(tags, max_tokens)]
        ids = [token for tag in kept for token in (self._between, *tag)]
        return [self.enc, *ids[1:], self.sep]

    def _room(self, tags: Sequence[Sequence[int]], max_tokens: int) -> int:
        """Return how many of the tags fit, one after the other."""
        used = 1  # [ENC]
        for place, tag in enumerate(tags):
            if len(tag) > max_tokens - 2:
                raise InputError(
                    f"{self.decode(tag)[:40]!r}... has {len(tag)} tokens, "
                    f"{max_tokens - 2} are the most; shorten it"
                )
            used += len(tag) + 1  # what stands after it, or [SEP]
            if used > max_tokens:
                return place
        return len(tags)

    def _framed(self, texts: Sequence[str], first: int, max_tokens: int) -> Tokens:
        rows = [[first, *ids[: max_tokens - 2], self.sep] for ids in self._spelled(texts)]
        return self._padded(rows, None)

    def _padded(self, rows: Sequence[Sequence[int]], pad_to: int | None) -> Tokens:
        length = max([pad_to or 0, *map(len, rows)])
        ids = torch.tensor(
            [[*row, *[self.pad] * (length - len(row))] for row in rows], dtype=torch.int64
        ).reshape(len(rows), length)
        lengths = torch.tensor([len(row) for row in rows])
        return Tokens(ids, torch.arange(length) < lengths[:, None])


def clean_caption(text: str) -> str:
    """Return a caption as the model reads it: lower case, ``.!"()*#:;~`` as space, 30 words."""
    return " ".join(text.lower().translate(_SPACED).split()[:MAX_WORDS])


def load_tokenizer(source: str | Path | None = None, *, words: int | None = None) -> Tokenizer:
    """Return the tokenizer of a ``vocab.txt``, a ``tokenizer.json``, a directory or a hub name.

    Without a source, that of bert-base-uncased from the hub or its local copy. ``[DEC]`` and
    ``[ENC]`` are added where the list has none. :class:`InputError` when the words are not those
    of a WordPiece for English, or not ``words`` in number: it would read and write [UNK].
    """
    path = Path(source) if source and Path(source).exists() else _from_hub(source)
    if path.is_dir():
        other = path / "tokenizer.json"
        path = other if other.exists() and not (path / FILE).exists() else path / FILE
    listed = _read_json(path) if path.suffix == ".json" else read_lines(path)
    if listed[-2:] != list(_OURS):
        listed = [*listed, *_OURS]
    _check(path, listed, words)
    return Tokenizer(listed)


def train_tokenizer(captions: Iterable[str], *, words: int = 2048) -> Tokenizer:
    """Return a WordPiece of exactly that many words, learned from captions.

    It spells every word of ASCII letters and digits; where the captions hold too few different
    words the list is filled with ``[unused0]`` and so on, as BERT's is.
    """
    fixed = [*_BERT, *_MARKS, *_LETTERS, *(f"##{letter}" for letter in _LETTERS)]
    room = words - len(fixed) - len(_OURS)
    if room < 0:
        raise InputError(f"a tokenizer of {words} words cannot spell; take {words - room} or more")
    learner = _untrained(models.WordPiece({}, unk_token="[UNK]"))  # noqa: S106
    trainer = trainers.WordPieceTrainer(
        vocab_size=words - len(_OURS),
        min_frequency=2,
        limit_alphabet=words // 8,  # rare characters must not crowd out words
        special_tokens=fixed,
        show_progress=False,
    )
    learner.train_from_iterator(map(clean_caption, captions), trainer)
    ids = learner.get_vocab()
    learned = sorted(ids, key=ids.__getitem__)[: words - len(_OURS)]
    unused = (f"[unused{index}]" for index in range(words))
    filled = [*learned, *islice(unused, words - len(_OURS) - len(learned))]
    return Tokenizer([*filled, *_OURS])


def _untrained(model: models.WordPiece) -> WordPieces:
    pieces = WordPieces(model)
    pieces.normalizer = normalizers.BertNormalizer(lowercase=True)
    pieces.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    pieces.decoder = decoders.WordPiece()
    return pieces


def _from_hub(name: str | Path | None) -> Path:
    from huggingface_hub import hf_hub_download
    from huggingface_hub.utils import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity(CRITICAL)  # it logs every retry; the error below says it all
    try:
        return Path(hf_hub_download(str(name or DEFAULT), FILE))
    except (OSError, ValueError) as error:
        raise InputError(
            f"tokenizer {str(name or DEFAULT)!r} is neither a path here nor to be had from the "
            "hub; give a vocab.txt, or train one from your captions"
        ) from error
    finally:
        logging.set_verbosity(verbosity)


def _read_json(path: Path) -> list[str]:
    try:
        saved: Any = json.loads(path.read_text(encoding="utf-8"))
        ids = dict(saved["model"]["vocab"])
        ids.update((added["content"], added["id"]) for added in saved.get("added_tokens", ()))
        kind = saved["model"]["type"]
    except (OSError, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise InputError(f"{path}: not a tokenizer.json; give BERT's vocab.txt") from error
    if not all(type(word) is str and type(index) is int for word, index in ids.items()):
        raise InputError(f"{path}: not a tokenizer.json; give BERT's vocab.txt")
    if kind != "WordPiece" or sorted(ids.values()) != list(range(len(ids))):
        raise InputError(f"{path}: is a {kind} tokenizer, not a whole WordPiece; give a BERT's")
    return sorted(ids, key=ids.__getitem__)


def _check(path: Path, listed: Sequence[str], words: int | None) -> None:
    """Refuse words that cannot be those of an uncased BERT, or of the model at hand."""
    if not all(map(encodable, listed)):
        raise InputError(f"{path}: holds words that are no Unicode text; get the file anew")
    known = set(listed)
    missing = [word for word in _NEEDED if word not in known]
    if missing:
        raise InputError(
            f"{path}: not the words of a BERT tokenizer, lacks {' '.join(missing[:5])}; "
            "give a WordPiece vocab.txt"
        )
    if len(known) != len(listed):
        twice = next(word for word, times in Counter(listed).items() if times > 1)
        raise InputError(f"{path}: holds {twice!r} twice; the file was edited, get it anew")
    if listed[0] != _BERT[0]:
        raise InputError(f"{path}: its first word is not [PAD], which is 0 in every BERT")
    if words is not None and len(listed) != words:
        raise InputError(
            f"{path}: has {len(listed):,} words with [DEC] and [ENC], the model has {words:,}; "
            "give the tokenizer that it was trained with"
        )
