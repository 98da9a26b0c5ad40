"""The command that brings an extra is the one that brought the installation."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from vocab import install
from vocab.install import install_hint

EDITABLE = {"dir_info": {"editable": True}}
COMMIT = {"vcs_info": {"vcs": "git", "commit_id": "e9544db", "requested_revision": "main"}}


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The metadata of an installed package of a name that only this test knows."""
    monkeypatch.setattr(install, "OWN", "ours")
    monkeypatch.syspath_prepend(str(tmp_path))
    folder = tmp_path / "ours-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: ours\nVersion: 1\n")
    return folder


@pytest.mark.parametrize(
    ("origin", "extra", "hint"),
    [
        ({"url": "file:///src/a", **EDITABLE}, "train", "pip install -e '/src/a[train]'"),
        ({"url": "file:///src/a%20b", **EDITABLE}, "", "pip install -e '/src/a b'"),
        ({"url": "file:///a", "dir_info": {}}, "train", "pip install 'ours[train] @ file:///a'"),
        (
            {"url": "https://a.b/ours.whl", "archive_info": {}},
            "onnx",
            "pip install 'ours[onnx] @ https://a.b/ours.whl'",
        ),
        (
            {"url": "https://a.b/ours.git", **COMMIT},
            "onnx",
            "pip install 'ours[onnx] @ git+https://a.b/ours.git@e9544db'",
        ),
        ({"url": "file:///a.whl"}, "", "pip install 'ours @ file:///a.whl'"),
        ({}, "onnx", "pip install 'ours[onnx]'"),
        ([], "onnx", "pip install 'ours[onnx]'"),
        ({"url": 3}, "", "pip install ours"),
        ({"url": "file:///a", "dir_info": 1}, "", "pip install 'ours @ file:///a'"),
    ],
)
def test_where_it_came_from(origin: object, extra: str, hint: str, site: Path) -> None:
    (site / "direct_url.json").write_text(json.dumps(origin))
    assert install_hint(extra) == hint
    assert shlex.split(hint)[:2] == ["pip", "install"]


def test_from_an_index_or_damaged_or_not_installed(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert install_hint("onnx") == "pip install 'ours[onnx]'"
    (site / "direct_url.json").write_bytes(b"\xff{")
    assert install_hint("onnx") == "pip install 'ours[onnx]'"
    monkeypatch.setattr(install, "OWN", "tag2text-that-is-nowhere")
    assert install_hint() == "pip install tag2text-that-is-nowhere"
