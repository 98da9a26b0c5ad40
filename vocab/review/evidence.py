"""What helps to decide on a tag: captions, a gloss, merge suggestions, the coverage so far.

Nothing here is needed to decide, so nothing here is waited for: it is loaded after the first card
is on the screen, and the captions are gathered by a process of its own the first time.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vocab.candidates import Candidates
from vocab.errors import InputError
from vocab.graph import Tag

if TYPE_CHECKING:
    from vocab.coverage import Coverage
    from vocab.examples import Example, Examples
    from vocab.suggest import Suggester, Suggestion
    from vocab.wordnet import Senses

SLICE = 4000  # candidates indexed for suggestions at a time: some 12 ms
NO_MINED = "no captions: give --mined DIR (of tag2text mine) to see the tag in use"


@dataclass(frozen=True, slots=True)
class Clues:
    """What is known of one tag; ``captions`` are those of one page."""

    captions: Sequence[Example] = ()
    gloss: str | None = None
    merges: Sequence[Suggestion] = ()


class Evidence:
    """The sources of clues, as far as they are there; ``missing`` says what to do about captions.

    ``table`` is the candidates' file and ``mined`` the directories of captions.
    """

    def __init__(
        self,
        candidates: Candidates,
        *,
        table: Path | None = None,
        mined: Sequence[Path] = (),
        senses: Senses | None = None,
    ) -> None:
        self._candidates, self._table, self._mined = candidates, table, tuple(mined)
        self._senses = senses
        self._examples: Examples | None = None
        self._suggester: Suggester | None = None
        self._builder: subprocess.Popen[bytes] | None = None
        self._loaded = self._ready = False
        self.coverage: Coverage | None = None
        self.missing = "" if mined else NO_MINED

    @property
    def pending(self) -> float | None:
        """Seconds until a :meth:`poll` may find something new; None when all is there."""
        if self._suggester is not None and not self._ready:
            return 0.02
        return 0.5 if self._builder is not None else None

    def load(self) -> None:
        """Load what is at hand, and begin to gather the captions that are not; returns quickly."""
        self._loaded = True
        if self._mined and self._table:
            self._find_examples(self._table)
        self._suggest()

    def poll(self) -> bool:
        """Do a little of what is to be done; say whether there is something new to show."""
        if self._suggester is not None and not self._ready:
            self._ready = self._suggester.prepare(SLICE)
            return self._ready
        if self._builder is None or self._builder.poll() is None:
            return False
        builder, self._builder = self._builder, None
        error = builder.communicate()[1].decode(errors="replace").strip().splitlines()
        if builder.returncode:
            self.missing = f"no captions: {error[-1] if error else 'gathering them failed'}"
        elif self._open():
            self._suggest()
        return True

    def clues(self, tag: Tag, *, limit: int = 5, page: int = 0) -> Clues:
        """Return what is known of the tag now; ``page`` counts pages of ``limit`` captions."""
        if not self._loaded:
            return Clues()
        captions = self._examples.captions(tag, limit, page * limit) if self._examples else ()
        try:
            gloss = self._senses.gloss(tag) if self._senses else None
            merges = self._suggester.merges(tag) if self._suggester and self._ready else ()
        except InputError as error:  # a damaged dictionary shows why it says nothing
            return Clues(captions, f"nothing: {error}")
        return Clues(captions, gloss, merges)

    def close(self) -> None:
        """End the gathering, if it still goes on."""
        if self._builder is not None:
            self._builder.terminate()
            self._builder.communicate()
            self._builder = None

    def _find_examples(self, table: Path) -> None:
        from vocab.examples import cache_path

        try:
            self._cache = cache_path(self._candidates, self._mined)
        except (InputError, OSError) as error:
            self.missing = f"no captions: {error}"
            return
        if not self._open():
            command = [sys.executable, "-m", "vocab.examples", str(table), str(self._cache)]
            command += [str(directory) for directory in self._mined]
            self._builder = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            )
            self.missing = "captions are being gathered (once, a minute or less); go on meanwhile"

    def _open(self) -> bool:
        from vocab.coverage import Coverage
        from vocab.examples import open_examples

        try:
            self._examples = open_examples(self._cache)
        except InputError as error:
            self.missing = f"no captions: {error}"
            return False
        self.coverage = Coverage(self._examples.coverage_rows())
        self.missing = ""
        return True

    def _suggest(self) -> None:
        from vocab.suggest import Suggester

        self._suggester = Suggester(self._candidates, self._senses, self._examples)
        self._ready = False
