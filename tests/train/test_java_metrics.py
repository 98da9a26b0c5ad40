"""METEOR by the field's program, where it is installed; what is missing is said at once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from train.java_metrics import check_java, java_figure
from vocab.errors import InputError


def test_unknown_figures_are_refused() -> None:
    check_java(())
    with pytest.raises(InputError, match="choose meteor, spice"):
        check_java(["coffee"])


def test_java_that_is_missing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match="needs Java"):
        java_figure("meteor", ["a dog"], [["a dog"]])


def test_a_program_that_fails_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("pycocoevalcap")
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\nexit 1\n")
    java.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(InputError, match=r"meteor: the Java program failed \(.+\)$"):
        java_figure("meteor", ["a dog"], [["a dog"]])


@pytest.mark.slow
def test_meteor() -> None:
    pytest.importorskip("pycocoevalcap")
    if shutil.which("java") is None:
        pytest.skip("needs Java")
    right, wrong = [["a dog runs"], ["a red cat sits"]], [["the sea"], ["two planes"]]
    made = ["a dog runs", "a red cat sits"]
    assert java_figure("meteor", made, right) == pytest.approx(1)
    assert java_figure("meteor", made, wrong) < 0.3
