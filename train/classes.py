"""A benchmark's classes by the model's tags, and any text by the benchmark's classes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from train.metrics import Flags, Floats
from vocab.errors import InputError
from vocab.graph import SceneGraph, Tag
from vocab.lemma import noun_lemma, verb_lemma
from vocab.vocabulary import Entry, Vocabulary

Synonyms = Callable[[Tag], Iterable[Tag]]
KIND_GROUPS: Final = (("object", "scene"), ("action",), ("attribute",))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassMap:
    """The classes that both know: ``columns`` of the benchmark, ``ids`` of the model's tags.

    ``texts`` is a vocabulary of these classes, in this order, that encodes parsed captions.
    """

    names: tuple[str, ...]
    columns: tuple[int, ...]
    ids: tuple[tuple[int, ...], ...]
    texts: Vocabulary

    def __len__(self) -> int:
        return len(self.names)

    def scores(self, scores: Floats) -> Floats:
        """Return (images, classes) of the model's scores (images, tags): the surest tag's."""
        return np.stack([scores[:, list(ids)].max(1) for ids in self.ids], 1)

    def predicted(self, passed: Flags) -> Flags:
        """Return (images, classes): that some tag of the class passed its threshold."""
        return np.stack([passed[:, list(ids)].any(1) for ids in self.ids], 1)

    def said(self, graphs: Iterable[SceneGraph]) -> Flags:
        """Return (captions, classes): that the caption's tags mean the class."""
        return np.stack([self.texts.multi_hot(self.texts.encode(g.tags)) > 0 for g in graphs])


def own_classes(vocabulary: Vocabulary) -> ClassMap:
    """Return the model's own tags as the classes."""
    numbers = tuple(range(len(vocabulary)))
    names = [tag.tag for tag in vocabulary.tags]
    twice = {name for name in names if names.count(name) > 1}
    return ClassMap(
        names=tuple(f"{t.tag} ({t.kind})" if t.tag in twice else t.tag for t in vocabulary.tags),
        columns=numbers,
        ids=tuple((number,) for number in numbers),
        texts=vocabulary,
    )


def match_classes(
    classes: Sequence[Sequence[str]], vocabulary: Vocabulary, synonyms: Synonyms | None = None
) -> ClassMap:
    """Return the classes whose name, or a synonym of it, is a tag of the model or an alias.

    Inflection and hyphens do not matter. Tags of things are looked at first, then actions; then
    attributes, unless the list is one of things: there "orange" is the fruit, or unknown.
    ``synonyms`` are other words of a tag, for captions. :class:`InputError` when no class is known.
    """
    known = {entry.tag: place for place, entry in enumerate(vocabulary.entries)}
    for place, entry in enumerate(vocabulary.entries):
        known.update(dict.fromkeys(entry.aliases, place))
    found = []
    for column, forms in enumerate(classes):
        for order, kinds in enumerate(KIND_GROUPS):
            ids = _ids(forms, kinds, known)
            if ids:
                found.append((order, column, ids))
                break
    of_group = Counter(order for order, _, _ in found)
    if of_group[2] < of_group[0]:
        found = [row for row in found if row[0] < 2]
    if not found:
        raise InputError("no class of the benchmark is a tag of the model; check --classes")
    found.sort()
    texts = [
        _entry(classes[column], KIND_GROUPS[order], [vocabulary.entries[i] for i in ids])
        for order, column, ids in found
    ]
    return ClassMap(
        names=tuple(classes[column][0] for _, column, _ in found),
        columns=tuple(column for _, column, _ in found),
        ids=tuple(ids for _, _, ids in found),
        texts=_text_vocabulary(texts, synonyms),
    )


def _ids(forms: Iterable[str], kinds: Iterable[str], known: dict[Tag, int]) -> tuple[int, ...]:
    spelled = [one for form in forms for one in (form, _base_form(form, kinds))]
    tags = (Tag(kind, form) for form in spelled for kind in kinds)
    return tuple(dict.fromkeys(known[tag] for tag in tags if tag in known))


def _base_form(form: str, kinds: Iterable[str]) -> str:
    words = form.replace("-", " ").split() or [form]
    if "action" in kinds:
        return " ".join((verb_lemma(words[0]), *words[1:]))
    return " ".join((*words[:-1], noun_lemma(words[-1])))


def _entry(forms: Sequence[str], kinds: Sequence[str], entries: Iterable[Entry]) -> list[Tag]:
    """Return all that means a class in a caption, its own name first."""
    names = [one for form in forms for one in (form, _base_form(form, kinds))]
    own = [tag for entry in entries for tag in (entry.tag, *entry.aliases)]
    return [*(Tag(kinds[0], name) for name in names), *own]


def _text_vocabulary(rows: Sequence[Sequence[Tag]], synonyms: Synonyms | None) -> Vocabulary:
    """Return the vocabulary of classes given as rows of tags; what two would mean, the first has.

    A class's name goes before another's alias, and an alias before a dictionary's synonym.
    """
    taken = {row[0] for row in rows}
    aliases: list[list[Tag]] = [[] for _ in rows]

    def give(place: int, tags: Iterable[Tag]) -> None:
        for tag in tags:
            if tag not in taken:
                taken.add(tag)
                aliases[place].append(tag)

    for place, row in enumerate(rows):
        give(place, row[1:])
    if synonyms is not None:
        for place, row in enumerate(rows):
            give(place, synonyms(row[0]))
    return Vocabulary(
        tuple(Entry(row[0], aliases=tuple(also)) for row, also in zip(rows, aliases, strict=True))
    )
