"""METEOR and SPICE: the field's own Java programs, by way of pycocoevalcap; an extra."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
from collections.abc import Collection, Sequence
from typing import Final

from train.caption_metrics import tokens
from vocab.errors import InputError

# Denkowski and Lavie (2014); Anderson et al. (2016).
PROGRAMS: Final = {
    "meteor": ("pycocoevalcap.meteor.meteor", "Meteor"),
    "spice": ("pycocoevalcap.spice.spice", "Spice"),
}


def check_java(names: Collection[str]) -> None:
    """Raise :class:`InputError` where a figure is unknown, or what it needs is not installed."""
    for name in names:
        if name not in PROGRAMS:
            raise InputError(f"{name} is no Java figure: choose {', '.join(PROGRAMS)}")
    if names and shutil.which("java") is None:
        raise InputError(f"{', '.join(names)}: needs Java, and there is none here; install it")
    if names and importlib.util.find_spec("pycocoevalcap") is None:
        raise InputError(f"{', '.join(names)}: pip install pycocoevalcap")


def java_figure(name: str, captions: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Return ``meteor`` or ``spice`` (0 to 1, means over images) of one caption an image.

    :class:`InputError` where the program fails: SPICE fetches its parser's models on first use,
    and is made for Java 8 and 8 GB of memory.
    """
    check_java([name])
    module, scorer = PROGRAMS[name]
    truth = {n: [" ".join(tokens(one)) for one in row] for n, row in enumerate(references)}
    made = {n: [" ".join(tokens(text))] for n, text in enumerate(captions)}
    program = None
    try:
        program = getattr(importlib.import_module(module), scorer)()
        return float(program.compute_score(truth, made)[0])
    except Exception as error:  # others' programs behind pipes fail in every way
        lock = getattr(program, "lock", None)
        if lock is not None and lock.locked():
            lock.release()  # or its destructor would wait for ever
        line = " ".join(str(error).split()) or type(error).__name__
        raise InputError(f"{name}: the Java program failed ({line[:200]})") from error
