from __future__ import annotations

import json

import pytest

from model.config import PRESETS, from_json, preset
from vocab.errors import InputError


@pytest.mark.parametrize("name", PRESETS)
def test_what_is_written_is_read(name: str) -> None:
    config = preset(name)
    assert from_json(config.to_json()) == config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mean": 5}, "mean"),
        ({"mean": [0.5]}, "mean"),
        ({"mean": "abc"}, "mean"),
        ({"std": [1, 1, 0]}, "std"),
        ({"std": [1, 1, float("nan")]}, "std"),
        ({"layers": 1.5}, "layers"),
        ({"width": "128"}, "width"),
        ({"width": True}, "width"),
        ({"heads": None}, "heads"),
        ({"words": -1}, "words"),
        ({"image_size": 0}, "image_size"),
        ({"dropout": 2}, "dropout"),
        ({"attend_padding": "yes"}, "attend_padding"),
        ({"image_options": []}, "image_options"),
        ({"positions": 8}, "positions"),
        ({"tagging": "other"}, "tagging"),
        ({"tag_heads": 3}, "tag_heads"),
    ],
)
def test_values_that_no_model_has_are_named(changes: dict[str, object], message: str) -> None:
    values = json.loads(preset("tiny").to_json())
    with pytest.raises(InputError, match=message) as caught:
        from_json(json.dumps({**values, **changes}))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "5", "{}", "[" * 100_000, '{"layers": 2}'])
def test_what_is_no_configuration_is_one_clear_line(text: str) -> None:
    with pytest.raises(InputError, match=r"config\.json") as caught:
        from_json(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300
