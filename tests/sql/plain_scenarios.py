"""Key figures over replications, in plain Python: means, intervals, differences, side by side."""

from __future__ import annotations

from collections import defaultdict
from functools import cache
from itertools import product
from math import sqrt
from statistics import mean, stdev
from typing import Any

from scipy.stats import t as student

from tests.sql.handmade import STORED, Tables
from tests.sql.plain import Reference, known, ratio, total
from tests.sql.plain_models import lifecycle_figures
from tests.sql.plain_times import failed_fraction, scenario_summary
from tests.sql.plain_usage import data_moved, pool_utilization, queue_length, tenant_costs, wasted_resources
from tests.sql.plain_workload import arrivals_by_hour, duration_quantiles

UNITS = {
    "runs": "count", "tasks": "count", "attempts": "count", "runs_per_day": "runs per day", "tasks_per_run": "tasks per run",
    "attempts_per_task": "attempts per task", "failed_attempt_fraction": "0..1", "hourly_dispersion": "ratio",
    "gpu_hours": "GPU x hours", "cpu_core_hours": "core x hours", "wasted_gpu_fraction": "0..1", "cost_usd": "USD",
    "cost_per_run_usd": "USD per run", "energy_kwh": "kWh", "read_bytes_per_attempt": "bytes",
    "written_bytes_per_attempt": "bytes", "mean_model_performance": "0..1", "below_objective_fraction": "0..1",
    "retrainings": "count", "retraining_gpu_hours": "GPU x hours", "retraining_cost_usd": "USD",
}  # fmt: skip


def trace_metrics(t: Tables) -> Reference:
    (summary,) = scenario_summary(t).values()
    hourly = [row["runs"] for (hour,), row in arrivals_by_hour(t).items() if hour]
    durations = {p: row["duration_s"] for (level, _, _, p), row in duration_quantiles(t).items() if level == "all"}
    costs, wastes, moves = ([*f(t).values()] for f in (tenant_costs, wasted_resources, data_moved))
    figures: dict[str, float | None] = {
        **{name: summary[name] for name in ("runs", "tasks", "attempts", "makespan_s", "gpu_hours")},
        **{f"{q}_wait_s": summary[f"{q}_wait_s"] for q in ("mean", "p50", "p95", "p99")},
        **{f"{q}_jct_s": summary[f"{q}_jct_s"] for q in ("mean", "p50", "p95")},
        "runs_per_day": 24 * mean(hourly), "hourly_dispersion": stdev(hourly) ** 2 / mean(hourly),
        "tasks_per_run": summary["tasks"] / summary["runs"], "attempts_per_task": summary["attempts"] / summary["tasks"],
        "failed_attempt_fraction": failed_fraction(t), "p50_duration_s": durations[0.5], "p95_duration_s": durations[0.95],
        "cpu_core_hours": total(r["cpu_core_hours"] for r in costs),
        "wasted_gpu_fraction": ratio(total(r["wasted_gpu_hours"] for r in wastes), total(r["gpu_hours"] for r in wastes)),
        "cost_usd": sum(r["cost"] for r in costs), "cost_per_run_usd": sum(r["cost"] for r in costs) / summary["runs"],
        "energy_kwh": sum(r["energy_kwh"] for r in costs), **lifecycle_figures(t),
        **{
            f"{bytes_}_per_attempt": ratio(total(r[bytes_] for r in moves), sum(r[f"with_{bytes_}"] for r in moves))
            for bytes_ in ("read_bytes", "written_bytes")
        },
    }  # fmt: skip
    units = {name: UNITS.get(name, "seconds") for name in figures}
    for column, rows, unit in (("utilization", pool_utilization(t), "fraction"), ("mean_waiting", queue_length(t), "tasks")):
        for pool in {pool for pool, _ in rows} - {None}:
            told = [(r[column], r["seconds"]) for (p, _), r in rows.items() if p == pool and r[column] is not None]
            name = f"{column}.{pool}"
            figures[name], units[name] = ratio(sum(v * s for v, s in told), sum(s for _, s in told)), unit
    return {(name,): {"unit": units[name], "value": float(v)} for name, v in figures.items() if v is not None}


def half_width(values: list[float]) -> float | None:
    n = len(values)
    return float(student.ppf(0.975, n - 1)) * stdev(values) / sqrt(n) if n > 1 else None


def plus(a: float, b: float | None) -> float | None:
    return None if b is None else a + b


def minus(a: float, b: float | None) -> float | None:
    return None if b is None else a - b


@cache
def _figures() -> dict[tuple[str, str, str], dict[int, tuple[str, float]]]:
    """The key figures of all traces: by origin, trace and metric, the unit and the value of each replication."""
    out: dict[tuple[str, str, str], dict[int, tuple[str, float]]] = defaultdict(dict)
    for (origin, trace, replication), tables in STORED.items():
        for (metric,), row in trace_metrics(tables).items():
            out[origin, trace, metric][replication] = (row["unit"], row["value"])
    return out


def scenario_intervals() -> Reference:
    out: Reference = {}
    for key, told in _figures().items():
        values = [value for _, value in told.values()]
        middle, width = mean(values), half_width(values)
        out[key] = {
            "unit": next(iter(told.values()))[0], "replications": len(values), "mean": middle,
            "sd": stdev(values) if len(values) > 1 else None, "half_width": width, "ci95_low": minus(middle, width),
            "ci95_high": plus(middle, width), "relative_half_width": ratio(width, abs(middle)), "minimum": min(values),
            "maximum": max(values),
        }  # fmt: skip
    return out


def compared(scenario: dict[int, float], baseline: dict[int, float]) -> dict[str, Any]:
    shared = sorted(scenario.keys() & baseline.keys())
    differences = [scenario[r] - baseline[r] for r in shared]
    middle, width, base = mean(differences), half_width(differences), mean(baseline[r] for r in shared)
    low, high = minus(middle, width), plus(middle, width)
    finding = None
    if low is not None and high is not None:
        finding = "higher" if low > 0 else "lower" if high < 0 else "no difference found"
    return {
        "pairs": len(shared), "baseline_mean": base, "scenario_mean": mean(scenario[r] for r in shared),
        "mean_difference": middle, "sd_difference": stdev(differences) if len(shared) > 1 else None, "ci95_low": low,
        "ci95_high": high, "relative_difference": ratio(middle, abs(base)), "finding": finding,
    }  # fmt: skip


def scenario_comparison() -> Reference:
    figures = {key[1:]: told for key, told in _figures().items() if key[0] == "simulated"}
    out: Reference = {}
    for (scenario, metric), told in figures.items():
        if scenario != "fifo" and ("fifo", metric) in figures:
            values, base = ({r: v for r, (_, v) in f.items()} for f in (told, figures["fifo", metric]))
            out[scenario, "fifo", metric] = {"unit": told[0][0], **compared(values, base)}
    return out


def side_by_side() -> Reference:
    means = {key: (row["unit"], row["mean"]) for key, row in scenario_intervals().items()}
    traces = {origin: {t for o, t, _ in means if o == origin} for origin in ("synthetic", "simulated")}
    out: Reference = {}
    for metric, synthetic, scenario in product({m for _, _, m in means}, traces["synthetic"], traces["simulated"]):
        keys = (("observed", "observed", metric), ("synthetic", synthetic, metric), ("simulated", scenario, metric))
        real, drawn, ran = (means.get(key, (None, None))[1] for key in keys)
        out[metric, synthetic, scenario] = {
            "unit": next(unit for key in keys for unit in known([means.get(key, (None, None))[0]])),
            "observed": real, "synthetic": drawn, "simulated": ran, "synthetic_over_observed": ratio(drawn, real),
            "simulated_over_observed": ratio(ran, real), "simulated_over_synthetic": ratio(ran, drawn),
        }  # fmt: skip
    return out
