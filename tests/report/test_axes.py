from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipesim.report.axes import Ruler

NUMBERS = st.lists(st.floats(0, 1e7), min_size=1, max_size=8)


@given(NUMBERS, NUMBERS, st.sampled_from(["time", "share", "number"]), st.booleans())
def test_every_value_lies_on_the_axis_in_order(values: list[float], ends: list[float], kind: str, zero: bool) -> None:
    ruler = Ruler.of(pl.Series(values), pl.Series(ends), kind, zero=zero)  # type: ignore[arg-type]
    assert ruler.low < ruler.high
    assert all(ruler.low <= value <= ruler.high for value in values)
    places = [ruler.place(value) for value in sorted(values)]
    assert places == sorted(places)
    assert all(0 <= place <= 1 for place in places)
    assert max(ends) <= ruler.high
    ruler.axis().to_dict()
    ruler.scale().to_dict()


def test_times_that_differ_much_are_laid_out_by_their_logarithms() -> None:
    wide = Ruler.of(pl.Series([100.0, 40_000.0]), pl.Series([-500.0, 90_000.0]), "time", zero=True)
    assert wide.wide
    assert wide.low == 25
    assert wide.place(0.0) == 0
    assert wide.scale().to_dict()["type"] == "symlog"
    assert not Ruler.of(pl.Series([100.0, 400.0]), pl.Series([0.0]), "time").wide
    assert not Ruler.of(pl.Series([1.0, 40_000.0]), pl.Series([0.0]), "number").wide


@pytest.mark.parametrize(("most", "word"), [(50.0, " s"), (500.0, " min"), (9_000.0, " h"), (500_000.0, " d")])
def test_linear_times_have_round_ticks_in_their_unit(most: float, word: str) -> None:
    axis = Ruler.of(pl.Series([most / 2, most]), pl.Series([0.0]), "time").axis().to_dict()
    steps = {round(b - a, 6) for a, b in zip(axis["values"], axis["values"][1:], strict=False)}
    assert len(steps) == 1
    assert 3 <= len(axis["values"]) <= 8
    assert f"'{word}'" in axis["labelExpr"]
