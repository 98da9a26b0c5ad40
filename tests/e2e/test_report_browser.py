"""The report as a browser shows it: no errors, no requests, charts to be seen, at any width."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from tag2text.cli import app
from tests.vocab.test_report import EVENTS, HOSTILE, make_project

selenium = pytest.importorskip("selenium", reason="needs selenium: pip install selenium")
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER),
        reason="needs Chromium and its driver: apt install chromium chromium-driver",
    ),
]
CHARTS = (
    "Images by rank, kept and dropped",
    "Sides by rank",
    "Sides by kind",
    "Drop reasons",
    "Coverage by size of the vocabulary",
    "Decisions over time",
    "Time to decide",
    "Calibration",
)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    project = make_project(folder / "annotations", EVENTS)
    (folder / "pets.txt").write_text("dog\ncat,kitty\n")
    output = folder / "report.html"
    command = ["vocab", "report", "--output", str(output), "--project", str(project)]
    done = CliRunner().invoke(app, [*command, "--class-list", f"{HOSTILE}={folder / 'pets.txt'}"])
    assert done.exit_code == 0, done.output
    return output


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    profile = tmp_path_factory.mktemp("profile")
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


def opened(browser: Any, report: Path, *, width: int, scheme: str = "light") -> list[str]:
    """Open the page anew and return the addresses that it asked for."""
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    browser.get("about:blank")
    browser.get_log("performance")
    browser.get(report.as_uri())
    messages = (json.loads(entry["message"])["message"] for entry in browser.get_log("performance"))
    sent = (m["params"] for m in messages if m["method"] == "Network.requestWillBeSent")
    return [params["request"]["url"] for params in sent]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_errors_and_no_requests(browser: Any, report: Path, scheme: str) -> None:
    assert opened(browser, report, width=1280, scheme=scheme) == [report.as_uri()]
    assert browser.get_log("browser") == []


def test_every_chart_is_there_to_be_seen(browser: Any, report: Path) -> None:
    opened(browser, report, width=1280)
    script = """return [...document.querySelectorAll('svg.chart')].map(svg => {
        const box = svg.getBoundingClientRect();
        return [svg.getAttribute('aria-label'), box.width, box.height,
                svg.querySelectorAll('rect, polyline').length]})"""
    charts = {label: sizes for label, *sizes in browser.execute_script(script)}
    assert set(CHARTS) <= set(charts)
    for width, height, marks in charts.values():
        assert width > 300
        assert height > 20
        assert marks


def test_marks_have_the_colours_of_their_sides(browser: Any, report: Path) -> None:
    opened(browser, report, width=1280)
    script = """return ['kept', 'dropped'].map(side => getComputedStyle(
        document.querySelector(`svg.chart rect.bar.${side}`)).fill)"""
    kept, dropped = browser.execute_script(script)
    assert kept != dropped
    assert "rgb(0, 0, 0)" not in (kept, dropped)  # a fill that does not resolve is black


def test_text_is_readable_on_its_ground(browser: Any, report: Path) -> None:
    script = """const rgb = text => text.match(/[0-9.]+/g).slice(0, 3).map(Number);
        const light = ([r, g, b]) => { const part = v => (v /= 255) <= .03928 ? v / 12.92
            : ((v + .055) / 1.055) ** 2.4; return .2126*part(r) + .7152*part(g) + .0722*part(b)};
        const ground = light(rgb(getComputedStyle(document.body).backgroundColor));
        return ['h1', '.note', 'td', 'nav a', 'svg.chart text'].map(at => {
            const style = getComputedStyle(document.querySelector(at));
            const ink = light(rgb(at.startsWith('svg') ? style.fill : style.color));
            return (Math.max(ink, ground) + .05) / (Math.min(ink, ground) + .05)})"""
    for scheme in ("light", "dark"):
        opened(browser, report, width=1280, scheme=scheme)
        assert min(browser.execute_script(script)) >= 4.5  # WCAG 2, level AA


@pytest.mark.parametrize("width", [400, 320, 768, 1280])
def test_no_width_makes_the_page_scroll_sideways(browser: Any, report: Path, width: int) -> None:
    opened(browser, report, width=width)
    needed = browser.execute_script("return document.documentElement.scrollWidth")
    assert needed <= width


def test_hostile_text_is_shown_as_text(browser: Any, report: Path) -> None:
    opened(browser, report, width=1280)
    assert browser.execute_script("return document.scripts.length") == 0
    assert HOSTILE in browser.execute_script("return document.body.textContent")


def test_the_contents_lead_to_their_parts(browser: Any, report: Path) -> None:
    opened(browser, report, width=1280)
    script = """const link = document.querySelector('nav a[href="#overlap"]'); link.click();
        return document.querySelector('#overlap').getBoundingClientRect().top"""
    assert abs(browser.execute_script(script)) < 60
    assert browser.current_url.endswith("#overlap")
