"""Sweeps: a file with several values at some keys is as many scenarios, all sound before the first is run."""

from __future__ import annotations

import json
import tempfile
from math import prod
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pipesim.catalog import snapshot_views
from pipesim.errors import ConfigError, RequestError
from pipesim.experiments.sweeps import Sweep, load_sweep, may_be_of, sweep_rows
from pipesim.experiments.sweeps import sweep as sweeping
from pipesim.lake import Lake

BASE = {
    "name": "size",
    "workload": {"kind": "synthetic", "days": 7},
    "platform": {"pools": [{"name": "training", "gpus": 8}, {"name": "c.p.u", "cpu_cores": 24}]},
}

SIZES = {"policy.checkpoint_s": {"sweep": {"from": 1, "to": 10, "step": 1}}}


def _load(folder: Path, text: str) -> Sweep:
    path = folder / "file.yaml"
    path.write_text(text, encoding="utf-8")
    return load_sweep(path)


def _problems(folder: Path, text: str) -> dict[str, str]:
    with pytest.raises(ConfigError) as caught:
        _load(folder, text).variants()
    return dict(caught.value.problems)


def test_values_are_crossed_or_go_side_by_side_and_name_their_scenarios(tmp_path: Path) -> None:
    sweep = _load(
        tmp_path,
        """
name: size
workload: {kind: synthetic, days: 7}
platform:
  pools:
    - {name: training, gpus: {sweep: {from: 200, to: 300, step: 50}}}
    - {name: compute, slots: 120, speed: {sweep: [1.0, 1.5], zip: kind}}
policy:
  order: {sweep: [fifo, "estimated_duration_s * gpus"], zip: kind}
  preemption: {sweep: [true]}
""",
    )
    assert sweep.size == 6
    variants = sweep.variants()
    assert [v.scenario.name for v in variants][:3] == [
        "size-gpus-200-speed-1-order-fifo-preemption-yes",
        "size-gpus-200-speed-1.5-order-estimated_duration_s-gpus-preemption-yes",
        "size-gpus-250-speed-1-order-fifo-preemption-yes",
    ]
    assert dict(variants[-1].values) == {
        "platform.pools.training.gpus": 300,
        "platform.pools.compute.speed": 1.5,
        "policy.order": "estimated_duration_s * gpus",
        "policy.preemption": True,
    }
    last = variants[-1].scenario
    assert (last.platform.pools[0].gpus, last.platform.pools[1].speed, last.policy.preemption) == (300, 1.5, True)


def test_what_is_swept_stands_in_the_catalogue(lake: Lake, tmp_path: Path) -> None:
    stores = [{"read_mb_per_s": 100.0, "write_mb_per_s": 50.0}, {"read_mb_per_s": 200.0, "write_mb_per_s": 50.0}]
    keys = {"policy.order": {"sweep": ["fifo", "sjf"]}, "workload.scale": {"sweep": [1, 2.5], "zip": "a"}}
    content = {**BASE, **keys, "platform.store": {"sweep": stores, "zip": "a"}}
    sweep = _load(tmp_path, yaml.safe_dump(content, sort_keys=False))
    with snapshot_views(lake) as con:
        assert con.sql("SELECT count(*) FROM simulated.sweeps").fetchall() == [(0,)]
    lake.save_experiment(sweep.name, {"sweeps": sweep_rows(sweep)})
    with snapshot_views(lake) as con:
        rows = con.sql(
            "SELECT scenario, key, position, value, number FROM simulated.sweeps WHERE scenario LIKE '%fifo%'"
        ).fetchall()
    assert ("size-scale-2.5-store-2-order-fifo", "policy.order", 0, "fifo", None) in rows
    assert ("size-scale-2.5-store-2-order-fifo", "workload.scale", 1, "2.5", 2.5) in rows
    assert [json.loads(value) for _, key, _, value, _ in sorted(rows) if key == "platform.store"] == stores
    assert len(rows) == 2 * 3


def test_a_file_without_a_sweep_is_one_scenario(tmp_path: Path) -> None:
    sweep = _load(tmp_path, yaml.safe_dump(BASE))
    (variant,) = sweep.variants()
    assert (sweep.size, variant.scenario.name, dict(variant.values)) == (1, "size", {})


def test_the_name_of_one_scenario_is_checked_as_it_stands(tmp_path: Path) -> None:
    assert "string" in _problems(tmp_path, yaml.safe_dump({**BASE, "name": 5}))["name"]
    assert "cannot be the name" in _problems(tmp_path, yaml.safe_dump({**BASE, "name": "a b", **SIZES}))["name"]


def test_a_dotted_key_says_where_it_belongs(tmp_path: Path) -> None:
    content = {**BASE, "policy.order": "sjf", "platform.pools.c.p.u.speed": {"sweep": [1, 2]}}
    variants = _load(tmp_path, yaml.safe_dump(content)).variants()
    assert [v.scenario.name for v in variants] == ["size-speed-1", "size-speed-2"]
    assert [v.scenario.platform.pools[1].speed for v in variants] == [1, 2]
    assert {v.scenario.policy.order for v in variants} == {"sjf"}


@settings(max_examples=60, deadline=None)
@given(
    first=st.integers(-1000, 1000),
    step=st.sampled_from([1, 5, 0.1, 0.25, -3]),
    count=st.integers(1, 30),
)
def test_a_range_has_both_ends_and_no_crooked_numbers(first: int, step: float, count: int) -> None:
    last = round(first + step * (count - 1), 6)
    with tempfile.TemporaryDirectory() as folder:
        content = {**BASE, "policy.checkpoint_s": {"sweep": {"from": first, "to": last, "step": step}}}
        (axis,) = _load(Path(folder), yaml.safe_dump(content)).axes
    assert axis.values == tuple(round(first + step * i, 6) for i in range(count))
    assert all(isinstance(value, int) for value in axis.values) == (isinstance(step, int) and isinstance(last, int))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_names_tell_all_scenarios_apart(sizes: list[int]) -> None:
    keys = ["platform.pools.training.gpus", "platform.pools.training.speed", "platform.pools.c.p.u.speed", "workload.scale"]
    swept = {key: {"sweep": [n + 1 for n in range(size)]} for key, size in zip(keys, sizes, strict=False)}
    base = {**BASE, "platform": {"pools": [{"name": "training", "slots": 1}, {"name": "c.p.u", "cpu_cores": 24}]}}
    with tempfile.TemporaryDirectory() as folder:
        sweep = _load(Path(folder), yaml.safe_dump({**base, **swept}))
        names = [v.scenario.name for v in sweep.variants()]
    assert len(set(names)) == len(names) == sweep.size == prod(sizes)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(["own", "a b", "a-b", "a/b", "x" * 90, "x" * 91]), min_size=1, max_size=6, unique=True))
def test_one_scenario_by_name_is_the_one_among_all(tenants: list[str]) -> None:
    side_by_side = {key: {"sweep": [1, 2], "zip": "z"} for key in ("workload.scale", "policy.checkpoint_s")}
    pools = [{"name": name, "gpus": 1} for name in ("a", "b")]
    swept = {**BASE, **side_by_side, "platform": {"sweep": [{"pools": pools[:n]} for n in (1, 2)]}}
    swept["policy"] = {"tenants": [{"name": {"sweep": tenants}}]}
    with tempfile.TemporaryDirectory() as folder:
        sweep = _load(Path(folder), yaml.safe_dump(swept, sort_keys=False))
        variants = sweep.variants()
    assert [v.scenario.name for v in variants] == list(sweep.names)
    assert [sweep.variant(name) for name in sweep.names] == variants
    assert sweep.first() == variants[0]
    assert all(name in sweep and may_be_of(name, sweep.name) for name in sweep.names)
    with pytest.raises(RequestError, match="no scenario 'size'"):
        sweep.variant("size")


def test_mistakes_of_a_sample_are_those_that_any_one_value_makes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "CHECKED_EACH", 100)
    monkeypatch.setattr(sweeping, "_DRAWN", 3)
    keys = {
        "policy.checkpoint_s": {"sweep": {"from": -1, "to": 500, "step": 1}},
        "policy.order": {"sweep": ["fifo", "sjf", "fastest-of-all"]},
        "workload.scale": {"sweep": [1, 2, 3, 4, -5], "zip": "a"},
        "workload.seed": {"sweep": [1, 2, "three", 4, 5], "zip": "a"},
    }
    sweep = _load(tmp_path, yaml.safe_dump({**BASE, "platform.store": {"read": 1}, **keys}))
    with pytest.raises(ConfigError) as caught:
        sweep.check()
    told = dict(caught.value.problems)
    assert set(told) >= {*keys, "platform.store.read"}
    assert f"scenarios that were checked of {sweep.size:,})" in told["policy.order"]
    assert "(in" not in told["platform.store.read"]


def test_long_names_end_in_a_hash_and_values_that_are_no_words_in_their_place(tmp_path: Path) -> None:
    orders = [f"estimated_duration_s * {n}" + " + gpus" * 20 for n in (1, 2)]
    variants = _load(tmp_path, yaml.safe_dump({**BASE, "policy.order": {"sweep": orders}})).variants()
    names = [v.scenario.name for v in variants]
    assert len(set(names)) == 2
    assert all(len(name) <= 100 for name in names)
    stores = [{"read_mb_per_s": speed, "write_mb_per_s": 50.0} for speed in (100.0, 200.0)]
    variants = _load(tmp_path, yaml.safe_dump({**BASE, "platform.store": {"sweep": stores}})).variants()
    assert [v.scenario.name for v in variants] == ["size-store-1", "size-store-2"]


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("policy.order", {"sweep": []}, "empty"),
        ("policy.order", {"sweep": ["fifo", "fifo"]}, "twice"),
        ("policy.order", {"sweep": "fifo"}, "list of values"),
        ("policy.order", {"sweep": ["fifo"], "step": 1}, "only `zip`"),
        ("policy.checkpoint_s", {"sweep": {"from": 1, "to": 2}}, "`from`, `to` and `step`"),
        ("policy.checkpoint_s", {"sweep": {"from": 1, "to": 2, "step": 0}}, "never comes"),
        ("policy.checkpoint_s", {"sweep": {"from": 1, "to": 2, "step": -1}}, "never comes"),
        ("policy.checkpoint_s", {"sweep": {"from": 0, "to": 1e9, "step": 0.1}}, "are the most"),
        ("policy.checkpoint_s", {"sweep": {"from": True, "to": 2, "step": 1}}, "the numbers"),
        ("platform.pools.gpu.gpus", {"sweep": [1, 2]}, "no such place"),
        ("platform.pools.training.gpus", {"sweep": [1, 2]}, "said twice"),
        ("name", {"sweep": ["a", "b"]}, "named after their values"),
        ("policy.order", {"sweep": [{"a": 1}, {"a": 1}]}, "twice"),
        ("policy.colour", {"sweep": ["red", "blue"]}, "unknown key"),
        ("policy.order", {"sweep": ["fifo", "fastest-of-all"]}, "(in 1 of 2 scenarios)"),
    ],
)
def test_mistakes_are_told_at_their_place_before_anything_runs(tmp_path: Path, key: str, value: object, says: str) -> None:
    problems = _problems(tmp_path, yaml.safe_dump({**BASE, key: value}))
    assert says in problems[key]


def test_what_goes_side_by_side_has_as_many_values_each(tmp_path: Path) -> None:
    swept = {"policy.order": {"sweep": ["fifo", "sjf"], "zip": "a"}, "workload.scale": {"sweep": [1, 2, 3], "zip": "a"}}
    (text,) = _problems(tmp_path, yaml.safe_dump({**BASE, **swept})).values()
    assert "policy.order has 2" in text
    assert "workload.scale has 3" in text


def test_mistakes_of_many_scenarios_are_told_once(tmp_path: Path) -> None:
    swept = {"policy.backfill": "sometimes", "workload.scale": {"sweep": [1, 2, 3, -1]}}
    problems = _problems(tmp_path, yaml.safe_dump({**BASE, **swept}))
    assert set(problems) == {"policy.backfill", "workload.scale"}
    assert "in 1 of 4" in problems["workload.scale"]
    assert " of 4" not in problems["policy.backfill"]
