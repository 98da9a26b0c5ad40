"""The tagging path as ONNX: bytes in, a score for each class out."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from model.network import Network
from model.preprocess import normalise
from model.tagging import LinearHead
from vocab.errors import InputError
from vocab.install import install_hint

TOLERANCE: Final = 1e-3  # of a score; what differs is the order of sums
OPSET: Final = 18


class _Tagger(nn.Module):
    def __init__(self, network: Network) -> None:
        super().__init__()
        self.config, self.image_encoder = network.config, network.image_encoder
        self.head = network.tagging

    def forward(self, images: Tensor) -> Tensor:
        image = self.image_encoder(normalise(images, self.config))
        if isinstance(self.head, LinearHead):
            return torch.sigmoid(self.head(image))
        # All labels at once: chunks depend on the batch, and the graph must not.
        return torch.sigmoid(self.head.score(self.head.all_labels(), self.head.sources(image)))


def export_tagging(network: Network, path: Path) -> float:
    """Write the tagging path as ONNX and return how far its scores are from PyTorch's.

    Input ``images`` uint8 (batch, 3, size, size), output ``scores`` float32 (batch, classes), for
    any batch. :class:`InputError` when the libraries are missing or the scores differ.
    """
    try:
        import onnxruntime
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise InputError(f"--onnx needs {error.name}: {install_hint('onnx')}") from error
    tagger = _Tagger(network).eval()
    size = network.config.image_size
    images = torch.randint(256, (3, 3, size, size), generator=torch.Generator().manual_seed(0))
    images = images.to(torch.uint8)
    torch.onnx.export(
        tagger,
        (images,),
        str(path),
        input_names=["images"],
        output_names=["scores"],
        dynamic_shapes={"images": {0: torch.export.Dim.DYNAMIC}},
        opset_version=OPSET,
        dynamo=True,
        external_data=False,
        verbose=False,
    )
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = max(_difference(session, tagger, batch) for batch in (images, images[:1]))
    if not worst < TOLERANCE:
        raise InputError(f"{path}: scores differ from PyTorch's by {worst:.2g}; do not use it")
    return worst


@torch.no_grad()
def _difference(session: Any, tagger: _Tagger, images: Tensor) -> float:
    (scores,) = session.run(None, {"images": images.numpy()})
    return float(np.abs(scores - tagger(images).numpy()).max())
