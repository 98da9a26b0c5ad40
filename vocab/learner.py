"""A model of what the annotator keeps, learnt one decision at a time.

Logistic regression over a few dozen features of a candidate, trained online with AdaGrad steps
(Duchi et al., 2011): what the tag looks like, how often and where it is said, what WordNet knows of
it, how it stands to other candidates, and what was decided on tags that share a word with it. It
orders the queue and fills in predictions; it never decides. Plain Python: some 20 us an update, and
nothing is computed for a candidate before it is asked about.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

from vocab.candidates import Candidate, Candidates
from vocab.errors import InputError
from vocab.graph import KINDS, Tag
from vocab.wordnet import PARTS, Senses

RATE: Final = 0.25  # AdaGrad's step
DECAY: Final = 1e-4  # L2, as a share of the step
PRIOR: Final = 0.7  # of 5,000 candidates the paper kept 3,429
CERTAIN: Final = 8.0  # the largest logit: no prediction claims more than 99.97%
MEMO: Final = 1 << 13  # candidates whose features are remembered
RECENT: Final = 200  # earlier decisions that are learnt at once (some 20 ms), for a quick start

Features = tuple[tuple[str, float], ...]


class KeepModel:
    """Predicts whether a candidate is kept; the same decisions in the same order, the same model.

    ``positions`` gives each candidate's place in ``candidates.rows``.
    """

    def __init__(self, candidates: Candidates, senses: Senses | None = None) -> None:
        # Plain pairs, which a Tag finds too: 50,000 of them are made in half the time.
        self.positions: dict[tuple[str, str], int] = {
            (row.kind, row.tag): place for place, row in enumerate(candidates.rows)
        }
        self._candidates, self._senses = candidates, senses
        self._weights: dict[str, float] = {"bias": math.log(PRIOR / (1 - PRIOR))}
        self._squares: dict[str, float] = {}
        self._learnt: dict[Tag, tuple[bool, list[tuple[str, float, float]]]] = {}
        self._backlog: dict[Tag, bool] = {}
        self._votes: dict[str, int] = defaultdict(int)
        self._voters: dict[str, int] = defaultdict(int)
        self._fixed = lru_cache(MEMO)(self._describe)

    def predict(self, tag: Tag) -> float:
        """Return the probability, within 0 and 1, that ``tag`` is kept."""
        return self._probability(self._features(tag))

    def learn(self, tag: Tag, kept: bool) -> None:
        """Take in a decision; one on the same tag before it is unlearnt first."""
        self.unlearn(tag)
        features = self._features(tag)
        error = self._probability(features) - kept
        weights, squares = self._weights, self._squares
        changes = []
        for name, value in features:
            weight = weights.get(name, 0.0)
            gradient = error * value + DECAY * weight
            square = squares.get(name, 0.0) + gradient * gradient
            step = RATE * gradient / math.sqrt(square + 1e-12)
            weights[name], squares[name] = weight - step, square
            changes.append((name, step, gradient * gradient))
        self._learnt[tag] = kept, changes
        self._vote(tag, 1 if kept else -1, 1)

    def recall(self, decisions: Iterable[tuple[Tag, bool]]) -> None:
        """Take in decisions of earlier sittings: the latest at once, others by :meth:`catch_up`."""
        self._backlog.update(decisions)
        self.catch_up(RECENT)

    def catch_up(self, n: int) -> bool:
        """Learn ``n`` of the decisions recalled (some 90 us each); say whether all are learnt."""
        for _ in range(min(n, len(self._backlog))):
            self.learn(*self._backlog.popitem())
        return not self._backlog

    def unlearn(self, tag: Tag) -> None:
        """Take a decision back, if there was one.

        Its own steps are subtracted: exact, up to rounding, for the last decision; what later
        ones learnt in its presence stays.
        """
        self._backlog.pop(tag, None)
        if tag not in self._learnt:
            return
        kept, changes = self._learnt.pop(tag)
        for name, step, square in changes:
            self._weights[name] += step
            self._squares[name] = max(0.0, self._squares[name] - square)
        self._vote(tag, -1 if kept else 1, -1)

    def _probability(self, features: Features) -> float:
        weights = self._weights
        logit = sum([weights[name] * value for name, value in features if name in weights])
        return 1 / (1 + math.exp(-max(-CERTAIN, min(CERTAIN, logit))))

    def _features(self, tag: Tag) -> Features:
        return self._fixed(tag) + tuple(self._neighbours(tag))

    def _vote(self, tag: Tag, vote: int, voters: int) -> None:
        for name in _ties(tag):
            self._votes[name] += vote
            self._voters[name] += voters

    def _neighbours(self, tag: Tag) -> Iterator[tuple[str, float]]:
        """Yield how the decisions went on tags with the same head, a same word, the same string."""
        for name in _ties(tag):
            voters = self._voters.get(name)
            if voters:
                tie = name.partition("=")[0]
                yield f"vote {tie}", self._votes[name] / (voters + 1)

    def _describe(self, tag: Tag) -> Features:
        place = self.positions.get(tag)
        row = Candidate(0, *tag, 0, 0) if place is None else self._candidates.rows[place]
        names = [*_form(tag), *self._known(tag)]
        values = [*_counts(row), *self._relatives(row)]
        return (("bias", 1.0), *((name, 1.0) for name in names), *values)

    def _known(self, tag: Tag) -> list[str]:
        """Return what WordNet says; nothing where its files are damaged, as nobody needs it."""
        try:
            return list(self._meaning(tag))
        except InputError:
            return []

    def _meaning(self, tag: Tag) -> Iterator[str]:
        """Yield what WordNet says: known as this kind or another, the topic of its first sense."""
        if self._senses is None:
            return
        own = PARTS[tag.kind]
        entries = {part: self._senses.entry(part, tag.tag) for part in set(PARTS.values())}
        entry = entries.pop(own)
        yield f"known {own} {entry is not None}"
        yield from (f"known {own} as {part}" for part in sorted(entries) if entries[part])
        if any(e and e.tagged > (entry.tagged if entry else 0) for e in entries.values()):
            yield f"rather not {own}"
        head = tag.tag.split()[-1 if own == "noun" else 0]
        if entry is None:
            entry = self._senses.entry(own, head)
            yield f"head {own} {_topic(self._senses, own, head)}"
            return
        yield f"tagged {own} {min(entry.tagged, 3)}"
        sense = self._senses.sense(own, entry.offsets[0])
        yield f"topic {sense.topic}"
        if any(word != tag.tag and word.lower() == tag.tag for word in sense.words):
            yield "name"

    def _relatives(self, row: Candidate) -> Iterator[tuple[str, float]]:
        """Yield how often the tag is said beside the same string in other kinds, and its words."""
        for kind in KINDS:
            twin = self._images(Tag(kind, row.tag))
            if twin and kind != row.kind:
                yield f"{row.kind} twin {kind}", 1.0
                yield "twin", math.log10((row.images + 1) / (twin + 1))
        first, *rest = row.tag.split()
        if not rest:
            return
        head, tail = (first, rest[-1]) if row.kind == "action" else (rest[-1], first)
        for role, word in (("head", head), ("tail", tail)):
            images = max(self._images(Tag(kind, word)) for kind in KINDS)
            yield f"{row.kind} {role} known {images > 0}", 1.0
            if images:
                yield f"{role} share", math.log10((row.images + 1) / (images + 1)) + 2
        tail_kinds = [kind for kind in KINDS if self._images(Tag(kind, tail))]
        yield from ((f"{row.kind} tail {kind}", 1.0) for kind in tail_kinds)

    def _images(self, tag: Tag) -> int:
        place = self.positions.get(tag)
        return 0 if place is None else self._candidates.rows[place].images


def _topic(senses: Senses, part: str, word: str) -> str:
    entry = senses.entry(part, word)
    return senses.sense(part, entry.offsets[0]).topic if entry else "unknown"


def _form(tag: Tag) -> Iterator[str]:
    """Yield what the tag looks like: kind, words, endings, odd characters."""
    kind, text = tag
    words = text.split()
    yield kind
    yield f"{kind} words {min(len(words), 3)}"
    yield f"{kind} length {min(len(text), 16) // 3}"
    last = words[-1]
    yield f"{kind} ends {last[-2:]}"
    yield f"{kind} ends {last[-3:]}"
    if len(words) > 1:
        yield f"first {words[0]}"
        yield f"last {last}"
    yield from (f"word {word}" for word in set(words))
    if any(map(str.isdigit, text)):
        yield "digit"
    yield from (f"holds {mark}" for mark in "'-." if mark in text)


def _counts(row: Candidate) -> Iterator[tuple[str, float]]:
    """Yield how often the tag is said, in how many sources, and in which it mostly stands."""
    level = math.log10(row.images + 1) - 3
    yield "images", level
    yield f"{row.kind} images", level
    yield "captions", math.log10((row.captions + 1) / (row.images + 1))
    total = sum(row.sources.values())
    if not total:
        return
    shares = {source: count / total for source, count in row.sources.items() if count}
    yield "sources", len(shares) / 10 - 1
    yield "spread", -sum(share * math.log(share) for share in shares.values()) - 1
    yield "one source", max(shares.values())
    yield from ((f"in {source}", share) for source, share in shares.items() if share > 0.05)


def _ties(tag: Tag) -> list[str]:
    words = tag.tag.split()
    head = words[0 if tag.kind == "action" else -1]
    if len(words) == 1:
        return [f"same={tag.tag}", f"head={head}", f"word={head}"]
    return [f"head={head}", *(f"word={word}" for word in words)]
