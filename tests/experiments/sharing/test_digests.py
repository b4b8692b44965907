"""Hashes of values: the same however a table is cut and stored, another one whatever is changed in it."""

from __future__ import annotations

import io
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipesim.experiments.sharing.digests import hash_of_values

SCHEMA = {
    "text": pl.String(), "whole": pl.Int64(), "number": pl.Float64(), "truth": pl.Boolean(), "instant": pl.Datetime("us"),
    "waits": pl.List(pl.Float64()), "pools": pl.List(pl.Struct({"pool": pl.String(), "part": pl.Float64()})),
}  # fmt: skip
NUMBER = st.floats(allow_nan=False).map(lambda number: number + 0.0)  # without -0.0, which equals 0.0 in other bits
ROW = st.fixed_dictionaries(
    {
        "text": st.none() | st.text(max_size=4),
        "whole": st.none() | st.integers(-5, 5),
        "number": st.none() | NUMBER,
        "truth": st.none() | st.booleans(),
        "instant": st.none() | st.datetimes(),
        "waits": st.none() | st.lists(st.none() | NUMBER, max_size=3),
        "pools": st.none()
        | st.lists(st.fixed_dictionaries({"pool": st.text(max_size=2), "part": st.none() | NUMBER}), max_size=2),
    }
)


def _frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=SCHEMA)


@given(st.lists(ROW, max_size=6), st.integers(0, 6))
def test_neither_chunks_nor_encoding_matter(rows: list[dict[str, Any]], cut: int) -> None:
    frame = _frame(rows)
    expected = hash_of_values(frame)
    assert hash_of_values(pl.concat([frame[:cut], frame[cut:]], rechunk=False)) == expected
    stored = io.BytesIO()
    frame.write_parquet(stored, compression="snappy", row_group_size=2)
    stored.seek(0)
    assert hash_of_values(pl.read_parquet(stored)) == expected


@given(st.lists(ROW, max_size=4), st.lists(ROW, max_size=4))
def test_only_equal_tables_have_one_hash(rows: list[dict[str, Any]], others: list[dict[str, Any]]) -> None:
    frame, other = _frame(rows), _frame(others)
    assert (hash_of_values(frame) == hash_of_values(other)) == frame.equals(other)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("text", "ac"), ("text", None), ("text", ""), ("whole", 0), ("whole", None), ("number", 2.0000000000000004),
        ("truth", False), ("truth", None), ("waits", [1.0]), ("waits", [1.0, 0.0]), ("waits", []), ("waits", None),
        ("pools", [{"pool": "q", "part": 0.5}]), ("pools", [{"pool": "p", "part": None}]),
    ],
)  # fmt: skip
def test_a_single_other_value_is_another_hash(column: str, value: object) -> None:
    row = {"text": "ab", "whole": 1, "number": 2.0, "truth": True, "waits": [1.0, None], "pools": [{"pool": "p", "part": 0.5}]}
    assert hash_of_values(_frame([row])) != hash_of_values(_frame([{**row, column: value}]))


def test_where_a_value_stands_matters() -> None:
    frame = pl.DataFrame({"a": ["x", "yz"], "b": ["", "w"]})
    others = [
        frame.reverse(),
        frame.select("b", "a"),
        frame.rename({"a": "c"}),
        pl.DataFrame({"a": ["xy", "z"], "b": ["", "w"]}),
    ]
    assert len({hash_of_values(each) for each in (frame, *others)}) == 5
    whole = pl.DataFrame({"a": [1]})
    assert hash_of_values(whole) != hash_of_values(whole.cast(pl.Float64))
