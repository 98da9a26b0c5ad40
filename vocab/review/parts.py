"""What a desk needs of a queue and of a model; ``vocab.queue`` and ``vocab.learner`` have them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from vocab.graph import Tag


class Model(Protocol):
    """What predicts whether a tag is kept."""

    def predict(self, tag: Tag) -> float:
        """Return the probability of a keep."""

    def learn(self, tag: Tag, kept: bool) -> None:
        """Take in a decision, in the place of an earlier one on the tag."""

    def unlearn(self, tag: Tag) -> None:
        """Take a decision back, if there was one."""

    def catch_up(self, n: int) -> bool:
        """Learn ``n`` decisions of earlier sittings; say whether all are learnt."""


class Line(Protocol):
    """The tags that wait."""

    def __len__(self) -> int:
        """Return how many are shown."""

    def upcoming(self, n: int) -> list[Tag]:
        """Return the next ``n``."""

    def surest(self, kept: bool, n: int) -> list[Tag]:
        """Return ``n`` that are predicted to be kept, or dropped, the surest first."""

    def done(self, tag: Tag, *, refine: int = 0) -> None:
        """Take out a tag that was decided on, and bring ``refine`` scores up to date."""

    def again(self, tag: Tag) -> None:
        """Put a tag first whose decision was undone."""

    def defer(self, tag: Tag) -> None:
        """Put a tag last that was skipped."""

    def reorder(self, order: str) -> None:
        """Change the order."""

    def keep_only(self, predicate: Callable[[Tag], bool] | None, *, decided: bool = False) -> None:
        """Show only tags that match, among those decided on or those that wait."""

    def refine(self, n: int) -> None:
        """Bring ``n`` scores up to date."""
