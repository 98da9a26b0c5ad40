"""How many names of a public class list the vocabulary covers (paper, Tables 8 and 9).

A list is a text file, one class a line. Published lists differ, so a line may hold synonyms after
commas (``refrigerator,fridge``), an id before the name, underscores (``sit_on``), a role
(``cut_instr``), a sense in brackets (``crane (bird)``), or a sentence made of a verb and its object
(``a photo of a person riding a horse``).

A name is covered at the first level that fits: **exact**, its first form is a class; **lemma**, it
is one after inflection, hyphens and a verb's preposition are set aside (``hop_on`` and "hop");
**synonym**, another form on its line, a tag that people merged into a class, or a word with which
it shares a WordNet sense that is frequent for both is one.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from vocab.errors import InputError
from vocab.graph import Tag
from vocab.lemma import noun_lemma, verb_lemma

LEVELS: Final = ("exact", "lemma", "synonym")
GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "objects": ("object",),
    "scenes": ("scene",),
    "objects and scenes": ("object", "scene"),
    "actions": ("action",),
    "attributes": ("attribute",),
}
MAX_BYTES: Final = 64 * 1024 * 1024  # a list of a million classes is a third of it

_ID: Final = re.compile(r"^(?:\d+[\t:]\s*|n\d{8}[\s,:]+|/[mg]/\w+[,\t]\s*)")
_SENTENCE: Final = re.compile(r"^(?:a )?(?:photo|picture|image) of (?:an? |the )?person\s+(.+)$")
_ROLE: Final = re.compile(r"[ _](?:obj|instr)$")
_SENSE: Final = re.compile(r"\s*\(([^)]*)\)\s*")
_ARTICLES: Final = frozenset(("a", "an", "the"))
_PREPOSITIONS: Final = frozenset(
    "about across against along around at behind by down for from in into off on onto out over "
    "through to toward under up with".split()
)

Synonyms = Callable[[Tag], Collection[Tag]]


@dataclass(frozen=True, slots=True)
class ClassList:
    """A published list: the forms of each class, the one to be matched exactly first."""

    name: str
    classes: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Overlap:
    """Of a list's ``names``, those covered by the classes of one group, by level; and the rest."""

    list_name: str
    group: str
    names: int
    covered: Mapping[str, tuple[str, ...]]
    missing: tuple[str, ...]

    def count(self, *levels: str) -> int:
        """Return how many names are covered at these levels (none given: at any)."""
        return sum(len(self.covered[level]) for level in levels or LEVELS)


def read_class_list(path: Path, name: str | None = None) -> ClassList:
    """Return the classes of a file, in order, each once; ``name`` defaults to the file's.

    Blank lines and lines that start with ``#`` are left out, so are a byte order mark and CR line
    ends. :class:`InputError` when the file cannot be read, is not UTF-8, or holds no class.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{path}: is larger than any class list; name a text file of classes")
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8; convert the file") from error
    parsed = (parse_class(line) for line in lines if not line.lstrip().startswith("#"))
    classes = tuple(dict.fromkeys(forms for forms in parsed if forms))
    if not classes:
        raise InputError(f"{path}: holds no class; write one name a line")
    return ClassList(name or path.stem, classes)


def parse_class(line: str) -> tuple[str, ...]:
    """Return the forms of the class on one line, in lower case with single spaces, each once."""
    body = _ID.sub("", line.strip())
    forms: dict[str, None] = {}
    for part in re.split(r"[,\t|;](?![^(]*\))", body):
        forms.update(dict.fromkeys(_forms(part)))
    return tuple(form for form in forms if form)


def _forms(part: str) -> Iterable[str]:
    clean = _spaced(part.strip("\"' ").lower())
    sentence = _SENTENCE.match(clean)
    if sentence:
        clean = _verb_and_object(sentence.group(1))
    elif clean.startswith("person "):
        clean = clean.removeprefix("person ")
    yield _spaced(_SENSE.sub(" ", clean))
    if _SENSE.search(clean):
        yield _spaced(_SENSE.sub(r" \1 ", clean))


def _spaced(words: str) -> str:
    return " ".join(_ROLE.sub("", words.strip()).replace("_", " ").split())


def _verb_and_object(words: str) -> str:
    """Return "ride horse" for "riding a horse"."""
    said = [word for word in words.split() if word not in _ARTICLES]
    return " ".join((*map(verb_lemma, said[:1]), *said[1:]))


class Classes:
    """The classes of a vocabulary, ready to be compared with many lists.

    ``aliases`` maps a merged tag to its class; ``synonyms`` gives the tags of a tag's frequent
    senses.
    """

    def __init__(
        self,
        classes: Iterable[Tag],
        *,
        aliases: Mapping[Tag, Tag] | None = None,
        synonyms: Synonyms | None = None,
    ) -> None:
        held = frozenset(classes)
        self._groups = {
            group: _Matcher(kinds, held, aliases or {}, synonyms) for group, kinds in GROUPS.items()
        }

    def overlap(self, listed: ClassList) -> dict[str, Overlap]:
        """Return how much of the list each group of kinds covers, by the names in `GROUPS`."""
        return {name: matcher.match(listed, name) for name, matcher in self._groups.items()}


def best_group(by_group: Mapping[str, Overlap]) -> Overlap:
    """Return the overlap of the kinds that the list is about: those that cover most of it."""
    wide = ("attributes", "actions", "objects and scenes")  # of equals, the one with fewer classes
    return max((by_group[group] for group in wide), key=lambda o: (o.count(), o.count("exact")))


class _Matcher:
    """The classes of some kinds, in the forms in which names look for them."""

    def __init__(
        self,
        kinds: Sequence[str],
        held: Collection[Tag],
        aliases: Mapping[Tag, Tag],
        synonyms: Synonyms | None,
    ) -> None:
        self._kinds, self._synonyms = kinds, synonyms
        self._near = _near([tag for tag in sorted(held) if tag.kind in kinds], synonyms)
        self._exact = frozenset(tag.tag for tag in held if tag.kind in kinds)
        self._lemmas = frozenset(form for tag in self._exact for form in self._lemma_forms(tag))
        known = {tag.tag for tag, into in aliases.items() if into in held and into.kind in kinds}
        self._aliases = frozenset(form for tag in known for form in (tag, *self._lemma_forms(tag)))

    def match(self, listed: ClassList, group: str) -> Overlap:
        covered: dict[str, list[str]] = {level: [] for level in LEVELS}
        missing: list[str] = []
        for forms in listed.classes:
            level = self._level(forms)
            (missing if level is None else covered[level]).append(forms[0])
        frozen = {level: tuple(names) for level, names in covered.items()}
        return Overlap(listed.name, group, len(listed.classes), frozen, tuple(missing))

    def _level(self, forms: Sequence[str]) -> str | None:
        first, *others = forms
        if first in self._exact:
            return "exact"
        if not self._lemmas.isdisjoint(self._lemma_forms(first)):
            return "lemma"
        if any(not self._lemmas.isdisjoint(self._lemma_forms(form)) for form in others):
            return "synonym"
        if any(not self._aliases.isdisjoint((f, *self._lemma_forms(f))) for f in forms):
            return "synonym"
        return "synonym" if any(map(self._shares_a_sense, forms)) else None

    def _shares_a_sense(self, form: str) -> bool:
        synonyms, near = self._synonyms, self._near.get(form, ())
        return synonyms is not None and any(tag in synonyms(Tag(tag.kind, form)) for tag in near)

    def _lemma_forms(self, form: str) -> tuple[str, ...]:
        if "action" in self._kinds:
            return _verb_forms(form)
        return (_noun_form(form),)


def _near(classes: Iterable[Tag], synonyms: Synonyms | None) -> dict[str, list[Tag]]:
    """Return, for each word, the classes that it is a synonym of."""
    near: dict[str, list[Tag]] = defaultdict(list)
    if synonyms:
        for tag in classes:
            for other in synonyms(tag):
                near[other.tag].append(tag)
    return near


def _noun_form(form: str) -> str:
    words = form.replace("-", " ").split()
    return " ".join((*words[:-1], noun_lemma(words[-1]))) if words else form


def _verb_forms(form: str) -> tuple[str, ...]:
    verb, *rest = form.replace("-", " ").split() or [form]
    whole = (verb_lemma(verb), *rest)
    stem = whole[:-1] if len(whole) > 1 and whole[-1] in _PREPOSITIONS else whole
    return (" ".join(whole), " ".join(stem))
