"""The definitions load, everywhere and lightly, and wire the assets as they should."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from dagster_project.definitions import defs
from dagster_project.lineage import column_lineage
from pipesim.analytics import queries
from pipesim.schema import TRACE_TABLES
from pipesim.shipped import shipped

REPOSITORY = Path(__file__).parents[2]
ORIGINS = {"observed", "synthetic_trace", "simulated_runs"}


def _run(command: list[str], tmp_path: Path) -> subprocess.CompletedProcess[str]:
    """Run a program of this environment at the top of the repository, with telemetry off and all its state aside."""
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    dg_config = tmp_path / "dg.toml"
    # The demo may have left a `.venv` here that is not the one of the tests.
    quiet = '[cli]\nsuppress_warnings = ["project_and_activated_venv_mismatch"]\n'
    dg_config.write_text(f"{quiet}[cli.telemetry]\nenabled = false\n")
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "DAGSTER_HOME": str(tmp_path),
        "DG_CLI_CONFIG": str(dg_config),
        "PIPESIM_HOME": str(tmp_path / "home"),
    }
    return subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True, timeout=120, check=False)


def _graph() -> dict[str, set[str]]:
    graph = defs.resolve_asset_graph()
    return {
        key.to_user_string(): {parent.to_user_string() for parent in graph.get(key).parent_keys}
        for key in graph.get_all_asset_keys()
    }


def test_definitions_are_loadable() -> None:
    dg.Definitions.validate_loadable(defs)
    assert defs.resolve_job_def("whole_path").name == "whole_path"


@pytest.mark.slow
@pytest.mark.parametrize("command", [("dg", "check", "defs"), ("dagster", "definitions", "validate")])
def test_dagster_finds_nothing_wrong(command: tuple[str, ...], tmp_path: Path) -> None:
    done = _run([*command], tmp_path)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    # Dagster itself says of one of its commands that another supersedes it.
    alarming = [line for line in said.splitlines() if re.search("warn|error", line, re.I) and "SupersessionWarning" not in line]
    assert not alarming
    assert not (tmp_path / "home").exists(), "loading the definitions must not make the home folder"


def test_loading_the_definitions_loads_nothing_heavy(tmp_path: Path) -> None:
    heavy = ["altair", "fitter", "matplotlib", "numba", "pandas", "scipy", "simpy", "vl_convert"]
    program = f"import sys, json, dagster_project.definitions; print(json.dumps([m for m in {heavy} if m in sys.modules]))"
    done = _run([sys.executable, "-W", "error", "-c", program], tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


def test_the_path_from_logs_to_report_is_wired() -> None:
    graph = _graph()
    tables = {f"analytics/{file.stem}" for file in shipped("sql").rglob("*.sql")}
    assert {key: parents for key, parents in graph.items() if "/" not in key and key not in ("report", "figures")} == {
        "sample_logs": set(),
        "log_files": set(),
        "observed": {"sample_logs", "log_files"},
        "workload_model": {"observed"},
        "synthetic_trace": {"workload_model"},
        "synthetic_quality": {"workload_model"},
        "scenarios": set(),
        "simulated_runs": {"observed", "synthetic_trace", "scenarios"},
        "catalogue": {"report", "figures"} | tables,
    }
    assert {key: parents for key, parents in graph.items() if key.startswith("traces/")} == {
        f"traces/{name}": ORIGINS for name in TRACE_TABLES
    }
    assert {key for key in graph if key.startswith("analytics/")} == tables
    assert graph["report"] == graph["figures"] <= tables
    assert "analytics/scenario_summary" in graph["report"]


@pytest.mark.parametrize("file", sorted(shipped("sql").rglob("*.sql")), ids=lambda file: file.stem)
def test_a_table_depends_on_what_its_sql_reads(file: Path) -> None:
    sql = re.sub("--.*", "", file.read_text(encoding="utf-8"))
    read = re.findall(r"\b(?:FROM|JOIN)\s+(traces|analytics|quality|observed|synthetic|simulated|quarantine)\.(\w+)", sql)
    assert _graph()[f"analytics/{file.stem}"] == {
        "synthetic_quality" if schema == "quality" else f"{schema}/{table}" for schema, table in read
    }


def test_a_column_of_several_tables_that_one_asset_fills_is_named_once() -> None:
    (curves,) = (query for query in queries() if query.name == "quality_curves")
    deps = column_lineage(curves).deps_by_column
    assert deps["model"] == [dg.TableColumnDep(dg.AssetKey("synthetic_quality"), "model")]
    assert {dep.column_name for dep in deps["x"]} == {"share", "window_s", "lag_h", "hour_of_week"}


def test_every_asset_says_what_it_is() -> None:
    graph = defs.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.description, key
        assert node.owners, key
        assert node.kinds, key
        assert node.tags.get("stage"), key
        assert node.group_name != "default", key
        assert node.code_version or not node.is_materializable, key


def test_simulations_are_partitioned_by_scenario_and_replication() -> None:
    partitions = defs.resolve_asset_graph().get(dg.AssetKey("simulated_runs")).partitions_def
    assert isinstance(partitions, dg.MultiPartitionsDefinition)
    scenario = partitions.get_partitions_def_for_dimension("scenario")
    assert isinstance(scenario, dg.DynamicPartitionsDefinition)
    assert partitions.get_partitions_def_for_dimension("replication").get_partition_keys()[:2] == ["0", "1"]


def test_everything_runs_without_a_hand() -> None:
    assert {sensor.name: sensor.default_status.value for sensor in defs.sensors or []} == {
        "inbox_sensor": "RUNNING",
        "publication_sensor": "RUNNING",
        "scenario_sensor": "RUNNING",
    }
    assert "nightly" in {schedule.name for schedule in defs.schedules or []}


def test_every_option_of_the_launchpad_has_a_default() -> None:
    fields: dict[str, Any] = defs.resolve_job_def("whole_path").run_config_schema.config_type.fields["ops"].config_type.fields  # type: ignore[union-attr]
    options = {
        f"{op}.{name}": option
        for op in ("observed", "workload_model", "synthetic_trace", "synthetic_quality", "simulated_runs")
        for name, option in fields[op].config_type.fields["config"].config_type.fields.items()
    }
    assert {"observed.source", "workload_model.arrivals", "synthetic_trace.days", "simulated_runs.engine"} <= set(options)
    assert "synthetic_quality.seeds" in options
    assert [name for name, option in options.items() if option.is_required] == []
