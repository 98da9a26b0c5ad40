"""What the tests of several commands share."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved model of the smallest sizes; no test may change it."""
    pytest.importorskip("torch", reason="needs the extra: pip install 'tag2text[model]'")
    from tests.model.tiny import tiny_model

    directory = tmp_path_factory.mktemp("model")
    tiny_model().save_pretrained(directory)
    return directory
