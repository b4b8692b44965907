from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipesim.errors import RequestError
from pipesim.streams import stream
from pipesim.workload import fit
from pipesim.workload.laws import choice
from pipesim.workload.tasks import durations
from pipesim.workload.tasks.durations import DurationCell, cell_index, fit_durations
from pipesim.workload.tasks.kinds import Kind
from pipesim.workload.tasks.told import tell


@pytest.fixture(autouse=True, scope="module")
def _no_screening() -> Iterator[None]:
    """Families are fitted without fitter's advice, which takes most of the time of a small cell."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (choice, durations):
            patch.setattr(module, "screen", lambda *_: [])
        yield


def attempts(*groups: tuple[str, str, str, str | None, np.ndarray]) -> pl.DataFrame:
    """Attempts that all succeeded: task type, framework, size, tenant and seconds of each group."""
    parts = [
        pl.DataFrame({"seconds": seconds}).with_columns(
            task_type=pl.lit(t), framework=pl.lit(f), size=pl.lit(s), tenant=pl.lit(v, dtype=pl.String)
        )
        for t, f, s, v, seconds in groups
    ]
    return pl.concat(parts).with_columns(natural=pl.lit(True), censored=pl.lit(False), status=pl.lit("SUCCEEDED"))


def fitted(*groups: tuple[str, str, str, str | None, np.ndarray]) -> dict[str, DurationCell]:
    cells, notes = fit_durations(tell([attempts(*groups)]), partial(stream, 0))
    assert notes == []
    assert all(cells[c.uses].choice is not None for c in cells if c.level in ("tenant", "size"))
    assert all(cells[c.uses].uses == c.uses for c in cells)
    assert all((i in c.shared_by) == (d.uses == j and i != j) for j, c in enumerate(cells) for i, d in enumerate(cells))
    return {c.name: c.model_copy(update={"reason": f"{cells[c.uses].name}: {c.reason}"}) for c in cells}


def lognormal(rows: int, median: float, seed: int) -> np.ndarray:
    return median * np.random.default_rng(seed).lognormal(0, 1, rows)


def home(cell: DurationCell) -> str:
    return cell.reason.split(":")[0]


def test_tenants_divide_a_cell_only_where_a_test_tells_them_apart() -> None:
    alike = fitted(*(("train", "TF", "1", t, lognormal(300, 100, i)) for i, t in enumerate("abc")))
    assert {home(c) for c in alike.values() if c.level != "all"} == {"train"}
    cells = fitted(
        ("train", "TF", "1", "a", lognormal(400, 100, 1)),
        ("train", "TF", "1", "b", lognormal(300, 100, 2)),
        ("train", "TF", "1", "c", lognormal(300, 900, 3)),
        ("train", "TF", "1", "few", lognormal(20, 100, 4)),
        ("train", "TF", "1", None, lognormal(60, 100, 5)),
        ("train", "TF", "2", "a", lognormal(200, 5_000, 6)),
    )
    assert {n: home(c) for n, c in cells.items() if c.level == "tenant"} == {
        "train/TF/1/a": "train/TF/1/a",
        "train/TF/1/b": "train/TF/1/a",
        "train/TF/1/c": "train/TF/1/c",
        "train/TF/2/a": "train/TF/2",
    }
    holder = cells["train/TF/1/a"].choice
    assert holder is not None
    assert holder.rows == 700
    assert home(cells["train/TF/1"]) == "train/TF/1"
    assert cells["train/TF/1/b"].reason.endswith("but not from train/TF/1/a")


def test_sizes_and_frameworks_are_merged_by_the_same_rule() -> None:
    sizes = fitted(
        ("train", "TF", "1", None, lognormal(500, 100, 1)),
        ("train", "TF", "2", None, lognormal(400, 100, 2)),
        ("train", "TF", "4", None, lognormal(300, 700, 3)),
        ("train", "PT", "1", None, lognormal(300, 100, 4)),
        ("eval", "TF", "1", None, lognormal(300, 9, 5)),
        ("eval", "PT", "1", None, lognormal(300, 9, 2)),
        ("eval", "PT", "2", None, lognormal(300, 9, 8)),
    )
    assert {n: home(c) for n, c in sizes.items() if c.level == "size"} == {
        "train/TF/1": "train/TF/1",
        "train/TF/2": "train/TF/1",
        "train/TF/4": "train/TF/4",
        "train/PT/1": "train/PT",
        "eval/TF/1": "eval",
        "eval/PT/1": "eval",
        "eval/PT/2": "eval",
    }


def test_a_cell_of_few_rows_uses_its_parent_and_other_rows_count_as_one_sibling() -> None:
    cells = fitted(
        ("train", "TF", "1", None, lognormal(60, 100, 1)),
        *(("train", "TF", str(2**i), None, lognormal(40, 400, i)) for i in range(1, 9)),
    )
    assert home(cells["train/TF/1"]) == "train/TF/1"
    assert cells["train/TF/2"].reason == "train/TF: 40 exact rows, fewer than 50: its parent serves"


def test_few_rows_that_a_test_tells_from_their_parent_have_a_law_between() -> None:
    groups = (
        ("train", "TF", "1", None, lognormal(2_000, 100, 1)),
        ("train", "TF", "32", None, lognormal(30, 9_000, 2)),
        ("train", "PT", "1", None, lognormal(20, 9_000, 3)),
        ("train", "PT", "2", None, lognormal(20, 9_000, 4)),
        ("train", "JAX", "2", None, lognormal(4, 9_000, 5)),
        ("train", "JAX", "4", None, lognormal(9, 1, 6)),
        ("deploy", "TF", "1", None, lognormal(25, 1, 7)),
    )
    cells = fitted(*groups)
    # What few rows of a type or framework have in common is told first; its parts then cannot be told from that.
    assert {n: home(c) for n, c in cells.items() if c.level == "size"} == {
        "train/TF/1": "train/TF",
        "train/TF/32": "train/TF/32",
        "train/PT/1": "train/PT",
        "train/PT/2": "train/PT",
        "train/JAX/2": "train/JAX",
        "train/JAX/4": "train/JAX",
        "deploy/TF/1": "deploy",
    }
    for name, rows in (("train/TF/32", 30), ("train/PT", 40)):
        choice = cells[name].choice
        assert choice is not None
        assert choice.rows == rows
        assert 2_000 < choice.law.quantile(np.array([0.5]))[0] < 10_000


def test_equal_tenants_are_hardly_ever_told_apart() -> None:
    divided = 0
    for seed in range(20):
        groups = [("t", "f", "1", str(i), np.floor(lognormal(80, 30, 100 * seed + i))) for i in range(6)]
        cells, _ = fit_durations(tell([attempts(*groups)]), partial(stream, seed))
        divided += any(c.uses == i for i, c in enumerate(cells) if c.level == "tenant")
    assert divided <= 1


@settings(max_examples=8, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_laws_are_bounded_by_rows_and_every_cell_has_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(60, 700))
    columns = {c: rng.integers(0, rng.integers(1, 4), n).astype(str) for c in ("task_type", "framework", "size", "tenant")}
    scale = 10.0 ** sum(columns[c].astype(int) for c in rng.choice(list(columns), 2, replace=False))
    frame = pl.DataFrame(columns | {"seconds": np.floor(scale * rng.lognormal(0, 1, n)), "natural": rng.random(n) < 0.7})
    frame = frame.with_columns(pl.col("tenant").replace("2", None), censored=~pl.col("natural"), status=pl.lit("UNKNOWN"))
    cells, _ = fit_durations(tell([frame]), partial(stream, 0))
    again, _ = fit_durations(tell([frame[:50], frame[50:].reverse()]), partial(stream, 0))
    assert cells == again
    laws = [c.choice for c in cells if c.choice is not None]
    assert all(cells[c.uses].choice is not None for c in cells if c.level in ("tenant", "size"))
    assert all(law.rows - law.censored >= (50 if law.scores else 5) for law in laws) or len(laws) == 1
    known = [c for c in cells if c.level == "size"]
    assert sum(c.rows + c.censored for c in known) == n


def test_a_lookup_of_cells_by_demand_and_tenant(job_trace: Any) -> None:
    n = 400
    tenant = np.where(np.arange(n) % 2 == 0, "a", "b")
    seconds = np.where(tenant == "a", 1.0, 50.0) * np.random.default_rng(1).lognormal(0, 1, n)
    model = fit(job_trace(seconds, tenant=tenant, gpus=np.where(np.arange(n) < 30, 8.0, 1.0)))
    table = cell_index(model.durations, model.kinds, ["a", "b", "new", None])
    sizes = [s for k in model.kinds for s in k.demands.size]
    assert table.shape == (len(sizes), 4)
    one, eight = table[sizes.index("1")], table[sizes.index("8")]
    names = [model.durations[i].name for i in one]
    assert names == ["train/-/1/a", "train/-/1/b", "train/-/1", "train/-/1"]
    assert len(set(eight)) == 1
    medians = [model.durations[i].choice.law.quantile(np.array([0.5]))[0] for i in one[:2]]  # type: ignore[union-attr]
    assert medians == pytest.approx([1.0, 50.0], rel=0.3)
    unseen = Kind.model_validate(model.kinds[0].model_dump() | {"task_type": "deploy"})
    with pytest.raises(RequestError, match="deploy"):
        cell_index([c for c in model.durations if c.level != "all"], [unseen], ["a"])
