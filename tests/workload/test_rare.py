from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipesim.workload.laws.law import ConstantLaw, table_law
from pipesim.workload.rare import FEWEST, common, smooth

U = (np.arange(20_000) + 0.5) / 20_000


@given(st.lists(st.integers(1, 60), min_size=1, max_size=60), st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_a_smooth_law_repeats_no_seldom_value_and_stays_near(repeats: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    distinct = np.unique(np.floor(rng.lognormal(15, 2, len(repeats))))
    counts = np.array(repeats[: len(distinct)])
    values = np.repeat(distinct, counts)
    law = table_law(values, resolution=1.0)
    drawn = smooth(law, len(values)).quantile(U)
    shares = np.array([np.mean(drawn == value) for value in distinct])
    assert np.all(shares[counts < FEWEST] <= 0.005)
    often = counts >= 2 * FEWEST
    assert shares[often] == pytest.approx(counts[often] / len(values), abs=2 * FEWEST / len(values))
    if len(values) >= FEWEST:
        at = np.searchsorted(np.sort(drawn), distinct, side="right") / len(drawn)
        assert np.max(np.abs(at - np.cumsum(counts) / len(values))) <= 3 * FEWEST / len(values)


def test_one_value_stays_where_enough_rows_have_it() -> None:
    law = ConstantLaw(value=86_400.0)
    assert smooth(law, FEWEST) == law
    around = smooth(law, 1).quantile(U)
    assert (around.min(), np.median(around), around.max()) == pytest.approx((43_200, 86_400, 172_800), rel=0.01)
    assert smooth(ConstantLaw(value=0.0), 1) == ConstantLaw(value=0.0)


def test_combinations_lose_columns_until_they_are_common() -> None:
    counted = pl.DataFrame({"a": ["x", "x", "x", "y", "y"], "b": [1, 2, 3, 1, 2], "n": [9, 2, 3, 1, 1]})
    rows = set(common(counted, ("b", "a"), "n").rows())
    assert rows == {("x", 1, 9), ("x", None, 5), (None, None, 2)}
    assert set(common(counted, (), "n").rows()) == set(counted.rows())
