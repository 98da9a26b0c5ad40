"""Put shapes on a Pillow image: fills, tints of the thing's own colour, outlines, gradients."""

from __future__ import annotations

from typing import Final

from PIL import Image, ImageDraw

from pipeline.drawn.shapes import PALETTE, RGB, Glyph, Shape

OUTLINE: Final = 0.55  # hundredths of the picture's width


class Canvas:
    """A square image that is drawn on in hundredths of its width."""

    def __init__(self, image: Image.Image) -> None:
        self.image = image
        self.unit = image.width / 100
        self._draw = ImageDraw.Draw(image, "RGBA")

    def glyph(
        self, glyph: Glyph, colour: str, *, x: float, y: float, outline: float = OUTLINE
    ) -> None:
        """Draw all shapes in ink and a little wider, then in their own colours on top.

        The glyph's origin comes to (x, y), y down from the upper edge.
        """
        for shape in glyph if outline else ():
            self.shape(shape, PALETTE["ink"], x=x, y=y, grow=outline)
        tints = tints_of(colour)
        for shape in glyph:
            self.shape(shape, tints.get(shape.fill) or PALETTE[shape.fill], x=x, y=y)

    def shape(self, shape: Shape, fill: RGB, *, x: float, y: float, grow: float = 0.0) -> None:
        """Draw one shape in one colour, ``grow`` wider on all sides."""
        draw = self._round if shape.form in ("oval", "ring") else self._straight
        draw(shape, fill, x, y, grow)

    def gradient(self, low: float, high: float, low_colour: RGB, high_colour: RGB) -> None:
        """Fill the band between two heights, y up from the lower edge."""
        width = self.image.width
        top, bottom = round(width - high * self.unit), round(width - low * self.unit)
        mask = Image.linear_gradient("L").resize((width, bottom - top))
        self.image.paste(high_colour, (0, top, width, bottom))
        self.image.paste(low_colour, (0, top), mask)

    def shadow(self, *, x: float, y: float, rx: float, ry: float) -> None:
        """Darken an ellipse on the ground."""
        bounds = [v * self.unit for v in (x - rx, y - ry, x + rx, y + ry)]
        self._draw.ellipse(bounds, fill=(20, 20, 40, 80))

    def _round(self, shape: Shape, fill: RGB, x: float, y: float, grow: float) -> None:
        dx, dy, rx, ry = (*shape.points, shape.points[-1])[:4]
        extra = grow + shape.width / 2
        left, top, right, bottom = (
            v * self.unit
            for v in (
                x + dx - rx - extra,
                y - dy - ry - extra,
                x + dx + rx + extra,
                y - dy + ry + extra,
            )
        )
        if shape.form == "oval":
            self._draw.ellipse((left, top, right, bottom), fill=fill)
        else:
            thickness = round((shape.width + 2 * grow) * self.unit)
            self._draw.ellipse((left, top, right, bottom), outline=fill, width=thickness)

    def _straight(self, shape: Shape, fill: RGB, x: float, y: float, grow: float) -> None:
        across, along = shape.points[::2], shape.points[1::2]
        at = [
            ((x + a) * self.unit, (y - b) * self.unit) for a, b in zip(across, along, strict=True)
        ]
        if shape.form == "poly":
            self._draw.polygon(at, fill=fill)
            at.append(at[0])
        width = (shape.width + 2 * grow) * self.unit
        if width:
            self._stroke(at, fill, width)

    def _stroke(self, at: list[tuple[float, float]], fill: RGB, width: float) -> None:
        """Draw a line with round ends and joints."""
        self._draw.line(at, fill=fill, width=max(1, round(width)))
        r = width / 2
        for x, y in at:
            self._draw.ellipse((x - r, y - r, x + r, y + r), fill=fill)


def tints_of(colour: str) -> dict[str, RGB]:
    """Return the colours of a thing's body, its dark and bright sides and its patches."""
    body = PALETTE[colour]
    dark = sum(body) < 200
    return {
        "body": body,
        "shade": _mixed(body, (70, 70, 80), 0.5) if dark else _mixed(body, (20, 10, 40), 0.26),
        "light": _mixed(body, PALETTE["white"], 0.3 if dark else 0.45),
        "patch": PALETTE["white" if sum(body) < 320 else "black"],
    }


def _mixed(a: RGB, b: RGB, share: float) -> RGB:
    red, green, blue = (round(x + (y - x) * share) for x, y in zip(a, b, strict=True))
    return red, green, blue
