"""The command line: exit codes, JSON on stdout and nothing else, errors with a place and a remedy."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from pipesim import __version__, cli

Cli = Callable[..., tuple[int, str, str]]

JOBS = "\n".join(
    ["run_id,task_id,task_name,task_type,status,duration_s,queued_at,gpus"]
    + [f"r{i},t,train,train,ok,{60 + i},2026-03-0{1 + i % 7}T0{i % 9}:00:00Z,{1 + i % 2}" for i in range(40)]
)
RUNS = "\n".join(
    ["run_id,pipeline_name,status,submitted_at"] + [f"r{i},p,ok,2026-03-0{1 + i % 7}T0{i % 9}:00:00Z" for i in range(40)]
)
SCENARIO = """\
name: two-gpus
workload: {kind: replay}
platform:
  pools: [{name: training, gpus: 2}]
policy: {order: fifo, backfill: none}
"""


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Run the command line as a user would, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PIPESIM_HOME", raising=False)

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["pipesim", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        captured = capsys.readouterr()
        return int(stopped.value.code or 0), captured.out, captured.err

    return call


@pytest.fixture
def ask(run: Cli) -> Callable[..., dict[str, Any]]:
    """Run a command that must succeed with `--json` and return its one object."""

    def call(*arguments: object) -> dict[str, Any]:
        code, out, err = run(*arguments, "--json")
        assert code == 0, err
        answer = json.loads(out)
        assert isinstance(answer, dict)
        return answer

    return call


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    (folder / "task_runs.csv").write_text(JOBS + "\n")
    (folder / "pipeline_runs.csv").write_text(RUNS + "\n")
    return folder


def test_the_whole_path_answers_with_the_documented_keys(
    ask: Callable[..., dict[str, Any]], logs: Path, tmp_path: Path
) -> None:
    ingested = ask("ingest", logs, "--source", "native")
    assert set(ingested) == {"files", "lines", "rows", "valid", "duplicates", "quarantined", "blank_or_header", "seconds"}
    assert ingested["rows"] == {"pipeline_runs": 40, "task_runs": 40}
    assert (ingested["lines"], ingested["valid"], ingested["blank_or_header"]) == (82, 80, 2)

    fitted = ask("fit", "--arrivals", "poisson")
    assert set(fitted) == {"model", "rows", "cells", "seconds"}
    assert (tmp_path / "pipesim_home" / "models" / f"{fitted['model']}.json").is_file()

    made = ask("synthesize", "--days", 7, "--scale", 2, "--seed", 5)
    assert set(made) == {"trace", "pipelines", "tasks", "seconds"}
    assert made["tasks"] == made["pipelines"] > 40

    (tmp_path / "replay.yaml").write_text(SCENARIO)
    (tmp_path / "synthetic.yaml").write_text(
        SCENARIO.replace("two-gpus", "drawn").replace("{kind: replay}", "{kind: synthetic, days: 7, scale: 2, seed: 5}")
    )
    runs = ask("simulate", tmp_path / "replay.yaml", tmp_path / "synthetic.yaml", "--replications", 2, "--workers", 1)["runs"]
    assert [(r["scenario"], r["replication"]) for r in runs] == [("two-gpus", 0), ("two-gpus", 1), ("drawn", 0), ("drawn", 1)]
    assert set(runs[0]) == {
        "scenario", "replication", "engine", "pipelines", "tasks", "mean_wait_s", "p50_wait_s", "p95_wait_s", "p99_wait_s",
        "mean_jct_s", "p95_jct_s", "makespan_s", "utilization", "engine_seconds", "seconds",
    }  # fmt: skip
    assert runs[0]["tasks"] == 40
    assert runs[2]["tasks"] == made["tasks"] != runs[3]["tasks"], "replication 0 is the synthetic trace, others are their own"
    assert all(0 < r["utilization"]["training"] <= 1 for r in runs)

    tables = ask("analyze")["tables"]
    assert tables["scenario_summary"] == 1 + 1 + 4
    assert Path(ask("report")["report"]).read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    answer = ask(
        "sql", "SELECT origin, count(*) AS n, NULL AS nothing, 'NaN'::DOUBLE AS x FROM traces.task_runs GROUP BY ALL ORDER BY 1"
    )
    assert answer["columns"] == ["origin", "n", "nothing", "x"]
    assert answer["rows"][0] == ["observed", 40, None, None]

    exported = ask("export", tmp_path / "all.duckdb")
    assert set(exported) == {"file", "tables", "bytes", "seconds"}
    assert exported["tables"]["observed.task_runs"] == 40
    assert exported["tables"]["analytics.scenario_summary"] == 1 + 1 + 4


def test_commands_say_in_words_what_they_did(run: Cli, logs: Path, tmp_path: Path) -> None:
    assert "40 pipeline_runs" in run("ingest", logs, "--source", "native")[1]
    code, _, err = run("ingest", logs, "--source", "native")
    assert (code, err.count("known already")) == (0, 2)
    (tmp_path / "s.yaml").write_text(SCENARIO)
    code, out, _ = run("simulate", tmp_path / "s.yaml")
    assert code == 0
    assert "two-gpus" in out
    assert "training" in out
    assert run("--version")[:2] == (0, f"{__version__}\n")
    assert "ingest" in run("--help")[1]


def test_workers_change_nothing(ask: Callable[..., dict[str, Any]], logs: Path, tmp_path: Path) -> None:
    ask("ingest", logs, "--source", "native")
    (tmp_path / "s.yaml").write_text(SCENARIO)
    timings = ("seconds", "engine_seconds")
    one, two = (ask("simulate", tmp_path / "s.yaml", "--replications", 2, "--workers", n)["runs"] for n in (1, 2))
    assert [{k: v for k, v in r.items() if k not in timings} for r in one] == [
        {k: v for k, v in r.items() if k not in timings} for r in two
    ]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["ingest", "nowhere.csv", "--source", "native"], ["nowhere.csv", "no such file"]),
        (["ingest", "logs", "--source", "excel"], ["--source", "excel", "native"]),
        (["ingest", "logs"], ["--source"]),
        (["fit", "--arrivals", "magic"], ["--arrivals", "hour-of-week"]),
        (
            ["fit", "--marks", "nearest"],
            ["--marks: there is no 'nearest'", "choose from: same-day, hour-octave, independent, auto"],
        ),
        (["fit", "--window", "yesterday"], ["--window: 'yesterday'", "such as 2026-03-02..2026-03-29"]),
        (["fit", "--arrivals", "magic", "--marks", "nearest"], ["--arrivals: there is no 'magic'", "--marks: there is no"]),
        (["quality", "--seeds", "0"], ["--seeds: 0 is too small", "-> give 1 or more"]),
        (["quality", "--seeds", "2000"], ["--seeds: 2000 is too large", "-> give 1,000 or less"]),
        (["fit"], ["no pipeline runs", "ingest"]),
        (["synthesize"], ["--days"]),
        (["synthesize", "--days", "7", "--seed", "-1"], ["--seed: -1 is too small", "-> give 0 or more"]),
        (["synthesize", "--days", "7"], ["no workload model", "pipesim fit"]),
        (["simulate", "none.yaml"], ["none.yaml"]),
        (["simulate", "replay.yaml"], ["nothing to replay", "ingest"]),
        (["simulate", "replay.yaml", "--engine", "magic"], ["magic", "reference"]),
        (["simulate", "replay.yaml", "replay.yaml"], ["two-gpus"]),
        (["simulate", "replay.yaml", "--replications", "0"], ["--replications"]),
        (["sql", "SELECT * FROM nowhere"], ["nowhere"]),
        (["nonsense"], ["nonsense"]),
        (["simulate", "odd.yaml"], ["odd.yaml", "unhashable"]),
        (["simulate", "deep.yaml"], ["deep.yaml", "deep"]),
        (["ingest", "old-mac.csv", "--source", "native"], ["old-mac.csv:1", "newline"]),
        (["ingest", "logs", "--source", "job-table", "--mapping", "m.yaml"], ["m.yaml", "%Q", "columns.gpus"]),
        (["sql", " "], ["nothing to run"]),
        (["synthesize", "--days", "x"], ["--days"]),
        (["report", "--name", "../escape"], ["escape"]),
        (["export"], ["FILE.duckdb"]),
        (["export", "logs"], ["logs", "folder", "->"]),
        (["export", "nowhere/all.duckdb"], ["nowhere/all.duckdb", "No such file", "->"]),
        (["export", "replay.yaml"], ["replay.yaml", "->"]),
    ],
)
def test_a_wrong_request_exits_with_2_and_says_what_where_and_how(
    run: Cli, logs: Path, tmp_path: Path, arguments: list[str], says: list[str]
) -> None:
    (tmp_path / "replay.yaml").write_text(SCENARIO)
    (tmp_path / "odd.yaml").write_text("{[a]: 1}")
    (tmp_path / "deep.yaml").write_text("[" * 20_000)
    (tmp_path / "old-mac.csv").write_bytes(b"run_id,task_id\rr,t\r")
    (tmp_path / "m.yaml").write_text("name: m\ncolumns:\n  submitted_at: {column: t, format: '%Q'}\n  gpus: {}\n")
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert all(word in err for word in says), err
    assert "Traceback" not in err


def test_all_mistakes_of_all_scenario_files_are_reported_before_anything_runs(run: Cli, logs: Path, tmp_path: Path) -> None:
    run("ingest", logs, "--source", "native")
    (tmp_path / "good.yaml").write_text(SCENARIO)
    (tmp_path / "bad.yaml").write_text(
        "name: bad\nworkload: {kind: replay}\nplatform:\n  pools: [{name: a, gpus: -4, color: red}]\npolicy: {order: best}\n"
    )
    code, out, err = run("simulate", "good.yaml", "bad.yaml", "--json")
    assert (code, out) == (2, "")
    for place in ("platform.pools.0.gpus", "platform.pools.0.color", "policy.order"):
        assert place in err
    assert not (tmp_path / "pipesim_home" / "lake" / "simulated").exists()


def test_very_many_runs_are_refused_with_how_long_they_take_once_nothing_is_wrong_with_them(
    run: Cli, logs: Path, tmp_path: Path
) -> None:
    run("ingest", logs, "--source", "native")
    order = SCENARIO.replace("order: fifo", "order: {sweep: [fifo, best]}")
    (tmp_path / "many.yaml").write_text(order.replace("gpus: 2", "gpus: {sweep: {from: 0, to: 6000, step: 1}}"))
    (tmp_path / "other.yaml").write_text(SCENARIO.replace("gpus: 2", "gpus: -1"))
    simulated = tmp_path / "pipesim_home" / "lake" / "simulated"
    for command in ("simulate", "compare"):
        code, out, err = run(command, "many.yaml", "other.yaml")
        assert (code, out) == (2, "")
        for place in ("policy.order", "platform.pools.0.gpus", "(in 6,001 of 12,002 scenarios)", "other.yaml: 1 mistake"):
            assert place in err
        assert not simulated.exists()
    (tmp_path / "many.yaml").write_text(SCENARIO + "replications: {sweep: [2, 10000]}\n")
    code, _, err = run("simulate", "many.yaml")
    assert code == 2
    assert "2 scenarios, 10,002 runs in all: about" in err
    assert "say --yes" in err
    code, _, err = run("simulate", "many.yaml", "many.yaml")
    assert "two scenarios are called two-gpus-replications-10000, two-gpus-replications-2" in err
    assert run("simulate", "many.yaml", "--replications", 1)[0] == 0


def test_a_pool_too_small_is_refused_by_name(run: Cli, logs: Path, tmp_path: Path) -> None:
    run("ingest", logs, "--source", "native")
    (tmp_path / "small.yaml").write_text(SCENARIO.replace("gpus: 2", "gpus: 1"))
    code, _, err = run("simulate", "small.yaml")
    assert code == 2
    assert all(word in err for word in ("training", "2", "1"))
    assert not (tmp_path / "pipesim_home" / "lake" / "simulated").exists()


def test_what_was_simulated_before_a_refusal_is_published_and_the_refusal_names_its_scenario(
    run: Cli, ask: Callable[..., dict[str, Any]], logs: Path, tmp_path: Path
) -> None:
    run("ingest", logs, "--source", "native")
    (tmp_path / "good.yaml").write_text(SCENARIO)
    (tmp_path / "small.yaml").write_text(SCENARIO.replace("two-gpus", "too-small").replace("gpus: 2", "gpus: 1"))
    for workers in (1, 2):
        code, _, err = run("simulate", "good.yaml", "small.yaml", "--workers", workers)
        assert code == 2
        assert "scenario too-small" in err
        assert "-> " in err, "the remedy survives the way back from another process"
    with duckdb.connect(str(tmp_path / "pipesim_home" / "warehouse.duckdb"), read_only=True) as con:
        assert con.sql("SELECT DISTINCT scenario FROM simulated.task_runs").fetchall() == [("two-gpus",)]


SLOW = """
import sys, time
import pipesim.experiments.replications as module
def run_replication(run, tell=None):
    print("started", flush=True)
    time.sleep(60)
module.run_replication = run_replication
from pipesim import cli
sys.argv = ["pipesim", "simulate", "s.yaml", "--replications", "4", "--workers", "{workers}", "--home", "home"]
if __name__ == "__main__":
    cli.main()
"""


@pytest.mark.parametrize(("workers", "number"), [(1, signal.SIGINT), (1, signal.SIGTERM), (2, signal.SIGTERM)])
def test_an_interrupted_simulation_ends_at_once_with_130_and_no_orphans(tmp_path: Path, workers: int, number: int) -> None:
    (tmp_path / "s.yaml").write_text(SCENARIO)
    (tmp_path / "slow.py").write_text(SLOW.format(workers=workers))
    child = subprocess.Popen(
        [sys.executable, "slow.py"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    assert child.stdout is not None
    assert child.stdout.readline() == "started\n"
    child.send_signal(number)
    _, err = child.communicate(timeout=30)  # returns only once every process that holds the pipe has ended
    assert child.returncode == 130
    assert "interrupted; nothing is half-written" in err


def test_a_failure_inside_is_a_sentence_unless_debugging(run: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def explode(*_: object) -> None:
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("pipesim.analytics.build", explode)
    code, out, err = run("analyze", "--json")
    assert (code, out) == (1, "")
    assert "ZeroDivisionError: by zero" in err
    assert "--debug" in err
    monkeypatch.setattr("sys.argv", ["pipesim", "analyze", "--debug"])
    with pytest.raises(ZeroDivisionError):
        cli.main()


def test_home_is_an_option_or_a_variable(run: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("sql", "SELECT 1", "--home", tmp_path / "one")[0] == 0
    monkeypatch.setenv("PIPESIM_HOME", str(tmp_path / "two"))
    assert run("sql", "SELECT 1")[0] == 0
    assert (tmp_path / "one").is_dir()
    assert (tmp_path / "two").is_dir()


DEPLOYING = "\n".join(
    ["run_id,task_id,task_name,task_type,status,duration_s,queued_at,gpus"]
    + [
        f"r{i},{kind},{kind},{kind},ok,{600 + i},2026-03-{1 + i // 2:02}T0{i % 9}:00:00Z,1"
        for i in range(40)
        for kind in ("train", "deploy")
    ]
)
CHAINS = "\n".join(["run_id,task_id,parent_task_id"] + [f"r{i},deploy,train" for i in range(40)])
OWNERS = "\n".join(
    ["run_id,pipeline_name,status,submitted_at"]
    + [f"r{i},model-{i % 3},ok,2026-03-{1 + i // 2:02}T0{i % 9}:00:00Z" for i in range(40)]
)
STRATEGY = """\
name: {name}
workload: {{kind: synthetic, days: 21, seed: 3, scale: 0.1}}
platform:
  pools: [{{name: training, gpus: 2, cost: {{per_used_h: 2}}}}]
lifecycle: {{trigger: {trigger}, decay: {{gradual_per_day: 0.02}}, objective: 0.7}}
"""


@pytest.mark.endurance
def test_strategies_of_retraining_are_compared(
    run: Cli, ask: Callable[..., dict[str, Any]], logs: Path, tmp_path: Path
) -> None:
    """A log without a metric of any model: defaults tell what versions are worth, the scenario how they decay."""
    for name, text in (("task_runs", DEPLOYING), ("task_edges", CHAINS), ("pipeline_runs", OWNERS)):
        (logs / f"{name}.csv").write_text(text + "\n")
    ask("ingest", logs, "--source", "native")
    files = []
    for name, trigger in (("never", "none"), ("often", "{drift: {drop: 0.03}}")):
        files.append(tmp_path / f"{name}.yaml")
        files[-1].write_text(STRATEGY.format(name=name, trigger=trigger))
    code, _, err = run("compare", *files)
    assert (code, "pipesim fit" in err) == (2, True)
    ask("fit", "--arrivals", "poisson")

    here = ("--replications", 2, "--workers", 1)  # to start more processes takes longer than these runs
    compared = ask("compare", *files, *here)
    assert set(compared) == {"baseline", "differences", "frontier"}
    assert compared["baseline"] == "never"
    told = {one["metric"]: one for one in compared["differences"]}
    assert told["mean_performance"]["finding"] in ("higher", "no difference found")
    assert told["mean_performance"]["difference"] > 0.02
    assert told["retrainings"]["baseline_mean"] == 0 < told["retrainings"]["mean"]
    assert [one["scenario"] for one in compared["frontier"]] == ["never", "often"]
    never, often = compared["frontier"]
    assert never["spent"] == 0 < often["spent"]
    assert often["per_point"] == pytest.approx(often["spent"] / often["gain_points"])
    backwards = ask("compare", *files, "--baseline", "often", *here)
    assert {one["metric"]: one for one in backwards["differences"]}["mean_performance"]["difference"] < -0.02

    runs = ask("simulate", files[1], *here)["runs"]
    assert {"models", "retrainings", "mean_performance", "below_objective", "retraining_cost"} <= runs[0].keys()
    assert runs[0]["models"] == 3
    ask("analyze")
    rows = ask("sql", "SELECT scenario, mean_performance, retrainings FROM analytics.retraining_strategies ORDER BY 1")["rows"]
    # The tables measure the same exactly, as a simulation tells each version's mean over its life.
    assert [row[0] for row in rows] == ["never", "often"]
    assert [row[1] for row in rows] == [pytest.approx(never["performance"]), pytest.approx(often["performance"])]
    assert [row[2] for row in rows] == [0, told["retrainings"]["mean"]]
    code, out, err = run("compare", *files)
    assert code == 0
    assert "often, against never:" in out
    assert "* often" in out
    manifest = json.loads(
        (tmp_path / "pipesim_home/lake/simulated/manifests/scenario=often/replication=0/manifest.json").read_text()
    )
    assert manifest["lifecycle"]["model"].startswith("m-")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["one.yaml"], "name two scenario files"),
        (["one.yaml", "two.yaml", "--baseline", "three"], "no scenario is called 'three'"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_runs(
    run: Cli, tmp_path: Path, arguments: list[str], says: str
) -> None:
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text(SCENARIO.replace("two-gpus", name))
    code, out, err = run("compare", *arguments)
    assert (code, out) == (2, "")
    assert says in err


def test_a_comparison_of_different_worlds_says_so(
    run: Cli, ask: Callable[..., dict[str, Any]], logs: Path, tmp_path: Path
) -> None:
    ask("ingest", logs, "--source", "native")
    files = [tmp_path / "a.yaml", tmp_path / "b.yaml"]
    for file, days in zip(files, (1, 2), strict=True):
        platform = "platform: {pools: [{name: p, slots: 9}]}"
        file.write_text(f"name: {file.stem}\nworkload: {{kind: replay}}\nhorizon_days: {days}\n{platform}\n")
    code, _, err = run("compare", *files)
    assert (code, "warning: the scenarios differ in horizon_days" in err) == (0, True), err


def test_fit_warns_on_the_terminal_where_the_log_drifts(run: Cli, tmp_path: Path) -> None:
    hours = [(day, hour) for day in range(42) for hour in range(0, 24, 3)]
    stamps = [f"2026-{3 + (day >= 31):02d}-{day % 31 + 1:02d}T{hour:02d}:00:00Z" for day, hour in hours]  # from a Sunday on
    folder = tmp_path / "drifting"
    folder.mkdir()
    tasks = [
        f"r{i},t,train,train,ok,{60 * 2 ** (day // 7)},{at}" for i, ((day, _), at) in enumerate(zip(hours, stamps, strict=True))
    ]
    runs = [f"r{i},p,ok,{at}" for i, at in enumerate(stamps)]
    (folder / "task_runs.csv").write_text("run_id,task_id,task_name,task_type,status,duration_s,queued_at\n" + "\n".join(tasks))
    (folder / "pipeline_runs.csv").write_text("run_id,pipeline_name,status,submitted_at\n" + "\n".join(runs))
    assert run("ingest", folder, "--source", "native")[0] == 0
    code, out, err = run("fit", "--marks", "independent", "--json")
    assert code == 0
    assert set(json.loads(out)) == {"model", "rows", "cells", "seconds"}
    (warning,) = [line for line in err.splitlines() if line.startswith("warning: drift")]
    assert "durations differ by a factor of" in warning
    assert "--window 2026-03-16..2026-04-05" in warning


def test_calibrate_tells_pools_and_figures_and_refuses_a_log_without_waits(
    run: Cli, ask: Callable[..., dict[str, Any]], logs: Path, tmp_path: Path
) -> None:
    (tmp_path / "two.yaml").write_text(SCENARIO)
    ask("ingest", logs, "--source", "native")
    code, _, err = run("calibrate", "two.yaml")
    assert code == 2
    assert "queued and when they started" in err

    head, *jobs = JOBS.splitlines()
    started = [f"{job},{job.split(',')[6].replace('00:00Z', f'0{n % 6}:30Z')}" for n, job in enumerate(jobs)]
    (logs / "task_runs.csv").write_text("\n".join([f"{head},started_at", *started]))
    ask("ingest", logs, "--source", "native", "--home", "other")
    found = ask("calibrate", "two.yaml", "--home", "other")
    assert set(found) == {"scenario", "calibrated", "file", "pools", "figures", "notes"}
    assert [pool["pool"] for pool in found["pools"]] == ["training"]
    assert {figure["figure"] for figure in found["figures"]} >= {"mean_wait_s", "p95_wait_s", "utilization"}
    assert ask("simulate", found["file"], "--home", "other")["runs"][0]["scenario"] == "two-gpus-calibrated"


def test_a_page_of_its_own_tells_what_a_command_has_simulated(
    run: Cli, ask: Callable[..., dict[str, Any]], logs: Path, tmp_path: Path
) -> None:
    ask("ingest", logs, "--source", "native")
    file = tmp_path / "size.yaml"
    file.write_text(SCENARIO.replace("two-gpus", "size").replace("gpus: 2", "gpus: {sweep: [2, 4]}"))
    here = ("--replications", 2, "--workers", 1)
    simulated = ask("simulate", file, *here, "--report", "simulated")
    assert set(simulated) == {"runs", "report"}
    compared = ask("compare", file, *here, "--baseline", "size-gpus-4", "--report", "compared")
    assert set(compared) == {"baseline", "differences", "frontier", "report"}
    sized = ask("capacity", file, "--pool", "training", "--slo", "p95_wait_s < 1e9", *here, "--report", "sized")
    assert set(sized) == {"answers", "report"}
    reports = tmp_path / "pipesim_home" / "reports"
    pages = {name: (reports / f"{name}.html").read_text(encoding="utf-8") for name in ("simulated", "compared", "sized")}
    assert [Path(one["report"]) for one in (simulated, compared, sized)] == [reports / f"{name}.html" for name in pages]
    assert "What do the keys of size do?" in pages["simulated"]
    assert "How scenarios differ from gpus-4" in pages["compared"]
    assert "How much of training is needed?" in pages["sized"]
    assert ask("sql", "SELECT DISTINCT search FROM simulated.capacity")["rows"] == [
        ["size-training-p95_wait_s-below-1000000000"]
    ]

    code, out, _ = run("compare", file, *here, "--report", "compared")
    assert (code, out.splitlines()[-1]) == (0, str(reports / "compared.html"))
    for name in ("report", "../x"):
        code, out, err = run("simulate", file, "--report", name)
        assert (code, out) == (2, ""), err
    code, _, err = run("capacity", file, "--pool", "training", "--price", "cpu=2", "--slo", "p95_wait_s < 600")
    assert (code, "no pool 'cpu' is sized" in err) == (2, True)
