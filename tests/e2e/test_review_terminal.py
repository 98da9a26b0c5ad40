"""The review as a person has it: the real command on a real (pseudo-)terminal."""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.terminal import Terminal
from tests.vocab.review.desks import make_candidates
from vocab.candidates import write_candidates
from vocab.decisions import DECIDING, read_log, replay

COMMAND = [str(Path(sys.executable).with_name("tag2text")), "vocab"]
NAMES = (*(f"object:thing {n}" for n in range(60)), "attribute:[red]", "object:犬🐕")

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs Linux")


@pytest.fixture
def project(tmp_path):
    root = tmp_path / "annotations"
    root.mkdir()
    table = root / "candidates.tsv"
    write_candidates(table, make_candidates(NAMES).rows)
    digest = hashlib.sha256(table.read_bytes()).hexdigest()
    (root / "project.toml").write_text(
        f'candidates = "candidates.tsv"\nsha256 = "{digest}"\ntarget = 40\n'
        '[reasons]\nvague = "points at nothing"\n'
    )
    return root


def arguments(project, *flags, command="review", annotator="ann"):
    return [*COMMAND, command, "--project", str(project), "--annotator", annotator, *flags]


@pytest.fixture
def start(project):
    running = []

    def begin(*flags, columns=80, rows=24, env=None, **more):
        env = {"XDG_CACHE_HOME": str(project / "cache"), **(env or {})}
        command = arguments(project, *flags, **more)
        running.append(Terminal(command, columns=columns, rows=rows, env=env))
        return running[-1]

    yield begin
    for terminal in running:
        terminal.close()


def piped(command, lines):
    return subprocess.run(command, input=lines, capture_output=True, text=True, check=False)


def ready(terminal):
    terminal.wait_for("rank")
    return terminal


def ends(terminal):
    terminal.process.wait(10)
    terminal.drain()
    return terminal.process.returncode


def log_of(project, name="ann"):
    events, problems = read_log([project / "log" / f"{name}.jsonl"])
    assert problems == []
    return events


def test_the_screen_of_80_by_24(start, project):
    terminal = ready(start("--order", "frequency"))
    terminal.wait_for("? help")
    terminal.wait_for("give --mined DIR")
    lines = terminal.lines
    assert lines[0].startswith("0/62 decided · kept 0 of 40")
    assert lines[2].startswith("thing 0  object")
    assert lines[3].startswith("rank 1 · 999 images")
    assert "▸ thing 0" in lines[3]
    assert lines[22].startswith("k keep  d drop  D drop, why  m merge")
    assert "? help" in lines[23]
    terminal.send("kd")
    terminal.wait(lambda lines: lines[0].startswith("2/62 decided · kept 1 of 40"))
    terminal.wait(lambda lines: lines[2].startswith("thing 2  object"))
    terminal.send("u")
    terminal.wait_for("undone: dropped object:thing 1")
    terminal.send("q")
    assert ends(terminal) == 0
    assert [e.act for e in log_of(project)] == ["keep", "drop", "undo"]


def test_a_restart_goes_on_where_it_was_and_still_undoes(start):
    terminal = ready(start("--order", "frequency"))
    terminal.send("kkd")
    terminal.wait_for("3/62 decided")
    terminal.send("q")
    ends(terminal)
    terminal = ready(start("--order", "frequency"))
    assert terminal.lines[0].startswith("3/62 decided · kept 2")
    assert terminal.lines[2].startswith("thing 3")
    terminal.send("uuu")
    terminal.wait_for("0/62 decided")
    terminal.send(b"\x12")  # ctrl+r
    terminal.wait_for("1/62 decided")
    assert terminal.lines[2].startswith("thing 1")


def test_brackets_and_wide_characters_are_shown_as_they_are(start):
    terminal = ready(start("--order", "alphabetical"))
    assert terminal.lines[2].startswith("[red]  attribute")
    terminal.send("/犬")
    terminal.wait_for("> ")
    time.sleep(0.3)
    terminal.send("\r")
    terminal.wait(lambda lines: lines[2].startswith("犬") and straight(terminal))


def straight(terminal):
    """Say whether the border stands in one column, and nothing else looks like it."""
    cells = terminal.screen.buffer
    borders = [{x for x in range(80) if cells[y][x].data == "│"} for y in range(2, 20)]
    return all(len(places) == 1 and places == borders[0] for places in borders)


def test_without_colour_there_is_none(start):
    plain = ready(start("--order", "frequency", env={"NO_COLOR": "1"}))
    plain.send("k")
    plain.wait_for("1/62 decided")
    assert colours(plain) == set()
    plain.send("/thing 0\r")
    plain.wait_for("✓ kept")
    coloured = ready(start(annotator="ben"))
    assert colours(coloured)


def colours(terminal):
    screen = terminal.screen
    cells = (screen.buffer[y][x] for y in range(screen.lines) for x in range(screen.columns))
    return {cell.fg for cell in cells} - {"default"}


def test_ascii_marks_on_request(start):
    terminal = ready(start("--ascii"))
    assert terminal.text.isascii()


def test_a_window_too_small_says_so_and_recovers(start):
    terminal = start(columns=50, rows=12, env={"COLUMNS": "80", "LINES": "24"})
    terminal.wait_for("this window is 50x12; the review needs 60x16")
    terminal.resize(120, 40)
    terminal.wait_for("rank")
    assert "▸" in terminal.text


def test_ctrl_c_ends_at_once_with_all_saved(start, project):
    terminal = ready(start())
    terminal.send("k")
    terminal.wait_for("1/62 decided")
    terminal.send(b"\x03")
    assert ends(terminal) == 0
    assert "Traceback" not in terminal.text
    assert len(log_of(project)) == 1


def test_own_keys_are_obeyed_and_wrong_ones_refused(start, tmp_path, project):
    keys = tmp_path / "keys.toml"
    keys.write_text('[keys]\nkeep = "y"\n')
    terminal = ready(start(env={"TAG2TEXT_KEYS": str(keys)}))
    terminal.send("y")
    terminal.wait_for("1/62 decided")
    assert "y keep" in terminal.text
    keys.write_text('[keys]\nkeep = "d"\n')
    refused = piped(arguments(project, "--keys", str(keys), annotator="eve"), "")
    assert refused.returncode == 1
    assert "keys.toml" in refused.stderr


def test_the_second_of_one_annotator_is_refused_and_another_is_not(start, project):
    ready(start())
    second = start()
    second.wait_for("is open in process")
    assert ends(second) == 1
    other = ready(start(annotator="ben"))
    other.send("k")
    other.wait_for("1/62 decided")
    assert len(log_of(project, "ben")) == 1


def test_nothing_shown_is_lost_when_the_process_is_killed(start, project):
    draw = random.Random(7)
    for _ in range(4):
        terminal = ready(start())
        for _ in range(draw.randrange(3, 12)):
            terminal.send(draw.choice("kkd"))
            terminal.read(draw.uniform(0.005, 0.03))
        terminal.kill()
        terminal.drain()
        shown = int(terminal.lines[0].split("/")[0])
        assert sum(event.act in DECIDING for event in log_of(project)) >= shown


def test_a_log_that_cannot_be_written_is_one_line_and_the_card_stays(start, project):
    terminal = ready(start("--order", "frequency"))
    terminal.send("k")
    terminal.wait_for("1/62 decided")
    shutil.rmtree(project / "log")
    terminal.send("k")
    terminal.wait_for("cannot be written")
    assert "(No such file or directory)" in " ".join(terminal.lines)
    assert terminal.lines[0].startswith("1/62 decided")
    assert terminal.lines[2].startswith("thing 1")


def test_lines_through_a_pipe(project):
    done = piped(arguments(project), "k\nd vague\nu\n")
    assert done.returncode == 0
    assert "Keep this tag" in done.stdout
    assert [e.act for e in log_of(project)] == ["keep", "drop", "undo"]
    done = piped(arguments(project), "bogus\n")
    assert done.returncode == 1
    assert "1 of the lines were refused" in done.stderr


def test_a_dumb_terminal_gets_the_prompt(start, project):
    terminal = start(env={"TERM": "dumb"})
    terminal.wait_for("Keep this tag")
    terminal.send("k\n")
    terminal.wait_for("(2/62)")
    terminal.send(b"\x04")
    assert ends(terminal) == 0
    assert len(log_of(project)) == 1
    assert b"\x1b" not in terminal.raw


def test_disagreements_are_settled_under_the_adjudicators_name(start, project):
    for name, keys in (("ann", "k\nk\n"), ("ben", "k\nd vague\n")):
        assert piped(arguments(project, "--order", "frequency", annotator=name), keys)
    terminal = ready(start(command="adjudicate", annotator="eve"))
    assert terminal.lines[2].startswith("thing 1  object")
    assert "ann          ✓ kept" in terminal.text
    assert "ben          ✗ dropped (vague)" in terminal.text
    terminal.send("d")
    terminal.wait_for("That was the last one.")
    terminal.send("q")
    assert ends(terminal) == 0
    (ruling,) = log_of(project, "eve")
    assert (ruling.via, ruling.act, ruling.by) == ("adjudicate", "drop", "eve")
    logs = sorted((project / "log").glob("*.jsonl"))
    assert len(replay(read_log(logs)[0]).rulings) == 1


def test_nothing_to_settle_is_said(project):
    done = piped(arguments(project, command="adjudicate"), "")
    assert (done.returncode, done.stdout[:17]) == (0, "nothing to settle")


def test_a_terminal_that_goes_away_ends_the_review(start, project):
    terminal = ready(start())
    terminal.send("k")
    terminal.wait_for("1/62 decided")
    os.kill(terminal.process.pid, signal.SIGHUP)
    assert ends(terminal) != 0
    assert len(log_of(project)) == 1
