"""The command line as a user meets it: what it prints, how it fails, what it costs to start."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline.count import Selection
from tag2text.cli import app
from tag2text.options import selection
from tests.e2e.jobs import CLI, run
from tests.factories import write_mined
from tests.tag2text.commands import all_commands
from vocab.candidates import Candidate, read_candidates, write_candidates
from vocab.decisions import Event, format_event
from vocab.vocabulary import Vocabulary

HEAVY = (
    "apache_beam",
    "spacy",
    "pyarrow",
    "numpy",
    "PIL",
    "torch",
    "sng_parser",
    "nltk",
    "rich",
    "textual",
)
HELP = [["--help"], ["--version"], *([*name.split(), "--help"] for name, _ in all_commands())]


@pytest.mark.parametrize("arguments", HELP, ids=" ".join)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom tag2text.cli import app\n"
        f"try: app({arguments!r})\nexcept SystemExit: pass\n"
        f"print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert done.stdout.startswith(("Usage: ", "tag2text 0."))


def test_version() -> None:
    assert run(["--version"]).stdout.startswith("tag2text 0.")


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        (["mine", "--manifst", "a"], 2, "No such option"),
        (["nonsense"], 2, "No such command"),
        (["parse"], 2, "--input FILE"),
        (["mine"], 2, "Missing option '--manifest'; see tag2text mine --help"),
        (["mine", "--workers", "none"], 2, "--workers"),
        (["vocab", "review", "--order", "random"], 2, "see tag2text vocab review --help"),
        (["parse", "--input", "/no/such/file"], 1, "--input /no/such/file: cannot be read"),
        (["check", "/no/such/directory"], 1, "no info.json there"),
        (["mine", "--manifest", "/no", "--output", "o", "--", "--top_k=1"], 2, "no such flag"),
        (["mine", "--manifest", "/no", "--output", "o", "word"], 2, "word: a stray word"),
        (["count", "--mined", "/no", "--output", "o", "--quota", "thing=1"], 2, "unknown kind"),
        (["manifest", "x", "--format", "odd", "--output", "o"], 2, "--format odd: unknown"),
        (["vocab", "build", "--candidates", "/no.tsv", "--output", "o"], 1, "/no.tsv"),
        (["manifest", "/no.tsv", "--format", "tsv", "--output", "o"], 1, "/no.tsv"),
    ],
)
def test_bad_input_is_one_clear_line_and_an_exit_code(
    line: list[str], code: int, message: str, tmp_path: Path
) -> None:
    done = subprocess.run([*CLI, *line], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert [line.startswith("error: ") for line in done.stderr.splitlines()] == [True]
    assert not list(tmp_path.iterdir())  # a wrong flag leaves nothing behind


def test_debug_shows_the_traceback() -> None:
    done = run(["--debug", "check", "/no/such/directory"], check=False)
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_ctrl_c_that_falls_into_a_finalizer_stops_all_the_same() -> None:
    program = """
import time
import tag2text.cli as cli
class Falls:
    def __del__(self):
        raise KeyboardInterrupt
def work(**_):
    Falls()
    time.sleep(20)
    print("went on")
cli.app = work
cli.main()
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (130, "")
    assert ended.stderr.splitlines() == ["error: stopped"]


def test_parse_for_a_person() -> None:
    text = CliRunner().invoke(app, ["parse", "A woman is playing the piano in the room"]).stdout
    assert "woman -- play -> piano" in text
    assert "object    woman, piano" in text
    assert "scene     room" in text
    assert "action    play" in text


@pytest.mark.parametrize("parser", ["rules", "sng"])
def test_parse_jsonl_gives_one_object_a_line_with_exactly_these_fields(
    tmp_path: Path, parser: str
) -> None:
    captions = ["A woman is playing the piano in the room", "", "a dog runs", 'quoted "[bold]x[/]"']
    (tmp_path / "captions.txt").write_text("\n".join(captions) + "\n")
    done = run(["parse", "--input", str(tmp_path / "captions.txt"), "--json", "--parser", parser])
    objects = [json.loads(line) for line in done.stdout.splitlines()]
    assert [o["caption"] for o in objects] == captions
    for o in objects:
        assert list(o) == ["caption", "entities", "relations", "tags"]
        assert all(set(e) == {"head", "modifiers", "kind"} for e in o["entities"])
        assert all(set(r) == {"subject", "predicate", "object"} for r in o["relations"])
        assert all(len(tag) == 2 for tag in o["tags"])
    assert {"subject": 0, "predicate": "play", "object": 1} in objects[0]["relations"]
    assert objects[1]["entities"] == []


def test_parse_reads_standard_input_whatever_its_bytes() -> None:
    done = subprocess.run(
        [*CLI, "parse", "--input", "-", "--json"],
        input=b"a dog\xff runs\r\na cat\n",
        capture_output=True,
        check=True,
    )
    captions = [json.loads(line)["caption"] for line in done.stdout.splitlines()]
    assert captions == ["a dog� runs", "a cat"]


def test_parse_ends_quietly_when_its_reader_has_seen_enough(tmp_path: Path) -> None:
    (tmp_path / "captions.txt").write_text("a dog runs\n" * 5000)
    line = f"{' '.join(CLI)} parse --input {tmp_path}/captions.txt --json | head -n 1"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""


def test_selection_flags() -> None:
    made = selection(10, 3, "object=7,action=2", ["coco=3/2", "vg=1"])
    quotas, weights = {"object": 7, "action": 2}, {"coco": 1.5, "vg": 1.0}
    assert made == Selection(top=10, min_images=3, quotas=quotas, weights=weights)


DOG, RUN = ("object", "dog"), ("action", "run")


def test_count_then_candidates_anew(tmp_path: Path) -> None:
    write_mined(tmp_path / "m", [[("a.jpg", [("", [DOG, RUN])]), ("b", [("", [DOG])])]], source="s")
    run(["count", "--mined", str(tmp_path / "m"), "--output", str(tmp_path / "c")])
    counts = str(tmp_path / "c/counts.parquet")
    anew = run(["vocab", "candidates", counts, "--top", "1"]).stdout
    assert anew == "rank\tkind\ttag\timages\tcaptions\ts\n1\tobject\tdog\t2\t2\t2\n"
    run(["vocab", "candidates", counts, "--output", str(tmp_path / "anew.tsv")])
    assert (tmp_path / "anew.tsv").read_bytes() == (tmp_path / "c/candidates.tsv").read_bytes()


def test_vocab_build_from_a_directory_of_logs(tmp_path: Path) -> None:
    rows = [Candidate(1, *DOG, 5, 5, {"s": 5}), Candidate(2, *RUN, 3, 3, {"s": 3})]
    write_candidates(tmp_path / "candidates.tsv", rows)
    sha = read_candidates(tmp_path / "candidates.tsv").sha256
    (tmp_path / "log").mkdir()
    event = Event(id="1", ts=1, by="ann", key="action:run", act="drop", cand=sha)
    (tmp_path / "log/ann.jsonl").write_text(format_event(event) + "torn")
    line = ["vocab", "build", "--candidates", str(tmp_path / "candidates.tsv")]
    line += ["--log", str(tmp_path / "log"), "--output"]
    done = run([*line, str(tmp_path / "v")])
    assert "ann.jsonl:2:" in done.stderr
    vocabulary = Vocabulary.load(tmp_path / "v")
    assert [tuple(tag) for tag in vocabulary.tags] == [DOG]
    assert len(vocabulary.provenance["log_sha256"]) == 64
    run([*line, str(tmp_path / "again")])
    for name in ("tag_list.txt", "tag_meta.tsv", "vocabulary.json", "dropped.tsv"):
        assert (tmp_path / "v" / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
