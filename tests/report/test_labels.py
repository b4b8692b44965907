from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from pipesim.report.labels import Spot, place

CHARACTER, HEIGHT = 6.4, 14


def box(point: tuple[float, float], spot: Spot, name: str) -> tuple[float, float, float, float]:
    width, x, y = CHARACTER * len(name), point[0] + spot.dx, point[1] + spot.dy
    left = {"left": x, "right": x - width, "center": x - width / 2}[spot.align]
    return left, y - HEIGHT / 2, left + width, y + HEIGHT / 2


def meet(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


POINTS = st.lists(st.tuples(st.floats(0, 300), st.floats(0, 200)), min_size=1, max_size=15)


@given(POINTS, st.integers(1, 30))
def test_no_name_covers_a_name_or_a_point_or_leaves_the_chart(points: list[tuple[float, float]], length: int) -> None:
    names = ["x" * length] * len(points)
    spots = place(points, names, [], 300, 200)
    boxes = [box(point, spot, "x" * length) for point, spot in zip(points, spots, strict=True) if spot]
    for a, b in itertools.combinations(boxes, 2):
        assert not meet(a, b)
    for one in boxes:
        assert one[0] >= 0
        assert one[1] >= 0
        assert one[2] <= 300
        assert one[3] <= 200
        assert not any(meet(one, (x - 5, y - 5, x + 5, y + 5)) for x, y in points)
    assert place(points, names, [], 300, 200) == spots


def test_a_name_avoids_a_line_if_it_can() -> None:
    right = place([(100.0, 100.0)], ["name"], [], 300, 200)[0]
    assert right is not None
    assert (right.align, right.dy) == ("left", 0)
    crossed = [((100.0, 100.0), (300.0, 100.0))]
    other = place([(100.0, 100.0)], ["name"], crossed, 300, 200)[0]
    assert other is not None
    assert other.align == "right"


def test_a_name_for_which_there_is_no_room_has_no_place() -> None:
    assert place([(50.0, 50.0), (60.0, 60.0)], ["much too long for this chart", "ok"], [], 100, 100)[0] is None
    assert place([(50.0, 50.0), (60.0, 60.0)], ["much too long for this chart", "ok"], [], 100, 100)[1] is not None
    assert place([], [], [], 100, 100) == []
