"""A review project: the candidates under review, the target, the reasons, where the logs lie.

``project.toml`` in the project's directory (paths are relative to it)::

    candidates = "candidates.tsv"     # the table under review
    sha256 = "..."                    # of that very table: decisions are about it alone
    target = 3429                     # classes wanted
    log = "log"                       # one <annotator>.jsonl each (this is the default)

    [policy]                          # what `vocab build` makes of what is not settled:
    undecided = "fail"                # keep, drop or fail (the default of both)
    unresolved = "fail"

    [weights]                         # those that the candidates were counted with: an image of
    coco = 3.45                       # coco counts 3.45; a corpus that is not named, 1

    [reasons]                         # code = "text": why a tag is dropped or changed
    vague = "names nothing that one could point at"
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

from vocab.errors import InputError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FILE: Final = "project.toml"
ROOT: Final = Path("annotations")
Policy = Literal["keep", "drop", "fail"]
_REASON: Final = re.compile(r"[a-z][a-z0-9-]{0,23}")
_KNOWN: Final = {
    "": ("candidates", "sha256", "target", "log", "policy", "weights", "reasons"),
    "policy": ("undecided", "unresolved"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """What a ``project.toml`` says; paths are joined to ``root``, the directory that holds it."""

    root: Path
    candidates: Path
    sha256: str
    target: int
    log: Path
    reasons: Mapping[str, str]
    weights: Mapping[str, float]
    undecided: Policy = "fail"
    unresolved: Policy = "fail"

    @property
    def logs(self) -> list[Path]:
        """The annotators' logs that there are, by name."""
        try:
            return sorted(self.log.glob("*.jsonl"))
        except OSError as error:
            raise InputError(
                f"{self.log}: cannot be read ({error.strerror}); {self.root / FILE} names it"
            ) from error

    def check_candidates(self) -> None:
        """Raise :class:`InputError` when the candidates are not the ones under review."""
        try:
            digest = hashlib.sha256(self.candidates.read_bytes()).hexdigest()
        except OSError as error:
            raise InputError(
                f"{self.candidates}: cannot be read ({error.strerror}); {self.root / FILE} names it"
            ) from error
        if digest != self.sha256:
            raise InputError(
                f"{self.candidates}: is not the table under review (sha256 {digest}, "
                f"{self.root / FILE} says {self.sha256 or 'nothing'}); restore it, or set sha256 "
                "there to review this one"
            )


def load_project(root: Path = ROOT) -> Project:
    """Return the project in a directory; :class:`InputError` when its candidates were changed."""
    project = read_project(root)
    project.check_candidates()
    return project


def read_project(root: Path = ROOT) -> Project:
    """Return the project in a directory without a look at the candidates.

    :class:`InputError` says which setting is wrong.
    """
    path = root / FILE
    values = _read(path)
    try:
        return _project(root, values)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file, so no review project; give its directory with --project, or "
            "make one with `tag2text vocab start`"
        ) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is not UTF-8; convert the file") from error
    except ValueError as error:  # an integer of 5,000 digits, too
        raise InputError(f"{path}: not TOML ({error})") from error
    except RecursionError as error:
        raise InputError(f"{path}: nested too deep to be a project's; write it anew") from error
    return values


def _project(root: Path, values: dict[str, Any]) -> Project:
    policy = _section(values, "policy")
    reasons, weights = _section(values, "reasons"), _section(values, "weights")
    _refuse_unknown("", values)
    _refuse_unknown("policy", policy)
    return Project(
        root=root,
        candidates=root / _text(values, "candidates", "candidates.tsv"),
        sha256=_text(values, "sha256", ""),
        target=_target(values.get("target")),
        log=root / _text(values, "log", "log"),
        reasons={code: _reason(code, text) for code, text in reasons.items()},
        weights={source: _weight(source, value) for source, value in weights.items()},
        undecided=_policy(policy, "undecided"),
        unresolved=_policy(policy, "unresolved"),
    )


def _section(values: dict[str, Any], name: str) -> dict[str, Any]:
    section = values.get(name, {})
    if not isinstance(section, dict):
        raise ValueError(f"{name} must be a table; write [{name}] on a line of its own")
    return section


def _refuse_unknown(section: str, values: dict[str, Any]) -> None:
    if unknown := sorted(set(values) - set(_KNOWN[section])):
        where = f" in [{section}]" if section else ""
        raise ValueError(
            f"unknown setting {unknown[0]}{where} (known: {', '.join(_KNOWN[section])})"
        )


def _text(values: dict[str, Any], name: str, default: str) -> str:
    value = values.get(name, default)
    if not isinstance(value, str) or "\0" in value:
        raise ValueError(f'{name} must be a text, as in {name} = "{default or "..."}"')
    return value


def _target(value: object) -> int:
    if type(value) is not int or value < 1:
        raise ValueError("target must be the number of classes wanted, as in target = 3429")
    return value


def _reason(code: str, text: object) -> str:
    if not (_REASON.fullmatch(code) and isinstance(text, str) and text.strip()):
        raise ValueError(f'reason {code!r}: write it as short-code = "what it means"')
    return text


def _weight(source: str, value: object) -> float:
    if type(value) not in (int, float) or not 0 <= value <= sys.float_info.max:  # type: ignore[operator]
        raise ValueError(f"weight {source} is {value!r}; it must be a number of 0 or more")
    return float(value)  # type: ignore[arg-type]


def _policy(values: dict[str, Any], name: str) -> Policy:
    value = values.get(name, "fail")
    if value not in get_args(Policy):
        raise ValueError(f"{name} is {value!r}; it can be keep, drop or fail")
    return value  # type: ignore[no-any-return]
