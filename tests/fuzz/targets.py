"""All targets by name."""

from __future__ import annotations

from typing import Final

from tests.fuzz import captions, evaluation, models, pictures, review, shards, texts
from tests.fuzz.law import Target

TARGETS: Final[dict[str, Target]] = {
    target.name: target
    for module in (captions, texts, review, shards, pictures, models, evaluation)
    for target in module.targets()
}
