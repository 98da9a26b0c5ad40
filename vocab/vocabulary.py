"""The vocabulary: the classes that a model predicts, and how a caption's tags map to them.

A directory holds it in four files (UTF-8, LF line ends, no time stamps, the same bytes always):

``tag_list.txt``    one tag a line; the line number, from 0, is the class id
``tag_meta.tsv``    ``id kind tag images aliases threshold``; aliases are ``kind:tag`` joined by
                    ``|`` (inside one, ``%`` is ``%25`` and ``|`` is ``%7C``); no threshold: empty
``dropped.tsv``     ``kind tag`` of the candidates that people dropped: encoding needs to know them
``vocabulary.json`` fingerprints, size, counts per kind, provenance; written last

Ids run in three blocks: objects and scenes (mixed), actions, attributes.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from vocab.errors import InputError
from vocab.files import parse_count, read_lines, write_whole
from vocab.graph import KINDS, Tag
from vocab.keys import checked, key_of, tag_of
from vocab.lemma import noun_lemma, verb_lemma

BLOCKS: Final = {"object": 0, "scene": 0, "action": 1, "attribute": 2}
NOTHING: Final = -1  # what a dropped or an unknown tag means, inside this module only
MEMO: Final = 1 << 17  # distinct tags whose class is remembered; some 30 MB when full
LONGEST: Final = 8  # words of a suffix; parsed tags have four at most, but any text may come
FORMAT: Final = 1
META: Final = ("id", "kind", "tag", "images", "aliases", "threshold")

Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Entry:
    """One class: its tag, the images that hold it, the tags that mean it, its threshold."""

    tag: Tag
    images: int = 0
    aliases: tuple[Tag, ...] = ()
    threshold: float | None = None

    def __post_init__(self) -> None:
        if self.images < 0:
            raise InputError(f"{key_of(self.tag)}: {self.images} images are too few")
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise InputError(f"{key_of(self.tag)}: threshold {self.threshold} is not in 0 to 1")


@dataclass(frozen=True)
class Vocabulary:
    """Classes in the order of their ids; immutable, and equal when all that encodes is equal.

    ``dropped`` are tags that map to nothing. :class:`InputError` when a tag stands twice (as
    class, alias or dropped), when the blocks are out of order, or when there is no class.
    """

    entries: tuple[Entry, ...]
    dropped: frozenset[Tag] = frozenset()
    provenance: Mapping[str, Any] = field(default_factory=dict, compare=False)

    def __post_init__(self) -> None:
        if not self.entries:
            raise InputError("a vocabulary needs at least one class")
        _check_once(self)
        blocks = [BLOCKS[tag.kind] for tag in self.tags]
        if blocks != sorted(blocks):
            raise InputError("classes are out of order: objects and scenes, actions, attributes")

    def __reduce__(self) -> tuple[Any, ...]:
        return Vocabulary, (self.entries, self.dropped, self.provenance)

    def __len__(self) -> int:
        return len(self.entries)

    def __contains__(self, tag: object) -> bool:
        return tag in self._ids

    @cached_property
    def tags(self) -> tuple[Tag, ...]:
        """The classes' tags; the position is the id."""
        return tuple(entry.tag for entry in self.entries)

    @cached_property
    def fingerprint(self) -> str:
        """sha256, in hex, over the classes in order, each as UTF-8 ``kind TAB tag LF``."""
        return _sha256(f"{tag.kind}\t{tag.tag}\n" for tag in self.tags)

    @cached_property
    def encoding(self) -> str:
        """sha256, in hex, over all that :meth:`encode` reads: classes, aliases, dropped tags.

        Two vocabularies may share their classes, and so the fingerprint, but not this.
        """
        known = sorted((*tag, str(index)) for tag, index in self._known.items())
        return _sha256("\t".join(cells) + "\n" for cells in known)

    def index(self, tag: Tag) -> int:
        """Return the id of the class that bears this very tag; ``KeyError`` when none does."""
        return self._ids[tag]

    def encode(self, tags: Iterable[Tag]) -> list[int]:
        """Return the ids of the classes that the tags mean, sorted, each once.

        Tried in turn, the first that is known decides: the tag itself (or the class it is an
        alias of), its lemma, a two-word compound reversed ("bag paper"), and ever shorter
        suffixes ("red tennis racket" -> "tennis racket"); the last two for objects and scenes
        only, which also match each other, the tag's own kind first. A dropped tag is known, and
        means nothing.
        """
        ids = set(map(self._match, tags))
        ids.discard(NOTHING)
        return sorted(ids)

    def multi_hot(self, ids: Iterable[int]) -> Bytes:
        """Return the label as zeros and ones, uint8 of shape ``(len(self),)``."""
        label = np.zeros(len(self), dtype=np.uint8)
        label[self._checked(ids)] = 1
        return label

    def pack(self, ids: Iterable[int]) -> Bytes:
        """Return the label as bits, uint8 of shape ``(ceil(len(self) / 8),)``.

        Class ``i`` is bit ``i % 8`` (the lowest is 0) of byte ``i // 8``: ``numpy.packbits`` of
        :meth:`multi_hot` with ``bitorder="little"``.
        """
        packed = bytearray(-(-len(self) // 8))
        for index in self._checked(ids):
            packed[index >> 3] |= 1 << (index & 7)
        return np.frombuffer(packed, dtype=np.uint8)

    def unpack(self, packed: Bytes) -> list[int]:
        """Return the sorted ids of a packed label; ``InputError`` when it has another length."""
        size = -(-len(self) // 8)
        if packed.shape != (size,) or packed.dtype != np.uint8:
            raise InputError(
                f"label is {packed.dtype}{list(packed.shape)}, this vocabulary's is uint8[{size}]; "
                "use the vocabulary that the shards were made with"
            )
        ids: list[int] = np.flatnonzero(np.unpackbits(packed, bitorder="little")).tolist()
        return self._checked(ids)

    def describe(self) -> str:
        """Return one line: size, classes per block, the start of the fingerprint."""
        counts = Counter(tag.kind for tag in self.tags)
        return (
            f"{len(self):,} tags: {counts['object'] + counts['scene']:,} objects and scenes, "
            f"{counts['action']:,} actions, {counts['attribute']:,} attributes; "
            f"fingerprint {self.fingerprint[:12]}"
        )

    def save(self, directory: Path) -> None:
        """Write the directory's files, ``vocabulary.json`` last: until then it does not load."""
        write_whole(directory / "tag_list.txt", "".join(f"{tag.tag}\n" for tag in self.tags))
        write_whole(directory / "tag_meta.tsv", _table(META, _meta_rows(self.entries)))
        write_whole(directory / "dropped.tsv", _table(("kind", "tag"), sorted(self.dropped)))
        text = json.dumps(_summary(self), indent=2, sort_keys=True, ensure_ascii=False)
        write_whole(directory / "vocabulary.json", text + "\n")

    @staticmethod
    def load(directory: Path) -> Vocabulary:
        """Read a directory; :class:`InputError` names the file and the line that is wrong."""
        summary = _read_summary(directory / "vocabulary.json")
        entries = _read_entries(directory / "tag_list.txt", directory / "tag_meta.tsv")
        dropped = frozenset(_read_dropped(directory / "dropped.tsv"))
        try:
            vocabulary = Vocabulary(entries, dropped, summary["provenance"])
        except InputError as error:
            raise InputError(f"{directory}: {error}") from error
        for name in ("fingerprint", "encoding"):
            if summary.get(name) != getattr(vocabulary, name):
                raise InputError(
                    f"{directory / 'vocabulary.json'}: {name} is not that of the files beside it; "
                    "one was edited or is from another vocabulary: build anew"
                )
        return vocabulary

    def _checked(self, ids: Iterable[int]) -> list[int]:
        listed = list(ids)
        if listed and not 0 <= min(listed) <= max(listed) < len(self):
            raise InputError(
                f"ids {min(listed)} to {max(listed)} are not all classes of this vocabulary of "
                f"{len(self)}; use the one that they were made with"
            )
        return listed

    @cached_property
    def _ids(self) -> dict[Tag, int]:
        return {tag: index for index, tag in enumerate(self.tags)}

    @cached_property
    def _known(self) -> dict[Tag, int]:
        known = dict.fromkeys(self.dropped, NOTHING)
        for index, entry in enumerate(self.entries):
            known.update(dict.fromkeys((entry.tag, *entry.aliases), index))
        return known

    @cached_property
    def _match(self) -> Callable[[Tag], int]:
        known = self._known

        @lru_cache(maxsize=MEMO)
        def match(tag: Tag) -> int:
            return next((known[form] for form in _forms(tag) if form in known), NOTHING)

        return match


def _forms(tag: Tag) -> Iterator[Tag]:
    """Yield the tags that ``tag`` may stand for, in the order in which they are tried."""
    kind, text = tag
    if kind in ("object", "scene"):
        other = "scene" if kind == "object" else "object"
        yield from (Tag(k, form) for form in _noun_forms(text) for k in (kind, other))
        return
    yield Tag(kind, text)
    if kind == "action":
        verb, space, rest = text.partition(" ")
        yield Tag(kind, verb_lemma(verb) + space + rest)
        yield Tag(kind, verb_lemma(verb))  # who sits in something sits


def _noun_forms(text: str) -> Iterator[str]:
    words = text.split(" ")
    suffixes = [words[start:] for start in range(max(1, len(words) - LONGEST), len(words))]
    reversed_compound = [words[::-1]] if len(words) == 2 else []
    for *modifiers, head in (words, *reversed_compound, *suffixes):
        yield " ".join((*modifiers, head))
        yield " ".join((*modifiers, noun_lemma(head)))


def _check_once(vocabulary: Vocabulary) -> None:
    roles: dict[Tag, str] = {}
    for tag, role in _roles(vocabulary):
        try:
            checked(tag)
        except ValueError as error:
            raise InputError(f"{error} ({role})") from error
        if tag in roles:
            raise InputError(
                f"{key_of(tag)} is {roles[tag]} and {role}; it can be one of them only"
            )
        roles[tag] = role


def _roles(vocabulary: Vocabulary) -> Iterator[tuple[Tag, str]]:
    for index, entry in enumerate(vocabulary.entries):
        yield entry.tag, f"class {index}"
        yield from ((alias, f"an alias of class {index}") for alias in entry.aliases)
    yield from ((tag, "dropped") for tag in sorted(vocabulary.dropped))


def _sha256(lines: Iterable[str]) -> str:
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _summary(vocabulary: Vocabulary) -> dict[str, Any]:
    counts = Counter(tag.kind for tag in vocabulary.tags)
    return {
        "format": FORMAT,
        "fingerprint": vocabulary.fingerprint,
        "encoding": vocabulary.encoding,
        "size": len(vocabulary),
        "counts": {kind: counts[kind] for kind in KINDS},
        "dropped": len(vocabulary.dropped),
        "provenance": dict(vocabulary.provenance),
    }


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "".join("\t".join(cells) + "\n" for cells in (header, *rows))


def _meta_rows(entries: Iterable[Entry]) -> Iterator[tuple[str, ...]]:
    for index, entry in enumerate(entries):
        aliases = "|".join(_escape(key_of(alias)) for alias in entry.aliases)
        threshold = "" if entry.threshold is None else repr(entry.threshold)
        yield str(index), *entry.tag, str(entry.images), aliases, threshold


def _escape(key: str) -> str:
    return key.replace("%", "%25").replace("|", "%7C")


def _unescape(text: str) -> str:
    return text.replace("%7C", "|").replace("%25", "%")


def _read_summary(path: Path) -> dict[str, Any]:
    if path.parent.is_file():
        raise InputError(f"{path.parent}: is a file; name the vocabulary's directory")
    if not path.exists():
        raise InputError(f"{path.parent}: no vocabulary.json, so no whole vocabulary; build one")
    try:
        summary = json.loads("\n".join(read_lines(path)))
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{error.lineno}: not JSON ({error.msg}); build anew") from error
    except (ValueError, RecursionError) as error:  # thousands of digits, or of levels
        raise InputError(f"{path}: not JSON of a vocabulary ({error}); build anew") from error
    if not isinstance(summary, dict) or summary.get("format") != FORMAT:
        raise InputError(f"{path}: not a vocabulary of format {FORMAT}; build anew")
    if not isinstance(summary.setdefault("provenance", {}), dict):
        raise InputError(f"{path}: its provenance is no object; build anew")
    return summary


def _read_entries(tag_list: Path, tag_meta: Path) -> tuple[Entry, ...]:
    tags, rows = read_lines(tag_list), _read_table(tag_meta, META)
    if len(tags) != len(rows):
        raise InputError(
            f"{tag_meta}: has {len(rows)} classes, {tag_list.name} has {len(tags)}; build anew"
        )
    entries = []
    for number, (text, cells) in enumerate(zip(tags, rows, strict=True)):
        try:
            entries.append(_entry(cells, number))
        except ValueError as error:
            raise InputError(f"{tag_meta}:{number + 2}: {error}") from error
        if entries[-1].tag.tag != text:
            raise InputError(
                f"{tag_list}:{number + 1}: is {text!r}, but {tag_meta.name} says "
                f"{entries[-1].tag.tag!r}; build anew"
            )
    return tuple(entries)


def _entry(cells: Sequence[str], number: int) -> Entry:
    index, kind, text, images, aliases, threshold = cells
    if index != str(number):
        raise ValueError(f"has id {index} where id {number} is due")
    tags = tuple(tag_of(_unescape(alias)) for alias in aliases.split("|")) if aliases else ()
    limit = float(threshold) if threshold else None
    return Entry(checked(Tag(kind, text)), parse_count(images), tags, limit)


def _read_dropped(path: Path) -> Iterator[Tag]:
    for number, cells in enumerate(_read_table(path, ("kind", "tag")), 2):
        try:
            yield checked(Tag(*cells))
        except ValueError as error:
            raise InputError(f"{path}:{number}: {error}") from error


def _read_table(path: Path, header: Sequence[str]) -> list[list[str]]:
    lines = [line.split("\t") for line in read_lines(path)]
    if not lines or lines[0] != list(header):
        raise InputError(f"{path}:1: the columns must be {' '.join(header)}; build anew")
    for number, cells in enumerate(lines, 1):
        if len(cells) != len(header):
            raise InputError(f"{path}:{number}: has {len(cells)} columns, not {len(header)}")
    return lines[1:]
