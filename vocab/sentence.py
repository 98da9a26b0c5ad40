"""A parsed caption as plain lists: what the rules read, free of spaCy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from vocab.lemma import lemma

NOUNS: Final = frozenset({"NN", "NNS", "NNP", "NNPS"})


@dataclass(slots=True)
class Sentence:
    """Tokens of one caption: lower-case words, Penn tags, dependency labels and head positions.

    A root's head is itself. ``children`` holds each token's dependents in surface order, once
    ``link`` has been called.
    """

    words: list[str]
    tags: list[str]
    deps: list[str]
    heads: list[int]
    children: list[list[int]] = field(default_factory=list)

    def link(self) -> None:
        """Collect the dependents of each token; where mending closed a circle, it is cut."""
        self._cut_circles()
        self.children = [[] for _ in self.words]
        for i, head in enumerate(self.heads):
            if head != i:
                self.children[head].append(i)

    def _cut_circles(self) -> None:
        seen = [0] * len(self.heads)
        for start in range(len(self.heads)):
            i = start
            while not seen[i]:
                seen[i] = start + 1
                i = self.heads[i]
            if seen[i] == start + 1:  # a root, or a circle closed on this walk
                self.heads[i] = i

    def attach(self, i: int, head: int, dep: str) -> None:
        """Make token ``i`` a dependent of ``head``, before the tree is linked."""
        self.heads[i], self.deps[i] = head, dep

    def of(self, i: int, *deps: str) -> list[int]:
        """Return the dependents of token ``i`` that carry one of the labels."""
        below = self.children[i]
        return [c for c in below if self.deps[c] in deps] if below else below

    def lemma(self, i: int) -> str:
        """Return the base form of token ``i``."""
        return lemma(self.words[i], self.tags[i])

    def is_noun(self, i: int) -> bool:
        """Tell whether token ``i`` is a noun."""
        return self.tags[i] in NOUNS

    def replace(self, new: int, old: int) -> None:
        """Let token ``new`` take the place of ``old``, and its dependents, before linking."""
        for k, head in enumerate(self.heads):
            if head == old and k not in (old, new):
                self.heads[k] = new
        root = self.heads[old] == old
        self.attach(new, new if root else self.heads[old], self.deps[old])
