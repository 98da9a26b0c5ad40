"""Relations of a parsed caption: who does what to whom, and what stands where."""

from __future__ import annotations

from typing import Final, NamedTuple

from vocab.entities import Phrase, describe
from vocab.lexicons import words
from vocab.sentence import Sentence

_SUBJECTS: Final = ("nsubj", "nsubjpass")
_CLAUSES: Final = ("conj", "xcomp", "advcl", "ccomp", "dep", "pcomp")
_RELATIVE: Final = frozenset({"that", "which", "who", "whom"})
_COPULAS: Final = frozenset({"be", "look", "appear", "seem", "stay", "remain"})
_AUXILIARIES: Final = ("aux", "auxpass")
_DEPTH: Final = 6


class Link(NamedTuple):
    """A relation between phrase heads (token positions), where in the caption its verb stands."""

    subject: int | None
    predicate: str
    object: int | None
    verb: int | None = None


class Relations:
    """Finds the links of one caption; predicative adjectives become modifiers of the phrases."""

    def __init__(self, sentence: Sentence, phrases: dict[int, Phrase]) -> None:
        self.s = sentence
        self.phrases = phrases
        self.links: list[Link] = []

    def find(self) -> list[Link]:
        """Return the links in order of appearance."""
        s = self.s
        for i in range(len(s.words)):
            if s.is_verb(i) and s.deps[i] not in _AUXILIARIES:
                self._verb(i)
            elif i in self.phrases:
                self._noun(i)
        return self.links

    def _noun(self, i: int) -> None:
        for p in self._prepositions(i):
            self._prepositional([i], self.s.words[p], p)
        for owner in self.s.of(i, "poss"):
            for o in self._group(owner):
                self._add(o, "have", i)

    def _verb(self, v: int) -> None:
        base = self.s.lemma(v)
        subjects = self._subjects(v)
        if base in _COPULAS and self._predicative(v, subjects):
            return
        if self._is_passive(v):
            self._passive(v, base, subjects)
        else:
            self._active(v, base, subjects)

    def _predicative(self, v: int, subjects: list[int]) -> bool:
        """Handle "the sky is blue", "there is a man in the pool"; tell whether that was all."""
        s = self.s
        adjectives = s.of(v, "acomp", "oprd")
        for a in adjectives:
            for each in [a, *s.of(a, "conj")]:
                for i in subjects:
                    self.phrases[i].add(describe(s, each) if s.tags[each] != "VBG" else "")
            for p in self._prepositions(a):
                self._prepositional(subjects, f"{s.words[a]} {s.words[p]}", p)
        if s.lemma(v) != "be" and not adjectives:
            return False
        there = [o for a in s.of(v, "attr") for o in self._group(a)]
        for p in self._prepositions(v):
            self._prepositional(there if s.of(v, "expl") else subjects, s.words[p], p)
        return True

    def _active(self, v: int, base: str, subjects: list[int]) -> None:
        objects = self._objects(v)
        particle = next((self.s.words[c] for c in self.s.of(v, "prt")), "")
        predicate = f"{base} {particle}".strip() if objects else base
        for o in objects:
            self._each(subjects, predicate, o, v)
        linked = False
        for p in self._prepositions(v):
            name = self.s.words[p]
            for o in self._complements(p):
                if not objects:
                    self._each(subjects, f"{base} {name}", o, v)
                else:
                    self._each(subjects, name, o, None)
                linked = True
        if not objects and not linked:
            self._each(subjects, predicate, None, v)

    def _passive(self, v: int, base: str, subjects: list[int]) -> None:
        linked = False
        for p in [*self._prepositions(v), *self.s.of(v, "agent")]:
            name = self.s.words[p]
            for o in self._complements(p):
                linked = True
                if self._is_doer(p, base):
                    for i in subjects:
                        self._add(o, base, i, v)
                else:
                    self._each(subjects, f"{base} {name}", o, v)
        if linked:
            return
        for i in subjects:
            if self.s.words[v] in words("participles"):
                self.phrases[i].add(self.s.words[v])
            else:
                self._add(None, base, i, v)

    def _is_doer(self, p: int, base: str) -> bool:
        name = self.s.words[p]
        by = self.s.deps[p] == "agent" or name == "by"
        return by or (name in ("in", "with") and base in words("covering_verbs"))

    def _prepositional(self, subjects: list[int], predicate: str, p: int) -> None:
        for o in self._complements(p):
            if not (predicate == "of" and self.phrases[o] in [self.phrases[i] for i in subjects]):
                self._each(subjects, predicate, o, None)

    def _prepositions(self, i: int) -> list[int]:
        """Return the prepositions that hang on token ``i``, also by way of an adverb."""
        found = []
        for c in self.s.children[i]:
            if self.s.deps[c] == "prep":
                found.append(c)
            elif self.s.deps[c] in ("advmod", "prt"):
                found += self.s.of(c, "prep")
        return found

    def _complements(self, p: int) -> list[int]:
        found = [o for c in self.s.of(p, "pobj") for o in self._group(c)]
        return found or [o for c in self.s.of(p, "prep") for o in self._complements(c)]

    def _group(self, i: int, depth: int = _DEPTH) -> list[int]:
        """Return the phrase at ``i`` and those coordinated with it."""
        found = [i] if i in self.phrases else []
        if depth:
            for c in self.s.of(i, "conj", "appos"):
                found += self._group(c, depth - 1)
        return found

    def _subjects(self, v: int, depth: int = _DEPTH) -> list[int]:
        """Return who does ``v``: its subject, the noun it modifies, or the doer of its clause."""
        s = self.s
        own = s.of(v, *_SUBJECTS)
        named = [i for c in own for i in self._group(c)]
        if named:
            return named
        head, dep = s.heads[v], s.deps[v]
        if dep in ("acl", "relcl"):
            relative = any(s.words[c] in _RELATIVE for c in own) or not own
            return [head] if head in self.phrases and relative else []
        if own or not depth or head == v:
            return []
        if dep in _CLAUSES or dep == "amod":
            return [head] if head in self.phrases else self._subjects(head, depth - 1)
        return []

    def _objects(self, v: int) -> list[int]:
        s = self.s
        found = [o for c in s.of(v, "dobj", "attr") for o in self._group(c)]
        if not found and s.deps[v] == "relcl" and s.of(v, "nsubj") and self._subjects(v) != [s.heads[v]]:
            found = [s.heads[v]] if s.heads[v] in self.phrases else []
        return found

    def _is_passive(self, v: int) -> bool:
        s = self.s
        if s.of(v, "auxpass", "nsubjpass", "agent"):
            return True
        return s.tags[v] in ("VBN", "VBD") and s.deps[v] in ("acl", "amod") or (
            s.tags[v] == "VBN" and not s.of(v, "aux", "nsubj")
        )

    def _each(self, subjects: list[int], predicate: str, o: int | None, v: int | None) -> None:
        for i in subjects or ([None] if v is not None else []):
            self._add(i, predicate, o, v)

    def _add(self, subject: int | None, predicate: str, o: int | None, v: int | None = None) -> None:
        link = Link(subject, predicate, o, v)
        if link not in self.links:
            self.links.append(link)
