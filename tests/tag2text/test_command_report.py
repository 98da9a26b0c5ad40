from pathlib import Path

import pytest
from typer.testing import CliRunner

from tag2text.cli import app
from tag2text.command_report import read_lists
from tests.factories import write_mined
from tests.vocab.test_report import EVENTS, make_project
from vocab.errors import InputError
from vocab.graph import Tag


def run(project: Path, output: Path, *more: str) -> str:
    command = ["vocab", "report", "--output", str(output), "--project", str(project), *more]
    done = CliRunner().invoke(app, command, catch_exceptions=False)
    assert done.exit_code == 0
    return done.output


def test_the_page_is_written_and_said_so(tmp_path: Path) -> None:
    project = make_project(tmp_path / "review", EVENTS)
    output = tmp_path / "pages" / "report.html"
    assert f"{output}: 9 of 10 candidates decided" in run(project, output)
    assert output.read_text().startswith("<!doctype html>")


def test_mined_captions_give_the_coverage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    project = make_project(tmp_path / "review", EVENTS)
    captions = [("A dog", [Tag("object", "dog")]), ("A red sky", [Tag("object", "sky")])]
    write_mined(tmp_path / "mined", [[("a.jpg", captions)]], source="coco")
    output = tmp_path / "report.html"
    assert "gathering" in run(project, output, "--mined", str(tmp_path / "mined"))
    assert "Of a sample of 2 captions" in output.read_text()
    assert "gathering" not in run(project, output, "--mined", str(tmp_path / "mined"))


def test_lists_come_from_a_directory_and_by_name(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / f"{name}.txt").write_text("dog\n")
    path = str(tmp_path / "a.txt")
    lists = read_lists([str(tmp_path), f"pets={path}", path])
    assert [one.name for one in lists] == ["a", "b", "pets", "a"]


def test_a_list_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.txt: cannot be read"):
        read_lists([f"pets={tmp_path / 'none.txt'}"])
    with pytest.raises(InputError, match=r"holds no \*\.txt"):
        read_lists([str(tmp_path)])
