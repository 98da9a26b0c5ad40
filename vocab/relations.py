"""Relations of a parsed caption: who does what to whom, and what stands where."""

from __future__ import annotations

from typing import Final, NamedTuple

from vocab.entities import Phrase, describe, kind_of
from vocab.lexicons import words
from vocab.sentence import Sentence

_CLAUSES: Final = ("conj", "xcomp", "advcl", "ccomp", "dep", "pcomp")
_RELATIVE: Final = frozenset({"that", "which", "who", "whom"})
_COPULAS: Final = frozenset({"be", "look", "appear", "seem", "stay", "remain"})
_AUXILIARIES: Final = ("aux", "auxpass")
_LOCATIVE: Final = frozenset(
    {
        *("in", "on", "under", "behind", "beside", "by", "next to", "near", "over", "above"),
        *("between", "against", "on top of", "in front of", "out of", "inside", "from"),
    }
)
_LEFT_BEHIND: Final = frozenset({"on", "in", "at", "with", "by", "from", "under", "over", "down"})
_DEPTH: Final = 6  # of coordinated or nested clauses that are followed


class Link(NamedTuple):
    """A relation between phrase heads, by token position; ``verb`` is where its verb stands."""

    subject: int | None
    predicate: str
    object: int | None
    verb: int | None = None


def find_links(sentence: Sentence, phrases: dict[int, Phrase]) -> list[Link]:
    """Return a caption's relations in order of appearance.

    What a clause says of a phrase ("the sky is blue") is added to the phrase's modifiers.
    """
    return _Finder(sentence, phrases).find()


class _Finder:
    def __init__(self, sentence: Sentence, phrases: dict[int, Phrase]) -> None:
        self.s = sentence
        self.phrases = phrases
        self.links: dict[Link, None] = {}

    def find(self) -> list[Link]:
        s = self.s
        for i, tag in enumerate(s.tags):
            if tag.startswith("VB"):
                if s.deps[i] not in _AUXILIARIES and not self._is_modifier(i):
                    self._verb(i)
            elif i in self.phrases:
                self._noun(i)
        return list(self.links)

    def _is_modifier(self, i: int) -> bool:
        """Tell whether a participle before a noun was taken as its modifier ("parked car")."""
        s = self.s
        if s.deps[i] not in ("amod", "compound") or i > s.heads[i]:
            return False
        return s.tags[i] != "VBG" or s.words[i] in words("attributes")

    def _noun(self, i: int) -> None:
        for p in self._prepositions(i):
            predicate = self.s.words[p]
            if predicate == "of" and self.phrases[i].token == i:
                self._whole(i, p)
            else:
                self._prepositional([k for k in self._group(i) if k < p], predicate, p)
        for adjective in self.s.of(i, "amod"):
            self._adjective([i], adjective)
            self._covered(i, adjective)
            if adjective in self.phrases:  # "brown-haired woman"
                self._add(i, "have", adjective)
        for owner in self.s.of(i, "poss"):
            for o in self._group(owner):
                self._add(o, "have", i)

    def _covered(self, i: int, a: int) -> None:
        """Read "snow covered mountain" and "tree-lined street" as what covers what."""
        base = self.s.lemma(a)
        if self.s.tags[a] == "VBN" and base in words("covering_verbs") | {"draw"}:
            for cover in self.s.of(a, "npadvmod"):
                if cover in self.phrases:
                    self._add(cover, base, i, a)

    def _whole(self, i: int, p: int) -> None:
        """Relate ``i`` to the noun after "of": the coffee is in the cup, the man has the leg."""
        held = {"containers": "in", "surfaces": "on"}
        name = self.phrases[i].name
        for o in self._complements(p):
            for kind, predicate in held.items():
                if name in words(kind):
                    self._add(o, predicate, i)
                    break
            else:
                self._add(i, "of", o)

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
                    self.phrases[i].add(describe(s, each))
            self._adjective(subjects, a)
        if s.lemma(v) != "be" and not adjectives:
            return False
        there = [o for a in s.of(v, "attr") for o in self._group(a)]
        for p in self._prepositions(v):
            self._prepositional(there if s.of(v, "expl") else subjects, s.words[p], p)
        return True

    def _adjective(self, subjects: list[int], a: int) -> None:
        """Relate what an adjective's preposition leads to: "full of fruit", "covered in snow"."""
        for p in self._prepositions(a):
            if self.s.words[a] in ("full", "filled") and self.s.words[p] in ("of", "with"):
                self._prepositional(subjects, "fill with", p, verb=a)
            else:
                self._prepositional(subjects, self.s.words[p], p)

    def _active(self, v: int, base: str, subjects: list[int]) -> None:
        objects = self._objects(v)
        particle = next((self.s.words[c] for c in self.s.of(v, "prt")), "")
        for o in objects:
            self._each(subjects, f"{base} {particle}".strip(), o, v)
        anchors: list[int] = []  # where the first preposition puts the doer
        for p in self._prepositions(v):
            name = self.s.words[p]
            for o in self._complements(p):
                if objects:
                    self._each(objects if self._is_near(name, o) else subjects, name, o, None)
                elif self._is_worn(subjects, name, o):
                    self._each(subjects, name, o, None)
                elif anchors and name in _LOCATIVE:
                    self._each(anchors, name, o, None)
                elif anchors and name == "with":
                    self._each(subjects, name, o, None)
                else:
                    self._each(subjects, f"{base} {name}", o, v)
            anchors = anchors or self._complements(p)
        if not objects and not anchors:
            self._stranded(v, base, subjects)

    def _is_near(self, name: str, o: int) -> bool:
        """Tell whether "name o" after a verb's object says where the object is: "in her hand"."""
        if name in ("in", "on"):
            return kind_of(self.phrases[o].name) != "scene"
        return name in _LOCATIVE

    def _stranded(self, v: int, base: str, subjects: list[int]) -> None:
        """Handle a verb without an object or place, or whose place went before it.

        "The sofa that the man is sitting on" has its preposition left at the end.
        """
        s = self.s
        left = next((c for c in s.children[v] if c > v and s.words[c] in _LEFT_BEHIND), None)
        head = s.heads[v]
        if left is not None and s.deps[v] in ("relcl", "acl") and head in self.phrases:
            self._each([i for i in subjects if i != head], f"{base} {s.words[left]}", head, v)
        else:
            self._each(subjects, base, None, v)

    def _passive(self, v: int, base: str, subjects: list[int]) -> None:
        linked = False
        for p in [*self._prepositions(v), *self.s.of(v, "agent")]:
            name = self.s.words[p]
            for o in self._complements(p):
                linked = True
                if self._is_doer(p, base):
                    for i in subjects:
                        self._add(o, base, i, v)
                elif base == "dress" and name == "in":
                    self._each(subjects, "wear", o, v)
                else:
                    self._each(subjects, f"{'sit' if base == 'seat' else base} {name}", o, v)
        if not linked:
            self._state(v, base, subjects)

    def _state(self, v: int, base: str, subjects: list[int]) -> None:
        """Say what was done to the subjects, or how they are in consequence ("is folded")."""
        for i in subjects:
            if self.s.words[v] in words("participles"):
                self.phrases[i].add(describe(self.s, v))
            else:
                self._add(None, base, i, v)

    def _is_doer(self, p: int, base: str) -> bool:
        name = self.s.words[p]
        by = self.s.deps[p] == "agent" or name == "by"
        return by or (name in ("in", "with") and base in words("covering_verbs"))

    def _is_worn(self, subjects: list[int], name: str, o: int) -> bool:
        if name not in ("in", "with") or not self._is_clothing(o):
            return False
        return not any(self._is_clothing(i) for i in subjects)

    def _is_clothing(self, i: int) -> bool:
        return self.phrases[i].name.rpartition(" ")[2] in words("clothing")

    def _prepositional(
        self, subjects: list[int], predicate: str, p: int, verb: int | None = None
    ) -> None:
        for o in self._complements(p):
            self._each(subjects, predicate, o, verb)

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
        own = s.of(v, "nsubj", "nsubjpass")
        named = [i for c in own for i in self._group(c)]
        if named:
            return named
        head, dep = s.heads[v], s.deps[v]
        if dep in ("acl", "relcl"):
            relative = not own or any(s.words[c] in _RELATIVE for c in own)
            return self._doers(head, v) if head in self.phrases and relative else []
        if own or not depth or head == v:
            return []
        if dep in _CLAUSES or dep == "amod":
            return [head] if head in self.phrases else self._subjects(head, depth - 1)
        return []

    def _doers(self, i: int, v: int) -> list[int]:
        """Return whom the clause ``v`` after phrase ``i`` is about, with those named between them.

        Neither hair nor clothing does anything: in "boy with red hair sitting" it is the boy.
        """
        if self.phrases[i].name in words("body") or self._is_clothing(i):
            owners = self._owners(i)
            if owners:
                return owners
        return [k for k in self._group(i) if k < v]

    def _owners(self, i: int) -> list[int]:
        """Return who has or wears phrase ``i``: "with red hair", "wearing sunglasses"."""
        s = self.s
        for _ in range(_DEPTH):
            if s.deps[i] == "conj":
                i = s.heads[i]
        head = s.heads[i]
        if s.deps[i] == "dobj":
            return self._subjects(head)
        if s.deps[i] == "pobj" and s.words[head] in ("with", "in"):
            return [s.heads[head]] if s.heads[head] in self.phrases else []
        return []

    def _objects(self, v: int) -> list[int]:
        s = self.s
        found = [o for c in s.of(v, "dobj", "attr") for o in self._group(c)]
        head = s.heads[v]
        if found or s.deps[v] != "relcl" or head not in self.phrases or not s.of(v, "nsubj"):
            return found
        said = {s.words[c] for c in s.children[v]}
        if said & {"where", "when"} or any(
            c > v and s.words[c] in _LEFT_BEHIND for c in s.children[v]
        ):
            return []
        return [] if self._subjects(v) == [head] else [head]

    def _is_passive(self, v: int) -> bool:
        s = self.s
        if s.of(v, "auxpass", "nsubjpass", "agent"):
            return True
        if s.tags[v] in ("VBN", "VBD") and s.deps[v] in ("acl", "amod"):
            return True
        return s.tags[v] == "VBN" and not s.of(v, "aux", "nsubj")

    def _each(self, subjects: list[int], predicate: str, o: int | None, v: int | None) -> None:
        if not subjects and v is not None:
            self._add(None, predicate, o, v)
        for i in subjects:
            if o is not None and self._is_worn([i], predicate, o):
                self._add(i, "wear", o, o)
            elif o is None or self.phrases[o] is not self.phrases[i]:
                self._add(i, predicate, o, v)

    def _add(self, i: int | None, predicate: str, o: int | None, v: int | None = None) -> None:
        self.links[Link(i, predicate, o, v)] = None
