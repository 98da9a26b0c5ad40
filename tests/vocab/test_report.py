import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from vocab.candidates import Candidate, read_candidates, write_candidates
from vocab.decisions import Event, format_event
from vocab.examples import CoverageRow
from vocab.graph import Tag
from vocab.overlap import ClassList
from vocab.project import load_project
from vocab.report import Review, read_review, render, write_report

HOSTILE = "<script>alert(1)</script>]]>&amp;\"'"
TURNED = f"{HOSTILE}\u202e"  # a list of others may hold it; tags and reasons may not
KEYS = [
    *("object:man", "object:dog", f"object:{HOSTILE}", "object:hound", "object:dogs"),
    *("scene:park", "action:park", "action:ride", "attribute:red", "attribute:next"),
]
ACTIVE = {"script", "link", "img", "iframe", "object", "embed", "form", "input", "a:href"}


class Page(HTMLParser):
    """What a browser would see."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


def event(number: int, key: str, act: str, by: str = "ann", **more: object) -> Event:
    values = {"ms": 1500, "p": 0.7 if act != "drop" else 0.2, **more}
    return Event(
        id=f"{by}-{number}",
        ts=1_790_000_000_000 + 60_000 * number,
        by=by,
        key=key,
        act=act,
        **values,
    )  # type: ignore[arg-type]


EVENTS = [
    event(1, "object:man", "keep"),
    event(2, "object:dog", "keep"),
    event(3, f"object:{HOSTILE}", "drop", why="vague"),
    event(4, "object:hound", "merge", to="object:dog"),
    event(5, "object:dogs", "drop", why=HOSTILE, note=HOSTILE),
    event(6, "action:park", "drop"),
    event(7, "scene:park", "keep"),
    event(8, "attribute:red", "keep"),
    event(9, "object:man", "keep", by="bob"),
    event(10, "attribute:red", "drop", by="bob"),
    event(11, f"object:{HOSTILE}", "drop", by="bob"),
    event(12, "action:ride", "keep", by="bob", via="adjudicate"),
]


def make_project(root: Path, events: list[Event], *, target: int = 7) -> Path:
    rows = [
        Candidate(0, *key.split(":", 1), 1000 - 10 * n, 2000 - 20 * n, {"coco": 5})
        for n, key in enumerate(KEYS)
    ]
    write_candidates(root / "candidates.tsv", rows)
    sha256 = read_candidates(root / "candidates.tsv").sha256
    (root / "project.toml").write_text(
        f'sha256 = "{sha256}"\ntarget = {target}\n[reasons]\nvague = "says <nothing>"\n'
    )
    (root / "log").mkdir()
    for name in sorted({e.by for e in events}):
        lines = (format_event(e) for e in events if e.by == name)
        (root / "log" / f"{name}.jsonl").write_text("".join(lines))
    return root


def review(root: Path, events: list[Event] = EVENTS, **options: object) -> Review:
    return read_review(load_project(make_project(root, events)), **options)  # type: ignore[arg-type]


def section(markup: str, anchor: str) -> str:
    found = re.search(rf'<section id="{anchor}">.*?</section>', markup, re.DOTALL)
    assert found
    return Page(found.group()).text


def test_the_page_is_self_contained_and_inert(tmp_path: Path) -> None:
    lists = [ClassList(TURNED, (("dog",), (TURNED,)))]
    markup = render(review(tmp_path, lists=lists))
    page = Page(markup)
    assert not {tag for tag, _ in page.tags} & ACTIVE
    links = [attributes["href"] for _, attributes in page.tags if "href" in attributes]
    assert links
    assert all(link.startswith("#") for link in links)
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert "url(" not in markup
    assert "default-src 'none'; style-src 'unsafe-inline'" in markup
    assert "\u202e" not in markup
    assert page.text.count(f"{HOSTILE}[U+202E]") >= 2  # list and missing name
    assert page.text.count(HOSTILE) >= 5  # tag, reason, list and missing name


def test_every_link_leads_somewhere(tmp_path: Path) -> None:
    page = Page(render(review(tmp_path)))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    links = [attributes["href"][1:] for tag, attributes in page.tags if tag == "a"]
    assert links == ids
    assert len(set(ids)) == len(ids)


def test_the_summary_counts_classes_against_the_target(tmp_path: Path) -> None:
    words = section(render(review(tmp_path)), "summary")
    assert "candidates10decided9 (90%)classes of 7 wanted4" in words
    assert "merged1dropped3unresolved1" in words
    assert "all10440131" in words  # the same by kind, and one undecided
    assert "4 of 7" in render(review(tmp_path / "again"))


def test_what_does_not_go_together_is_pointed_out(tmp_path: Path) -> None:
    words = section(render(review(tmp_path)), "inconsistent")
    assert "object:dogs960" + HOSTILE + "object:dog990keptsame word" in words
    assert "action:park940object:park" not in words
    assert "action:park940scene:park950kept" in words


def test_merges_and_extremes_are_listed(tmp_path: Path) -> None:
    words = section(render(review(tmp_path)), "second-look")
    assert "object:doghound970" in words
    assert words.index("action:ride") < words.index("object:man")  # kept, fewest images first


def test_annotators_their_agreement_and_their_pace(tmp_path: Path) -> None:
    markup = render(review(tmp_path))
    assert "ann862.5%3101.5 s" in section(markup, "annotators")
    assert "Rulings on disagreements: 1." in section(markup, "annotators")
    agreement = section(markup, "agreement")
    assert "all366.7%66.7%" in agreement
    assert "0.673" in agreement  # the pair's raw agreement, over three tags
    assert "attribute:redann: keep; bob: drop" in agreement


def test_predictions_are_scored_as_shown_and_anew(tmp_path: Path) -> None:
    words = section(render(review(tmp_path)), "learner")
    assert "as shown at the time81.000–" in words
    assert "learnt anew8" in words


def test_coverage_is_estimated_or_counted(tmp_path: Path) -> None:
    made = review(tmp_path)
    estimated = section(render(made), "coverage")
    assert "Estimated from the candidates' caption counts" in estimated
    captions = [
        CoverageRow((Tag("object", "hound"), Tag("action", "park")), 2),
        CoverageRow((), 0),
    ]
    counted = section(render(made.with_captions(captions)), "coverage")
    assert "Of a sample of 2 captions" in counted
    assert "tag mentions covered25.0%captions with a kept tag50.0%" in counted


def test_overlap_counts_levels_apart(tmp_path: Path) -> None:
    pets = ClassList("pets", (("dog",), ("Hounds".lower(),), ("cat",)))
    words = section(render(review(tmp_path, lists=[pets])), "overlap")
    assert "pets3objects and scenes101266.7%2" in words
    assert "not coveredpetscat" in words
    without = section(render(review(tmp_path / "again")), "overlap")
    assert "--class-list" in without


def test_bad_lines_are_shown_with_their_place(tmp_path: Path) -> None:
    root = make_project(tmp_path, EVENTS)
    with (root / "log" / "ann.jsonl").open("a") as log:
        log.write('{"v":1}\n{"torn')
    words = section(render(read_review(load_project(root))), "log")
    assert "ann.jsonl9lacks act, by, id, key, ts" in words
    assert "ann.jsonl10not JSON" in words


def test_a_review_that_nobody_began_has_a_page(tmp_path: Path) -> None:
    markup = render(review(tmp_path, []))
    assert "nobody has decided yet" in Page(markup).text
    assert "0 of 7" in markup


@pytest.mark.parametrize("key", KEYS)
def test_a_single_decision_has_a_page(tmp_path: Path, key: str) -> None:
    for act in ("keep", "drop"):
        folder = tmp_path / act
        assert "1 (10%)" in render(review(folder, [event(1, key, act, ms=None, p=None)]))


def test_the_same_review_gives_the_same_bytes(tmp_path: Path) -> None:
    made = review(tmp_path)
    write_report(tmp_path / "one.html", made)
    write_report(tmp_path / "two.html", read_review(load_project(tmp_path)))
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()
