"""Reproductions: simulated anew from nothing but the share, compared table by table, and refused where it was tampered with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipesim import __version__, cli, verbs
from pipesim.catalog import snapshot_views
from pipesim.errors import FileError, RequestError
from pipesim.experiments import replications
from pipesim.experiments.sharing import Experiment, reproduce, share
from pipesim.experiments.sweeps import load_sweep
from pipesim.lake import Lake
from pipesim.workload import FitConfig
from tests.conftest import REPOSITORY

Write = Callable[..., list[Experiment]]


def _change(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change what a share says of itself."""
    file = folder / "manifest.json"
    manifest = json.loads(file.read_text())
    change(manifest)
    file.write_text(json.dumps(manifest))


def test_all_of_it_is_simulated_again_and_is_the_same(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    simulated: list[str] = []
    simulate = replications.simulate

    def counting(*given: Any, **options: Any) -> Any:
        simulated.append(f"{given[1].name}/{options['replication']}")
        return simulate(*given, **options)

    monkeypatch.setattr(replications, "simulate", counting)
    before = {path: path.stat().st_mtime_ns for path in shared.rglob("*")}
    found = reproduce(shared, workers=1, allow_code=True)
    assert sorted(simulated) == sorted(f"{run.scenario}/{run.replication}" for run in found.runs)
    told = found.as_dict()
    assert (told["runs"], told["equal"], told["same_bytes"], told["different"]) == (8, 8, 8, [])
    assert {path: path.stat().st_mtime_ns for path in shared.rglob("*")} == before


@pytest.mark.endurance
def test_processes_give_the_same(sweep_share: Path) -> None:
    assert reproduce(sweep_share, workers=2).as_dict()["same_bytes"] == 4


@pytest.mark.endurance
def test_a_log_is_replayed_from_no_more_tables_than_are_needed(lake: Lake, tmp_path: Path) -> None:
    """With the models that a log tells, and without."""
    verbs.ingest_logs(lake, [REPOSITORY / "traces" / "sample"], "native")
    verbs.fit_workload(lake, FitConfig(arrivals="poisson", marks="independent"))
    for name, lifecycle in (("plain", ""), ("models", "lifecycle: {trigger: {drift: {below: 0.75}}, replaces: [schedule]}\n")):
        file = tmp_path / f"{name}.yaml"
        file.write_text(f"platform: {{pools: [{{name: gpu, gpus: 8}}, {{name: cpu, cpu_cores: 24}}]}}\n{lifecycle}")
        sweep = load_sweep(file)
        share(lake, tmp_path / name, [(sweep, sweep.variants())], with_log=True)
        assert reproduce(tmp_path / name).as_dict()["same_bytes"] == 1
    held = [{path.stem for path in (tmp_path / name / "inputs" / "log").iterdir()} for name in ("plain", "models")]
    assert held[0] == {"pipeline_runs", "task_runs", "task_edges"}
    assert held[1] == held[0] | {"models", "model_metrics"}


def test_what_comes_out_can_be_kept_and_asked(shared: Path, tmp_path: Path) -> None:
    home = tmp_path / "kept"
    reproduce(shared, home=home, workers=1, allow_code=True)
    with snapshot_views(Lake(home)) as con:
        rows = con.sql("SELECT origin, count(DISTINCT trace) FROM traces.task_runs GROUP BY 1 ORDER BY 1").fetchall()
        assert con.sql("SELECT min(source_line), max(source_line) FROM observed.task_runs").fetchall() == [(1, 500)]
    assert rows == [("observed", 1), ("simulated", 6)]
    with pytest.raises(RequestError, match="this is not new"):
        reproduce(shared, home=home, workers=1, allow_code=True)


def test_another_result_is_told_with_its_tables(sweep_share: Path) -> None:
    def change(manifest: dict[str, Any]) -> None:
        manifest["runs"][1]["tables"]["task_runs"]["values"] = "0" * 64
        manifest["runs"][3]["tables"]["pools"]["sha256"] = "0" * 64

    _change(sweep_share, change)
    told = reproduce(sweep_share, workers=1).as_dict()
    assert told["different"] == [{"scenario": "sweep-order-fifo", "replication": 1, "tables": ["task_runs"]}]
    assert (told["equal"], told["same_bytes"]) == (3, 2), "equal values in other bytes are equal"


def test_a_run_of_another_seed_is_different(sweep_share: Path) -> None:
    """The hashes are those of what is simulated now, not of what the share says."""
    _change(sweep_share, lambda manifest: manifest["runs"][0].update(replication=5))
    (different,) = reproduce(sweep_share, workers=1).different
    assert {"task_runs", "pipeline_runs", "summaries"} <= set(different.different)


@pytest.mark.parametrize("engine", ["reference", "compiled"])
def test_the_engine_is_that_of_the_share(fitted: Lake, tmp_path: Path, write_scenarios: Write, engine: str) -> None:
    folder, home = tmp_path / "share", tmp_path / "kept"
    share(fitted, folder, write_scenarios(tmp_path / "given", ["sweep"]), engine=engine, replications=1, workers=1)
    assert reproduce(folder, home=home, workers=1).different == ()
    stored = Lake(home).load_summary("sweep-order-fifo", 0)
    assert stored is not None
    assert stored[0]["engine"] == engine


@pytest.mark.parametrize("name", ["scenarios/sweep.yaml", "results/summaries.csv", "README.txt"])
def test_files_that_were_changed_or_are_missing_are_named(sweep_share: Path, name: str) -> None:
    with (sweep_share / name).open("a") as file:
        file.write("\n")
    with pytest.raises(FileError, match=f"{name}: not what it was"):
        reproduce(sweep_share)
    (sweep_share / name).unlink()
    with pytest.raises(FileError, match=f"{name}: missing"):
        reproduce(sweep_share)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda m: m["files"].pop("scenarios/sweep.yaml"), "does not say what is in it"),
        (lambda m: m["files"].update({"../secret": "0" * 64}), "no file of this folder"),
        (lambda m: m.update(scenarios=["/etc/passwd"]), "no file of this folder"),
        (lambda m: m.update(model="inputs/../../m.json"), "no file of this folder"),
        (lambda m: m.update(log={"../../x": "README.txt"}), "no table of a log"),
        (lambda m: m.update(format=2), "cannot read what the share says of itself: format"),
        (lambda m: m["runs"][0].update(scenario="another"), "no scenario another"),
    ],
)
def test_manifests_that_make_no_sense_are_refused(
    sweep_share: Path, change: Callable[[dict[str, Any]], None], says: str
) -> None:
    _change(sweep_share, change)
    with pytest.raises(FileError, match=says):
        reproduce(sweep_share)


def test_what_is_no_share_is_refused(tmp_path: Path) -> None:
    for text in ("", "[]", '{"kind": "another"}'):
        (tmp_path / "manifest.json").write_text(text)
        with pytest.raises(RequestError, match="no share of experiments"):
            reproduce(tmp_path)
    with pytest.raises(RequestError, match="no share of experiments"):
        reproduce(tmp_path / "nowhere")


def test_another_version_is_tried_only_if_that_is_asked_for_and_other_packages_are_noted(sweep_share: Path) -> None:
    def change(manifest: dict[str, Any]) -> None:
        manifest["software"]["pipesim"] = "99.0"
        manifest["software"]["packages"]["polars"] = "0.1"

    _change(sweep_share, change)
    with pytest.raises(RequestError, match=r"pipesim 99\.0 made this share.*\n.*install pipesim 99\.0, or say --anyway"):
        reproduce(sweep_share)
    said: list[str] = []
    assert reproduce(sweep_share, anyway=True, workers=1, say=said.append).different == ()
    assert said == [
        f"note: the share was made with pipesim 99.0, here {__version__}",
        f"note: the share was made with polars 0.1, here {pl.__version__}",
    ]


def test_code_of_others_runs_only_if_that_is_allowed(shared: Path) -> None:
    with pytest.raises(RequestError, match=r"inputs/orders/order\.py: the share holds Python code.*\n.*--allow-code"):
        reproduce(shared)
    _change(shared, lambda manifest: manifest.update(orders={}))
    with pytest.raises(RequestError, match="the share does not hold"):
        reproduce(shared, workers=1)


def test_the_command_line_shares_and_reproduces(
    fitted: Lake, tmp_path: Path, write_scenarios: Write, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["pipesim", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        captured = capsys.readouterr()
        return int(stopped.value.code or 0), captured.out, captured.err

    write_scenarios(tmp_path / "given", ["sweep", "replay"])
    files, folder = [tmp_path / "given" / "sweep.yaml", tmp_path / "given" / "replay.yaml"], tmp_path / "share"
    monkeypatch.setenv("PIPESIM_HOME", str(fitted.root))
    code, out, err = run("share", folder, *files, "--workers", 1)
    assert (code, out) == (2, ""), err
    assert "--with-log" in err
    code, out, err = run("share", folder, *files, "--with-log", "--workers", 1, "--json")
    told = json.loads(out)
    assert (code, told["runs"], told["scenarios"], told["log_rows"]) == (0, 5, 3, 1_000)
    assert "warning: the share holds the log" in err
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "What do the keys of sweep do?" in page
    assert "the log again" in page
    assert "report.html" in json.loads((folder / "manifest.json").read_text())["files"]
    code, out, _ = run("reproduce", folder, "--workers", 1, "--home", tmp_path / "elsewhere")
    assert code == 0
    assert out.splitlines() == [
        "sweep-order-fifo: equal, same bytes (2 replications)",
        "sweep-order-sjf: equal, same bytes (2 replications)",
        "replay: equal, same bytes (1 replication)",
    ]
    again = tmp_path / "again"
    code, out, err = run("share", again, *files, "--with-log", "--json", "--home", tmp_path / "elsewhere")
    assert code == 0, err
    assert (again / "report.html").read_text(encoding="utf-8") == page
    assert json.loads(out)["sha256"] == told["sha256"], "from another home, the share is the same"
    _change(folder, lambda manifest: manifest["runs"][4]["tables"]["task_runs"].update(values="0" * 64))
    code, out, _ = run("reproduce", folder, "--workers", 1, "--json", "--home", tmp_path / "kept")
    assert (code, json.loads(out)["equal"]) == (1, 4)
    assert (tmp_path / "kept" / "warehouse.duckdb").is_file()
    code, out, _ = run("reproduce", folder, "--workers", 1)
    assert "replay: different in 1 of 1 replication: task_runs" in out
