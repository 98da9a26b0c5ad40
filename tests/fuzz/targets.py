"""All targets by name."""

from __future__ import annotations

from typing import Final

from tests.fuzz import captions, pictures, review, shards, texts
from tests.fuzz.law import Target

TARGETS: Final[dict[str, Target]] = {
    target.name: target
    for module in (captions, pictures, review, shards, texts)
    for target in module.targets()
}
