"""The places behind the things: muted colours, so that the things in front stand out.

Coordinates are those of the picture in hundredths, x to the right and y *up* from its lower edge.
"""

from __future__ import annotations

from typing import Final

from pipeline.drawn.shapes import RGB, Glyph, box, limb, oval, poly

Band = tuple[float, float, RGB, RGB]  # lower edge, upper edge, colour there, colour there

_SKY: Final[Band] = (45, 100, (214, 236, 248), (128, 192, 236))
BANDS: Final[dict[str, tuple[Band, ...]]] = {
    "beach": (
        _SKY,
        (27, 52, (110, 204, 214), (36, 140, 196)),
        (0, 28, (250, 226, 160), (238, 208, 138)),
    ),
    "lake": (
        _SKY,
        (16, 46, (130, 176, 222), (70, 118, 182)),
        (0, 18, (120, 172, 84), (104, 156, 76)),
    ),
    "field": (_SKY, (0, 48, (150, 206, 92), (196, 222, 124))),
    "forest": ((0, 100, (120, 150, 104), (190, 216, 180)), (0, 34, (164, 142, 96), (138, 140, 88))),
    "street": (
        _SKY,
        (0, 38, (112, 114, 122), (134, 136, 142)),
        (36, 42, (196, 192, 186), (210, 206, 200)),
    ),
    "mountain": (
        (0, 100, (200, 222, 244), (92, 146, 206)),
        (0, 34, (252, 254, 255), (222, 234, 246)),
    ),
    "kitchen": (
        (0, 100, (252, 236, 206), (250, 240, 218)),
        (0, 30, (226, 196, 160), (208, 176, 140)),
    ),
    "bedroom": (
        (0, 100, (206, 200, 232), (188, 184, 222)),
        (0, 30, (190, 142, 100), (172, 124, 84)),
    ),
}


def _fir(x: float, y: float, size: float) -> Glyph:
    return (
        box("#5a4632", x - size * 0.05, y, x + size * 0.05, y + size * 0.3),
        *(
            poly(("#3d7a4e", "#4c8c5c", "#5c9e6a")[i], x - w, y + low, x + w, y + low, x, y + high)
            for i, (w, low, high) in enumerate(
                (size * a, size * b, size * c)
                for a, b, c in ((0.34, 0.2, 0.62), (0.27, 0.45, 0.82), (0.2, 0.66, 1.0))
            )
        ),
    )


def _house(x: float, width: float, height: float, wall: str) -> Glyph:
    windows = [(i, j) for j in range(int((height - 4) / 10)) for i in range(int(width / 8))]
    return (
        box(wall, x, 40, x + width, 40 + height),
        *(
            box("#8fa6b8", x + 2.5 + 8 * i, 44 + 10 * j, x + 6.5 + 8 * i, 50 + 10 * j)
            for i, j in windows
        ),
    )


_PALM: Final[Glyph] = (
    limb("#8a6a44", 2.2, 92, 26, 93, 42, 90, 58),
    *(
        limb("#3f8f58", 2.6, 90, 58, 90 + dx / 2, 61 + dy / 3, 90 + dx, 56 + dy)
        for dx, dy in ((-14, 0), (-10, 8), (2, 10), (11, 6), (12, -2))
    ),
)
_BED: Final[Glyph] = (
    box("#7d5a44", 6, 22, 62, 55),
    box("#8f6a50", 9, 25, 59, 52),
    oval("#f4f2fa", 22, 43, 10, 5.5),
    oval("#f4f2fa", 46, 43, 10, 5.5),
    poly("#9fa6d4", 4, 15, 64, 15, 61, 40, 7, 40),
    poly("#b6bce2", 6.4, 35, 61.6, 35, 61, 41, 7, 41),
)
_WINDOW: Final[Glyph] = (
    box("#f6f2ea", 71, 46, 95, 76),
    box("#aed2ea", 73, 48, 93, 74),
    limb("#f6f2ea", 1.2, 83, 48, 83, 74),
    limb("#f6f2ea", 1.2, 73, 61, 93, 61),
    poly("#d79aa6", 66, 80, 77, 80, 70, 44, 66, 44),
    poly("#d79aa6", 100, 80, 89, 80, 96, 44, 100, 44),
)
_COUNTER: Final[Glyph] = (
    *(limb("#e6d2ae", 0.5, 0, y, 100, y) for y in range(56, 72, 5)),
    *(limb("#e6d2ae", 0.5, x, 54, x, 71) for x in range(4, 100, 8)),
    box("#a9825c", 0, 26, 72, 50),
    *(box("#bb946c", x, 29, x + 15, 46) for x in (3, 55)),
    *(oval("#6d5238", x, 43, 0.9) for x in (15, 58)),
    box("#e9e4dc", 0, 49, 72, 53),
    box("#c9ccd2", 24, 26, 50, 52),
    box("#4d5058", 28, 29, 46, 41),
    limb("#7c8088", 1.2, 28, 44, 46, 44),
    *(oval("#4d5058", x, 48.6, 1.4) for x in (29, 35, 41, 46)),
    box("#dfe6ea", 76, 26, 98, 78),
    limb("#9aa4ac", 0.8, 76, 56, 98, 56),
    *(limb("#8a949c", 1.4, 79, y, 79, y + 8) for y in (43, 60)),
)

DETAILS: Final[dict[str, Glyph]] = {
    "beach": (
        limb("#ffffff", 1.6, *(c for i in range(11) for c in (i * 10, 28.2 + (i % 2) * 1.6))),
        *_PALM,
    ),
    "lake": (
        poly("#7f9bb4", 0, 46, 14, 60, 30, 48, 48, 63, 70, 48, 86, 58, 100, 46),
        poly("#5f8f6a", 0, 45, 0, 51, 20, 49, 46, 51, 74, 49, 100, 52, 100, 45),
        *(
            limb("#a9cbea", 0.8, x, y, x + 10, y)
            for x, y in ((8, 39), (60, 42), (84, 33), (36, 28))
        ),
        poly("#78ac54", 0, 22, 24, 18, 52, 20, 78, 17, 100, 21, 100, 10, 0, 10),
        *(limb("#4f7f3c", 1, x, 17, x + dx, 27) for x in (2, 5, 95, 98) for dx in (-1, 1)),
    ),
    "field": (
        oval("#a6cf74", 22, 44, 34, 10),
        oval("#b6d884", 82, 43, 40, 9),
        poly("#a9d468", 0, 46, 0, 0, 100, 0, 100, 44, 60, 48, 30, 45),
        *(
            limb("#86b84c", 0.8, 9 * i + j, 7 * j + 5, 9 * i + j + 0.8, 7 * j + 8)
            for i in range(11)
            for j in range(5)
        ),
    ),
    "forest": (
        *(f for x in (-4, 12, 28, 44, 60, 76, 92) for f in _fir(x + 4, 38, 44)),
        *(f for x in (0, 19, 37, 55, 73, 90) for f in _fir(x + 5, 31, 40 + x % 4 * 7)),
        *(limb("#8a9a5c", 1, x, 8 + x % 17, x + 1.4, 11 + x % 17) for x in range(3, 100, 9)),
    ),
    "street": (
        *_house(-2, 24, 44, "#c79a86"),
        *_house(22, 18, 30, "#b9b0a0"),
        *_house(40, 24, 38, "#a9b3a4"),
        *_house(64, 18, 28, "#cdb78e"),
        *_house(82, 22, 42, "#b39aa6"),
        box("#cfcac4", 0, 36, 100, 42),
        *(limb("#f2eee2", 1.4, x, 20, x + 10, 20) for x in (3, 28, 53, 78)),
    ),
    "mountain": (
        poly("#7c8fae", -8, 30, 26, 74, 60, 30),
        poly("#8a9cba", 34, 30, 74, 84, 112, 30),
        poly("#f6faff", 26, 74, 15, 60, 21, 62, 26, 56, 31, 62, 36, 61),
        poly("#f6faff", 74, 84, 60, 65, 67, 68, 74, 59, 81, 68, 87, 66),
        oval("#f4f8fd", 22, 26, 46, 10),
        oval("#eaf1fa", 84, 25, 44, 10),
        *(f for x, s in ((4, 20), (47, 15), (94, 20)) for f in _fir(x, 33, s)),
    ),
    "kitchen": (
        *_COUNTER,
        *(limb("#c9a47c", 0.6, x, 0, 50 + (x - 50) * 0.7, 26) for x in range(-30, 131, 16)),
        *(limb("#c9a47c", 0.6, 0, y, 100, y) for y in (8, 18, 26)),
    ),
    "bedroom": (
        *(limb("#c6c0e0", 1.4, x, 30, x, 100) for x in range(5, 100, 10)),
        *_WINDOW,
        *(limb("#a5784e", 0.6, 0, y, 100, y) for y in (7, 15, 23, 30)),
        *_BED,
    ),
}
