"""How things look: vehicles, furniture, food and what floats in the air."""

from __future__ import annotations

import math
from typing import Final

from pipeline.drawn.shapes import Glyph, box, limb, oval, poly, ring


def _wheel(x: float, r: float = 4.0) -> Glyph:
    return (oval("ink", x, r, r), oval("gray", x, r, r * 0.45))


def _arc(x: float, y: float, r: float, start: float, stop: float) -> tuple[float, ...]:
    """Return points on a circle, x1, y1, x2, y2, ..., angles in degrees."""
    angles = [math.radians(start + (stop - start) * i / 12) for i in range(13)]
    return tuple(c for a in angles for c in (x + r * math.cos(a), y + r * math.sin(a)))


def _flower() -> Glyph:
    petals = [math.radians(60 * i + 30) for i in range(6)]
    return (
        limb("leaf", 1.6, 0, 0, 0, 16),
        oval("leaf", -4, 6, 4, 1.8),
        oval("leaf", 4, 8, 4, 1.8),
        *(oval("body", 6 * math.cos(a), 18 + 6 * math.sin(a), 4) for a in petals),
        oval("crust", 0, 18, 3.4),
    )


def _sun() -> Glyph:
    rays = [math.radians(45 * i) for i in range(8)]
    return (
        *(
            limb("gold", 1.6, *(r * f(a) for r in (9, 13) for f in (math.cos, math.sin)))
            for a in rays
        ),
        oval("yellow", 0, 0, 7.5),
    )


GLYPHS: Final[dict[str, Glyph]] = {
    "car": (
        poly("body", -19, 4, 19, 4, 19, 10, 11, 12, 6, 19, -9, 19, -14, 12, -19, 11),
        poly("shade", -19, 4, 19, 4, 19, 6, -19, 6),
        poly("glass", -11, 12, -7.5, 17, -2, 17, -2, 12),
        poly("glass", 0, 12, 0, 17, 5, 17, 8.5, 12),
        oval("gold", 18, 9, 1.2),
        *_wheel(-11, 4.4),
        *_wheel(11, 4.4),
    ),
    "bus": (
        box("body", -23, 4, 23, 27),
        box("shade", -23, 4, 23, 9),
        *(box("glass", x, 15, x + 7, 23) for x in (-21, -12.5, -4)),
        box("glass", 6, 6, 12, 23),
        box("glass", 15, 13, 23, 23),
        oval("gold", 22, 10, 1.3),
        *_wheel(-13),
        *_wheel(15),
    ),
    "truck": (
        box("ink", -21, 4, 20, 7),
        box("body", -22, 7, 5, 27),
        *(limb("shade", 0.8, x, 9, x, 25) for x in (-17, -11.5, -6, -0.5)),
        poly("body", 7, 6, 21, 6, 21, 13, 16, 21, 7, 21),
        poly("glass", 9, 13, 19.5, 13, 15.5, 19, 9, 19),
        oval("gold", 20.5, 9, 1.2),
        *_wheel(-15),
        *_wheel(-5),
        *_wheel(14),
    ),
    "bicycle": (
        ring("ink", -10, 7.5, 7.5, 1.5),
        ring("ink", 10, 7.5, 7.5, 1.5),
        limb("body", 2, -10, 7.5, -4, 15, 7, 15, 0, 7.5, -10, 7.5),
        limb("body", 2, -5, 17, -4, 15, 0, 7.5),
        limb("body", 2, 10, 7.5, 6.5, 19),
        limb("ink", 1.6, 6.5, 19, 10, 20.5),
        limb("ink", 2.4, -7.5, 18, -3, 18),
    ),
    "boat": (
        limb("brown", 1.6, 0, 4, 0, 31),
        poly("white", 1.5, 9, 1.5, 30, 15, 9),
        poly("white", -1.5, 9, -1.5, 27, -11, 9),
        poly("body", -19, 8, 19, 8, 13, 0, -13, 0),
        poly("shade", -16, 3.5, 16, 3.5, 13, 0, -13, 0),
    ),
    "airplane": (
        poly("shade", -2, 1, 6, 1, -4, 10, -8, 10),
        oval("body", 0, 0, 18, 4.6),
        poly("body", -17, 1, -11, 2, -16, 11, -20, 11),
        poly("shade", -3, -1, 6, -1, -6, -11, -11, -11),
        *(oval("glass", x, 1.4, 1.3) for x in (-8, -4, 0, 4, 8)),
        poly("glass", 12, 1, 16.8, 1, 14.5, 3, 12, 3),
    ),
    "bird": (
        poly("shade", 0, -2, 6, -1, 6, 11, -1, 6),
        poly("body", -15, 2, -13, -5, -6, -5, -6, -1),
        oval("body", 0, -3, 9, 4.6),
        oval("body", 9, 0.6, 4),
        poly("orange", 12.4, 2, 12.4, -1, 17.5, 0),
        poly("body", -5, -2, 4, -2, -3, 11, -9, 10),
        poly("light", -3, -1, 2, -1, -3, 7, -6, 7),
        oval("ink", 10.2, 1.6, 0.9),
    ),
    "kite": (
        limb("ink", 0.7, 0, -12, -4, -16, 1, -20, -4, -24),
        poly("white", -4, -16, -8, -14, -8, -18),
        poly("white", -4, -16, 0, -14, 0, -18),
        poly("body", 0, 14, 10, 2, 0, -12, -10, 2),
        poly("light", 0, 14, 10, 2, 0, 2),
        poly("shade", 0, -12, -10, 2, 0, 2),
    ),
    "balloon": (
        limb("ink", 0.6, 0, -9, 1, -14, -1, -18, 0, -22),
        poly("shade", -2, -11, 2, -11, 0, -8),
        oval("body", 0, 0, 8, 9.6),
        oval("light", -3, 4, 1.8, 2.8),
    ),
    "sun": _sun(),
    "cloud": (
        oval("body", -9, -1, 7, 5),
        oval("body", 9, -1, 8, 5),
        oval("body", -2, 3, 8, 7),
        oval("body", 0, -2.6, 12, 3.6),
        oval("light", -3, 5, 4, 3),
    ),
    "umbrella": (
        limb("brown", 1.4, 0, -2, 0, 12),
        poly("body", *_arc(0, 10, 14, 0, 180)),
        poly("light", *_arc(0, 10, 14, 60, 120), 0, 10),
        poly("shade", *_arc(0, 10, 14, 150, 180), -6, 10),
        limb("ink", 1.2, 0, 23, 0, 26),
    ),
    "hat": (
        oval("body", 0, 0, 9.5, 2),
        poly("body", -5.5, 0, 5.5, 0, 5, 7.5, -5, 7.5),
        poly("shade", -5.6, 0.6, 5.6, 0.6, 5.4, 2.8, -5.4, 2.8),
    ),
    "chair": (
        limb("shade", 2, 8, 0, 8, 12),
        limb("shade", 2, -8, 0, -8, 12),
        limb("body", 2.4, -8, 12, -9.5, 31),
        limb("body", 5, -9, 23, -9.4, 31),
        limb("body", 3.4, -8, 13, 8.5, 13),
    ),
    "sofa": (
        box("ink", -19, 0, -16, 4),
        box("ink", 16, 0, 19, 4),
        box("body", -19, 3, 19, 25),
        limb("light", 0.8, 0, 14, 0, 24),
        box("shade", -17, 3, 17, 9),
        box("light", -16, 9, -0.6, 13.5),
        box("light", 0.6, 9, 16, 13.5),
        limb("body", 6, -20, 5, -20, 15),
        limb("body", 6, 20, 5, 20, 15),
    ),
    "table": (
        limb("shade", 2.6, -14, 0, -14, 15),
        limb("shade", 2.6, 14, 0, 14, 15),
        box("body", -18, 15, 18, 18.5),
    ),
    "lamp": (
        limb("ink", 0.9, 0, 0, 0, 22),
        oval("yellow", 0, -8, 3.6),
        poly("body", -12, -8, 12, -8, 5, 4, -5, 4),
        poly("light", -4, -6, 0, -6, 0, 2.6, -2, 2.6),
    ),
    "clock": (
        oval("body", 0, 0, 11),
        oval("white", 0, 0, 8),
        limb("ink", 1.4, 0, 0, 0, 5.5),
        limb("ink", 1.4, 0, 0, 4, -2),
    ),
    "flower": _flower(),
    "cake": (
        limb("white", 1.4, -2.5, 8, -2.5, 12.5),
        limb("white", 1.4, 2.5, 8, 2.5, 12.5),
        oval("orange", -2.5, 14, 1, 1.5),
        oval("orange", 2.5, 14, 1, 1.5),
        box("body", -7.5, 0, 7.5, 9),
        poly("mark", -7.5, 9, 7.5, 9, 7.5, 7, 5, 5, 2.5, 7, 0, 5, -2.5, 7, -5, 5, -7.5, 7),
        box("shade", -7.5, 0, 7.5, 2),
    ),
    "cup": (
        ring("body", 5.5, 5, 3.4, 1.6),
        poly("body", -6, 10, 5.5, 10, 4.5, 0, -5, 0),
        poly("shade", 2.5, 10, 5.5, 10, 4.5, 0, 2.5, 0),
        limb("mark", 0.9, -2.5, 12, -1.5, 14, -2.5, 16),
        limb("mark", 0.9, 1.5, 12, 2.5, 14, 1.5, 16),
    ),
    "apple": (
        oval("body", -2.2, 5, 4.2, 5),
        oval("body", 2.2, 5, 4.2, 5),
        limb("brown", 1.2, 0, 9, 0.8, 12.4),
        oval("leaf", 3, 11.6, 2.4, 1.2),
        oval("light", -3.4, 6.6, 1, 1.6),
    ),
    "pizza": (
        poly("gold", -8, 11, 8, 11, 0, -3),
        limb("crust", 3, -8, 11, 8, 11),
        oval("red", -2.8, 7.4, 1.7),
        oval("red", 3, 7, 1.7),
        oval("red", 0, 2.4, 1.5),
    ),
    "ball": (
        oval("body", 0, 6.5, 6.5),
        poly("mark", *_arc(0, 6.5, 6.4, 60, 120), *_arc(0, 6.5, 6.4, 240, 300)),
        oval("light", -3.6, 9, 1.2),
    ),
    "grass": (
        poly("leaf", -5, 0, -3, 0, -6, 6),
        poly("leaf", -2.5, 0, 0.5, 0, -1.5, 9),
        poly("leaf", 1, 0, 4, 0, 4, 7.5),
        poly("leaf", 3.5, 0, 5.5, 0, 8, 5),
    ),
}
