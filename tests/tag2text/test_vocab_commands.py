"""`tag2text vocab ...` on a small project, as a user meets it."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

from tag2text.cli import main
from tests.e2e.jobs import CLI
from tests.factories import write_mined
from tests.tag2text.commands import invoke
from vocab.candidates import Candidate, write_candidates
from vocab.decisions import Event, format_event, read_log
from vocab.log import open_log
from vocab.vocabulary import Vocabulary

TAGS = ("man", "airplane", "plane", "thing", "dog")
FILES = ("tag_list.txt", "tag_meta.tsv", "dropped.tsv", "vocabulary.json")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "annotations"
    counts = (6, 4, 4, 2, 2)  # by weight 2, of the images in `mined`
    rows = [
        Candidate(0, "object", t, n, n, {"coco": n // 2}) for t, n in zip(TAGS, counts, strict=True)
    ]
    write_candidates(root / "candidates.tsv", rows)
    sha = hashlib.sha256((root / "candidates.tsv").read_bytes()).hexdigest()
    (root / "project.toml").write_text(
        f'sha256 = "{sha}"\ntarget = 3\n[weights]\ncoco = 2\n[reasons]\nvague = "says nothing"\n'
    )
    return root


@pytest.fixture
def mined(tmp_path: Path) -> Path:
    pictures = [("man", "plane"), ("man", "airplane", "plane"), ("man", "airplane"), ("thing",)]
    images = [
        (f"{n}.jpg", [("", [("object", tag) for tag in tags])])
        for n, tags in enumerate([*pictures, ("dog",)])
    ]
    return write_mined(tmp_path / "mined", [images[:2], images[2:]], source="coco")


def decide(root: Path, by: str, *votes: tuple[str, str], start: int = 0) -> None:
    """Write a log of votes such as ("plane", "merge object:airplane")."""
    (root / "log").mkdir(exist_ok=True)
    lines = []
    for n, (tag, said) in enumerate(votes, start):
        act, _, to = said.partition(" ")
        made = Event(
            id=f"{by}{n}", ts=1_700_000_000_000 + n * 60_000, by=by, key=f"object:{tag}", act=act,
            to=to or None, why="vague" if act == "drop" else None, ms=1500,
        )  # fmt: skip
        lines.append(format_event(made))
    with (root / "log" / f"{by}.jsonl").open("a") as file:
        file.write("".join(lines))


WHOLE = (
    ("man", "keep"), ("airplane", "keep"), ("plane", "merge object:airplane"), ("thing", "drop"),
    ("dog", "rename puppy"),
)  # fmt: skip


def vocab(root: Path, command: str, *more: str, code: int = 0) -> str:
    """Run a command on the project in this process; return all that it says, errors last."""
    said, wrong = io.StringIO(), io.StringIO()
    line = ["tag2text", "vocab", command, *more, "--project", str(root)]
    with (
        mock.patch.object(sys, "argv", line),
        contextlib.redirect_stdout(said),
        contextlib.redirect_stderr(wrong),
        pytest.raises(SystemExit) as done,
    ):
        main()
    text = said.getvalue() + wrong.getvalue()
    assert (done.value.code or 0) == code, text
    return text


def test_build_writes_into_the_project_and_is_the_same_bytes_again(
    root: Path, tmp_path: Path
) -> None:
    decide(root, "ann", *WHOLE)
    said = vocab(root, "build")
    assert f"{root}: 3 of 3 wanted, fingerprint " in said
    vocabulary = Vocabulary.load(root)
    assert [tag.tag for tag in vocabulary.tags] == ["man", "airplane", "puppy"]
    vocab(root, "build", "--output", str(tmp_path / "again"))
    for name in FILES:
        assert (root / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


def test_build_counts_the_images_of_merged_tags_once(root: Path, mined: Path) -> None:
    decide(root, "ann", *WHOLE)
    vocab(root, "build")
    assert [entry.images for entry in Vocabulary.load(root).entries] == [6, 4, 2]
    vocab(root, "build", "--mined", str(mined))
    assert [entry.images for entry in Vocabulary.load(root).entries] == [6, 6, 2]


def test_build_refuses_what_is_not_settled_unless_told(root: Path) -> None:
    decide(root, "ann", *WHOLE[:4])
    decide(root, "bob", ("man", "drop"))
    said = vocab(root, "build", code=1)
    assert "1 candidate unresolved, the first is object:man;" in said
    assert "(1 more; tag2text vocab check lists all)" in said
    assert not (root / "tag_list.txt").exists()
    vocab(root, "build", "--undecided", "drop", "--unresolved", "keep")
    assert (root / "tag_list.txt").read_text() == "man\nairplane\n"


def test_build_refuses_other_candidates_and_mixed_flags(root: Path) -> None:
    (root / "candidates.tsv").write_text((root / "candidates.tsv").read_text().lower()[:-1] + "0\n")
    assert "is not the table under review" in vocab(root, "build", code=1)
    for flags in (["--log", "x"], ["--candidates", "x"]):
        vocab(root, "build", *flags, code=2)


def test_check_lists_all_and_says_so_by_its_exit_code(root: Path) -> None:
    decide(root, "ann", *WHOLE)
    assert "nothing is in the way of a build" in vocab(root, "check")
    decide(root, "bob", ("airplane", "drop"), ("man", "drop"))
    with (root / "log" / "bob.jsonl").open("a") as file:
        file.write("torn")
    said = vocab(root, "check", code=1)
    assert "bob.jsonl:3: not JSON" in said
    assert "2 candidates unresolved" in said
    assert "2 things are in the way of a build" in said


def test_status(root: Path) -> None:
    assert "0 of 5 candidates are decided: 0 of 3 classes wanted" in vocab(root, "status")
    decide(root, "ann", *WHOLE[:4])
    decide(root, "bob", ("man", "drop"))
    with (root / "log" / "bob.jsonl").open("a") as file:
        file.write("torn")
    said = vocab(root, "status")
    assert "ann\t4\t2\t1\t1\t60\t0.0\t11-1" in said
    assert "4 of 5 candidates are decided: 1 of 3 classes wanted, 1 merged, 1 dropped" in said
    assert "1 wait for a ruling: tag2text vocab adjudicate" in said
    assert "1 wait for a decision: tag2text vocab review" in said
    assert "1 bad lines in 1 logs are left out" in said
    assert "bob.jsonl:2: not JSON" in said


def test_agreement_and_the_list_of_disagreements(root: Path) -> None:
    assert "no tag has votes of two annotators" in vocab(root, "agreement", code=1)
    decide(root, "ann", *WHOLE)
    decide(root, "bob", ("man", "keep"), ("thing", "keep"), ("plane", "keep"), ("dog", "keep"))
    lines = [line.split("\t") for line in vocab(root, "agreement").splitlines()]
    assert lines[0][:7] == ["kind", "tags", "raw", "exact", "kappa", "alpha", "AC1"]
    assert lines[1][:5] == ["object", "4", "0.750", "0.250", "0.000"]
    assert [line[0] for line in lines[1:]] == ["object", "all"]
    listed = vocab(root, "agreement", "--list", "--annotator", "ann", "--annotator", "bob")
    assert listed.splitlines()[1:] == [
        "object:dog\trename puppy\tkeep",
        "object:plane\tmerge object:airplane\tkeep",
        "object:thing\tdrop (vague)\tkeep",
    ]
    for names, message in ((["ann"], "give two or more"), (["ann", "eve"], "eve: has no votes")):
        flags = [flag for name in names for flag in ("--annotator", name)]
        assert message in vocab(root, "agreement", *flags, code=2)


def test_diff_of_directories_and_of_moments(root: Path, tmp_path: Path) -> None:
    vocab(root, "build", "--output", str(tmp_path / "a"), "--undecided", "keep")
    decide(root, "ann", *WHOLE)
    vocab(root, "build", "--output", str(tmp_path / "b"))
    said = vocab(root, "diff", str(tmp_path / "a"), str(tmp_path / "b"))
    assert said.splitlines()[:4] == [
        "change\ttag\twas\tis",
        "removed\tobject:thing\tobject:thing\t",
        "renamed\tobject:dog\tobject:dog\tobject:puppy",
        "merged\tobject:plane\tobject:plane\tobject:airplane",
    ]
    assert "5 classes, now 3; fingerprint" in said
    moments = ["--at", "2023-11-14T22:14:00Z", "--to", "2023-11-14T22:16:30Z"]
    found = json.loads(vocab(root, "diff", *moments, "--json"))
    assert found["changes"] == [
        {"what": "removed", "tag": "object:thing", "before": "object:thing", "after": ""},
        {
            "what": "merged",
            "tag": "object:plane",
            "before": "object:plane",
            "after": "object:airplane",
        },
    ]
    assert found["sizes"] == [5, 3]
    for flags in ([], ["a"], ["a", "b", "--at", "2023-01-01"], ["--at", "2024", "--to", "2023"]):
        vocab(root, "diff", *flags, code=2)


def test_a_spreadsheet_there_and_back(root: Path, tmp_path: Path) -> None:
    decide(root, "ann", *WHOLE[:3])
    log, table = root / "log" / "ann.jsonl", tmp_path / "t.tsv"
    before = log.read_bytes()
    assert "t.tsv: 5 candidates" in vocab(
        root, "export", "--output", str(table), "--annotator", "ann"
    )
    line = [str(table), "--annotator", "ann"]
    assert "nothing to change; 3 as before" in vocab(root, "import", *line)
    text = table.read_text().replace("object:thing\t", "object:thing\tX", 1)
    text = text.replace("object:man\tkeep", "object:man\tDrop").replace(
        "\t\t\tobject\tman", "\tvague\tno\tobject\tman"
    )
    table.write_text(text)
    said = vocab(root, "import", *line, code=1)
    assert "2 drop; 2 as before" in said
    assert "object:man: keep -> drop (vague)" in said
    assert "nothing is written yet; add --yes to write it" in said
    assert log.read_bytes() == before
    assert "2 decisions written" in vocab(root, "import", *line, "--yes")
    made = read_log([log])[0][-2:]
    assert [(e.key, e.act, e.why, e.note, e.via) for e in made] == [
        ("object:man", "drop", "vague", "no", "import"),
        ("object:thing", "drop", None, None, "import"),
    ]
    assert made[0].ts == made[1].ts  # one step to undo
    after = log.read_bytes()
    assert "nothing to change; 4 as before" in vocab(root, "import", *line, "--yes")
    assert log.read_bytes() == after


def test_nothing_is_applied_when_any_row_is_wrong(root: Path, tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("key,decision\nobject:man,keep\n" + "45,maybe\n" * 30)
    said = vocab(root, "import", str(table), "--annotator", "ann", "--yes", code=1)
    assert said.count("key '45' is no candidate") == 20
    assert "... 10 more" in said
    assert "30 errors, so nothing is written; mend the file" in said
    assert not (root / "log" / "ann.jsonl").exists()


def test_an_import_waits_for_nobody_who_reviews(root: Path, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("key,decision\nobject:man,keep\n")
    with open_log(root / "log" / "ann.jsonl"):
        line = [str(tmp_path / "t.csv"), "--annotator", "ann", "--yes"]
        assert "ann is open in process " in vocab(root, "import", *line, code=1)


@pytest.mark.parametrize(("answer", "code", "written"), [("y", 0, 1), ("n", 1, 0)])
def test_on_a_terminal_an_import_asks(
    root: Path, tmp_path: Path, answer: str, code: int, written: int
) -> None:
    (tmp_path / "t.csv").write_text("key,decision\nobject:man,keep\n")
    line = ["vocab", "import", str(tmp_path / "t.csv"), "--annotator", "a", "--project", str(root)]
    master, slave = pty.openpty()
    with subprocess.Popen([*CLI, *line], stdin=slave, stdout=slave, stderr=slave) as process:
        os.write(master, f"{answer}\n".encode())
        assert process.wait(timeout=60) == code
    os.close(slave)
    said = os.read(master, 10_000).decode()
    os.close(master)
    assert "1 keep" in said and "Write these decisions?" in said
    logs = sorted((root / "log").glob("*.jsonl"))
    assert len(read_log(logs)[0]) == written


def test_export_of_some_and_of_nobody(root: Path, tmp_path: Path) -> None:
    decide(root, "ann", *WHOLE[:4])
    decide(root, "bob", ("man", "drop"), ("airplane", "keep"))
    sizes = {}
    for only in ("all", "undecided", "decided", "kept", "dropped", "merged", "renamed"):
        path = tmp_path / f"{only}.tsv"
        vocab(root, "export", "--output", str(path), "--only", only)
        sizes[only] = len(path.read_text().splitlines()) - 1
    assert sizes == {
        "all": 5, "undecided": 2, "decided": 3, "kept": 1, "dropped": 1, "merged": 1, "renamed": 0,
    }  # fmt: skip
    line = ["--output", str(tmp_path / "t.tsv"), "--annotator", "eve"]
    assert "no decisions by eve (there are ann, bob)" in vocab(root, "export", *line, code=1)


def test_an_export_shows_captions(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    shard = [("1.jpg", [("=A man walks", [("object", "man")])])]
    mined = write_mined(tmp_path / "captions", [shard], source="coco")
    path = tmp_path / "t.tsv"
    vocab(root, "export", "--output", str(path), "--mined", str(mined))
    assert path.read_text().splitlines()[1].split("\t")[-1] == "'=A man walks"


def test_start_takes_the_weights_of_the_count_and_says_what_is_next(
    mined: Path, tmp_path: Path
) -> None:
    counts, project = tmp_path / "counts", tmp_path / "my review"
    invoke("count", "--mined", mined, "--output", counts, "--weight", "coco=2")
    done = invoke("vocab", "start", counts, "--output", project, "--target", "3")
    first, after = done.stdout.splitlines()
    assert first == f"{project}/project.toml: 5 candidates, 3 classes wanted"
    assert after.startswith(f"next: tag2text vocab review --project '{project}' --annotator NAME")
    assert "coco = 2.0\n" in (project / "project.toml").read_text()
    assert invoke("vocab", "status", "--project", project).exit_code == 0
    again = invoke("vocab", "start", counts, "--output", project, "--target", "3")
    assert "is there already" in str(again.exception)


def test_start_of_a_table_alone_that_is_too_short(root: Path, tmp_path: Path) -> None:
    line = ("vocab", "start", root / "candidates.tsv", "--output", tmp_path / "x", "--target", "9")
    done = invoke(*line)
    assert "warning: only 5 candidates for --target 9" in done.output
    (root / "info.json").write_text('{"config": {"weights": 3}}')
    done = invoke(*line[:-3], tmp_path / "y", *line[-2:])
    assert str(done.exception) == f"{root}/info.json: not what a job writes; count anew"
