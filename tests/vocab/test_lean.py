from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vocab.lean import lean_imports

ROOT = Path(__file__).parents[2]
SPACY = "from vocab.model import load_model; load_model()('a man')"
SNG = "from vocab.sng import SngParser; list(SngParser(version='1').parse(['a man']))"


def run(program: str, tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Run a program in which PyTorch is installed, and ends the process when it is imported."""
    (tmp_path / "torch.py").write_text("raise SystemExit('imported')")
    path = os.pathsep.join((str(tmp_path), str(ROOT)))
    command = [sys.executable, "-c", program]
    return subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("program", [SPACY, SNG], ids=["spacy", "sng"])
def test_parsers_load_no_framework(program: str, tmp_path: Path) -> None:
    done = run(program, tmp_path)
    assert done.returncode == 0, done.stderr


def test_frameworks_load_afterwards(tmp_path: Path) -> None:
    assert run(f"{SPACY}; import torch", tmp_path).stderr.strip() == "imported"


def test_only_within_and_only_frameworks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mxnet.py").write_text("")
    (tmp_path / "mxnet_of_ours.py").write_text("")
    monkeypatch.syspath_prepend(str(tmp_path))
    before = list(sys.meta_path)
    with lean_imports():
        import mxnet_of_ours  # type: ignore[import-not-found]  # noqa: F401

        with pytest.raises(ModuleNotFoundError, match="mxnet"):
            import mxnet  # type: ignore[import-not-found]
    assert sys.meta_path == before
    import mxnet  # noqa: F401
