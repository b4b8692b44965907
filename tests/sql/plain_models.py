"""How good the models are, and what keeping them fresh costs, in plain Python."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tests.sql.handmade import CARBON, Tables
from tests.sql.plain import Reference, Row, between, grouped, known, mean, quantile, ratio, retraining, seconds, total
from tests.sql.plain_usage import billed, held_resources


def retraining_runs(t: Tables) -> Reference:
    return {(r["run_id"],): {} for r in retraining(t)}


def measured(t: Tables, phase: str, name: str, model: str, version: str) -> list[Row]:
    """The measurements of one metric of one version that have a value, in their order of time and step."""
    rows = [
        m
        for m in t["model_metrics"]
        if (m["phase"], m["metric"], m["model_id"], m["version"]) == (phase, name, model, version) and m["value"] is not None
    ]
    return sorted(rows, key=lambda m: (m["measured_at"], m["step"]))


def end_of(t: Tables) -> datetime:
    instants: list[datetime] = [r["observed_until"] for r in t["pipeline_runs"]]
    instants += [m["measured_at"] for m in t["model_metrics"]]
    return max(instants)


def in_turn(row: Row) -> tuple[Any, ...]:
    """Where a version comes among those that went live at its instant."""
    number = int(row["version"]) if row["version"].isdecimal() else None
    created = row.get("created_at")
    return (created is None, created or datetime.min, number is None, number or 0, row["version"])


def model_lifetimes(t: Tables) -> Reference:
    told = {(m["model_id"], m["version"]): m for m in t["models"]}
    versions = []
    for key in told.keys() | {(m["model_id"], m["version"]) for m in t["model_metrics"]}:
        row = told.get(key, {"model_id": key[0], "version": key[1]})
        live = [
            m["measured_at"]
            for m in t["model_metrics"]
            if (m["model_id"], m["version"], m["phase"], m["metric"]) == (*key, "live", "performance")
        ]
        versions.append({**row, "deployed_at": row.get("deployed_at") or min(live, default=None)})
    out: Reference = {}
    for (model,), rows in grouped(versions, "model_id").items():
        deployed = sorted((r for r in rows if r["deployed_at"]), key=lambda r: (r["deployed_at"], *in_turn(r)))
        for row in rows:
            place = deployed.index(row) if row in deployed else None
            later = [] if place is None else deployed[place + 1 :]
            retired = row.get("retired_at") or (later[0]["deployed_at"] if later else None)
            since = row["deployed_at"]
            out[model, row["version"]] = {
                "deployment": None if place is None else place + 1, "deployed_at": since, "retired_at": retired,
                "live_until": max(since, retired or end_of(t)) if since else None,
            }  # fmt: skip
    return out


def model_performance(t: Tables) -> Reference:
    out: Reference = {}
    for (model, version), life in model_lifetimes(t).items():
        looks = measured(t, "live", "performance", model, version)
        for look, after in zip(looks, [*(m["measured_at"] for m in looks[1:]), None][: len(looks)], strict=True):
            since, until = max(look["measured_at"], life["deployed_at"]), min(after or life["live_until"], life["live_until"])
            superseded = look["measured_at"] < life["deployed_at"] and after is not None and after <= life["deployed_at"]
            if look["measured_at"] <= life["live_until"] and not superseded:
                out[model, version, since, look["step"]] = {"valid_to": max(since, until), "performance": look["value"]}
    return out


def model_versions(t: Tables) -> Reference:
    told = {(m["model_id"], m["version"]): m for m in t["models"]}
    runs = {r["run_id"]: r for r in t["pipeline_runs"]}
    again = {r["run_id"] for r in retraining(t)}
    spells = model_performance(t)
    out: Reference = {}
    for (model, version), life in model_lifetimes(t).items():
        row = told.get((model, version), {})
        run = runs.get(row.get("produced_by_run_id"), {})
        static = {
            name: [m["value"] for m in measured(t, "static", name, model, version)] or [None]
            for name in ("performance", "robustness", "fairness", "size_bytes", "latency_ms")
        }
        live = {key: spell for key, spell in sorted(spells.items()) if key[:2] == (model, version)}
        values = [spell["performance"] for spell in live.values()] or [None]
        lasts = [seconds(spell["valid_to"] - key[2]) for key, spell in live.items()]
        exact = {
            name: max((m["value"] for m in measured(t, "live", name, model, version)), default=None)
            for name in ("live_s", "mean_performance", "below_objective_s")
        }
        out[model, version] = {
            "run_id": row.get("produced_by_run_id"), "trigger": run.get("trigger"),
            "is_retraining": run["run_id"] in again if run else None, "tenant": run.get("tenant"),
            "framework": row.get("framework"), "created_at": row.get("created_at"), "deployed_at": life["deployed_at"],
            "retired_at": life["retired_at"],
            "live_s": between(life, "deployed_at", "live_until") if exact["live_s"] is None else exact["live_s"],
            "performance_trained": static["performance"][0],
            **{name: values[-1] for name, values in static.items() if name != "size_bytes"},
            "size_bytes": row.get("size_bytes") if static["size_bytes"][-1] is None else static["size_bytes"][-1],
            "performance_deployed": values[0], "performance_last": values[-1],
            "mean_performance": (
                ratio(sum(v * s for v, s in zip(values, lasts, strict=True)), sum(lasts)) if live and exact["live_s"] is None
                else exact["mean_performance"]
            ),
            "below_objective_s": exact["below_objective_s"],
        }  # fmt: skip
    return out


def retrainings(t: Tables) -> Reference:
    lives, spells, versions, bills = model_lifetimes(t), model_performance(t), model_versions(t), billed(t)
    out: Reference = {}
    for r in retraining(t):
        model, now, cost = r["pipeline_name"], r["submitted_at"], [x for x in bills if x["run_id"] == r["run_id"]]
        waits = known(between(x, "queued_at", "started_at") for x in cost)
        live: Any = [
            (life["deployment"], version)
            for (m, version), life in lives.items()
            if m == model and now and life["deployed_at"] and life["deployed_at"] <= now
        ]
        live = max(live, default=(None, None))[1]
        if live is not None and lives[model, live]["retired_at"] is not None and lives[model, live]["retired_at"] <= now:
            live = None
        seen: Any = [(key[2:], s["performance"]) for key, s in spells.items() if key[:2] == (model, live) and key[2] <= now]
        before = max(seen, default=(None, None))[1]
        made = [(v["created_at"], version) for (m, version), v in versions.items() if (m, v["run_id"]) == (model, r["run_id"])]
        version = max(made, default=(None, None))[1]
        new = versions[model, version] if version else {"deployed_at": None, "performance_deployed": None}
        after, energy = new["performance_deployed"], float(sum(x["energy_kwh"] for x in cost))
        out[model, r["run_id"]] = {
            **{c: r[c] for c in ("trigger", "tenant", "status", "submitted_at", "ended_at")}, "attempts": len(cost),
            "with_wait": len(waits), "mean_wait_s": mean(waits), "live_version": live, "live_performance": before,
            "version": version, "deployed_at": new["deployed_at"], "performance_deployed": after,
            "gain_points": None if after is None or before is None else 100 * (after - before),
            "gpu_hours": total(x["gpu_hours"] for x in cost), "cpu_core_hours": total(x["cpu_core_hours"] for x in cost),
            "cost": float(sum(x["cost"] for x in cost)), "energy_kwh": energy, "carbon_kg": energy * CARBON / 1000,
        }  # fmt: skip
    return out


def work_waits(t: Tables) -> Reference:
    again = {r["run_id"] for r in retraining(t)}
    out: Reference = {}
    for work in ("user", "retraining"):
        attempts, runs = (
            [r for r in rows if (r["run_id"] in again) == (work == "retraining")]
            for rows in (held_resources(t), t["pipeline_runs"])
        )
        waits = known(between(x, "queued_at", "started_at") for x in attempts)
        times = known(between(r, "submitted_at", "ended_at") for r in runs)
        if attempts or runs:
            out[(work,)] = {
                "attempts": len(attempts), "with_wait": len(waits), "without_wait": len(attempts) - len(waits),
                "mean_wait_s": mean(waits), **{f"p{p}_wait_s": quantile(waits, p / 100) for p in (50, 95, 99)},
                "runs": len(runs), "with_jct": len(times), "without_jct": len(runs) - len(times), "mean_jct_s": mean(times),
                "p95_jct_s": quantile(times, 0.95), "gpu_hours": total(x["gpu_hours"] for x in attempts),
            }  # fmt: skip
    return out


def lifecycle_figures(t: Tables) -> dict[str, float | None]:
    """The key figures of a trace's models and their retraining."""
    versions, runs = [*model_versions(t).values()], [*retrainings(t).values()]
    told = [(v["mean_performance"], v["live_s"]) for v in versions if v["mean_performance"] is not None]
    below = [(v["below_objective_s"], v["live_s"]) for v in versions if v["below_objective_s"] is not None]
    live = bool(runs) or any(v["deployed_at"] for v in versions)
    return {
        "mean_model_performance": ratio(sum(m * s for m, s in told), sum(s for _, s in told)),
        "below_objective_fraction": ratio(sum(b for b, _ in below), sum(s for _, s in below)),
        "retrainings": len(runs) if live else None,
        "retraining_gpu_hours": (total(r["gpu_hours"] for r in runs) if runs else 0.0) if live else None,
        "retraining_cost_usd": sum(r["cost"] for r in runs) if live else None,
    }
