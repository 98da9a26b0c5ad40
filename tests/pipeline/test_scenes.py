"""Synthetic scenes: what is said can be seen, what is seen is said, and all is reproducible."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageChops

from pipeline.drawn.captions import PLURALS, VERBS, captions
from pipeline.drawn.render import render, write_scenes
from pipeline.drawn.scenes import Scene, Thing, deal, ground_truth, scene
from pipeline.drawn.shapes import PALETTE
from vocab.graph import Tag

SOME = [scene(index) for index in range(60)]


def changed(one: Image.Image, two: Image.Image) -> set[int]:
    """Return the positions of the pixels that differ clearly."""
    bands = [band.getdata() for band in ImageChops.difference(one, two).split()]
    return {i for i, values in enumerate(zip(*bands, strict=True)) if max(values) > 24}


def without(one: Scene, thing: Thing) -> Scene:
    return replace(one, things=tuple(t for t in one.things if t is not thing))


def digest(directory: Path) -> str:
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    parts = [(str(p.relative_to(directory)), p.read_bytes()) for p in files]
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def test_the_world_is_rich_enough() -> None:
    tags = frozenset().union(*(ground_truth(scene(i)) for i in range(300)))
    kinds = Counter(tag.kind for tag in tags)
    assert kinds["object"] >= 24
    assert kinds["scene"] >= 5
    assert kinds["action"] >= 6
    assert len({tag.tag for tag in tags if tag.kind == "attribute"} & set(PALETTE)) >= 8


@pytest.mark.parametrize("seed", [0, 3])
def test_every_tag_is_true_of_at_least_three_in_a_hundred_scenes(seed: int) -> None:
    counts = Counter(tag for i in range(300) for tag in ground_truth(scene(i, seed)))
    assert {tag: n for tag, n in counts.items() if n < 9} == {}


@pytest.mark.parametrize("kind", ["dog", "car", "bird", "chair", "man"])
def test_colour_does_not_follow_from_the_kind(kind: str) -> None:
    things = [t for i in range(600) for t in scene(i).things if t.kind == kind]
    shares = Counter(thing.colour for thing in things)
    assert len(shares) >= 4
    assert max(shares.values()) < 0.5 * len(things)


def test_a_deck_is_used_up_before_it_is_shuffled_again() -> None:
    dealt = [deal("abcde", i, 7, "x") for i in range(50)]
    assert all(sorted(dealt[i : i + 5]) == list("abcde") for i in range(0, 50, 5))
    assert len({tuple(dealt[i : i + 5]) for i in range(0, 50, 5)}) > 1


def test_a_scene_depends_on_its_seed_and_index_only() -> None:
    assert [scene(i, 5) for i in range(20)] == [scene(i, 5) for i in reversed(range(20))][::-1]
    assert [scene(i, 5).things for i in range(20)] != [scene(i, 6).things for i in range(20)]


def test_ground_truth_names_all_that_is_there() -> None:
    rider = Thing("woman", "red", doing="ride", other=Thing("bicycle", "blue"))
    birds = Thing("bird", "pink", count=2, size="small", doing="fly")
    truth = ground_truth(Scene(0, 0, "beach", (rider, birds)))
    assert truth == {
        *(Tag("object", tag) for tag in ("woman", "dress", "bicycle", "bird")),
        *(Tag("attribute", tag) for tag in ("red", "blue", "pink", "two", "small")),
        *(Tag("action", tag) for tag in ("ride", "wear", "fly")),
        Tag("scene", "beach"),
    }


def forms(tag: Tag) -> set[str]:
    """Return the forms in which a caption may say a tag."""
    if tag.kind == "action":
        dressed = {r"in (an? )?\w+ (shirt|dress)(e?s)?"} if tag.tag == "wear" else set()
        return {tag.tag, *VERBS[tag.tag], *dressed} - {""}
    return {tag.tag, PLURALS.get(tag.tag, tag.tag + "s")}


def test_the_captions_of_a_picture_say_all_that_is_in_it() -> None:
    for one in (scene(i) for i in range(300)):
        said = " ".join(captions(one)).lower()
        unsaid = [t for t in ground_truth(one) if not any(map(word_in(said), forms(t)))]
        assert unsaid == [], captions(one)


def word_in(text: str):
    return lambda word: re.search(rf"\b{word}\b", text) is not None


def test_the_captions_say_nothing_that_is_not_in_the_picture() -> None:
    every = frozenset().union(*(ground_truth(scene(i)) for i in range(300)))
    for one in (scene(i) for i in range(300)):
        truth = ground_truth(one)
        words = {form for tag in truth for form in forms(tag)}
        said = word_in(" ".join(captions(one)).lower())
        false = [t for t in every - truth if any(said(f) for f in forms(t) - words)]
        assert [t for t in false if t.tag not in {"sit", "sit on"}] == [], captions(one)


def test_a_picture_has_two_to_five_captions_and_phrasings_vary() -> None:
    all_captions = [captions(scene(i)) for i in range(300)]
    assert {len(set(of_one)) for of_one in all_captions} <= {2, 3, 4, 5}
    flat = [text for of_one in all_captions for text in of_one]
    assert len(set(flat)) > 0.85 * len(flat)
    assert 0.1 < sum(text.istitle() for text in flat) / len(flat) < 0.3
    assert 0.1 < sum(text.endswith(".") for text in flat) / len(flat) < 0.3
    assert 0.1 < sum(text[0].islower() for text in flat) / len(flat) < 0.3


@pytest.mark.parametrize(
    "text",
    ["there are two", "that is", "who is", "is ridden by", "is green", "parked", "next to", "near"],
)
def test_phrasing_occurs(text: str) -> None:
    assert any(text in c.lower() for i in range(300) for c in captions(scene(i)))


def test_everything_in_a_scene_can_be_seen() -> None:
    """Hardly any of a thing's pixels are hidden by the other things."""
    for one in SOME:
        for thing in one.things:
            alone = replace(one, things=(thing,))
            own = changed(render(alone), render(without(alone, thing)))
            seen = own & changed(render(one), render(without(one, thing)))
            assert len(own) > 40, (one.index, thing.kind)
            assert len(seen) > 0.6 * len(own), (one.index, thing.kind)


def test_what_is_said_of_a_thing_changes_its_picture() -> None:
    for one in SOME:
        thing = one.things[0]
        fewer = [replace(thing, doing="stand")] if thing.other is None else []
        others = [replace(thing, colour="green" if thing.colour != "green" else "red"), *fewer]
        for other in others:
            if other != thing:
                pictures = [render(replace(one, things=(t,))) for t in (thing, other)]
                assert len(changed(*pictures)) > 20, (one.index, thing.kind, other.doing)


def test_a_coloured_thing_shows_its_colour() -> None:
    for one in SOME:
        for thing in one.things:
            if thing.colour:
                target = Image.new("RGB", (128, 128), PALETTE[thing.colour])
                far = changed(render(replace(one, things=(thing,))), target)
                assert 128 * 128 - len(far) > 15, (one.index, thing.kind, thing.colour)


def test_written_scenes_are_images_with_rows_of_captions(tmp_path: Path) -> None:
    table = write_scenes(tmp_path, count=5, size=64)
    header, *rows = table.read_text(encoding="utf-8").splitlines()
    assert table == tmp_path / "captions.tsv"
    assert header == "file\tcaption"
    names = [row.split("\t")[0] for row in rows]
    assert sorted(set(names)) == sorted(path.name for path in (tmp_path / "images").iterdir())
    assert [row.split("\t")[1] for row in rows] == [c for i in range(5) for c in captions(scene(i))]
    with Image.open(tmp_path / "images" / names[0]) as image:
        assert (image.format, image.mode, image.size) == ("JPEG", "RGB", (64, 64))


def test_the_same_seed_gives_the_same_bytes_whatever_the_hash_seed(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from pipeline.drawn.render import write_scenes;"
        "write_scenes(pathlib.Path(sys.argv[1]), count=8, seed=int(sys.argv[2]))"
    )
    digests = []
    for run, (hash_seed, seed) in enumerate([("1", "4"), ("2", "4"), ("1", "5")]):
        out = tmp_path / str(run)
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        subprocess.run([sys.executable, "-c", code, str(out), seed], check=True, env=environment)
        digests.append(digest(out))
    assert digests[0] == digests[1] != digests[2]


def test_the_parser_finds_what_is_in_the_pictures() -> None:
    from vocab.parser import load_parser

    scenes = [scene(i) for i in range(120)]
    rows = [(one, text) for one in scenes for text in captions(one)]
    found: dict[int, set[Tag]] = {one.index: set() for one in scenes}
    graphs = load_parser().parse(text for _, text in rows)
    for (one, _), graph in zip(rows, graphs, strict=True):
        found[one.index].update(graph.tags)
    truth = {one.index: ground_truth(one) for one in scenes}
    total = sum(map(len, truth.values()))
    missed = Counter(tag for index, tags in truth.items() for tag in tags - found[index])
    false = Counter(tag for index, tags in truth.items() for tag in found[index] - tags)
    assert missed.total() <= 0.05 * total, missed
    assert false.total() <= 0.05 * total, false
