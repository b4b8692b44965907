"""Money, energy and carbon of cases worked by hand."""

import pytest

from pipesim.simulation import Scenario, simulate
from pipesim.simulation.costs import Bill

HOUR = 3600
RATES = {"per_h": 2.0, "per_used_h": 1.0, "kwh_per_h": 0.1, "kwh_per_used_h": 0.4}
# 4 GPUs for an hour, then 2, of which 3 are held for an hour more: 4 + 3 + 2 GPU-hours provisioned.
SHRINKS = {
    "name": "g", "gpus": 4, "cost": RATES,
    "timetable": {"steps": [{"from_h": 0, "share": 1}, {"from_h": 1, "share": 0.5}]},
}  # fmt: skip
# From 0 to 2 h 3 GPUs, from 0 to .5 h one, from 2 to 3 h two: 6 + .5 + 2 GPU-hours held.
WORK = [(2, {"gpus": 3.0}), (0.5, {"gpus": 1.0}), (1, {"gpus": 2.0})]


def summary(trace_of, pool, work=WORK, **parts):
    runs = [{"submitted": 0, "tasks": [{"attempts": [(h * HOUR, "SUCCEEDED")], **columns}]} for h, columns in work]
    platform = {"pools": [pool] if isinstance(pool, dict) else pool, **parts.pop("platform", {})}
    return simulate(trace_of(runs), Scenario(name="s", platform=platform, **parts), engine="reference").summary


def carbon(*steps, period_h=None):
    return {"carbon": {"steps": [{"from_h": h, "g_per_kwh": g} for h, g in steps], "period_h": period_h}}


def test_a_pool_that_shrinks_under_what_it_holds_while_electricity_gets_dirtier(trace_of):
    """Until 1.5 h 5.5 GPU-hours are provisioned and 5 held, then 3.5 and 3.5, at 100 and 400 g/kWh."""
    found = summary(trace_of, SHRINKS, platform=carbon((0, 100), (1.5, 400)))
    assert found.cost == pytest.approx(2 * 9 + 8.5, rel=1e-12)
    assert found.energy_kwh == pytest.approx(0.1 * 9 + 0.4 * 8.5, rel=1e-12)
    assert found.carbon_kg == pytest.approx((0.1 * (550 + 1400) + 0.4 * (500 + 1400)) / 1000, rel=1e-12)
    assert found.bills == {"g": Bill(found.cost, found.energy_kwh, found.carbon_kg)}
    assert found.utilization == {"g": 8.5 / 9}
    assert found.provisioned == {"g": 3.0}


def test_only_what_comes_from_the_warm_up_on_is_charged(trace_of):
    """From 1 h on: 5 GPU-hours provisioned, 5 held, half an hour of it (1.5 and 1.5) at 100 g/kWh."""
    found = summary(trace_of, SHRINKS, platform=carbon((0, 100), (1.5, 400)), warmup_days=1 / 24)
    assert found.cost == pytest.approx(2 * 5 + 5, rel=1e-12)
    assert found.carbon_kg == pytest.approx(0.5 * (1.5 * 100 + 3.5 * 400) / 1000, rel=1e-12)
    assert found.utilization == {"g": 1.0}


def test_the_steps_of_carbon_begin_again(trace_of):
    """Every two hours from Monday, 0:00: an hour at 100 g/kWh, an hour at 300."""
    found = summary(trace_of, {"name": "g", "gpus": 4, "cost": RATES}, platform=carbon((0, 100), (1, 300), period_h=2))
    # 4 GPUs from 0 to 3 h: 3 at 0 h and 1 for half an hour, 3 at 1 h, 2 at 2 h. One and a half cycles.
    held_g = 3.5 * 100 + 3 * 300 + 2 * 100
    assert found.carbon_kg == pytest.approx((0.1 * 4 * (100 + 300 + 100) + 0.4 * held_g) / 1000, rel=1e-12)


def test_memory_is_charged_by_the_gigabyte_and_pools_without_rates_cost_nothing(trace_of):
    pools = [{"name": "m", "memory_gb": 8, "cost": {"per_h": 1.0, "per_used_h": 10.0}}, {"name": "g", "gpus": 4}]
    found = summary(trace_of, pools, [(1, {"memory_bytes": 2 * 10**9, "pool": "m"}), (2, {"gpus": 1.0})])
    assert found.cost == pytest.approx(8 * 2 + 10 * 2, rel=1e-12)
    assert (list(found.bills), found.energy_kwh, found.carbon_kg) == (["m"], 0.0, None)
    assert found.asked == ("cost", "energy_kwh", "bills")
