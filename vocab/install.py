"""How this installation gets an extra: by the way it came itself.

Nothing says that an index has this package, and whoever takes its name there decides what that
installs; so the command repeats where the installed one is from, as pip wrote it down (PEP 610).
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from importlib import metadata
from typing import Any, Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

OWN: Final = "tag2text"


def install_hint(extra: str = "") -> str:
    """Return the `pip` command that installs this package with an extra; without one, anew."""
    wanted = f"[{extra}]" if extra else ""
    origin = _origin()
    url = origin.get("url")
    if not isinstance(url, str):
        return f"pip install {shlex.quote(OWN + wanted)}"
    if _section(origin, "dir_info").get("editable") is True:
        return f"pip install -e {shlex.quote(url2pathname(urlsplit(url).path) + wanted)}"
    vcs = _section(origin, "vcs_info")
    if vcs:
        url = f"{vcs.get('vcs')}+{url}@{vcs.get('commit_id')}"
    return f"pip install {shlex.quote(f'{OWN}{wanted} @ {url}')}"


def _origin() -> Mapping[str, Any]:
    """Return what pip wrote; nothing for what came from an index or is not to be read."""
    try:
        found = metadata.distributions(name=OWN)
        # A checkout in the current directory counts as one, but has no METADATA.
        installed = next(one for one in found if one.read_text("METADATA") is not None)
        origin = json.loads(installed.read_text("direct_url.json") or "{}")
    except Exception:  # there is none, and metadata can be damaged in every way
        return {}
    return origin if isinstance(origin, dict) else {}


def _section(origin: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = origin.get(name)
    return section if isinstance(section, dict) else {}
