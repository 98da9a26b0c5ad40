"""Draw scenes in a flat style with dark outlines, at four times the size, and write them out."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Final

from PIL import Image, ImageColor

from pipeline.drawn.backdrops import BANDS, DETAILS
from pipeline.drawn.canvas import Canvas
from pipeline.drawn.captions import captions
from pipeline.drawn.figures import BODIES, MARKS, animal, person
from pipeline.drawn.glyphs import GLYPHS
from pipeline.drawn.scenes import PEOPLE, Scene, Thing, scene
from pipeline.drawn.shapes import Glyph, limb, mirror, place, span

SUPERSAMPLING: Final = 4
SIZES: Final = {"": 1.0, "small": 0.7, "large": 1.3}
KIND_SIZES: Final = {  # so that every kind fills its spot
    **dict.fromkeys((*PEOPLE, "cat", "dog", "duck", "ball"), 1.25),
    **dict.fromkeys(("chair", "sheep", "bicycle", "apple"), 1.12),
    **dict.fromkeys(("bus", "elephant", "truck", "horse", "cow"), 0.95),
}
GROUP_SIZES: Final = {1: 1.0, 2: 0.85, 3: 0.67}
GROUP_OFFSETS: Final = {1: (0.0,), 2: (-21.0, 21.0), 3: (-31.0, 0.0, 31.0)}
BESIDE: Final = 0.68  # a group that is not alone on the ground stands closer together
GIRL: Final = 0.76  # her height beside a grown-up's

Layer = tuple[Glyph, str]  # a glyph and the colour of its body


def write_scenes(directory: Path, *, count: int, seed: int = 0, size: int = 128) -> Path:
    """Write ``count`` pictures and their captions; return the path of the caption table.

    ``directory/images`` gets JPEG files of ``size`` x ``size`` pixels, ``directory/captions.tsv``
    the columns ``file`` (relative to ``images``) and ``caption``, several rows a picture.
    """
    images = directory / "images"
    images.mkdir(parents=True, exist_ok=True)
    rows = ["file\tcaption"]
    for index in range(count):
        one = scene(index, seed)
        name = f"scene-{index:05d}.jpg"
        render(one, size=size).save(images / name, quality=92, subsampling=0)
        rows += [f"{name}\t{caption}" for caption in captions(one)]
    table = directory / "captions.tsv"
    table.write_text("\n".join(rows) + "\n", encoding="utf-8", newline="\n")
    return table


def scene_index(name: str) -> int:
    """Return which scene a file of :func:`write_scenes` shows ("scene-00012.jpg" -> 12)."""
    return int(name.removeprefix("scene-").removesuffix(".jpg"))


def render(scene: Scene, *, size: int = 128) -> Image.Image:
    """Return the scene as an RGB picture of ``size`` x ``size`` pixels."""
    canvas = Canvas(_backdrop(scene.place, size * SUPERSAMPLING).copy())
    for thing in sorted(scene.things, key=lambda thing: thing.y):
        crowded = BESIDE if thing.x != 50 else 1.0
        scale = _scale(thing) * (crowded if thing.count > 1 else 1.0)
        for offset in GROUP_OFFSETS[thing.count]:
            _draw_thing(canvas, replace(thing, x=thing.x + offset * crowded), scale)
    return canvas.image.resize((size, size), Image.Resampling.LANCZOS)


@lru_cache(maxsize=16)
def _backdrop(place_name: str, width: int) -> Image.Image:
    canvas = Canvas(Image.new("RGB", (width, width)))
    for low, high, low_colour, high_colour in BANDS[place_name]:
        canvas.gradient(low, high, low_colour, high_colour)
    for shape in DETAILS[place_name]:
        red, green, blue = ImageColor.getrgb(shape.fill)[:3]
        canvas.shape(shape, (red, green, blue), x=0, y=100)
    return canvas.image


def _scale(thing: Thing) -> float:
    carried = thing.other is not None and thing.other.kind in _SEATS
    own = 0.95 if carried else KIND_SIZES.get(thing.kind, 1.0)
    return own * SIZES[thing.size] * GROUP_SIZES[thing.count]


def _draw_thing(canvas: Canvas, thing: Thing, scale: float) -> None:
    turn = mirror if thing.left else place
    layers = [(place(turn(glyph), scale=scale), colour) for glyph, colour in _layers(thing)]
    x = _inside(thing.x, [glyph for glyph, _ in layers])
    afloat = thing.doing in ("swim", "sail")
    waterline = (0, round(thing.y * canvas.unit))
    water = canvas.image.crop((*waterline, *canvas.image.size))
    if thing.y > 50 and not afloat:
        canvas.shadow(x=x, y=thing.y, rx=15 * scale, ry=2.6 * scale)
    for glyph, colour in layers:
        canvas.glyph(glyph, colour or "white", x=x, y=thing.y)
    if afloat:
        canvas.image.paste(water, waterline)
        canvas.glyph(place(_RIPPLES, scale=scale), "white", x=x, y=thing.y, outline=0)


def _inside(x: float, glyphs: list[Glyph]) -> float:
    """Return the middle nearest to ``x`` where nothing sticks out of the picture."""
    spans = [span(shape) for glyph in glyphs for shape in glyph]
    left, right = min(low for low, _ in spans), max(high for _, high in spans)
    return max(1 - left, min(99 - right, x))


_RIPPLES: Final[Glyph] = tuple(
    limb("mark", 1.1, -r, y, -r / 3, y - 0.9, r / 3, y, r, y - 0.9)
    for r, y in ((17, 0.4), (12, -3), (7, -6))
)


def _layers(thing: Thing) -> list[Layer]:
    """Return the glyphs that make up one thing with what it holds, rides, ..., back to front."""
    layers = [(_figure(thing.kind, thing.doing), thing.colour)]
    if thing.other is not None:
        layers = _with_other(thing, layers[0][0], thing.other)
    if thing.doing in MARKS:
        layers.append((MARKS[thing.doing], ""))
    lift = {"jump": 13.0, "swim": -15.0 if thing.kind in PEOPLE else -6.0, "sail": -2.5}
    return [(place(glyph, y=lift.get(thing.doing, 0.0)), colour) for glyph, colour in layers]


def _figure(kind: str, doing: str) -> Glyph:
    if kind in PEOPLE:
        return place(person(kind, doing), scale=GIRL if kind == "girl" else 1.0)
    return animal(kind, doing) if kind in BODIES or kind == "duck" else GLYPHS[kind]


_HANDS: Final = {  # where and how large the other thing is, for a grown-up
    "umbrella": (11.5, 26.0, 1.0),
    "balloon": (11.5, 47.0, 1.0),
    "flower": (11.5, 17.0, 0.8),
    "apple": (9.0, 27.0, 0.8),
    "cake": (10.0, 27.5, 0.8),
    "pizza": (10.0, 28.0, 0.9),
    "hat": (0.0, 38.5, 1.0),
    "ball": (21.0, 7.0, 0.9),
    "grass": (17.0, 0.0, 1.2),
}
_SEATS: Final = {  # where a grown-up's figure goes above what carries it
    "bicycle": (-4.5, 3.0),
    "horse": (-2.0, 9.5),
    "elephant": (-2.0, 11.0),
    "chair": (-2.0, 0.0),
    "sofa": (-2.0, 0.0),
}


def _with_other(thing: Thing, glyph: Glyph, other: Thing) -> list[Layer]:
    size = GIRL if thing.kind == "girl" else 1.0
    other_glyph = _figure(other.kind, "stand")
    if thing.kind == "table":
        return [(glyph, thing.colour), (place(other_glyph, y=18.5, scale=1.3), other.colour)]
    if other.kind in _SEATS:
        x, y = _SEATS[other.kind]
        seat = 12.5 if thing.doing == "sleep" else y + 16 * (1 - size)
        return [(other_glyph, other.colour), (place(glyph, x=x, y=seat), thing.colour)]
    x, y, scale = _HANDS[other.kind]
    held = place(other_glyph, x=x * size, y=y * size, scale=scale)
    return [(glyph, thing.colour), (held, other.colour)]
