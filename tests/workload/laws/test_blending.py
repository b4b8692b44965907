from __future__ import annotations

import warnings

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipesim.workload.laws.blending import blend
from pipesim.workload.laws.law import ConstantLaw, FamilyLaw, Floats, Law, QuantileLaw, table_law

BORROWED = FamilyLaw(family="lognorm", shapes=(1.0,), scale=100.0, zero=0.0, maximum=1e7, below_maximum=1.0)
U = (np.arange(1_000) + 0.5) / 1_000


def rows(n: int, seed: int, median: float = 100.0, sd: float = 1.0) -> Floats:
    return median * np.random.default_rng(seed).lognormal(0.0, sd, n)


def blended(values: Floats, borrowed: Law = BORROWED, censored: np.ndarray | None = None) -> QuantileLaw | None:
    return blend(values, np.zeros(len(values), dtype=bool) if censored is None else censored, borrowed)


def off(law: Law, median: float, sd: float) -> float:
    """Return the mean distance of the logarithms of quantiles to those of a lognormal law."""
    truth = FamilyLaw(family="lognorm", shapes=(sd,), scale=median, zero=0.0, maximum=1e12, below_maximum=1.0)
    return float(np.mean(np.abs(np.log(law.quantile(U) / truth.quantile(U)))))


def test_rows_of_the_borrowed_law_borrow_it() -> None:
    assert sum(blended(rows(n, 100 * n + seed)) is not None for n in (5, 20, 45) for seed in range(60)) <= 5


def test_the_blend_is_nearer_to_the_truth_than_either() -> None:
    for n in (8, 20, 40):
        distances = []
        for seed in range(60):
            own = rows(n, seed, median=400.0, sd=1.2)
            law = blended(own)
            if law is not None:
                distances.append([off(one, 400.0, 1.2) for one in (law, BORROWED, table_law(own))])
        mine, borrowed, alone = np.mean(distances, axis=0)
        assert len(distances) > 30
        assert mine < 0.4 * borrowed
        assert mine < alone


def test_whole_minutes_stay_whole_minutes() -> None:
    borrowed = BORROWED.model_copy(update={"resolution": 60.0})
    values = np.floor(rows(30, 1, median=5_000.0) / 60) * 60
    law = blended(values, borrowed)
    assert law is not None
    drawn = law.quantile(U)
    assert np.all(drawn % 60 == 0)
    assert np.median(drawn) > 2_000


def test_lower_bounds_lengthen_the_blend() -> None:
    values = rows(40, 3, median=5_000.0)
    censored = np.arange(40) % 3 == 0
    with_bounds, without = blended(values, censored=censored), blended(values[~censored])
    assert with_bounds is not None
    assert without is not None
    assert with_bounds.quantile(U).mean() > without.quantile(U).mean()


def test_too_few_rows_and_constants_are_not_blended() -> None:
    assert blended(np.full(4, 9e5)) is None
    assert blended(rows(30, 4, median=5_000.0), ConstantLaw(value=3.0)) is None


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.one_of(st.just(0.0), st.floats(1e-9, 1e12)), min_size=5, max_size=49),
    st.sampled_from([None, 1.0, 60.0]),
    st.floats(0.0, 0.5),
)
def test_any_few_rows_have_a_law(values: list[float], unit: float | None, zero: float) -> None:
    borrowed = BORROWED.model_copy(update={"resolution": unit, "zero": zero})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        law = blended(np.array(values), borrowed)
        drawn = U if law is None else law.quantile(U)
    assert np.all(np.isfinite(drawn))
    assert np.all(np.diff(drawn) >= 0)
    assert drawn[0] >= 0
    assert drawn[-1] <= 1.2 * max(*values, borrowed.maximum)
