"""What `pip install` brings: the wheel is built from the source distribution, looked at and run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

pytest.importorskip("setuptools", reason="builds the wheel")
pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
PACKAGES = ("vocab", "pipeline", "model", "train", "tag2text")
VOCABULARY = ("tag_list.txt", "tag_meta.tsv", "dropped.tsv", "vocabulary.json")
# What lies in a checkout and is not part of it: a build must not depend on it.
OUTSIDE = shutil.ignore_patterns(
    ".git", ".venv", ".*_cache", ".bench", ".hypothesis", "__pycache__", "*.egg-info",
    "build", "dist", "demo", "shared", "*.lock",
)  # fmt: skip


def build(kind: str, source: Path, output: Path) -> Path:
    """Call the build backend as pip does, without fetching anything."""
    output.mkdir(exist_ok=True)
    code = f"import setuptools.build_meta as b; b.build_{kind}({str(output)!r})"
    subprocess.run([sys.executable, "-c", code], cwd=source, check=True, capture_output=True)
    (made,) = output.iterdir()
    return made


def files(folder: Path, *suffixes: str) -> set[str]:
    """Return the names of the files below a folder, of these suffixes or of all."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)) for p in found if p.suffix in suffixes or not suffixes}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an unpacked source distribution of a copy of the checkout."""
    folder = tmp_path_factory.mktemp("source")
    shutil.copytree(ROOT, folder / "checkout", ignore=OUTSIDE)
    archive = build("sdist", folder / "checkout", folder / "sdist")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder / archive.name.removesuffix(".tar.gz")


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", source, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an environment with the wheel, and with the libraries of this one behind it."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-index", str(wheel)], check=True)
    # Without .pth files of that directory, so the editable install of the checkout is not seen.
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "libraries.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder


def test_the_source_distribution_holds_what_the_tests_need(source: Path) -> None:
    for name in ("Makefile", "LICENSE", "constraints.txt", "Dockerfile", ".dockerignore"):
        assert (source / name).is_file(), name
    for folder in ("tests", "docs", "benchmarks", "annotations"):
        assert files(ROOT / folder, ".py", ".md", ".jsonl") <= files(source / folder), folder


def test_the_wheel_holds_the_packages_whole_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    inside = {name for name in names if name.split("/")[0] in PACKAGES}
    assert inside == {
        f"{package}/{name}"
        for package in PACKAGES
        for name in files(ROOT / package, ".py", ".txt", ".typed")
    }
    assert {f"{package}/py.typed" for package in PACKAGES} <= inside
    data = {name for name in names if ".data/" in name}
    assert {name.partition(".data/data/share/tag2text/vocabulary/")[2] for name in data} == {
        *VOCABULARY
    }
    rest = {*names} - inside - data
    assert all(".dist-info/" in name for name in rest)
    assert any(name.endswith("/licenses/LICENSE") for name in rest)


def test_it_runs_elsewhere_and_not_from_the_checkout(installed: Path, tmp_path: Path) -> None:
    def out(program: str, *line: str) -> str:
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        command = [str(installed / "bin" / program), *line]
        done = subprocess.run(
            command, check=True, cwd=tmp_path, env=environment, stdout=subprocess.PIPE
        )
        return done.stdout.decode()

    where = out("python", "-c", "import vocab, tag2text; print(vocab.__file__, tag2text.__file__)")
    assert all(Path(path).is_relative_to(installed) for path in where.split())
    assert out("tag2text", "--version").startswith("tag2text ")
    assert "sleep" in out("tag2text", "parse", "A cat sleeps")
    load = (
        "import sys; from pathlib import Path; from vocab.vocabulary import Vocabulary\n"
        "print(len(Vocabulary.load(Path(sys.prefix, 'share/tag2text/vocabulary'))))"
    )
    assert int(out("python", "-c", load)) > 3000
