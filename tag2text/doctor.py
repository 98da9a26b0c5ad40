"""What is installed and what the machine has, found without importing anything heavy.

Packages are judged by their metadata, so that an installation in any state can be looked at.
"""

from __future__ import annotations

import importlib.util
import operator
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Final, Literal

from vocab.install import OWN, install_hint

State = Literal["ok", "missing", "version", "broken"]

BASE: Final = "base"
# What each extra is for: commands, or flags of theirs.
USES: Final[Mapping[str, tuple[str, ...]]] = {
    BASE: (
        *("manifest", "mine", "count", "shards", "doctor", "demo", "parse", "check", "inspect"),
        "vocab",
    ),
    "download": ("download",),
    "review": ("vocab review", "vocab adjudicate", "vocab import and export of .xlsx"),
    "model": ("tag", "caption", "convert"),
    "onnx": ("convert --onnx",),
    "train": ("train", "evaluate", "index", "search", "demo's model"),
    "gcp": ("gs:// paths", "Dataflow"),
}
# Packages that one flag uses, and that no extra brings.
SINGLE: Final[Mapping[str, str]] = {
    "transformers": "evaluate --clip-model",
    "pycocoevalcap": "evaluate --java",
    "tensorboard": "train --tensorboard",
    "wandb": "train --wandb",
}
# Packages whose module has another name than theirs.
_MODULES: Final = {"pillow": "PIL", "scenegraphparser": "sng_parser"}
_REQUIREMENT: Final = re.compile(r"([\w.-]+)\s*(?:\[([\w,. -]+)\])?\s*\(?([^;)]*)\)?\s*(?:;(.*))?")
_CONDITION: Final = re.compile(r"[( ]*(\w+)\s*([<>=!]+)\s*['\"]([^'\"]*)['\"][ )]*")
_BOUND: Final = re.compile(r"\s*([<>=!]=|[<>])\s*(\d[\d.]*)\s*")
_COMPARE: Final = {
    ">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt,
    "==": operator.eq, "!=": operator.ne,
}  # fmt: skip
_SECONDS: Final = 20  # a tool that has not answered by then has none to give


@dataclass(frozen=True, slots=True)
class Package:
    """One package: what is wanted (``>=3.8,<3.9``), what is there, and what is wrong with it."""

    name: str
    wanted: str
    installed: str | None
    state: State
    detail: str = ""

    def __str__(self) -> str:
        if self.state == "ok":
            return f"{self.name} {self.installed}"
        if self.state == "missing":
            return f"{self.name}{self.wanted}"
        if self.state == "version":
            return f"{self.name} {self.installed} (wanted: {self.wanted})"
        return f"{self.name} ({self.detail})"


@dataclass(frozen=True, slots=True)
class Part:
    """The base, an extra or a single package: what it is for, and all that it needs."""

    name: str
    uses: tuple[str, ...]
    packages: tuple[Package, ...]
    install: str

    @property
    def wrong(self) -> tuple[Package, ...]:
        """What is missing, of a wrong version, or broken."""
        return tuple(package for package in self.packages if package.state != "ok")

    @property
    def hint(self) -> str:
        """The command that mends it; empty where nothing is wrong."""
        broken = [package.name for package in self.wrong if package.state == "broken"]
        if broken:
            return f"pip install --force-reinstall {' '.join(broken)}"
        return self.install if self.wrong else ""


def parts() -> list[Part]:
    """Return the base, the extras and the single packages, each with the state of its packages."""
    found = [
        Part(name, uses, tuple(_packages("" if name == BASE else name)), _install(name))
        for name, uses in USES.items()
    ]
    for name, use in SINGLE.items():
        found.append(Part(name, (use,), (package(name),), f"pip install {name}"))
    return found


def _install(extra: str) -> str:
    return install_hint("" if extra == BASE else extra)


def _packages(extra: str) -> Iterator[Package]:
    """Yield what the base (no name) or an extra requires; extras of its own are followed."""
    if not _declares(extra):
        why = " (not among the extras of what is installed; its metadata is old)" if extra else ""
        yield Package(f"{OWN}[{extra}]" if extra else OWN, why, None, "missing")
        return
    for name, extras, wanted in _requirements(OWN, extra):
        if name != OWN:
            yield package(name, wanted)
            yield from _lacking(name, extras)
        for other in extras if name == OWN else ():
            yield from _packages(other)


def _declares(extra: str) -> bool:
    """Say whether our own metadata is there and knows the extra; it may be of an older version."""
    try:
        return {extra} <= {"", *(metadata.metadata(OWN).get_all("Provides-Extra") or ())}
    except Exception:  # metadata can be damaged in every way
        return False


def _lacking(name: str, extras: Iterable[str]) -> Iterator[Package]:
    """Yield what an extra of another package requires and is not there at all."""
    for extra in extras:
        for other, _, wanted in _requirements(name, extra):
            if (found := package(other)).installed is None:
                yield Package(other, wanted, None, found.state, found.detail)


def _requirements(distribution: str, extra: str) -> Iterator[tuple[str, list[str], str]]:
    """Yield name, extras and versions of what a package, or an extra of it, requires here."""
    try:
        lines = metadata.requires(distribution) or ()
    except Exception:  # `package` says so
        return
    for line in lines:
        match = _REQUIREMENT.match(line)
        if match and applies(match[4] or "", extra):
            yield match[1], re.findall(r"[\w.-]+", match[2] or ""), match[3].strip()


def package(name: str, wanted: str = "") -> Package:
    """Return the state of one package."""
    try:
        version: str | None = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Package(name, wanted, None, "missing")
    except Exception:  # metadata can be damaged in every way
        version = None
    if not version:
        return Package(name, wanted, None, "broken", "its metadata is damaged")
    if not _has_module(module_of(name)):
        return Package(name, wanted, version, "broken", "its files are gone")
    return Package(name, wanted, version, "ok" if fits(version, wanted) else "version")


def module_of(name: str) -> str:
    """Return the module that a package brings."""
    plain = name.lower().replace("-", "_")
    return _MODULES.get(plain, plain)


def _has_module(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False


def fits(version: str, wanted: str) -> bool:
    """Say whether a version is in the bounds; bounds of any other form than ``>=1.2`` are met."""
    bounds = (_BOUND.fullmatch(part) for part in wanted.split(","))
    return all(_COMPARE[m[1]](_numbers(version), _numbers(m[2])) for m in bounds if m)


def _numbers(version: str) -> tuple[int, ...]:
    release = re.match(r"\d+(\.\d+)*", version)
    numbers = [int(part) for part in release[0].split(".")] if release else []
    return tuple(numbers + [0] * (6 - len(numbers)))


def applies(marker: str, extra: str) -> bool:
    """Say whether a requirement's marker holds here; one of a form that we do not know does not."""
    found = [_CONDITION.fullmatch(part) for part in marker.split(" and ") if part.strip()]
    values = {m[1]: m[2] + m[3] for m in found if m}
    if len(values) != len(found) or not values.keys() <= {"extra", "python_version"}:
        return False
    python = ".".join(map(str, sys.version_info[:2]))
    named = values.get("extra", "==")
    return named == f"=={extra}" and fits(python, values.get("python_version", ""))


def import_all(found: list[Part]) -> list[Part]:
    """Return the parts after importing each of their modules, in a process of its own."""
    names = {p.name for part in found for p in part.packages if p.state == "ok"}
    failures = {name: detail for name in sorted(names) if (detail := _import(name))}
    return [Part(p.name, p.uses, _with(p.packages, failures), p.install) for p in found]


def _with(packages: tuple[Package, ...], failures: Mapping[str, str]) -> tuple[Package, ...]:
    return tuple(
        Package(p.name, p.wanted, p.installed, "broken", failures[p.name])
        if p.name in failures
        else p
        for p in packages
    )


def _import(name: str) -> str:
    """Return why a package cannot be imported; empty when it can."""
    module = module_of(name)
    if importlib.util.find_spec(module) is None:
        return ""
    done = _run([sys.executable, "-c", f"import {module}"], seconds=120)
    if done is None:
        return "its import does not end"
    lines = done.stderr.strip().splitlines() or [f"its import ends with code {done.returncode}"]
    return "" if done.returncode == 0 else lines[-1][:200]


def machine() -> dict[str, str]:
    """Return what the machine has and what of it is used for what, by name."""
    return {
        "CPU": f"{_cores()} cores, {_memory()}",
        "disk": _disk(),
        "GPU": _gpu(),
        "Java": _java(),
        "WordNet": _wordnet(),
        "Chromium": _chromium(),
    }


def _cores() -> int:
    here = getattr(os, "sched_getaffinity", None)  # not on every system
    return len(here(0)) if here else os.cpu_count() or 1


def _memory() -> str:
    try:
        size = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return "memory unknown"
    return f"{size / 1e9:.1f} GB memory"


def _disk() -> str:
    try:
        return f"{shutil.disk_usage('.').free / 1e9:,.1f} GB free in {os.getcwd()}"  # noqa: PTH109
    except OSError as error:
        return f"the working directory cannot be read ({error.strerror})"


def _gpu() -> str:
    """Ask the driver, not PyTorch, whose import takes seconds."""
    query = ["--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    done = _run(["nvidia-smi", *query])
    lines = done.stdout.splitlines() if done and done.returncode == 0 else []
    rows = [row for line in lines if len(row := line.split(", ")) == 3]
    if not rows:
        return "none (nvidia-smi finds none); the model runs on the CPU"
    cards = "; ".join(f"{name}, {size}" for name, size, _ in rows)
    found = f"{cards}; driver {rows[0][2]}"
    torch = package("torch").installed or ""
    return f"{found}, but torch {torch} is built for CPUs" if torch.endswith("+cpu") else found


def _java() -> str:
    use = "evaluate --java"
    if shutil.which("java") is None:
        return f"none; only {use} needs it: apt install default-jre-headless"
    done = _run(["java", "-version"])
    lines = done.stderr.splitlines() if done and done.returncode == 0 else []
    return f"{lines[0]}; for {use}" if lines else f"does not start; only {use} needs it"


def _wordnet() -> str:
    from vocab.errors import InputError
    from vocab.wordnet import MISSING, load_senses

    try:
        senses = load_senses()
    except InputError as error:
        return str(error)
    use = "synonyms and glosses in vocab review, report and evaluate"
    return f"{MISSING}; for {use}" if senses is None else f"{senses.directory}; for {use}"


def _chromium() -> str:
    found = shutil.which("chromium") or shutil.which("google-chrome") or "none"
    return f"{found}; no command uses it, only tests of the HTML pages"


def _run(line: list[str], seconds: float = 0) -> subprocess.CompletedProcess[str] | None:
    """Run a tool; None when there is none, or when it does not answer."""
    settings: dict[str, Any] = {"capture_output": True, "text": True, "errors": "replace"}
    try:
        return subprocess.run(line, timeout=seconds or _SECONDS, check=False, **settings)
    except (OSError, subprocess.TimeoutExpired):
        return None
