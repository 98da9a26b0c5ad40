"""How people and animals look, and how their limbs show what they are doing."""

from __future__ import annotations

from typing import Final, NamedTuple

from pipeline.drawn.shapes import Glyph, limb, oval, place, poly

Points = tuple[float, ...]


class Pose(NamedTuple):
    """Where the limbs of a person go; hips at (0, 16), shoulders at (0, 28)."""

    far_leg: Points
    near_leg: Points
    far_arm: Points
    near_arm: Points
    seated: bool = False


_UPRIGHT = Pose(
    far_leg=(-2, 16, -2.6, 1.6, -0.5, 1.2),
    near_leg=(2, 16, 2.4, 1.6, 4.8, 1.2),
    far_arm=(-3, 27, -6, 21, -6, 15),
    near_arm=(3, 27, 6, 21, 6, 15),
)
_SEATED = Pose(
    far_leg=(0, 16, 9, 17, 9.5, 5, 12, 4.6),
    near_leg=(0, 16, 10, 16, 11, 4, 13.6, 3.6),
    far_arm=(-3, 27, 1, 21, 7, 19),
    near_arm=(3, 27, 3, 20, 8, 18.5),
    seated=True,
)
POSES: Final[dict[str, Pose]] = {
    "stand": _UPRIGHT,
    "wear": _UPRIGHT,
    "hold": _UPRIGHT._replace(near_arm=(3, 27, 7, 21, 11.5, 25)),
    "eat": _UPRIGHT._replace(near_arm=(3, 27, 9, 21, 8, 30)),
    "run": Pose(
        far_leg=(-1, 16, -6, 9, -14, 9.5, -14.5, 7),
        near_leg=(1, 16, 8, 12, 8.5, 2, 11, 1.6),
        far_arm=(-3, 27, -9, 21, -12, 25),
        near_arm=(3, 27, 8, 20, 12.5, 24.5),
    ),
    "jump": Pose(
        far_leg=(-2, 16, -8, 12, -11, 4, -9, 2.6),
        near_leg=(2, 16, 8, 12, 11, 4, 13.4, 4),
        far_arm=(-3, 27, -9, 32, -11, 39),
        near_arm=(3, 27, 9, 32, 11, 39),
    ),
    "kick": Pose(
        far_leg=(-1, 16, -3, 8, -5, 1.6, -2.6, 1.2),
        near_leg=(1, 16, 8, 13, 15, 9, 16.4, 11.4),
        far_arm=(-3, 27, -10, 26, -14, 30),
        near_arm=(3, 27, 8, 22, 13, 20),
    ),
    "sit on": _SEATED,
    "ride": _SEATED._replace(
        far_leg=(0, 16, 7, 14, 3, 5, 5, 4.6),
        near_leg=(0, 16, 9, 13, 5, 3, 7.4, 2.6),
        near_arm=(3, 27, 6, 22, 12, 20),
        far_arm=(-3, 27, 4, 22, 11, 20),
    ),
    "swim": _UPRIGHT._replace(far_arm=(-3, 25, -9, 22, -12, 18), near_arm=(3, 27, 11, 33, 16, 27)),
}

_HEAD_Y: Final = 34.0
_HAIR: Final = {"man": "brown", "woman": "ink", "girl": "gold"}


def person(kind: str, doing: str) -> Glyph:
    """Return a man (shirt and trousers), a woman or a girl (dress) in the pose of ``doing``."""
    pose = POSES.get(doing, _UPRIGHT)
    clothes = _trousers(pose) if kind == "man" else _dress(pose)
    return (
        limb("skin", 2.6, *pose.far_arm),
        *_long_hair(kind),
        *clothes,
        *_head(kind),
        limb("body", 3.4, *pose.near_arm[:4]),
        limb("skin", 2.6, *pose.near_arm[2:]),
    )


def _leg(fill: str, points: Points) -> Glyph:
    return (limb(fill, 3.4, *points[:-2]), limb("ink", 3.0, *points[-4:]))


def _trousers(pose: Pose) -> Glyph:
    return (
        *_leg("denim", pose.far_leg),
        *_leg("denim", pose.near_leg),
        poly("body", -4.6, 29, 4.6, 29, 4, 15, -4, 15),
        poly("shade", -4.6, 29, -2.2, 29, -1.8, 15, -4, 15),
        limb("skin", 3, 0, 28, 0, 31),
    )


def _dress(pose: Pose) -> Glyph:
    hem = (9.5, 18.5, 9, 12, -4.5, 13) if pose.seated else (8.6, 8.5, -8.6, 8.5)
    return (
        *_leg("skin", pose.far_leg),
        *_leg("skin", pose.near_leg),
        poly("body", -3.4, 29, 3.4, 29, 3, 21, *hem, -3, 21),
        poly("shade", -3.4, 29, -1.4, 29, -1.2, 21, *hem[-2:], -3, 21),
        limb("skin", 2.6, 0, 28, 0, 31),
    )


def _long_hair(kind: str) -> Glyph:
    fill = _HAIR[kind]
    if kind == "woman":
        return (limb(fill, 6.4, -2.6, 35.5, -3.8, 25.5), limb(fill, 5, 1, 36, -2, 30))
    if kind == "girl":
        return (oval(fill, -8.4, 36, 3, 4.4), oval(fill, 8.4, 36, 3, 4.4))
    return ()


def _head(kind: str) -> Glyph:
    fill, r = _HAIR[kind], 6.4 if kind == "girl" else 5.0
    y = _HEAD_Y + (1.6 if kind == "girl" else 0.6)
    beard = (poly(fill, -4.4, y - 1, -1, y - 1.6, 4.8, y - 1.4, 3, y - 5.6, -2, y - 5.6),)
    return (
        oval("skin", 0, y, r),
        *(beard if kind == "man" else ()),
        poly(fill, -r, y - 1, -r, y + 3, -r / 2, y + r, r / 2, y + r, r, y + 2, 0, y + r * 0.45),
        oval("ink", 0.6, y + 0.4, 0.8),
        oval("ink", 3.4, y + 0.4, 0.8),
        limb("red", 0.7, 0.6, y - 2.3, 2.2, y - 3, 3.8, y - 2.2),
    )


class Body(NamedTuple):
    """Measures of a four-legged animal that stands on y = 0."""

    rx: float
    ry: float
    leg: float
    leg_width: float
    head: tuple[float, float]
    neck_width: float
    tail: Points
    limbs: str = "body"
    grazing: float = 7.0  # height of the head


BODIES: Final[dict[str, Body]] = {
    "dog": Body(9.5, 5, 7, 2.8, (11, 19.5), 5, (-9, 13, -12, 15, -14, 20)),
    "cat": Body(8.5, 4.4, 6, 2.4, (9.5, 17), 3, (-8, 11, -13, 12, -14, 19, -11, 24)),
    "horse": Body(12.5, 6.5, 15, 3.2, (18, 34), 7, (-12, 23, -16, 20, -17, 11)),
    "cow": Body(14, 8, 9, 3.6, (17.5, 22), 6, (-14, 20, -17, 16, -16.5, 9)),
    "sheep": Body(11, 7.5, 7, 2.6, (13, 19), 3, (-11, 14, -12, 14), "ink"),
    "elephant": Body(15, 10.5, 9, 5.6, (16, 25), 9, (-15, 22, -18.5, 16, -18, 11), grazing=19),
}

_COVERS: Final[dict[str, Glyph]] = {  # what lies on the body, about its middle
    "dog": (),
    "cat": tuple(limb("shade", 1.2, x, 4, x - 0.6, 0.4) for x in (-4.5, -1, 2.5)),
    "horse": (),
    "cow": (
        oval("patch", -6, 1.5, 4.6, 3.6),
        oval("patch", 4, 3, 3.4, 2.8),
        oval("patch", 2, -4, 3, 2),
    ),
    "sheep": (
        *(oval("body", x, y, 5) for x in (-9, -3, 3, 9) for y in (-3, 4)),
        limb("shade", 0.9, -6, 2, -4, 0.6, -2, 2),
        limb("shade", 0.9, 2, -2, 4, -3.4, 6, -2),
    ),
    "elephant": (),
}


def _eye(x: float, y: float, asleep: bool) -> Glyph:
    return (limb("ink", 0.9, x - 1.4, y, x + 1.4, y),) if asleep else (oval("ink", x, y, 1.0),)


_FACES: Final[dict[str, Glyph]] = {
    "dog": (
        oval("body", 0, 0, 5.2, 5),
        oval("body", 4, -1.8, 4.2, 2.8),
        oval("ink", 7.6, -0.6, 1.4),
        oval("shade", -3, -1.4, 2.2, 5),
    ),
    "cat": (
        poly("body", -4.8, 1, -4.4, 8.6, 0, 4),
        poly("body", 4.8, 1, 4.4, 8.6, 0, 4),
        poly("pink", 3.6, 3, 3.6, 6.4, 1.8, 4),
        oval("body", 0, 0, 5.4, 4.8),
        oval("pink", 3, -1, 1.1, 0.8),
        limb("ink", 0.4, 3, -1.6, 9, -1),
        limb("ink", 0.4, 3, -1.8, 9, -3),
    ),
    "horse": (
        limb("body", 6, 0, 0, 6, -5),
        poly("body", -2.6, 2, -1, 7, 1.4, 2.4),
        limb("shade", 4.6, 6.6, -5.4, 7.4, -6),
        oval("ink", 8.4, -5.2, 0.6),
    ),
    "cow": (
        limb("white", 1.6, -3, 4, -5, 7.6),
        limb("white", 1.6, 3, 4, 5, 7.6),
        oval("shade", -6, 2.6, 3, 1.6),
        oval("body", 0, 0, 5, 6),
        oval("pink", 2, -4.4, 4.6, 3),
        oval("ink", 3.6, -4.2, 0.6),
        oval("ink", 0.8, -4.2, 0.6),
    ),
    "sheep": (
        oval("ink", -4, 1, 3, 1.4),
        oval("ink", 0, -1, 4, 5),
        oval("body", -0.6, 4.2, 4.2, 2.8),
    ),
    "elephant": (
        limb("body", 5, 4, -2, 10, -9, 9, -18, 12, -21),
        oval("body", 0, 0, 8.4, 8),
        limb("white", 1.8, 5, -5.6, 9, -7.5, 12, -6.4),
        oval("shade", -5.4, 0, 5, 8),
    ),
}
_EYES: Final = {
    "dog": (1.8, 1.4),
    "cat": (2.2, 1),
    "horse": (1.4, 0.6),
    "cow": (2, 1.4),
    "sheep": (1.4, 0),
    "elephant": (3.4, 2),
}


def _face(kind: str, *, asleep: bool = False) -> Glyph:
    x, y = _EYES[kind]
    eye = _eye(x, y, asleep)
    if kind == "sheep":
        eye = (oval("white", x, y, 1.3), oval("ink", x, y, 0.7))
    return (*_FACES[kind], *eye)


def animal(kind: str, doing: str) -> Glyph:
    """Return a four-legged animal or a duck in the pose of ``doing``."""
    if kind == "duck":
        return _DUCK
    if doing == "sit":
        return _sitting(kind)
    if doing == "sleep":
        return _lying(kind)
    return _on_legs(kind, doing)


def _on_legs(kind: str, doing: str) -> Glyph:
    body = BODIES[kind]
    y = body.leg + body.ry * 0.7
    head = (body.head[0] + 2, body.grazing) if doing == "eat" else body.head
    shoulder = (body.rx * 0.7, y + body.ry * 0.3)
    return (
        limb("shade" if body.limbs == "body" else "ink", 2.0, *body.tail),
        *_legs(body, y, stride=doing in ("run", "jump")),
        limb("body", body.neck_width, *shoulder, *head),
        *(_mane(shoulder, head) if kind == "horse" else ()),
        oval("body", 0, y, body.rx, body.ry),
        *place(_COVERS[kind], y=y),
        *place(_face(kind), x=head[0], y=head[1]),
    )


def _mane(shoulder: tuple[float, float], head: tuple[float, float]) -> Glyph:
    return (limb("ink", 3, shoulder[0] - 3, shoulder[1] + 5, head[0] - 4, head[1] + 2),)


def _legs(body: Body, y: float, *, stride: bool) -> Glyph:
    near = body.limbs
    far = "shade" if near == "body" else near
    reach = body.leg * 0.9 if stride else 0.0
    foot = body.leg * 0.25 if stride else body.leg_width / 2
    x = body.rx * 0.72
    return tuple(
        limb(fill, body.leg_width, side * x + dx, y, side * (x + reach) + dx * spread, foot)
        for fill, dx, spread in ((far, 2.6, 3.0 if stride else 1.0), (near, -1.0, 1.0))
        for side in (-1, 1)
    )


def _sitting(kind: str) -> Glyph:
    body = BODIES[kind]
    tail = (-6, 2, -11, 2, -13, 7)
    return (
        limb("shade", 2.2, *tail),
        limb("shade", body.leg_width, 6, 12, 7.4, 1.4),
        oval("body", -3, 6, 6.6, 6),
        limb("body", 8.6, -2, 8, 4, 15),
        limb("body", body.leg_width, 4, 12, 4.6, 1.4),
        limb("body", body.leg_width, -3, 1.6, 1, 1.4),
        *place(_face(kind), x=6, y=22),
    )


def _lying(kind: str) -> Glyph:
    return (
        limb("shade", 2.2, -9, 4, -14, 2, -15, 5),
        oval("body", 0, 5.4, 11, 5.4),
        limb("body", 3, 4, 1.6, 10, 1.6),
        limb("shade", 0.8, -7, 3, -5, 6.6, -2, 7),
        *place(_face(kind, asleep=True), x=11, y=5.2),
    )


_DUCK: Final[Glyph] = (
    limb("orange", 1.6, -1.5, 5, -1.5, 0.8, 1.5, 0.8),
    limb("orange", 1.6, 3, 5, 3, 0.8, 6, 0.8),
    poly("body", -8, 8, -14, 14, -6, 12),
    oval("body", 0, 8.6, 10, 5.8),
    limb("body", 4.6, 6.5, 10, 8, 19),
    oval("body", 8.4, 20, 4.4),
    poly("orange", 12, 21.4, 12, 18.4, 18, 19),
    oval("shade", -2, 9.4, 5.6, 3),
    oval("ink", 9.8, 21, 0.9),
)

_Z: Final = (limb("mark", 0.9, 0, 4, 4, 4, 0, 0, 4, 0),)
MARKS: Final[dict[str, Glyph]] = {  # what a comic would add about the figure's middle height
    "run": tuple(limb("mark", 1.2, -17 - i, 10 * i + 4, -24 + i, 10 * i + 4) for i in range(3)),
    "drive": tuple(limb("mark", 1.4, -25, 7 * i + 5, -29 - 2 * i, 7 * i + 5) for i in range(3)),
    "jump": (
        limb("mark", 1.2, -7, -5, 0, -7, 7, -5),
        limb("mark", 1.2, -5, -9, 0, -10.6, 5, -9),
    ),
    "sleep": (*place(_Z, x=16, y=13), *place(_Z, x=21, y=18, scale=1.4)),
    "kick": (limb("mark", 1, 14, 17, 17, 19), limb("mark", 1, 12, 4, 14, 2)),
}
