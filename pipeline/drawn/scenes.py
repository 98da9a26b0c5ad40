"""What is in a synthetic scene: a place, things, their colours and what they are doing.

The scenes stand in for real images where none may be had: every tag of ``ground_truth`` can be
seen in the picture that ``pipeline.drawn.render`` draws, and is said by one of the captions of
``pipeline.drawn.captions``.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from vocab.graph import Tag

T = TypeVar("T")

BRIGHT: Final = ("red", "orange", "yellow", "green", "blue", "purple", "pink", "white")
FUR: Final = ("brown", "black", "white", "gray")
COLOURS: Final[dict[str, tuple[str, ...]]] = {
    "dog": FUR,
    "cat": ("orange", *FUR),
    "horse": FUR,
    "cow": ("brown", "black", "white"),
    "sheep": ("white", "black", "brown"),
    "elephant": ("gray",),
    "duck": ("yellow", "white", "brown"),
    "table": (*BRIGHT, "brown"),
    "ball": BRIGHT[:-1],  # its stripe is white
    "apple": ("red", "green", "yellow"),
    "pizza": ("",),
    "grass": ("",),
    "sun": ("",),
    "cloud": ("white", "gray"),
}
PEOPLE: Final = ("man", "woman", "girl")
GARMENTS: Final = {"man": "shirt", "woman": "dress", "girl": "dress"}
ANIMALS: Final = ("dog", "cat", "horse", "cow", "sheep", "elephant", "duck")
VEHICLES: Final = ("car", "bus", "truck")
FOODS: Final = ("apple", "cake", "pizza")
SEATS: Final = ("chair", "sofa")

OUTDOORS: Final = ("beach", "field", "forest", "street", "mountain", "lake")
INDOORS: Final = ("kitchen", "bedroom")
DRIVABLE: Final = ("street", "field", "beach", "mountain", "lake")
SHORES: Final = ("beach", "lake")


@dataclass(frozen=True, slots=True)
class Thing:
    """One thing, or ``count`` of a kind, with what it does and to which ``other`` thing.

    ``colour`` is that of the garment for people; ``x`` and ``y`` are the middle of its feet (of
    the whole for what flies or hangs) in hundredths of the picture, y down.
    """

    kind: str
    colour: str = ""
    size: str = ""
    count: int = 1
    doing: str = ""
    other: Thing | None = None
    x: float = 50.0
    y: float = 88.0
    left: bool = False


@dataclass(frozen=True, slots=True)
class Scene:
    """A place and the things in it, the most telling first."""

    index: int
    seed: int
    place: str
    things: tuple[Thing, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """Who may do what to what, and where."""

    doing: str
    kinds: tuple[str, ...]
    others: tuple[str, ...] = ()
    places: tuple[str, ...] = OUTDOORS + INDOORS
    counts: tuple[int, ...] = (1,)


_SOME: Final = (1, 1, 2, 3)
MAIN_PLANS: Final = (
    Plan("run", (*PEOPLE, "dog", "horse"), places=OUTDOORS, counts=_SOME),
    Plan("jump", (*PEOPLE, "dog", "horse"), places=OUTDOORS, counts=(1, 1, 2)),
    Plan("sit", ("dog", "cat"), counts=_SOME),
    Plan("sit on", PEOPLE, others=SEATS),
    Plan("sleep", ("dog", "cat"), counts=(1, 2, 2)),
    Plan("sleep", ("dog", "cat"), others=("sofa",)),
    Plan("swim", (*PEOPLE, "duck", "dog", "duck"), places=SHORES, counts=_SOME),
    Plan("sail", ("boat",), places=SHORES, counts=(1, 1, 2)),
    Plan("eat", PEOPLE, others=FOODS),
    Plan("eat", PEOPLE, others=FOODS, places=INDOORS),
    Plan("eat", ("horse", "cow", "cow", "sheep"), others=("grass",), places=OUTDOORS),
    Plan("hold", PEOPLE, others=("umbrella", "balloon", "flower")),
    Plan("hold", PEOPLE, others=("umbrella",), places=OUTDOORS),
    Plan("ride", PEOPLE, others=("bicycle", "horse", "elephant", "elephant"), places=OUTDOORS),
    Plan("kick", PEOPLE, others=("ball",), places=OUTDOORS),
    Plan("wear", PEOPLE, others=("hat",)),
    Plan("wear", PEOPLE, others=("hat",), places=INDOORS),
    Plan("drive", ("car", "bus", "bus", "truck"), places=("street", *DRIVABLE)),
)
SECOND_PLANS: Final = (
    Plan("park", VEHICLES, places=DRIVABLE),
    Plan("park", ("car", "truck", "truck"), places=DRIVABLE),
    Plan("stand", ("dog", "cat", "duck"), counts=(1, 1, 2)),
    Plan("stand", ("horse", "cow", "sheep"), places=OUTDOORS, counts=(1, 1, 2)),
    Plan("stand", ("sheep", "elephant", "elephant"), places=OUTDOORS),
    Plan("", ("table",), others=(*FOODS, "cup", "cup")),
    Plan("", ("table",), others=("cup", "cup", "cup", "cake"), places=INDOORS),
    Plan("", SEATS, places=INDOORS),
    Plan("", ("ball", "flower", "chair"), counts=(1, 1, 2)),
    Plan("", ("bicycle", "bicycle", "flower"), places=OUTDOORS),
)
UPPER_PLANS: Final = (
    Plan("fly", ("bird", "airplane", "kite"), places=OUTDOORS, counts=_SOME),
    Plan("fly", ("bird", "airplane", "kite"), places=OUTDOORS),
    Plan("float", ("balloon",), counts=_SOME),
    Plan("shine", ("sun",), places=OUTDOORS),
    Plan("", ("cloud",), places=OUTDOORS, counts=_SOME),
    Plan("hang", ("lamp",), places=INDOORS),
    Plan("hang", ("lamp",), places=INDOORS),
    Plan("", ("clock",), places=INDOORS),
    Plan("", ("clock",), places=INDOORS),
)


def chance(seed: int, *names: object) -> random.Random:
    """Return a source of random numbers that depends on its arguments only."""
    return random.Random(":".join(map(str, (seed, *names))))  # noqa: S311 (nothing secret)


def deal(options: Sequence[T], index: int, seed: int, name: str) -> T:
    """Return the option for ``index`` from a deck that is shuffled anew whenever it is used up.

    So every option comes up equally often, without an order that a model could learn.
    """
    deck = list(options)
    chance(seed, name, index // len(deck)).shuffle(deck)
    return deck[index % len(deck)]


def scene(index: int, seed: int = 0) -> Scene:
    """Return scene number ``index``; the same arguments always give the same scene."""
    rng = chance(seed, "scene", index)
    plan = deal(MAIN_PLANS, index, seed, "main")
    place = rng.choice(plan.places)
    main = _thing(plan, rng)
    second = [_thing(p, rng) for p in _fitting(SECOND_PLANS, place, rng)]
    upper = [_thing(p, rng) for p in _fitting(UPPER_PLANS, place, rng)]
    return Scene(index, seed, place, _arranged(place, main, second, upper, rng))


def _fitting(plans: tuple[Plan, ...], place: str, rng: random.Random) -> list[Plan]:
    """Return one plan that is possible in the place, four times out of five."""
    possible = [plan for plan in plans if place in plan.places]
    return [rng.choice(possible)] if rng.random() < 0.8 else []


def _thing(plan: Plan, rng: random.Random) -> Thing:
    kind = rng.choice(plan.kinds)
    count = rng.choice(plan.counts)
    other = rng.choice(plan.others) if plan.others else ""
    resized = count == 1 and not other and kind not in (*PEOPLE, "sun")
    return Thing(
        kind,
        rng.choice(COLOURS.get(kind, BRIGHT)),
        size=rng.choice(("", "small", "large")) if resized else "",
        count=count,
        doing=plan.doing,
        other=Thing(other, rng.choice(COLOURS.get(other, BRIGHT))) if other else None,
        left=rng.random() < 0.5,
    )


def _arranged(
    place: str, main: Thing, second: list[Thing], upper: list[Thing], rng: random.Random
) -> tuple[Thing, ...]:
    """Give every thing a spot of its own: groups take the whole width below the sky."""
    side = rng.choice((-1, 1))
    x = 50.0 if main.count > 1 else 50 - side * 23 + rng.uniform(-2, 2)
    y = 64.0 if main.doing in ("swim", "sail") else 90 + rng.uniform(-2, 2)
    inward = main.doing in ("kick", "sleep", "eat", "hold")
    things = [replace(main, x=x, y=y, left=side < 0 if inward else main.left)]
    if second and main.count == 1 and second[0].kind != main.kind:
        size = second[0].size if main.size != "large" else ""  # two large ones hide each other
        things += [replace(second[0], size=size, x=50 + side * 25 + rng.uniform(-2, 2), y=92.0)]
    if upper:
        crowd = upper[0].count > 1 and main.other is None  # what is held may reach up
        x = 50.0 if crowd else 50 + side * rng.uniform(14, 24)
        count = upper[0].count if crowd else 1
        things += [replace(upper[0], count=count, x=x, y=20 + rng.uniform(-2, 2))]
    return tuple(things)


def ground_truth(scene: Scene) -> frozenset[Tag]:
    """Return every tag that is true of the picture, in the words that the captions use."""
    tags = {Tag("scene", scene.place)}
    for thing in scene.things:
        tags |= _tags(thing)
    return frozenset(tags)


def _tags(thing: Thing) -> set[Tag]:
    attributes = [thing.colour, thing.size, ("", "two", "three")[thing.count - 1]]
    tags = {Tag("object", thing.kind), *(Tag("attribute", a) for a in attributes if a)}
    if thing.kind in GARMENTS:  # "a man in a red shirt" wears it
        tags |= {Tag("object", GARMENTS[thing.kind]), Tag("action", "wear")}
    if thing.doing:
        tags.add(Tag("action", thing.doing))
    return tags | _tags(thing.other) if thing.other else tags
