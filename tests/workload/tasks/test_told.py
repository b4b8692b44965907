from __future__ import annotations

from dataclasses import astuple

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipesim.errors import RequestError
from pipesim.workload.tasks.attempts import LEAF
from pipesim.workload.tasks.told import tell

STATUS = ("SUCCEEDED", "FAILED", "RUNNING", "PENDING")


def attempts(rows: int, seed: int, statuses: tuple[str, ...] = STATUS) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    frame = pl.DataFrame({c: rng.choice(["a", "b"], rows) for c in LEAF}, schema=dict.fromkeys(LEAF, pl.String))
    status = pl.Series("status", rng.choice(statuses, rows), pl.String)
    seconds = pl.when(status != "PENDING").then(pl.Series(rng.lognormal(0, 1, rows)))
    return frame.with_columns(pl.col("tenant").replace("b", None), status, seconds=seconds).with_columns(
        natural=pl.col("status") == "SUCCEEDED", censored=pl.col("status") == "RUNNING"
    )


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 60), st.integers(0, 60), st.integers(0, 2**32 - 1))
def test_batches_tell_what_all_rows_tell_together(rows: int, cut: int, seed: int) -> None:
    frame = attempts(rows + 1, seed).with_columns(natural=pl.col("natural") | (pl.int_range(pl.len()) == 0))
    frame = frame.with_columns(seconds=pl.col("seconds").fill_null(1.0), censored=pl.col("censored") & ~pl.col("natural"))
    one, two = tell([frame]), tell([frame[:cut], frame[cut:]])
    assert all(np.array_equal(a, b) for a, b in zip(astuple(one), astuple(two), strict=True))
    assert one.leaves == frame.select(LEAF).unique().sort(LEAF).rows()
    used = frame.filter(pl.col("natural") | pl.col("censored"))
    assert np.array_equal(one.seconds, used["seconds"].to_numpy())
    assert [one.leaves[i] for i in one.leaf] == used.select(LEAF).rows()
    assert not one.unsuccessful


def test_where_nothing_succeeded_what_failed_tells() -> None:
    frame = attempts(200, 1, ("FAILED", "RUNNING", "PENDING"))
    told = tell([frame])
    assert told.unsuccessful
    assert not told.censored.any()
    assert np.array_equal(told.seconds, frame.filter(pl.col("status") == "FAILED")["seconds"].to_numpy())


def test_a_log_that_tells_nothing_is_refused() -> None:
    with pytest.raises(RequestError, match="no attempt in the log has ended"):
        tell([attempts(50, 1, ("RUNNING", "PENDING"))])
