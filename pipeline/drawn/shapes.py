"""A small language of flat shapes: what glyphs are made of and how they are moved about.

Coordinates are hundredths of the picture's width, x to the right, y *up* from the ground; a glyph
looks to the right. Fills are names of ``PALETTE`` or the three tints of the thing's own colour:
``body``, ``shade`` and ``light``.
"""

from __future__ import annotations

from typing import Final, NamedTuple

RGB = tuple[int, int, int]

PALETTE: Final[dict[str, RGB]] = {
    "red": (218, 36, 40),
    "orange": (246, 136, 16),
    "yellow": (252, 216, 36),
    "green": (36, 158, 66),
    "blue": (32, 92, 220),
    "purple": (138, 56, 188),
    "pink": (252, 128, 188),
    "white": (250, 250, 250),
    "black": (46, 46, 52),
    "brown": (136, 82, 40),
    "gray": (150, 152, 158),
    "ink": (28, 26, 34),
    "skin": (240, 190, 150),
    "denim": (62, 74, 112),
    "glass": (196, 228, 244),
    "gold": (244, 190, 70),
    "leaf": (60, 140, 50),
    "crust": (214, 150, 74),
    "water": (84, 158, 214),
    "mark": (255, 255, 255),
}


class Shape(NamedTuple):
    """One shape: an ``oval`` (x, y, rx, ry), a ``ring`` (x, y, r), a ``poly`` or a ``limb``."""

    form: str
    fill: str
    points: tuple[float, ...]
    width: float = 0.0


Glyph = tuple[Shape, ...]


def oval(fill: str, x: float, y: float, rx: float, ry: float = 0.0) -> Shape:
    """Return an ellipse about (x, y); a circle when ``ry`` is left out."""
    return Shape("oval", fill, (x, y, rx, ry or rx))


def ring(fill: str, x: float, y: float, r: float, width: float = 1.2) -> Shape:
    """Return a circle that is not filled."""
    return Shape("ring", fill, (x, y, r), width)


def poly(fill: str, *points: float) -> Shape:
    """Return a filled polygon through x1, y1, x2, y2, ..."""
    return Shape("poly", fill, points)


def box(fill: str, left: float, bottom: float, right: float, top: float) -> Shape:
    """Return an upright rectangle."""
    return poly(fill, left, bottom, right, bottom, right, top, left, top)


def limb(fill: str, width: float, *points: float) -> Shape:
    """Return a thick line with round ends through x1, y1, x2, y2, ..."""
    return Shape("limb", fill, points, width)


def place(glyph: Glyph, *, x: float = 0.0, y: float = 0.0, scale: float = 1.0) -> Glyph:
    """Return the glyph scaled about its origin, which is then moved to (x, y)."""
    return tuple(_placed(shape, x, y, scale) for shape in glyph)


def mirror(glyph: Glyph) -> Glyph:
    """Return the glyph looking to the left."""
    return tuple(shape._replace(points=_mirrored(shape)) for shape in glyph)


def span(shape: Shape) -> tuple[float, float]:
    """Return the least and the greatest x that the shape covers."""
    half = shape.width / 2
    if shape.form in ("oval", "ring"):
        half += shape.points[2]
        return shape.points[0] - half, shape.points[0] + half
    return min(shape.points[::2]) - half, max(shape.points[::2]) + half


def _mirrored(shape: Shape) -> tuple[float, ...]:
    if shape.form in ("oval", "ring"):
        return (-shape.points[0], *shape.points[1:])
    return tuple(-p if i % 2 == 0 else p for i, p in enumerate(shape.points))


def _placed(shape: Shape, x: float, y: float, scale: float) -> Shape:
    moved = tuple(p * scale + (y if i % 2 else x) for i, p in enumerate(shape.points))
    if shape.form in ("oval", "ring"):
        moved = (*moved[:2], *(p * scale for p in shape.points[2:]))
    return shape._replace(points=moved, width=shape.width * scale)
