"""Mutation testing: break a module in one small way, and see that its tests notice.

All runs in a copy of the checkout. A mutant is one change of a module's syntax tree: a comparison,
an operator, a constant, a condition, a returned value, a statement left out. A seeded sample of
them is tried; each lives in a forked process alone, in memory, so that libraries are imported once.
Programs that a test starts run the module as it is. Messages, and texts of three words or more, are
not mutated.

    python -m benchmarks.mutation vocab.build pipeline.tar [--sample 20] [--seed 0]
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType, ModuleType
from typing import Final, NamedTuple

from benchmarks.mutants import Mutant, find_mutants
from benchmarks.tables import print_table

# Tests beside tests/<package>/test_<module>.py that a module's behaviour shows in.
TESTS: Final = {
    "pipeline.exclude": ("pipeline/test_manifest.py",),
    "pipeline.images": ("pipeline/test_images.py", "pipeline/test_image_sources.py"),
    "pipeline.json_sources": ("pipeline/test_sources.py", "pipeline/test_streams.py"),
    "pipeline.reasons": ("pipeline/test_reasons.py", "pipeline/test_politeness.py"),
    "pipeline.source_rows": ("pipeline/test_source_rows.py", "pipeline/test_sources.py"),
    "vocab.decisions": ("vocab/test_decisions.py", "vocab/test_log.py"),
    "vocab.entities": ("vocab/test_entities.py", "vocab/test_parser.py", "vocab/test_rules.py"),
    "vocab.keys": ("vocab/test_keys.py", "vocab/test_decisions.py", "vocab/test_table.py"),
    "vocab.relations": ("vocab/test_relations.py", "vocab/test_parser.py", "vocab/test_rules.py"),
    "vocab.rules": ("vocab/test_rules.py", "vocab/test_repair.py", "vocab/test_parser.py"),
}
LIBRARIES: Final = (
    "apache_beam",
    "hypothesis.strategies",
    "ijson",
    "openpyxl",
    "numpy",
    "PIL.Image",
    "psutil",
    "pyarrow.parquet",
    "pytest",
    "sng_parser",
    "spacy",
    "typer.testing",
    "webdataset",
)
SURVIVED: Final = 0
OUT_OF_TIME: Final = (signal.SIGXCPU, signal.SIGALRM, signal.SIGKILL)


class Limits(NamedTuple):
    """What a mutant may take, by what the module as it is takes; more is an endless loop."""

    cpu: int
    wall: int


def main(words: Sequence[str] | None = None) -> None:
    """Try the mutants of the modules named; print those that lived, then the table."""
    options = _options(words)
    _prepare()
    with _copied():
        rows = [_row(module, options.sample, options.seed) for module in options.modules]
    header = ("module", "mutants", "killed", "of them out of time", "survived", "score", "s")
    print_table(f"Mutation testing, seed {options.seed}", header, rows)


def _row(module: str, sample: int, seed: int) -> tuple[object, ...]:
    begin = time.monotonic()
    counts = Counter(_try_module(module, sample, seed))
    killed, lived = counts["killed"] + counts["out of time"], counts["survived"]
    score = f"{100 * killed / (killed + lived):.0f}%" if killed + lived else "-"
    spent = f"{time.monotonic() - begin:.0f}"
    return module, killed + lived, killed, counts["out of time"], lived, score, spent


@contextlib.contextmanager
def _copied() -> Iterator[None]:
    """Work in a copy: what a broken module writes, and where, nobody knows."""
    line = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(line, check=True, capture_output=True, text=True).stdout.split("\0")
    home = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        for name in filter(os.path.isfile, names):
            Path(folder, name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(name, Path(folder, name))
        os.chdir(folder)
        os.environ["PYTHONPATH"] = sys.path[0] = folder  # first of all for what tests start, too
        try:
            yield
        finally:
            os.chdir(home)


def _options(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("modules", nargs="+", metavar="MODULE")
    parser.add_argument("--sample", type=int, default=20, help="mutants of a module")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args(words)


def _prepare() -> None:
    """Import what all mutants share; examples are not shrunk, since one that fails is enough."""
    from hypothesis import Phase, settings

    for name in LIBRARIES:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    quick = [Phase.explicit, Phase.generate]
    settings.register_profile("mutation", deadline=None, phases=quick, database=None)


def _try_module(module: str, sample: int, seed: int) -> Iterator[str]:
    path = Path(*module.split(".")).with_suffix(".py")
    tests = [str(path) for path in _tests(module) if path.exists()]
    limits = _measure(module, tests)
    mutants = find_mutants(path.read_text())
    chosen = random.Random(f"{seed} {module}").sample(
        range(len(mutants)), min(sample, len(mutants))
    )
    for number in sorted(chosen):
        fate = _fate(_run(module, mutants[number], tests, limits))
        if fate == "survived":
            print(f"{path}:{mutants[number].describe()}", flush=True)
        yield fate


def _tests(module: str) -> list[Path]:
    package, name = module.split(".", 1)
    names = TESTS.get(module, (f"{package}/test_{name}.py",))
    return [Path("tests", name) for name in names]


def _measure(module: str, tests: list[str]) -> Limits:
    """Run the tests of the module as it is."""
    begin, cpu = time.monotonic(), _cpu_of_children()
    if not tests or _run(module, None, tests, None):
        raise SystemExit(f"{module}: its tests fail, or it has none: {' '.join(tests)}")
    wall, cpu = time.monotonic() - begin, _cpu_of_children() - cpu
    print(f"{module}: its tests take {cpu:.1f} s of CPU", flush=True)
    return Limits(cpu=int(5 + 5 * cpu), wall=int(60 + 20 * wall))


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _run(module: str, mutant: Mutant | None, tests: list[str], limits: Limits | None) -> int:
    """Return the wait status of a fork in which the tests ran."""
    sys.stdout.flush()
    if child := os.fork():
        return os.waitpid(child, 0)[1]
    try:
        if limits:
            resource.setrlimit(resource.RLIMIT_CPU, (limits.cpu, limits.cpu + 5))
            signal.alarm(limits.wall)
        _test(module, mutant, tests)
    finally:
        os._exit(1)


def _test(module: str, mutant: Mutant | None, tests: list[str]) -> None:
    import pytest

    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    sys.dont_write_bytecode = True
    if mutant:
        sys.meta_path.insert(0, _Finder(module, mutant))
    plugins = ["-p", "no:cacheprovider", "--hypothesis-profile=mutation", "--hypothesis-seed=0"]
    os._exit(int(pytest.main(["-x", "-q", "-m", "not slow and not data", *plugins, *tests])))


def _fate(status: int) -> str:
    if os.WIFSIGNALED(status):
        return "out of time" if os.WTERMSIG(status) in OUT_OF_TIME else "killed"
    return "survived" if os.WEXITSTATUS(status) == SURVIVED else "killed"


class _Finder(importlib.abc.MetaPathFinder):
    """Finds one module, mutated."""

    def __init__(self, module: str, mutant: Mutant) -> None:
        self._module, self._mutant = module, mutant

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._module:
            return None
        file = str(Path(*fullname.split(".")).with_suffix(".py").absolute())
        loader = _Loader(fullname, file)
        loader.mutant = self._mutant
        return importlib.util.spec_from_file_location(fullname, file, loader=loader)


class _Loader(importlib.machinery.SourceFileLoader):
    mutant: Mutant

    def get_code(self, fullname: str) -> CodeType:
        return compile(self.mutant.tree(), self.path, "exec", dont_inherit=True)


if __name__ == "__main__":
    main()
