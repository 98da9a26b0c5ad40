import base64
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pipeline.inspect_page import write_page
from pipeline.shards import ShardsConfig, write_shards
from tests.factories import Captions, write_mined
from tests.pictures import opened, picture
from vocab.errors import InputError
from vocab.graph import Tag
from vocab.vocabulary import Entry, Vocabulary

DOG, RUN, RED = Tag("object", "dog"), Tag("action", "run"), Tag("attribute", "red")
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)><b>&amp; javascript:alert(1)"
EVIL = Tag("object", '"><script>evil()</script>')
ALLOWED = {
    *("html", "meta", "title", "style", "header", "main", "footer", "section", "h1", "h2", "p"),
    *("dl", "div", "dt", "dd", "figure", "figcaption", "ol", "ul", "li", "article", "img"),
    *("mark", "span", "bdi", "i", "b", "details", "summary"),
}
ATTRIBUTES = {
    *("lang", "charset", "http-equiv", "content", "name", "class", "title", "style", "alt", "src"),
}


class Page(HTMLParser):
    """What a browser would see."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


def shards(folder: Path, images: list[list[tuple[str, Captions]]], *, image: bytes) -> Path:
    (folder / "images").mkdir()
    for shard in images:
        for name, _ in shard:
            (folder / "images" / name).write_bytes(image)
    write_mined(folder / "mined", images, source="s")
    Vocabulary((Entry(DOG), Entry(EVIL), Entry(RUN), Entry(RED))).save(folder / "vocabulary")
    config = ShardsConfig(
        mined=str(folder / "mined"),
        vocabulary=str(folder / "vocabulary"),
        output=str(folder / "out"),
        image_root=str(folder / "images"),
    )
    write_shards(config)
    return folder / "out"


def page(source: Path, folder: Path, **options: int) -> Page:
    output = folder / "page.html"
    write_page(str(source), str(output), **options)
    return Page(output.read_text())


@pytest.fixture
def out(tmp_path: Path) -> Path:
    captions = [("Two red dogs run", [DOG, RUN, RED]), ("a dog", [DOG])]
    images = [[(f"{n}.jpg", captions) for n in range(start, start + 6)] for start in (0, 6)]
    return shards(tmp_path, images, image=picture())


def test_tags_are_marked_by_kind_in_the_captions(out: Path, tmp_path: Path) -> None:
    html = (page(out, tmp_path), (tmp_path / "page.html").read_text())[1]
    assert (
        '<bdi>Two <mark class="attribute" title="attribute: red">red</mark> '
        '<mark class="object" title="object: dog">dogs</mark> '
        '<mark class="action" title="action: run">run</mark></bdi>'
    ) in html


def test_page_is_self_contained_and_forbids_scripts(out: Path, tmp_path: Path) -> None:
    found = page(out, tmp_path)
    policy = [m["content"] for m in found.all("meta") if "http-equiv" in m]
    assert policy == ["default-src 'none'; img-src data:; style-src 'unsafe-inline'"]
    assert all(img["src"].startswith("data:image/jpeg;base64,") for img in found.all("img"))
    thumbnail = found.all("img")[0]["src"].partition(",")[2]
    assert opened(base64.b64decode(thumbnail)).size == (40, 30)


def test_samples_are_spread_over_the_shards(out: Path, tmp_path: Path) -> None:
    found = page(out, tmp_path, samples=4)
    keys = re.findall(r"s-\d{9}", found.text)
    assert keys == [f"s-{n:09d}" for n in (0, 3, 6, 9)]
    assert "4 of 12" in found.text


def test_more_samples_than_there_are_shows_all(out: Path, tmp_path: Path) -> None:
    assert write_page(str(out), str(tmp_path / "p.html"), samples=100) == 12


def test_one_shard_by_its_tar(out: Path, tmp_path: Path) -> None:
    found = page(out / "s-000001.tar", tmp_path)
    keys = re.findall(r"s-\d{9}", found.text)
    assert keys == [f"s-{n:09d}" for n in range(6, 12)]
    assert "s-000001.tar" in found.text


def test_totals_and_bars_add_up(out: Path, tmp_path: Path) -> None:
    found = page(out, tmp_path)
    for figure in ("3.0", "3 of 4", "24"):
        assert figure in found.text
    assert found.text.count("dog12") == 1  # a bar: the class and its images


def test_hostile_captions_tags_and_names_are_inert(tmp_path: Path) -> None:
    hostile = [(HOSTILE, [EVIL, DOG]), ("\u202edog \x07 dog", [DOG])]
    name = "a\"><script>x('y')<.jpg"
    out = shards(tmp_path, [[(name, hostile)]], image=picture())
    found = page(out, tmp_path)
    assert {tag for tag, _ in found.tags} <= ALLOWED
    assert {name for _, attributes in found.tags for name in attributes} <= ATTRIBUTES
    assert HOSTILE in found.text
    assert EVIL.tag in found.text
    assert name in found.text


def test_many_captions_are_folded(tmp_path: Path) -> None:
    out = shards(tmp_path, [[("a.jpg", [(f"dog {n}", [DOG]) for n in range(9)])]], image=picture())
    found = page(out, tmp_path)
    assert "4 more" in found.text
    assert "dog 8" in found.text


def test_an_image_that_cannot_be_decoded_says_so(tmp_path: Path) -> None:
    broken = bytearray(picture("PNG"))
    broken[60:90] = bytes(30)  # within the pixels: structure is whole
    out = shards(tmp_path, [[("a.png", [("dog", [DOG])])]], image=bytes(broken))
    assert "broken_image" in page(out, tmp_path).text


def test_same_page_every_time(out: Path, tmp_path: Path) -> None:
    texts = []
    for _ in range(2):
        page(out, tmp_path)
        texts.append((tmp_path / "page.html").read_bytes())
    assert texts[0] == texts[1]


def test_what_holds_no_labelled_shards_is_refused(out: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no labelled shards"):
        page(tmp_path / "mined", tmp_path)
    with pytest.raises(InputError, match=r"no info\.json"):
        page(tmp_path / "images", tmp_path)
    with pytest.raises(InputError, match="no finished shard"):
        page(out / "s-000009.tar", tmp_path)
