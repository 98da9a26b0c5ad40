"""What a dictionary knows of a tag: its senses, read from WordNet's own files as they are needed.

The files are the ``index.*`` and ``data.*`` of any WordNet 3.x (wndb(5WN)): Debian's
``wordnet-base`` puts them in ``/usr/share/wordnet``, NLTK in ``corpora/wordnet`` of its data;
``$TAG2TEXT_WORDNET`` names any other place. They are sorted, so that a word is found by bisection
in some 20 us and opening them costs nothing.
"""

from __future__ import annotations

import mmap
import os
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from vocab.errors import InputError
from vocab.graph import Tag
from vocab.lemma import noun_lemma, verb_lemma

MISSING: Final = (
    "no WordNet here: apt install wordnet-base, or set TAG2TEXT_WORDNET to a directory with its "
    "index.noun and data.noun"
)
DEBIAN: Final = Path("/usr/share/wordnet")
PARTS: Final = {"object": "noun", "scene": "noun", "attribute": "adj", "action": "verb"}
# The other parts of speech in which a tag of this kind is looked up for its gloss alone.
FALLBACK: Final = {"attribute": ("noun", "verb"), "action": ("noun",)}
TOPICS: Final = (  # lexnames(5WN), by number
    "adj.all adj.pert adv.all noun.Tops noun.act noun.animal noun.artifact noun.attribute "
    "noun.body noun.cognition noun.communication noun.event noun.feeling noun.food noun.group "
    "noun.location noun.motive noun.object noun.person noun.phenomenon noun.plant "
    "noun.possession noun.process noun.quantity noun.relation noun.shape noun.state "
    "noun.substance noun.time verb.body verb.change verb.cognition verb.communication "
    "verb.competition verb.consumption verb.contact verb.creation verb.emotion verb.motion "
    "verb.perception verb.possession verb.social verb.stative verb.weather adj.ppl"
).split()
MEMO: Final = 1 << 13


class Sense(NamedTuple):
    """One meaning: ``id`` names it (``noun:02084071``), ``topic`` is its lexicographer's file.

    ``words`` are written as in WordNet: a name has a capital ("Dallas").
    """

    id: str
    topic: str
    words: tuple[str, ...]
    gloss: str


class Entry(NamedTuple):
    """A word of one part of speech: where its senses stand, the most frequent first.

    ``tagged`` is the number of senses that were seen in WordNet's hand-tagged texts.
    """

    part: str
    offsets: tuple[int, ...]
    tagged: int


def load_senses(directory: Path | None = None) -> Senses | None:
    """Return the dictionary at ``directory``, or the first found; None when there is none.

    :data:`MISSING` is the line to show then. A place that is named, here or in
    ``$TAG2TEXT_WORDNET``, and holds no WordNet raises :class:`InputError`.
    """
    named = directory or os.environ.get("TAG2TEXT_WORDNET")
    if named:
        if not _is_wordnet(Path(named)):
            raise InputError(f"{named}: holds no index.noun and data.noun of WordNet; {MISSING}")
        return Senses(Path(named))
    return next((Senses(place) for place in _places() if _is_wordnet(place)), None)


def _places() -> list[Path]:
    roots = [Path(root) for root in os.environ.get("NLTK_DATA", "").split(os.pathsep) if root]
    roots += [Path(os.environ.get("HOME", "/"), "nltk_data"), Path("/usr/share/nltk_data")]
    return [DEBIAN, *(root / "corpora" / "wordnet" for root in roots)]


def _is_wordnet(directory: Path) -> bool:
    parts = sorted(set(PARTS.values()))
    names = (f"{table}.{part}" for table in ("index", "data") for part in parts)
    return all((directory / name).is_file() for name in names)


class Senses:
    """A WordNet directory; every method answers for tags as they are written in captions."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._maps: dict[str, mmap.mmap] = {}
        self.entry = lru_cache(MEMO)(self._entry)
        self.sense = lru_cache(MEMO)(self._sense)

    def senses(self, tag: Tag, limit: int | None = None) -> tuple[Sense, ...]:
        """Return the senses of the tag in its own part of speech, the most frequent first."""
        entry = self.entry(PARTS[tag.kind], tag.tag)
        if entry is None:
            return ()
        return tuple(self.sense(entry.part, offset) for offset in entry.offsets[:limit])

    def gloss(self, tag: Tag) -> str | None:
        """Return the definition of the most frequent sense, without its examples.

        An attribute may be a noun ("denim") or a participle ("parked"), an action a noun
        ("skateboard"); the definition then says so.
        """
        own = PARTS[tag.kind]
        for part in (own, *FALLBACK.get(tag.kind, ())):
            entry = self.entry(part, verb_lemma(tag.tag) if part == "verb" else tag.tag)
            if entry:
                gloss = self.sense(part, entry.offsets[0]).gloss
                return gloss if part == own else f"({part}) {gloss}"
        return None

    def synonyms(self, tag: Tag, limit: int = 2) -> tuple[Tag, ...]:
        """Return the other words of the first ``limit`` senses, as tags of the same kind."""
        words = (word.lower() for sense in self.senses(tag, limit) for word in sense.words)
        return tuple(Tag(tag.kind, word) for word in dict.fromkeys(words) if word != tag.tag)

    def _entry(self, part: str, text: str) -> Entry | None:
        """Return the entry of a word or compound, also of its singular or base form."""
        word = text.lower().replace(" ", "_")
        line = self._line(part, word) if word else None  # the licence's lines have no word
        if line is None and part != "adj":
            base = verb_lemma(word) if part == "verb" else noun_lemma(word)
            line = self._line(part, base) if base != word else None
        if line is None:
            return None
        # lemma pos synset_cnt p_cnt [pointer...] sense_cnt tagsense_cnt offset...
        cells = line.split()
        try:
            rest = cells[4 + int(cells[3]) :]
            return Entry(part, tuple(map(int, rest[2:])), int(rest[1]))
        except (ValueError, IndexError) as error:
            raise self._damaged(f"index.{part}") from error

    def _line(self, part: str, word: str) -> str | None:
        table, wanted = self._map(f"index.{part}"), word.encode()
        low, high = 0, len(table)
        while low < high:
            start = table.rfind(b"\n", low, (low + high) // 2) + 1 or low
            end = table.find(b"\n", start)
            found = table[start : table.find(b" ", start)]
            if found == wanted:
                return table[start:end].decode(errors="replace")
            if found < wanted:
                low = end + 1
            else:
                high = start
        return None

    def _sense(self, part: str, offset: int) -> Sense:
        table = self._map(f"data.{part}")
        line = table[offset : table.find(b"\n", offset)].decode(errors="replace")
        facts, _, gloss = line.partition(" | ")
        # offset lex_filenum ss_type w_cnt (word lex_id)... ; adjectives may end in (a), (p), (ip)
        cells = facts.split()
        try:
            words, topic = cells[4 : 4 + 2 * int(cells[3], 16) : 2], TOPICS[int(cells[1])]
        except (ValueError, IndexError) as error:
            raise self._damaged(f"data.{part}") from error
        clean = tuple(word.partition("(")[0].replace("_", " ") for word in words)
        return Sense(f"{part}:{offset:08d}", topic, clean, gloss.partition('; "')[0].strip())

    def _map(self, name: str) -> mmap.mmap:
        if name not in self._maps:
            try:
                with (self.directory / name).open("rb") as file:
                    self._maps[name] = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            except (OSError, ValueError) as error:  # ValueError: an empty file
                raise self._damaged(name) from error
        return self._maps[name]

    def _damaged(self, name: str) -> InputError:
        return InputError(f"{self.directory / name}: damaged; install WordNet anew")
