"""The tagging path as ONNX gives the scores of PyTorch, for any batch."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from model import export
from model.export import export_tagging
from model.preprocess import to_pixels
from tests.model.tiny import TAGS, tiny_model
from tests.pictures import opened, picture
from vocab.errors import InputError
from vocab.graph import Tag

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("tagging", ["shared", "linear"])
def test_scores_are_those_of_pytorch(tagging: str, tmp_path: Path) -> None:
    model = tiny_model(tagging=tagging)
    path = tmp_path / "tagging.onnx"
    assert export_tagging(model.network, path) < 1e-5
    assert list(tmp_path.iterdir()) == [path]  # one file, its weights inside
    images = [opened(picture("PNG", size=(40 + n, 30))) for n in range(5)]
    pixels = torch.stack([to_pixels(image, 64) for image in images])
    (scores,) = onnxruntime.InferenceSession(path).run(None, {"images": pixels.numpy()})
    for row, expected in zip(scores, model.tag(images, threshold=0), strict=True):
        found = {Tag(t.kind, t.tag): t.score for t in expected}
        assert row.tolist() == pytest.approx([found[tag] for tag in TAGS], abs=1e-5)


def test_scores_that_differ_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "TOLERANCE", 0.0)
    with pytest.raises(InputError, match="scores differ from PyTorch's"):
        export_tagging(tiny_model().network, tmp_path / "tagging.onnx")
