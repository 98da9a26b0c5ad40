"""The Tag2Text model: image tagging, tag-guided captioning, image-text alignment.

Names are imported lazily, so that importing the package costs nothing.
"""

from __future__ import annotations

import importlib
from typing import Any, Final

_HOMES: Final = {"ModelConfig": "model.config", "Tag2Text": "model.tag2text"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
