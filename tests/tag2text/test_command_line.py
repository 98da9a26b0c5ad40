"""Rules that all commands keep, so that they are one product."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from tag2text.command_train import REQUIRED
from tag2text.options import names, needs
from tag2text.output import progress, style, warning
from tests.e2e.jobs import CLI, run
from tests.tag2text.commands import all_commands, invoke
from tests.terminal import Terminal
from vocab.errors import InputError, UsageError
from vocab.install import install_hint

COMMANDS = dict(all_commands())
GROUPS = ("", "vocab")
SOURCES = {"PYTHONPATH": str(Path(__file__).parents[2])}
# Flags that say one thing must say it in one word; other words for it are refused.
SYNONYMS = {
    "--output": {"--out", "--output-dir", "--output-file", "--destination", "--page", "--html"},
    "--workers": {"--jobs", "--processes", "--num-workers", "--parallel"},
    "--seed": {"--random-seed"},
    "--json": {"--jsonl", "--as-json", "--format-json"},
    "--model": {"--checkpoint-dir", "--weights-dir"},
    "--data": {"--dataset", "--shards"},
    "--image-root": {"--image-folder", "--image-dir", "--images-dir"},
    "--image-size": {"--size", "--resolution", "--pixels"},
    "--batch-size": {"--batch"},
    "--limit": {"--max-samples", "--num", "--first"},
    "--yes": {"--force", "--no-input"},
    "--max-bad-ratio": {"--bad-ratio", "--max-bad"},
}


def flags(command: Any) -> dict[str, Any]:
    return {
        flag: parameter
        for parameter in command.params
        if parameter.param_type_name == "option"
        for flag in (*parameter.opts, *parameter.secondary_opts)
    }


def test_all_commands_are_there() -> None:
    expected = "doctor demo parse manifest download mine count shards check inspect train evaluate"
    expected += " convert tag caption index search"
    assert {name for name in COMMANDS if " " not in name} == set(expected.split())
    assert sum(name.startswith("vocab ") for name in COMMANDS) == 12


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_and_each_flag_has_a_help_text_that_is_a_sentence(name: str) -> None:
    command = COMMANDS[name]
    first = command.help.splitlines()[0]
    assert first.endswith(".") and len(first) <= 66  # whole in the list of commands
    for parameter in command.params:
        assert parameter.help, parameter.name
        words = parameter.help.split("  [default: ")[0]
        assert words.endswith((".", "...")), (parameter.name, words)


@pytest.mark.parametrize("name", COMMANDS)
def test_flags_are_hyphenated_words_and_no_second_name_for_a_thing(name: str) -> None:
    known = flags(COMMANDS[name])
    for flag in known:
        assert re.fullmatch(r"--[a-z]+(-[a-z]+)*", flag)
    for proper, others in SYNONYMS.items():
        assert not others & set(known), f"{name}: say {proper}"


def test_a_flag_of_several_commands_takes_the_same_values_and_says_the_same() -> None:
    said: dict[str, set[tuple[bool, bool]]] = defaultdict(set)
    for command in COMMANDS.values():
        for flag, parameter in flags(command).items():
            said[flag].add((parameter.is_flag, parameter.multiple and flag != "--mined"))
    assert {flag for flag, kinds in said.items() if len(kinds) > 1} <= {"--annotator", "--task"}


@pytest.mark.parametrize("shared", ["--project", "--take-over", "--model", "--beams", "--quality"])
def test_shared_flags_have_one_text(shared: str) -> None:
    texts = {
        known[shared].help
        for name, command in COMMANDS.items()
        if shared in (known := flags(command)) and (name, shared) != ("search", "--model")
    }
    assert len(texts) == 1


@pytest.mark.parametrize("columns", [60, 80, 200])
@pytest.mark.parametrize("name", ["", "vocab", "evaluate", "train", "vocab review"])
def test_help_shows_every_flag_whole_at_any_width(name: str, columns: int) -> None:
    done = subprocess.run(
        [*CLI, *name.split(), "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={"COLUMNS": str(columns), **SOURCES},
    )
    assert max(map(len, done.stdout.splitlines())) <= min(columns, 100)
    shown = set(done.stdout.replace("/", " ").replace(",", " ").split())
    assert name in GROUPS or flags(COMMANDS[name]).keys() <= shown
    assert columns < 80 or "..." not in done.stdout.partition("Commands:")[2]


def test_train_names_what_it_cannot_do_without() -> None:
    required = {p.name for p in COMMANDS["train"].params if p.required}
    assert required == set(REQUIRED)
    assert "[default: 120]" in invoke("train", "--help").stdout


@pytest.mark.parametrize("line", [[], ["vocab"]])
def test_without_a_command_the_help_is_shown(line: list[str]) -> None:
    done = run(line, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Commands:" in done.stderr and "error" not in done.stderr


COMPLETE = """
tag2text --install-completion >&2 && . ~/.bashrc
COMP_WORDS=(tag2text "$@"); COMP_CWORD=$#
_tag2text_completion tag2text
printf "%s\\n" "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["vo"], ["vocab"]),
        (["vocab", "re"], ["report", "review"]),
        (["mine", "--ma"], ["--manifest", "--max-bad-ratio"]),
        (["mine", "--parser", ""], ["rules", "sng"]),
    ],
)
def test_bash_completes_after_install_completion(
    words: list[str], found: list[str], tmp_path: Path
) -> None:
    program = tmp_path / "bin" / "tag2text"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m tag2text.cli "$@"\n')
    program.chmod(0o755)
    (tmp_path / "complete.sh").write_text(COMPLETE)
    place = {"HOME": str(tmp_path), "PATH": f"{program.parent}:/usr/bin:/bin"}
    line = ["bash", str(tmp_path / "complete.sh"), *words]
    done = subprocess.run(line, capture_output=True, text=True, check=True, env=place | SOURCES)
    assert sorted(done.stdout.split()) == found


def test_no_color_is_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert style("dog", fg="cyan") == "\x1b[36mdog\x1b[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert style("dog", fg="cyan", bold=True) == "dog"


@pytest.mark.parametrize("colour", [True, False])
def test_parse_on_a_terminal(colour: bool) -> None:
    env = {} if colour else {"NO_COLOR": "1"}
    terminal = Terminal([*CLI, "parse", "a dog runs"], env=env)
    terminal.wait_for("action")
    terminal.close()
    assert (b"\x1b[36m" in bytes(terminal.raw)) is colour


@pytest.mark.parametrize(
    "line",
    [
        ["evaluate", "--model", "m", "--data", "d", "--output"],
        ["search", "dog", "--model", "m", "--index", "i", "--output"],
    ],
)
def test_a_directory_as_the_page_to_write_is_refused_at_once(
    line: list[str], tmp_path: Path
) -> None:
    result = invoke(*line, tmp_path)
    assert isinstance(result.exception, UsageError)
    assert str(result.exception) == f"--output {tmp_path}: is a directory; name a file to write"


def test_ctrl_c_while_libraries_are_imported_ends_at_once_whatever_they_catch() -> None:
    program = """
import os, signal
from tag2text.options import needs
with needs("train"):
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:
        print("swallowed")
print("went on")
"""
    line = [sys.executable, "-c", program]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "error: stopped\n")


def test_ctrl_c_after_the_imports_is_an_exception_again() -> None:
    with needs("train"):
        pass
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize(("extra", "name"), [("train", "torch"), ("model", "timm")])
def test_a_library_that_is_missing_names_its_extra(extra: str, name: str) -> None:
    with (
        pytest.raises(InputError, match=re.escape(f"{name} is missing: {install_hint(extra)}")),
        needs(extra),
    ):
        raise ModuleNotFoundError(name=name)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_a_full_disk_is_one_line() -> None:
    with Path("/dev/full").open("w") as full:
        line = [*CLI, "parse", "a dog runs"]
        done = subprocess.run(line, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (1, "error: No space left on device\n")


@pytest.mark.parametrize("line", [["--help"], ["doctor"], ["train", "--help"]])
def test_a_reader_that_has_seen_enough_is_no_error(line: list[str]) -> None:
    command = f"set -o pipefail; {' '.join(CLI)} {' '.join(line)} | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr, len(done.stdout.splitlines())) == (0, "", 1)


def test_a_warning_is_one_line_whatever_it_holds(capsys: pytest.CaptureFixture[str]) -> None:
    warning("a\nb\x1b[2J")
    assert capsys.readouterr().err == "warning: a\\nb\\x1b[2J\n"


def test_progress_off_a_terminal_is_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tag2text.output._LINE_SECONDS", 0.0)
    with progress(2000, "indexing") as advance:
        advance(1500)
    captured = capsys.readouterr()
    assert captured.err == "indexing: 1,500 of 2,000 images, 0 s\n" and captured.out == ""


def test_names_are_parts_between_commas() -> None:
    assert names(" dog, red ball,,") == ["dog", "red ball"]
