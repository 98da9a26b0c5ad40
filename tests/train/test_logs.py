from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from train.logs import FILE, Log, cut
from vocab.errors import InputError


def _lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / FILE).read_text().splitlines()]


def test_figures_and_events_are_lines_of_json(tmp_path: Path) -> None:
    with Log(tmp_path, step=0, steps=9) as log:
        log.figures(1, {"loss": 0.5, "mAP": math.nan})
        log.event(2, "spike", "step 2: leaps", batches=[1])
    assert _lines(tmp_path) == [
        {"step": 1, "of": "training", "loss": 0.5, "mAP": None},
        {"step": 2, "event": "spike", "text": "step 2: leaps", "batches": [1]},
    ]


def test_people_see_plain_lines_where_there_is_no_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Log(tmp_path, step=0, steps=9) as log:
        log.figures(1, {"loss": 0.5})
        log.figures(2, {"loss": 0.25})  # too soon after the first
        log.figures(9, {"loss": 0.125})
    assert capsys.readouterr().err.splitlines() == [
        "step 1 of 9  training: loss 0.5", "step 9 of 9  training: loss 0.125"
    ]  # fmt: skip


def test_other_ranks_are_silent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Log(tmp_path, step=0, steps=9, silent=True) as log:
        log.figures(1, {"loss": 0.5})
        log.event(1, "spike", "x")
    assert not list(tmp_path.iterdir())
    assert capsys.readouterr().err == ""


def test_what_will_be_done_again_is_cut(tmp_path: Path) -> None:
    path = tmp_path / FILE
    path.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n{"st')
    cut(path, 2)
    assert path.read_text() == '{"step": 1}\n{"step": 2}\n'
    with Log(tmp_path, step=1, steps=9) as log:
        log.figures(2, {"loss": 1})
    assert [line["step"] for line in _lines(tmp_path)] == [1, 2]


def test_a_line_torn_in_a_letter_is_cut(tmp_path: Path) -> None:
    path = tmp_path / FILE
    whole = json.dumps({"step": 1, "text": "\u00e9 \u2028"}, ensure_ascii=False).encode() + b"\n"
    path.write_bytes(whole + '{"step": 2, "text": "\u00e9'.encode()[:-1])
    cut(path, 2)
    assert path.read_bytes() == whole


def test_a_service_that_is_not_installed_is_named(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    try:
        import wandb  # noqa: F401
    except ImportError:
        with Log(tmp_path, step=0, steps=1) as log:
            with pytest.raises(InputError, match="pip install wandb"):
                log.add_wandb("p", {})


def test_figures_reach_tensorboard(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    with Log(tmp_path, step=0, steps=1) as log:
        log.add_tensorboard(tmp_path / "board")
        log.figures(1, {"loss": 0.5})
    assert list((tmp_path / "board").glob("events*"))
