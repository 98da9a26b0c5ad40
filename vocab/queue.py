"""Which candidate comes next.

``effect``, the default, asks first where an answer matters most and is least foreseen: images that
hold the tag, times the keep-model's doubt. ``uncertain`` goes by the doubt alone. Both begin with a
few hundred cards drawn at random over kinds and ranks, so that the model learns what is kept in all
parts of the list. ``frequency`` goes by rank, ``alphabetical`` by the tag.
"""

from __future__ import annotations

import random
from array import array
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from heapq import heapify, heappop, heappush, heapreplace, nlargest
from itertools import chain, islice, pairwise
from typing import Final, Protocol

from vocab.candidates import Candidate, Candidates
from vocab.errors import InputError
from vocab.graph import KINDS, Tag

ORDERS: Final = ("effect", "uncertain", "frequency", "alphabetical")
WARM_UP: Final = 250
PINNED: Final = 12  # cards ahead that no new score moves, so that the list on the screen is calm
SLICE: Final = 24  # candidates scored anew after each decision
PATIENCE: Final = 48  # candidates scored at most to find the next cards
LOOKED_AT: Final = 400  # candidates scored at least before the surest are named


class Model(Protocol):
    """What the queue needs of a keep-model."""

    positions: dict[tuple[str, str], int]  # the place of each (kind, tag) in the table

    def predict(self, tag: Tag) -> float:
        """Return the probability of a keep."""


class Queue:
    """The candidates that wait, most wanted first; skipped ones wait behind all others.

    Each call takes some milliseconds at most, however many candidates there are: scores are
    brought up to date in small slices, and at the top where they matter. :meth:`reorder` and
    :meth:`keep_only` look at every candidate once (some 30 ms for 50,000).
    """

    def __init__(
        self,
        candidates: Candidates,
        model: Model,
        *,
        order: str = "effect",
        done: Collection[Tag] = (),
        seed: int | str = 0,
    ) -> None:
        self._rows, self._model, self._places = candidates.rows, model, model.positions
        self._done = bytearray(len(self._rows))
        for place in self._known(done):
            self._done[place] = 1
        self._closed = bytearray(self._done)  # what is not shown, or shown as deferred
        self._filter: Callable[[Tag], bool] | None = None
        self._decided = False  # the filter is for what is decided already
        self._returned: dict[int, None] = {}  # undone: shown again at once
        self._deferred: dict[int, None] = {}
        self._warm_up = _draw(candidates, seed)
        self._scores = _Scores(self._rows, model.predict, self._waits, set(self._warm_up))
        self.reorder(order)

    def __len__(self) -> int:
        return self._closed.count(0) + len(self._shown_deferred())

    def upcoming(self, n: int) -> list[Tag]:
        """Return the next ``n`` tags, or all that wait when they are fewer."""
        places = [place for place in reversed(self._returned) if not self._closed[place]]
        places += self._in_line(n - len(places))
        if self._learned and len(places) < n:
            places += self._scores.best(n - len(places))
        places += self._shown_deferred()
        return [self._rows[place].key for place in places[:n]]

    def surest(self, kept: bool, n: int) -> list[Tag]:
        """Return up to ``n`` tags that the model is surest to see kept, or dropped; surest first.

        Of those it has looked at so far, a few hundred at least, and those whose decision was
        undone.
        """
        back = [place for place in self._returned if not self._closed[place]]
        return [self._rows[place].key for place in self._scores.surest(kept, n, back)]

    def done(self, tag: Tag, *, refine: int = SLICE) -> None:
        """Take out a tag that was decided on, and bring ``refine`` scores up to date."""
        for place in self._known([tag]):
            self._done[place] = 1
            self._close(place)
        if self._learned:
            self._scores.refresh(refine)

    def again(self, tag: Tag) -> None:
        """Show a tag, whose decision was undone, as the very next."""
        for place in self._known([tag]):
            self._close(place)
            self._done[place] = self._closed[place] = 0
            self._returned[place] = None

    def defer(self, tag: Tag) -> None:
        """Move a tag that was skipped to the end."""
        for place in self._known([tag]):
            self._close(place)
            self._deferred[place] = None

    def reorder(self, order: str) -> None:
        """Change to another of :data:`ORDERS`; what was undone falls into line as well.

        :class:`InputError` when it is none of them.
        """
        if order not in ORDERS:
            raise InputError(f"unknown order {order!r} (known: {', '.join(ORDERS)})")
        self._order, self._learned = order, order in ("effect", "uncertain")
        self._returned.clear()
        self._rebuild()

    def keep_only(self, predicate: Callable[[Tag], bool] | None, *, decided: bool = False) -> None:
        """Show only tags that match; ``None`` shows all again.

        With ``decided`` they are sought among the tags decided on, not those that wait.
        """
        self._filter, self._decided = predicate, decided and predicate is not None
        self._closed = bytearray(done ^ self._decided for done in self._done)
        for place in self._deferred:
            self._closed[place] = 1
        if predicate is not None:
            for place, closed in enumerate(self._closed):
                if not closed and not predicate(self._rows[place].key):
                    self._closed[place] = 1
        self._rebuild()

    def refine(self, n: int) -> None:
        """Bring ``n`` scores up to date (some 50 us each); for moments when nobody waits."""
        self._scores.refresh(n)

    def _known(self, tags: Iterable[Tag]) -> Iterator[int]:
        return (self._places[tag] for tag in tags if tag in self._places)

    def _close(self, place: int) -> None:
        self._closed[place] = 1
        self._deferred.pop(place, None)
        self._returned.pop(place, None)

    def _waits(self, place: int) -> bool:
        return not self._closed[place] and place not in self._returned

    def _shown_deferred(self) -> list[int]:
        if self._decided:
            return []
        wanted = self._filter
        return [p for p in self._deferred if wanted is None or wanted(self._rows[p].key)]

    def _in_line(self, n: int) -> list[int]:
        """Return the next places of the fixed part: the warm-up, or an order without scores."""
        while self._line and not self._waits(self._line[-1]):
            self._line.pop()
        return list(islice(filter(self._waits, reversed(self._line)), max(0, n)))

    def _rebuild(self) -> None:
        places: Iterable[int] = self._warm_up if self._learned else range(len(self._rows))
        line = [place for place in places if not self._closed[place]]
        if self._order == "alphabetical":
            line.sort(key=lambda place: (self._rows[place].tag, self._rows[place].kind))
        line.reverse()
        self._line = line
        if self._learned:
            self._scores.restart(by_effect=self._order == "effect")


class _Scores:
    """The places by effect and doubt: a heap whose stale entries are found out at its top.

    Places from ``_frontier`` on were never scored. As rows stand by their images, the effect of
    the first of them bounds them all, so none need be looked at before its turn.
    """

    def __init__(
        self,
        rows: Sequence[Candidate],
        predict: Callable[[Tag], float],
        waits: Callable[[int], bool],
        elsewhere: Collection[int],
    ) -> None:
        self._rows, self._predict, self._waits = rows, predict, waits
        self._elsewhere = elsewhere
        self._p = array("d", bytes(8 * len(rows)))
        self._scored_at = array("L", bytes(array("L").itemsize * len(rows)))
        self._heap: list[tuple[float, int]] = []
        self._pinned: list[int] = []
        self._frontier = self._next = 0
        self._now = 1
        self._by_effect = True

    def restart(self, *, by_effect: bool) -> None:
        self._by_effect = by_effect
        self._pinned = []
        self._heap = [(-self._score(place), place) for place in filter(self._open, self._scored())]
        heapify(self._heap)

    def best(self, n: int) -> list[int]:
        """Return ``n`` places, best first; the first few stay so until they are decided on."""
        places = [place for place in self._pinned if self._open(place)]
        self._pinned = []
        patience = PATIENCE
        while len(places) < n:
            place, patience = self._pop(patience)
            if place is None:
                break
            if place not in places:
                places.append(place)
        self._pinned = places[:PINNED]
        for place in places[PINNED:]:
            heappush(self._heap, (-self._score(place), place))
        return places[:n]

    def surest(self, kept: bool, n: int, back: Sequence[int]) -> list[int]:
        """Return ``n`` places predicted to be kept, or not, the surest first; ``back`` too."""
        self._advance(max(0, LOOKED_AT - self._frontier))

        def sureness(place: int) -> float:
            return self._p[place] if kept else 1 - self._p[place]

        for place in back:
            self._assess(place)
        known = chain(filter(self._open, self._scored()), back)
        likely = nlargest(2 * n, known, key=sureness)
        for place in likely:
            self._assess(place)
        return [p for p in sorted(likely, key=sureness, reverse=True) if sureness(p) >= 0.5][:n]

    def refresh(self, n: int) -> None:
        """Score ``n`` places: a quarter for the first time, the others anew, round and round.

        What has risen is entered in the heap again; what sank is found out at its top.
        """
        self._now += 1
        first = self._advance(n // 4)
        for _ in range(min(n - first, self._frontier)):
            self._next = (self._next + 1) % self._frontier
            place = self._next
            if self._open(place):
                before = self._score(place)
                self._assess(place)
                if self._score(place) > before:
                    heappush(self._heap, (-self._score(place), place))

    def _pop(self, patience: int) -> tuple[int | None, int]:
        """Return the best place and the patience left; without any left, the best as far as known.

        An entry at the top is scored anew if decisions came after it was; one that sank is put
        back, so what is returned is the best of all (lazy evaluation; Minoux, 1978).
        """
        while True:
            top = self._top()
            if top is None or -top < self._bound():
                if self._frontier < len(self._rows) and (patience > 0 or top is None):
                    patience -= self._advance(1)
                    continue
                if top is None:
                    return None, patience
            place = self._heap[0][1]
            if patience > 0 and self._scored_at[place] != self._now:
                self._assess(place)
                heapreplace(self._heap, (-self._score(place), place))
                patience -= 1
                continue
            heappop(self._heap)
            return place, patience

    def _top(self) -> float | None:
        """Return the score, negative, of the best entry, once those that sank are put back."""
        heap = self._heap
        while heap:
            entry, place = heap[0]
            now = -self._score(place)
            if not self._open(place):
                heappop(heap)
            elif entry < now:
                heapreplace(heap, (now, place))
            else:
                return entry
        return None

    def _bound(self) -> float:
        return self._effect(self._frontier) if self._frontier < len(self._rows) else 0.0

    def _advance(self, n: int) -> int:
        """Score the next ``n`` places for the first time; return how many were open."""
        found = 0
        for place in range(self._frontier, min(self._frontier + n, len(self._rows))):
            self._frontier = place + 1
            if self._open(place):
                self._assess(place)
                heappush(self._heap, (-self._score(place), place))
                found += 1
        return found

    def _scored(self) -> range:
        return range(self._frontier)

    def _open(self, place: int) -> bool:
        return place not in self._elsewhere and self._waits(place)

    def _assess(self, place: int) -> None:
        self._p[place] = self._predict(self._rows[place].key)
        self._scored_at[place] = self._now

    def _score(self, place: int) -> float:
        p = self._p[place]
        return self._effect(place) * p * (1 - p) * 4

    def _effect(self, place: int) -> float:
        return float(self._rows[place].images) if self._by_effect else 1.0


def _draw(candidates: Candidates, seed: int | str) -> list[int]:
    """Return the places of the warm-up: of each kind some, evenly over its ranks, in random order.

    Kinds weigh by the root of their size, so that the small ones are not learnt last. The same
    annotator on the same candidates gets the same cards after a restart.
    """
    draw = random.Random(f"{seed} {candidates.sha256}")  # noqa: S311  (no secret)
    kinds: dict[str, list[int]] = {kind: [] for kind in KINDS}
    for place, row in enumerate(candidates.rows):
        kinds[row.kind].append(place)
    size = min(WARM_UP, len(candidates.rows) // 4)
    whole = sum(len(places) ** 0.5 for places in kinds.values())
    drawn = []
    for places in kinds.values():
        share = min(len(places), round(size * len(places) ** 0.5 / whole) if places else 0)
        edges = [len(places) * step // share for step in range(share + 1)] if share else []
        drawn += [places[draw.randrange(*span)] for span in pairwise(edges)]
    draw.shuffle(drawn)
    return drawn
