"""spaCy without the frameworks that it could use and we do not."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Final

UNUSED: Final = frozenset(("cupy", "mxnet", "tensorflow", "torch"))


class _Absent(MetaPathFinder):
    """Finds nothing, and lets nothing else find the unused."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname in UNUSED:
            raise ModuleNotFoundError(f"{fullname} is of no use here", name=fullname)
        return None


@contextmanager
def lean_imports() -> Iterator[None]:
    """Within it, what is imported first believes that no deep learning framework is installed.

    thinc, which spaCy is built on, imports PyTorch and others where they are installed: a second
    and 470 MB for each process that parses captions, which are NumPy's work alone. What was
    imported before stays as it is, and frameworks can be imported as ever afterwards.
    """
    absent = _Absent()
    sys.meta_path.insert(0, absent)
    try:
        yield
    finally:
        sys.meta_path.remove(absent)
