"""``doctor`` on whole, old, partial and broken installations."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tag2text import doctor
from tag2text.doctor import BASE, SINGLE, USES, Package, Part, applies, fits, import_all, package
from tests.e2e.jobs import CLI
from tests.tag2text.commands import all_commands, invoke

OWN = """Provides-Extra: model
Provides-Extra: train
Provides-Extra: gcp
Requires-Dist: whole>=1.2
Requires-Dist: tomli>=2; python_version < "3.0"
Requires-Dist: windows-only; sys_platform == "win32"
Requires-Dist: old>=2; extra == "model"
Requires-Dist: tag2text[model]; extra == "train"
Requires-Dist: absent<3,>=1; extra == "train"
Requires-Dist: whole[cloud]>=1; extra == "gcp"
"""
Install = Callable[..., None]


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of packages, ours among them."""
    folder = tmp_path / "site"
    install(folder, "tag2text", "0.1.0", OWN, module=False)
    install(folder, "whole", "1.10", 'Requires-Dist: elsewhere; extra == "cloud"\n')
    install(folder, "old", "1.9")
    return folder


def install(site: Path, name: str, version: str, more: str = "", *, module: bool = True) -> None:
    info = site / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{more}"
    )
    if module:
        (site / f"{name}.py").write_text("")


def states(part: Part) -> dict[str, str]:
    return {one.name: one.state for one in part.packages}


def found(monkeypatch: pytest.MonkeyPatch, site: Path) -> dict[str, Part]:
    monkeypatch.syspath_prepend(str(site))
    return {part.name: part for part in doctor.parts()}


def test_what_extras_need_comes_from_the_metadata(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = found(monkeypatch, site)
    assert states(parts[BASE]) == {"whole": "ok"} and parts[BASE].hint == ""
    assert states(parts["model"]) == {"old": "version"}
    assert states(parts["train"]) == {"old": "version", "absent": "missing"}
    assert states(parts["gcp"]) == {"whole": "ok", "elsewhere": "missing"}
    assert parts["train"].hint == "pip install 'tag2text[train]'"
    assert list(map(str, parts["train"].wrong)) == ["old 1.9 (wanted: >=2)", "absent<3,>=1"]


def test_an_extra_that_the_installed_version_did_not_have(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = found(monkeypatch, site)["review"]
    assert states(part) == {"tag2text[review]": "missing"}
    assert part.hint == "pip install 'tag2text[review]'"
    assert [str(one) for one in part.wrong] == [
        "tag2text[review] (not among the extras of what is installed; its metadata is old)"
    ]


def test_files_that_are_gone_and_metadata_that_is_damaged(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (site / "whole.py").unlink()
    (site / "old-1.9.dist-info" / "METADATA").write_bytes(b"\xff\xfe\x00")
    parts = found(monkeypatch, site)
    assert list(map(str, parts[BASE].wrong)) == ["whole (its files are gone)"]
    assert parts[BASE].hint == "pip install --force-reinstall whole"
    assert list(map(str, parts["model"].wrong)) == ["old (its metadata is damaged)"]


def test_we_ourselves_are_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "OWN", "tag2text-that-is-nowhere")
    base = doctor.parts()[0]
    assert [one.state for one in base.packages] == ["missing"]


@pytest.mark.parametrize(
    ("version", "wanted", "ok"),
    [
        ("3.8.18", ">=3.8,<3.9", True),
        ("3.10", ">=3.9", True),
        ("2.9", "<2.10", True),
        ("2.14.1+cpu", ">=2.6", True),
        ("1.0", ">=1.0.0", True),
        ("3.9", ">=3.8,<3.9", False),
        ("1.0", "!=1.0", False),
        ("odd", "", True),
        ("odd", ">=1", False),
        ("1.0", "~=2.0", True),
    ],
)
def test_versions(version: str, wanted: str, ok: bool) -> None:
    assert fits(version, wanted) is ok


@pytest.mark.parametrize(
    ("marker", "extra", "ok"),
    [
        ("", "", True),
        ("", "model", False),
        (' extra == "model"', "model", True),
        (" extra == 'model'", "", False),
        (' (python_version >= "3.10") and extra == "model"', "model", True),
        (' python_version < "3.10"', "", False),
        (' platform_system == "Linux"', "", False),
        (' extra == "a" or extra == "b"', "a", False),
    ],
)
def test_markers(marker: str, extra: str, ok: bool) -> None:
    assert applies(marker, extra) is ok


def test_an_import_that_fails_is_found_in_a_process_of_its_own(
    site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (site / "whole.py").write_text("raise OSError('libodd.so: cannot open')")
    monkeypatch.setenv("PYTHONPATH", str(site))
    monkeypatch.syspath_prepend(str(site))
    fine, broken = Package("json", "", "1", "ok"), package("whole")
    (part,) = import_all([Part("x", (), (fine, broken), "pip install x")])
    assert states(part) == {"json": "ok", "whole": "broken"}
    assert part.packages[1].detail == "OSError: libodd.so: cannot open"
    assert "whole" not in sys.modules


def test_every_command_is_of_some_part() -> None:
    named = " ".join(use for uses in USES.values() for use in uses).split()
    assert {name.split()[0] for name, _ in all_commands()} <= set(named)
    options = {use.split()[-1] for use in SINGLE.values()} | {"--onnx"}
    known = {flag for _, command in all_commands() for p in command.params for flag in p.opts}
    assert options <= known


def run(line: list[str], **env: str) -> subprocess.CompletedProcess[str]:
    root = str(Path(__file__).parents[2])
    place = {**os.environ, "PYTHONPATH": root, **env}
    return subprocess.run(
        [*CLI, *line], capture_output=True, text=True, check=False, env=place, cwd="/"
    )


def test_a_base_that_lacks_something_is_exit_code_1(site: Path) -> None:
    (site / "whole.py").unlink()
    root = str(Path(__file__).parents[2])
    done = run(["doctor"], PYTHONPATH=f"{site}:{root}")
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "error: the base lacks whole: pip install --force-reinstall whole"
    ]
    assert "lacks: manifest, mine" in done.stdout and "CPU" in done.stdout


def tool(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_the_machine_as_json(tmp_path: Path, site: Path) -> None:
    tool(tmp_path / "bin", "nvidia-smi", "echo 'NVIDIA H100, 81559 MiB, 580.82'")
    tool(tmp_path / "bin", "java", "echo 'openjdk version \"8\"' >&2")
    root = str(Path(__file__).parents[2])
    done = run(
        ["doctor", "--json"],
        PATH=str(tmp_path / "bin"),
        PYTHONPATH=f"{site}:{root}",
        TAG2TEXT_WORDNET=str(tmp_path),
    )
    value = json.loads(done.stdout)
    assert value["machine"]["GPU"] == "NVIDIA H100, 81559 MiB; driver 580.82"
    assert value["machine"]["Java"].startswith('openjdk version "8"')
    assert "holds no index.noun" in value["machine"]["WordNet"]
    assert value["machine"]["Chromium"].startswith("none")
    assert value["parts"]["train"]["install"] == "pip install 'tag2text[train]'"
    assert not value["parts"]["train"]["ready"] and value["parts"][BASE]["ready"]
    assert value["python"] == ".".join(map(str, sys.version_info[:3]))
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("exit 9", "none"),
        ("echo", "none"),
        ("echo 'No devices were found'", "none"),
        ("printf '\\377'; exit 0", "none"),
    ],
)
def test_a_driver_that_answers_oddly(
    script: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool(tmp_path / "bin", "nvidia-smi", script)
    tool(tmp_path / "bin", "java", "exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    found = doctor.machine()
    assert found["GPU"].startswith(words)
    assert found["Java"] == "does not start; only evaluate --java needs it"


def test_a_tool_that_never_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool(tmp_path / "bin", "nvidia-smi", "exec sleep 60")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    monkeypatch.setattr(doctor, "_SECONDS", 0.2)
    assert doctor.machine()["GPU"].startswith("none")


def test_for_a_person_lines_fit_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    lines = invoke("doctor").stdout.splitlines()
    assert lines[0].startswith("tag2text 0.")
    assert all(len(line) <= 60 for line in lines[1:])
    assert any(line.startswith("WordNet") for line in lines)
