"""img2dataset's resizer and sample writer without the rest of it.

They are loaded from their files, because the package's own ``__init__`` imports wandb, pandas and
a command line: a second for every worker process, and nothing of it is used here.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

# Read when albumentations is imported: it would ask the network for a newer version.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")


def _load(name: str) -> ModuleType:
    package = importlib.util.find_spec("img2dataset")
    if package is None or package.origin is None:
        raise ImportError("img2dataset is not installed")
    file = Path(package.origin).with_name(f"{name}.py")
    spec = importlib.util.spec_from_file_location(f"img2dataset_{name}", file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file}: cannot be loaded")
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


Resizer: Any = _load("resizer").Resizer
WebDatasetSampleWriter: Any = _load("writer").WebDatasetSampleWriter
