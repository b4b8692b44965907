"""Where the names of points go in a chart, so that none covers another."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

#: The height of a name, and the width of one of its characters, in pixels.
_HEIGHT = 14.0
_CHARACTER = 6.4
_POINT = 6.0
_EDGE = 2.0
_REACHES = (9.0, 18.0, 28.0, 40.0, 54.0, 70.0)
_ANGLES = (0, 180, 30, -30, 150, -150, 60, -60, 120, -120, 90, -90)
# What it costs a name to lie on a line, per pixel of it, against being one pixel further from its point.
_CROSSING = 1.5
_SAMPLE = 3.0

Point = tuple[float, float]
Line = tuple[Point, Point]
Align = Literal["left", "center", "right"]


@dataclass(frozen=True)
class Spot:
    """Where a name stands: its anchor in pixels from its point, and which of its ends lies there."""

    dx: float
    dy: float
    align: Align


@dataclass(frozen=True)
class _Box:
    left: float
    top: float
    right: float
    bottom: float

    def meets(self, other: _Box) -> bool:
        return self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom

    def holds(self, x: float, y: float) -> bool:
        return self.left <= x <= self.right and self.top <= y <= self.bottom


def place(
    points: Sequence[Point], names: Sequence[str], lines: Sequence[Line], width: float, height: float
) -> list[Spot | None]:
    """Return a place for each name that is free of all points and names, and of lines as far as possible.

    The names are placed one after the other, each at the cheapest of a fixed set of places around its point.

    Args:
        points: Where the points are, in pixels from the upper left corner of the chart.
        names: Their names, or those of the first of them; the first to be placed come first.
        lines: What the names should not cover.
        width: The width of the chart.
        height: Its height.

    Returns:
        The places of the names in order, None where there is no room.
    """
    discs = [_Box(x - _POINT, y - _POINT, x + _POINT, y + _POINT) for x, y in points]
    marks = [mark for line in lines for mark in _samples(line)]
    taken: list[_Box] = []
    spots: list[Spot | None] = []
    for (x, y), name in zip(points, names, strict=False):
        best: tuple[float, Spot, _Box] | None = None
        for reach in _REACHES:
            if best is not None and best[0] <= reach:
                break
            for angle in _ANGLES:
                spot = _spot(reach, angle)
                box = _box(x + spot.dx, y + spot.dy, spot.align, _CHARACTER * len(name))
                inside = box.left >= _EDGE and box.top >= 0 and box.right <= width - _EDGE and box.bottom <= height
                if not inside or any(box.meets(other) for other in (*discs, *taken)):
                    continue
                cost = reach + _CROSSING * _SAMPLE * sum(box.holds(*mark) for mark in marks)
                if best is None or cost < best[0]:
                    best = (cost, spot, box)
        if best is not None:
            taken.append(best[2])
        spots.append(best[1] if best is not None else None)
    return spots


def _spot(reach: float, angle: int) -> Spot:
    align: Align = "center" if abs(angle) == 90 else "left" if abs(angle) < 90 else "right"
    dx, dy = reach * math.cos(math.radians(angle)), -reach * math.sin(math.radians(angle))
    return Spot(round(dx, 1), round(dy * (1.0 if align != "center" else 1.3), 1), align)


def _box(x: float, y: float, align: Align, width: float) -> _Box:
    left = x if align == "left" else x - width if align == "right" else x - width / 2
    return _Box(left, y - _HEIGHT / 2, left + width, y + _HEIGHT / 2)


def _samples(line: Line) -> list[Point]:
    (x1, y1), (x2, y2) = line
    steps = max(1, math.ceil(math.hypot(x2 - x1, y2 - y1) / _SAMPLE))
    return [(x1 + (x2 - x1) * i / steps, y1 + (y2 - y1) * i / steps) for i in range(steps + 1)]
