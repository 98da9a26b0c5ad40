"""Every command and every program of the documents does here what it says there.

Bash itself takes the blocks apart (``documents.py``). Each command is parsed; all but those of
``NOT_RUN`` are then run, document by document, in a small world of their input files
(``world.py``). What another program does, or needs a cloud, a GPU or an official file, is in
``ELSEWHERE`` and ``NOT_RUN`` with its reason; a command that is in neither list fails.
"""

from __future__ import annotations

import contextlib
import io
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.image_server import ImageServer, serving
from tests.tag2text import world
from tests.tag2text.documents import (
    DOCUMENTS,
    ROOT,
    Command,
    blocks,
    commands,
    flags,
    invoke,
    known_elsewhere,
    name_of,
    noted,
    parse,
)

ELSEWHERE: Final = {
    "make": "a target of the Makefile; `make test` runs these very tests",
    "pytest": "tests",
    "pip": "the network; the extras are compared with setup.cfg",
    "python3": "makes an environment",
    "python": "a script of the document, or a module of benchmarks/ with these flags",
    "docker": "no container service; its `tag2text` part is parsed",
    "gcloud": "needs a cloud",
    "mkdir": "prepares files that the tests' world has",
    "cp": "prepares files that the tests' world has",
    "find": "prepares files that the tests' world has",
    "unzip": "unpacks an official file",
    "tar": "unpacks an official file",
}
NOT_RUN: Final = {
    ("docs/dataflow.md", "gs://"): "needs a cloud; tests/e2e/test_dataflow.py builds all four jobs",
    ("docs/releasing.md", "--version"): "test_cli.py does; it ends the process",
    ("docs/model.md", "convert"): "a checkpoint of 1.5 GB; test_model_commands.py has a small one",
    (
        "docs/serving.md",
        "convert",
    ): "a checkpoint of 1.5 GB; test_model_commands.py has a small one",
    ("annotations/README.md", "vocab build"): "21 corpora; tests/vocab/test_annotations.py builds",
}
MODEL: Final = ("train", "evaluate", "tag", "caption", "index", "search", "convert")
# What a run needs to be small, or to reach the server on this machine; nothing else is changed.
SMALLER: Final = {
    "demo": ["--scenes", "60", "--steps", "0"],
    "manifest": ["--shard-rows", "8"],
    "download": ["--allow-private-addresses", "--threads", "4"],
    "train": ["--preset", "tiny", "--steps", "2", "--batch-size", "4", "--warmup", "1"],
    "evaluate": ["--beams", "1"],
}
SMALLER_WORDS: Final = (
    (re.compile(r"\{000000\.\.000330\}"), "{000000..000001}"),
    (re.compile("000331"), "000002"),
)
EXIT: Final = {
    ("mine", "--dry_run=True"): (1, "the Dataflow job was built, and neither sent nor run"),
}
TYPED: Final = {"adjudicate": "k\nq\n"}
SLOW_DOCUMENTS: Final = ("docs/datasets/README.md", "docs/dataflow.md")
SHOWN: Final = [command for path in DOCUMENTS for command in commands(path)]
OURS: Final = [command for command in SHOWN if command.ours]


def is_run(command: Command) -> bool:
    """Tell whether it is a command of ours that needs nothing which tests do not have."""
    dry = "--dry_run=True" in command.words
    return bool(command.ours) and (dry or not any(fits(where, command) for where in NOT_RUN))


def fits(where: tuple[str, str], command: Command) -> bool:
    return command.document == where[0] and where[1] in " ".join(command.words)


@pytest.mark.parametrize("command", OURS, ids=str)
def test_the_command_line_understands_it(command: Command) -> None:
    parse([word for word in command.ours if word != "..."])


def test_other_programs_are_known() -> None:
    others = [command for command in SHOWN if not command.ours]
    assert [str(c) for c in others if c.words[0] not in ELSEWHERE] == []
    own = [c for c in others if c.words[0] in ("make", "pip")]
    assert [str(c) for c in own if not known_elsewhere(c.words)] == []
    scripts = [c for c in others if c.words[0] == "python"]
    assert [str(c) for c in scripts if not (known_elsewhere(c.words) or program_of(c))] == []


def program_of(command: Command) -> str:
    """Return the program that a document gives as the script which the command runs."""
    (name, *_) = command.words[1:]
    found = blocks(ROOT / command.document, "python")
    return next((block for block in found if block.startswith(f"# {name}\n")), "")


def test_every_reason_is_needed() -> None:
    used = {command.words[0] for command in SHOWN if not command.ours}
    assert set(ELSEWHERE) <= used
    assert [where for where in NOT_RUN if not any(fits(where, c) for c in OURS)] == []


# Of Beam, benchmarks, torchrun, mypy; Beam's other flags have underscores.
OTHERS_FLAGS: Final = {"--runner", "--print", "--nproc-per-node", "--strict"}


def test_flags_in_the_text_exist() -> None:
    known = flags() | OTHERS_FLAGS
    for path in DOCUMENTS:
        if name_of(path) == "docs/releasing.md":
            continue  # git's
        text = re.sub(r"```.*?```", "", path.read_text("utf-8"), flags=re.DOTALL)
        inline = " ".join(re.findall(r"`[^`]+`", text))
        named = set(re.findall(r"(?<![\w-])--[a-z][\w-]*", inline))
        assert {name for name in named - known if "_" not in name} == set(), path


def test_links_lead_somewhere() -> None:
    for path in DOCUMENTS:
        text = re.sub(r"```.*?```", "", path.read_text("utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)\s]+)\)|^\[[^\]]+\]: (\S+)", text, re.MULTILINE):
            place, _, anchor = "".join(target).partition("#")
            if "://" in place:
                continue
            file = (path.parent / place).resolve() if place else path
            assert file.exists(), f"{path}: {place}"
            assert not anchor or anchor in anchors(file), f"{path}: {place}#{anchor}"


def anchors(document: Path) -> set[str]:
    """Return the headings of a document as GitHub names them."""
    headings = re.findall(r"^#+ (.+)$", document.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Give a directory of input files, mined captions, and a project on which two decided."""
    folder = tmp_path_factory.mktemp("prepared")
    world.write_files(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for line in PREPARED:
            run(line.split())
        project = Path("annotations")
        world.write_project(project, policy='[policy]\nunresolved = "keep"\n')
        world.write_decisions(project, "ann", ["keep"] * 100, day=1)
        world.write_decisions(project, "bob", ["keep", "keep", "drop"], day=2)
        run(["vocab", "build"])
    yield folder


@pytest.fixture
def place(prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give the world, with what is prepared, as the current directory."""
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with serving(ImageServer()) as server:
        world.write_web(tmp_path, server.url)
        yield tmp_path


PREPARED: Final = (
    "manifest dataset_coco.json --format karpathy --source coco --output first/coco/manifest",
    "mine --manifest first/coco/manifest --output first/coco/mined",
    "manifest region_descriptions.json --format vg --output first/vg/manifest",
    "mine --manifest first/vg/manifest --output first/vg/mined",
    "count --mined first/coco/mined --mined first/vg/mined --output annotations",
)


def prepare(document: str) -> None:
    """Write what a document takes from another one."""
    if document.startswith("docs/datasets/") and not document.endswith("README.md"):
        shutil.copytree("annotations", "data/vocabulary")
    if document == "docs/dataflow.md":
        shutil.copytree("first/coco/manifest", "demo/manifest")
    if document == "docs/review.md":
        shutil.copytree("first", "data")
        shutil.copytree("annotations", "data/counts")
        shutil.copytree("first/coco/mined", "data/mined")
        shutil.copytree("annotations", "old/vocabulary")


def prepare_model(document: str) -> None:
    """Write a model, and shards that are labelled with its tags."""
    from tests.model.tiny import tiny_model

    tiny_model().save_pretrained("DIR")
    shards = {
        "docs/serving.md": ("data/test", "data/validation"),
        "docs/training.md": ("data/shards", "data/unseen", "data/cc3m", "data/coco"),
    }
    if document not in shards:
        return
    run("manifest pairs.tsv --format tsv --source mine --output first/mine/manifest".split())
    run("mine --manifest first/mine/manifest --output first/mine/mined".split())
    for name in shards[document]:
        line = "shards --mined first/mine/mined --vocabulary DIR/vocabulary --image-root images"
        run([*line.split(), "--output", name])


def run(words: list[str]) -> None:
    """Run a command in this process, made smaller; fail unless it ends as it should."""
    made = as_run(words)
    done = invoke(made, answers=next((t for w, t in TYPED.items() if w in made), "q\n"))
    code, text = next((end for start, end in EXIT.items() if set(start) <= set(made)), (0, ""))
    said = f"{done.output}{done.exception or ''}"
    assert (done.exit_code, text in said) == (code, True), f"{made}\n{said}"


def as_run(words: list[str]) -> list[str]:
    made = list(words)
    for pattern, text in SMALLER_WORDS:
        made = [pattern.sub(text, word) for word in made]
    if "--workers" in made:
        made[made.index("--workers") + 1] = "1"
    return made + SMALLER.get(made[0], [])


def run_document(document: Path, *, models: bool) -> None:
    """Run a document's commands in their order, and its programs when a command names them."""
    for command in commands(document):
        if command.words[0] == "python" and (program := program_of(command)):
            execute(program)
        elif is_run(command) and (models or command.ours[0] not in MODEL):
            run(command.ours)


def execute(program: str) -> str:
    """Run a Python block; return what it printed."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        exec(compile(program, "block", "exec"), {"__name__": "block"})
    return said.getvalue()


def documents_with(chosen: Callable[[Command], bool]) -> list[Path]:
    """Return the documents with a command that is run and chosen, the slow ones marked."""
    found = [path for path in DOCUMENTS if any(is_run(c) and chosen(c) for c in commands(path))]
    slow = pytest.mark.slow
    return [pytest.param(p, marks=slow) if name_of(p) in SLOW_DOCUMENTS else p for p in found]  # type: ignore[misc]


@pytest.mark.parametrize("document", documents_with(lambda c: c.ours[0] not in MODEL), ids=name_of)
def test_commands_run(document: Path, place: Path) -> None:
    if "download" in document.read_text("utf-8"):
        pytest.importorskip("img2dataset", reason="download needs its extra")
    prepare(name_of(document))
    run_document(document, models=False)


@pytest.mark.slow
@pytest.mark.parametrize("document", documents_with(lambda c: c.ours[0] in MODEL), ids=name_of)
def test_commands_of_models_run(document: Path, place: Path) -> None:
    pytest.importorskip("torch", reason="the model needs its extra")
    prepare_model(name_of(document))
    run_document(document, models=True)


def python_blocks(document: str) -> list[str]:
    return [b for b in blocks(ROOT / document, "python") if not b.startswith("# ")]


def test_programs_that_extend_run(place: Path) -> None:
    pytest.importorskip("torch", reason="the loss needs torch")
    from model import losses

    before = dict(losses.TAGGING)
    try:
        said = [execute(block) for block in python_blocks("docs/extending.md")]
    finally:
        losses.TAGGING.clear()
        losses.TAGGING.update(before)
    assert "captions=('A dog runs', 'A brown dog')" in said[0]
    assert "wrong_columns" in said[0]
    assert said[1] == "['attribute:three', 'object:dog', 'action:run']\n"
    assert said[2].startswith("tensor(")


@pytest.mark.slow
def test_programs_that_serve_run(place: Path) -> None:
    pytest.importorskip("torch", reason="the model needs its extra")
    pytest.importorskip("onnxscript", reason="the export needs its extra")
    prepare_model("")
    said = [execute(block) for block in python_blocks("docs/serving.md")]
    assert len(said) == 3
    assert said[1].count("photos/") == 2
    assert said[2].startswith("Tag(")


def test_every_program_is_run() -> None:
    run_here = {"docs/extending.md", "docs/serving.md", "docs/datasets/README.md"}
    assert {name_of(path) for path in DOCUMENTS if blocks(path, "python")} == run_here


def test_bash_reads_what_it_would_run() -> None:
    script = 'for x in a b; do\n    tag2text check $x "c d" \\\n        && make $x\ndone\n'
    wanted = [("tag2text", "check", "a", "c d"), ("make", "a")]
    assert noted(script)[:2] == wanted
    with pytest.raises(ValueError, match="syntax error"):
        noted("for x in a\n")


def test_what_is_wrong_is_seen() -> None:
    with pytest.raises(Exception, match="No such option"):
        parse(["mine", "--manifest", "a", "--output", "b", "--nothing"])
    with pytest.raises(KeyError):
        parse(["nothing"])
    assert not known_elsewhere(("make", "nothing"))
    assert not known_elsewhere(("pip", "install", "-e", ".[nothing]"))
