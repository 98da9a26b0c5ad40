from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vocab.errors import InputError
from vocab.graph import KINDS, Tag
from vocab.overlap import (
    GROUPS,
    LEVELS,
    Classes,
    ClassList,
    best_group,
    parse_class,
    read_class_list,
)

LISTS = Path(__file__).parents[2].parent / "shared" / "data" / "class_lists"


@pytest.mark.parametrize(
    ("line", "forms"),
    [
        ("Stop Sign", ("stop sign",)),
        ("refrigerator,fridge", ("refrigerator", "fridge")),
        ("object, physical object", ("object", "physical object")),
        ("sit_on", ("sit on",)),
        ("no_interaction", ("no interaction",)),
        ("carry_obj", ("carry",)),
        ("talk_on_phone_instr", ("talk on phone",)),
        ("play(cellphone)", ("play", "play cellphone")),
        ("crane (bird)", ("crane", "crane bird")),
        ("kite (bird of prey, small)", ("kite", "kite bird of prey, small")),
        ("n01440764 tench, Tinca tinca", ("tench", "tinca tinca")),
        ("/m/011k07,Tortoise", ("tortoise",)),
        ("12: 'hen'", ("hen",)),
        ("0\ta photo of a person adjusting a skis", ("adjust skis",)),
        ("a photo of a person riding an old horse", ("ride old horse",)),
        ("a photo of a person sitting", ("sit",)),
        ("person board airplane", ("board airplane",)),
        ("person", ("person",)),
        ("head of a  crocodile", ("head of a crocodile",)),
        ("747", ("747",)),
        ("gray,grey,gray", ("gray", "grey")),
        ("citroën c3", ("citroën c3",)),
        ("  ,", ()),
    ],
)
def test_the_forms_of_a_line(line: str, forms: tuple[str, ...]) -> None:
    assert parse_class(line) == forms


@given(st.text())
def test_any_line_gives_clean_forms(line: str) -> None:
    forms = parse_class(line)
    assert len(set(forms)) == len(forms)
    assert all(form == " ".join(form.split()) and form for form in forms)


def test_a_file_is_read_leniently(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes("\ufeff# classes\r\ndog\r\n\r\ncat,kitty\r\ndog\r\n".encode())
    assert read_class_list(path) == ClassList("list", (("dog",), ("cat", "kitty")))
    assert read_class_list(path, "mine").name == "mine"


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"\n# nothing\n", "holds no class"), (b"caf\xe9\n", "not UTF-8"), (None, "cannot be read")],
)
def test_a_file_without_classes_is_refused(
    tmp_path: Path, data: bytes | None, message: str
) -> None:
    path = tmp_path / "list.txt"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(InputError, match=message):
        read_class_list(path)


def level(
    line: str, *classes: Tag, group: str = "objects and scenes", **options: object
) -> str | None:
    listed = ClassList("l", (parse_class(line),))
    found = Classes(classes, **options).overlap(listed)[group]  # type: ignore[arg-type]
    return next((name for name in LEVELS if found.covered[name]), None)


DOG, BEACH, TELEVISION = Tag("object", "dog"), Tag("scene", "beach"), Tag("object", "television")


def test_objects_and_scenes_are_matched_together_and_apart() -> None:
    assert level("beach", BEACH) == "exact"
    assert level("beach", BEACH, group="scenes") == "exact"
    assert level("beach", BEACH, group="objects") is None
    assert level("beach", BEACH, group="actions") is None


@pytest.mark.parametrize(
    ("line", "tag", "group", "expected"),
    [
        ("Dog", DOG, "objects", "exact"),
        ("dogs", DOG, "objects", "lemma"),
        ("t-shirts", Tag("object", "t shirt"), "objects", "lemma"),
        ("riding", Tag("action", "ride"), "actions", "lemma"),
        ("hop_on", Tag("action", "hop"), "actions", "lemma"),
        ("hop", Tag("action", "hop on"), "actions", "lemma"),
        ("sit_on", Tag("action", "sit on"), "actions", "exact"),
        ("tv,television", TELEVISION, "objects", "synonym"),
        ("tv,televisions", TELEVISION, "objects", "synonym"),
        ("corn", Tag("object", "acorn"), "objects", None),
        ("hop_on", Tag("action", "hope"), "actions", None),
    ],
)
def test_the_level_of_a_name(line: str, tag: Tag, group: str, expected: str | None) -> None:
    assert level(line, tag, group=group) == expected


def test_a_tag_merged_into_a_class_is_its_synonym() -> None:
    aliases = {Tag("scene", "screen"): TELEVISION, Tag("object", "hound"): DOG}
    assert level("screens", TELEVISION, aliases=aliases, group="objects") == "synonym"
    assert level("hound", TELEVISION, aliases=aliases) is None  # what it joined is no class


def test_a_sense_counts_when_it_is_frequent_for_both_words() -> None:
    senses = {
        Tag("object", "couch"): (Tag("object", "sofa"),),
        Tag("object", "sofa"): (Tag("object", "couch"),),
        Tag("object", "heap"): (Tag("object", "mountain"),),
    }

    def synonyms(tag: Tag) -> tuple[Tag, ...]:
        return senses.get(tag, ())

    assert level("couch", Tag("object", "sofa"), synonyms=synonyms) == "synonym"
    assert level("heap", Tag("object", "mountain"), synonyms=synonyms) is None
    assert level("mountain", Tag("object", "heap"), synonyms=synonyms) is None


words = st.sampled_from(["dog", "dogs", "t-shirt", "t shirt", "run", "running", "beach", "sit on"])
classes = st.frozensets(st.builds(Tag, st.sampled_from(KINDS), words))


@given(st.lists(st.lists(words, min_size=1, max_size=3).map(tuple), min_size=1), classes, classes)
def test_each_name_counts_once_and_more_classes_cover_no_less(
    lines: list[tuple[str, ...]], some: frozenset[Tag], more: frozenset[Tag]
) -> None:
    listed = ClassList("l", tuple(lines))
    few, many = Classes(some).overlap(listed), Classes(some | more).overlap(listed)
    for group in GROUPS:
        assert few[group].count() + len(few[group].missing) == few[group].names == len(lines)
        assert few[group].count() <= many[group].count()
        assert few[group].count("exact") <= many[group].count("exact")
    both = few["objects and scenes"].count("exact")
    assert max(few["objects"].count("exact"), few["scenes"].count("exact")) <= both


def test_a_list_is_set_against_the_kinds_that_cover_most_of_it() -> None:
    verbs = ClassList("verbs", (("ride",), ("hold",), ("smoke",)))
    tags = [Tag("action", "ride"), Tag("action", "hold"), Tag("object", "smoke")]
    assert best_group(Classes(tags).overlap(verbs)).group == "actions"
    assert (
        best_group(Classes([DOG]).overlap(ClassList("l", (("dog",),)))).group
        == "objects and scenes"
    )


@pytest.mark.data
@pytest.mark.skipif(not LISTS.is_dir(), reason="needs the class lists beside the checkout")
@pytest.mark.parametrize(
    ("name", "classes", "sample"),
    [
        ("coco_coco-labels-paper", 91, ("traffic light",)),
        ("cifar100", 100, ("aquarium fish",)),
        ("imagenet1k_simple", 1000, ("crane", "crane bird")),
        ("hico_117_verbs", 117, ("no interaction",)),
        ("hico_600_hoi", 600, ("ride horse",)),
        ("ram_hico_600_taglist", 600, ("ride horse",)),
        ("hico_verb_example_by_id", 117, ("adjust skis",)),
        ("hoiw_10_verbs", 10, ("play", "play cellphone")),
        ("vcoco_29_verb_roles", 26, ("work on computer",)),
        ("vg_attributes_400", 400, ("gray", "grey")),
        ("vg_objects_1600", 1600, ("television", "tv")),
        ("ram_openimages_rare_200_ram_taglist", 200, ("aloe",)),
    ],
)
def test_published_lists(name: str, classes: int, sample: tuple[str, ...]) -> None:
    listed = read_class_list(LISTS / f"{name}.txt")
    assert len(listed.classes) == classes
    assert sample in listed.classes
