"""The image for Dataflow, as far as it can be checked without building it."""

from __future__ import annotations

import configparser
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def pins(name: str) -> dict[str, str]:
    lines = (ROOT / name).read_text().splitlines()
    return dict(line.partition(" ;")[0].split("==") for line in lines if "==" in line)


def test_the_worker_and_the_library_are_of_one_version_of_beam() -> None:
    (tag,) = re.findall(r"^FROM apache/beam_python3\.11_sdk:(\S+)", dockerfile(), re.MULTILINE)
    assert pins("constraints.txt")["apache-beam"] == tag


def test_the_image_holds_every_file_that_the_installation_needs() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    admitted = {line[1:] for line in ignored if line.startswith("!")}
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    packages = setup["options.packages.find"]["include"].replace("*", "").split()
    constraints = re.findall(r"-c (constraints\S*)", dockerfile())
    files = {"setup.cfg", "pyproject.toml", setup["metadata"]["license_files"], "README.md"}
    data = " ".join(setup["options.data_files"].values()).split()
    assert admitted == {*packages, *constraints, *files, *data}


def test_every_direct_dependency_of_the_image_is_pinned() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    extras = setup["options.extras_require"]
    wanted = [setup["options"]["install_requires"], extras["gcp"], extras["download"]]
    names = re.findall(r"^[\w.-]+", "\n".join(wanted), re.MULTILINE)
    pinned = {normal(name) for name in pins("constraints.txt") | pins("constraints-cloud.txt")}
    assert {normal(name) for name in names} <= pinned


def dockerfile() -> str:
    return (ROOT / "Dockerfile").read_text()


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
