"""What a mapping can ask for: expressions, nested columns, lists, several tables, tables beside the log, no header."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipesim.errors import ConfigError, FileError, RequestError
from pipesim.ingest import find_source, ingest
from pipesim.ingest.accounts import IngestReport
from pipesim.ingest.mapping.expressions import evaluate, expression_fields
from pipesim.ingest.mapping.model import parse_mapping
from pipesim.lake import Lake


def ingested(lake: Lake, folder: Path, mapping: str, **files: str) -> IngestReport:
    """Write a log's files (`a_csv` is a.csv) and its mapping, and ingest them."""
    logs = folder / "logs"
    logs.mkdir(exist_ok=True)
    for name, text in files.items():
        (logs / name.replace("__", ".")).write_text(text, encoding="utf-8")
    path = folder / "mapping.yaml"
    path.write_text(mapping, encoding="utf-8")
    return ingest(lake, [logs], find_source("job-table", path))


def fates(report: IngestReport) -> tuple[int, ...]:
    counts = report.as_dict()
    return tuple(counts[name] for name in ("lines", "valid", "duplicates", "quarantined", "blank_or_header"))


WAITING = """
name: ours
columns:
  run_id: id
  submitted_at: t
  started_at: {expr: "STRFTIME(CAST(t AS TIMESTAMP) + CAST(wait AS BIGINT) * INTERVAL '1 second', '%Y-%m-%d %H:%M:%S')"}
  duration_s: {expr: "CAST(stop AS DOUBLE) - CAST(start AS DOUBLE)", unit: min}
  gpus: {expr: "CAST(nodes AS DOUBLE) * CAST(per_node AS DOUBLE)"}
  task_type: {expr: "CASE WHEN command LIKE '%train.py%' THEN 'train' ELSE 'other' END"}
unused: [wait]
"""


def test_expressions_see_one_row_and_a_row_they_fail_for_is_quarantined(lake: Lake, tmp_path: Path) -> None:
    mapping = WAITING.replace(
        "{expr: \"STRFTIME(CAST(t AS TIMESTAMP) + CAST(wait AS BIGINT) * INTERVAL '1 second', '%Y-%m-%d %H:%M:%S')\"}", "t"
    )
    report = ingested(
        lake,
        tmp_path,
        mapping,
        jobs__csv="id,t,wait,start,stop,nodes,per_node,command,note\n"
        "a,2026-01-01 00:00:00,1,1,2.5,2,8,python train.py,x\n"
        "b,2026-01-01 00:00:00,1,,2.5,NA,8,python eval.py,x\n"
        "c,2026-01-01 00:00:00,1,one,2.5,2,8,python eval.py,x\n",
    )
    assert fates(report) == (4, 2, 0, 1, 1)
    assert report.accounts[0].unused == ["note"]
    rows = lake.load_observed().task_runs.sort("run_id")
    # What the log does not know, as in an empty field, makes a value that is not known either.
    assert rows.select("run_id", "duration_s", "gpus", "task_type").rows() == [
        ("ours-a", 90.0, 16.0, "train"),
        ("ours-b", None, None, "other"),
    ]
    refused = pl.read_parquet(lake.lake / "quarantine")
    assert refused.select("source_line", "stage", "rule").rows() == [(4, "parse", "expression_failed")]
    assert "one" in refused["detail"][0]
    assert refused["raw"][0].startswith("c,2026-01-01")


def test_a_value_that_is_no_number_is_quarantined_whoever_made_it(lake: Lake, tmp_path: Path) -> None:
    mapping = "name: ours\ncolumns: {run_id: id, submitted_at: t, gpus: {expr: CAST(g AS DOUBLE)}}\n"
    report = ingested(lake, tmp_path, mapping, jobs__csv="id,t,g\na,2026-01-01,1\nb,2026-01-01,inf\nc,2026-01-01,nan\n")
    assert fates(report) == (4, 2, 0, 1, 1)
    assert lake.load_observed().task_runs.sort("run_id")["gpus"].to_list() == [1.0, None]


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("(SELECT a FROM read_csv('/etc/hostname'))", "a query"),
        ("a IN (SELECT 1)", "a query"),
        ("sum(a)", "an aggregate"),
        ("row_number() OVER ()", "a window"),
        ("count(*)", "an aggregate"),
        ("a +", "no SQL expression"),
        ("no_such_function(a)", "Polars cannot read"),
        ("*", "all columns"),
    ],
)
def test_what_is_no_expression_over_one_row_is_refused(sql: str, says: str) -> None:
    with pytest.raises(RequestError, match=says):
        expression_fields(sql)
    with pytest.raises(ConfigError) as caught:
        parse_mapping(f"name: x\ncolumns: {{submitted_at: t, gpus: {{expr: {json.dumps(sql)}}}}}", "m.yaml")
    assert [place for place, _ in caught.value.problems] == ["columns.gpus"]


def test_an_expression_that_suits_no_values_says_how_to_cast() -> None:
    with pytest.raises(RequestError, match="does not suit its fields") as caught:
        evaluate(pl.DataFrame({"a": ["1"], "b": ["2"]}), {"x": "a - b"})
    assert "CAST" in str(caught.value.remedy)


@given(st.lists(st.sampled_from(["1", "2.5", "x", None, "1e3", "y"]), max_size=40))
def test_each_row_is_worked_out_as_if_it_were_alone(values: list[str | None]) -> None:
    frame = pl.DataFrame({"a": values}, schema={"a": pl.String})
    wanted = {"x": "CAST(a AS DOUBLE) + 1"}
    good, bad = evaluate(frame, wanted)
    assert [place for place, _ in bad] == [i for i, v in enumerate(values) if v in ("x", "y")]
    assert good["x"].to_list() == [None if v is None else float(v) + 1 for v in values if v not in ("x", "y")]


NESTED = """
name: ours
columns:
  run_id: job.id
  submitted_at: {column: "times[0]", format: epoch_s}
  gpus: job.resources.gpu
  tenant: labels.team
"""


def test_nested_json_is_reached_by_paths(lake: Lake, tmp_path: Path) -> None:
    record = {"job": {"id": "a", "resources": {"gpu": 2}}, "times": [1767225600, 5], "labels.team": "flat"}
    other = {"job": {"id": "b", "resources": {}}, "times": [1767225601], "labels": {"team": "deep"}}
    report = ingested(lake, tmp_path, NESTED, jobs__jsonl=f"{json.dumps(record)}\n{json.dumps(other)}\n{{}}\n")
    assert fates(report) == (3, 2, 0, 1, 0)
    trace = lake.load_observed()
    assert trace.task_runs.sort("run_id").select("run_id", "gpus").rows() == [("ours-a", 2.0), ("ours-b", None)]
    assert trace.pipeline_runs.sort("run_id")["tenant"].to_list() == ["flat", "deep"]


def test_structs_and_lists_of_parquet_are_reached_alike(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    pl.DataFrame(
        {"job": [{"id": "a", "resources": {"gpu": 2}}], "times": [[1767225600, 5]], "labels": [{"team": "deep"}]}
    ).write_parquet(tmp_path / "logs" / "jobs.parquet")
    assert fates(ingested(lake, tmp_path, NESTED)) == (1, 1, 0, 0, 0)
    trace = lake.load_observed()
    assert trace.task_runs.select("run_id", "gpus").rows() == [("ours-a", 2.0)]
    assert trace.pipeline_runs["tenant"].to_list() == ["deep"]


EACH = """
name: ours
tables:
  - each: tasks
    rows: [pipeline_runs, task_runs]
    columns:
      run_id: id
      submitted_at: t
      task_id: tasks.name
      duration_s: tasks.took
"""
#: An explicit pair of tables is what a job is by default; a task's own name makes it none.
EACH_TASK = EACH.replace("rows: [pipeline_runs, task_runs]", "rows: [task_runs, pipeline_runs]")


@pytest.mark.parametrize("form", ["json", "parquet"])
def test_a_list_makes_a_row_for_each_of_its_elements(lake: Lake, tmp_path: Path, form: str) -> None:
    records = [
        {"id": "a", "t": "2026-01-01", "tasks": [{"name": "x", "took": 1.0}, {"name": "y", "took": 2.0}]},
        {"id": "b", "t": "2026-01-01", "tasks": [{"name": "x", "took": 3.0}]},
        {"id": "c", "t": "2026-01-01", "tasks": []},
    ]
    files = {}
    if form == "parquet":
        (tmp_path / "logs").mkdir()
        pl.DataFrame(records).write_parquet(tmp_path / "logs" / "jobs.parquet")
    else:
        lines = [*map(json.dumps, records), '{"id": "d", "t": "2026-01-01", "tasks": "none"}']
        files["jobs__jsonl"] = "\n".join(lines) + "\n"
    report = ingested(lake, tmp_path, EACH_TASK, **files)
    bad = form == "json"
    assert fates(report)[1:4] == (2, 0, 1 + bad), "a run without any task is kept back, as is a list that is none"
    trace = lake.load_observed()
    assert trace.task_runs.sort("run_id", "task_id").select("run_id", "task_id", "task_name", "duration_s").rows() == [
        ("ours-a", "x", "x", 1.0),
        ("ours-a", "y", "y", 2.0),
        ("ours-b", "x", "x", 3.0),
    ]


TABLES = """
name: ours
unread: ["notes*"]
tables:
  - files: "runs*"
    rows: pipeline_runs
    columns: {run_id: run, submitted_at: at}
  - files: "steps*"
    header: [run, step, machine, seconds]
    delimiter: ";"
    rows: task_runs
    join: [{file: "machines*", by: {machine: id}, columns: {kind: model, zone: zone}}]
    columns: {run_id: run, task_id: step, duration_s: seconds, gpu_type: kind, node_id: machine, pool: zone}
"""
MACHINES = "id,model,zone\nm1,A100,z1\nm2,V100,z1\n"


def test_several_tables_and_one_beside_them(lake: Lake, tmp_path: Path) -> None:
    files = {
        "runs__csv": "run,at\na,2026-01-01T00:00:00Z\n",
        "steps__csv": "a;x;m1;5\na;y;m2;6\na;z;m9;7\na;z\n",
        "machines__csv": MACHINES,
        "notes__csv": "anything\n",
    }
    report = ingested(lake, tmp_path, TABLES, **files)
    assert fates(report) == (6, 4, 0, 1, 1)
    assert [Path(account.file).name for account in report.accounts] == ["runs.csv", "steps.csv"]
    assert lake.load_observed().task_runs.sort("task_id").select("task_id", "gpu_type", "node_id", "pool").rows() == [
        ("x", "A100", "m1", "z1"),
        ("y", "V100", "m2", "z1"),
        ("z", None, "m9", None),
    ]
    # What lies beside the log is part of what it was read with.
    again = ingested(lake, tmp_path, TABLES, machines__csv=MACHINES + "m9,T4,z2\n")
    assert [Path(name).name for name in again.unchanged] == []
    assert dict(lake.load_observed().task_runs.select("task_id", "gpu_type").rows())["z"] == "T4"


@pytest.mark.parametrize(
    ("machines", "says"),
    [
        ({}, "of which there are 0 here"),
        ({"machines__csv": "id,zone\nm1,z\n"}, "lacks the column model"),
        ({"machines__csv": MACHINES + "m1,T4,z1\n"}, "two different things of id 'm1'"),
        ({"machines__csv": MACHINES, "machines2__csv": MACHINES}, "of which there are 2 here"),
    ],
)
def test_a_table_beside_the_log_that_does_not_fit_is_named(
    lake: Lake, tmp_path: Path, machines: dict[str, str], says: str
) -> None:
    with pytest.raises(FileError, match=says):
        ingested(lake, tmp_path, TABLES, steps__csv="a;x;m1;5\n", **machines)


def test_a_file_that_no_table_is_for_is_named(lake: Lake, tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no table for a file of this name") as caught:
        ingested(lake, tmp_path, TABLES, machines__csv=MACHINES, other__csv="a\n1\n")
    assert "runs*, steps*" in str(caught.value.remedy)


def test_mistakes_of_several_tables_are_told_with_their_places() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_mapping(
            "name: x\ntables:\n"
            "  - {files: a, rows: pipeline_runs, columns: {submitted_at: t}}\n"
            "  - {files: b, rows: gadgets, columns: {run_id: r}}\n"
            "  - {files: c, rows: nodes, columns: {pool: p, gpus: g, colour: c}}\n",
            "m.yaml",
        )
    assert [place for place, _ in caught.value.problems] == [
        "tables[0].columns", "tables[1].rows", "tables[2].columns.colour", "tables[2].columns",
    ]  # fmt: skip
