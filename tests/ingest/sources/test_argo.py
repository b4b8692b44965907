"""Argo Workflows: every row of workflows of both kinds, the contraction of their graphs, and what is odd in them."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pipesim.errors import FileError
from pipesim.ingest import IngestReport, find_source, ingest
from pipesim.ingest.reading.fields import UnfitError
from pipesim.ingest.reading.files import find_files
from pipesim.ingest.sources import Head, recognise_source
from pipesim.ingest.sources.argo.demand import quantity
from pipesim.ingest.sources.argo.graph import Node, dependencies, places
from pipesim.lake import Lake

FIXTURES = Path(__file__).parents[1] / "fixtures"
NIGHTLY = FIXTURES / "argo" / "nightly.yaml"
KUBEFLOW = FIXTURES / "argo" / "kubeflow.jsonl"
LIST = FIXTURES / "argo" / "list.json"
RUN = "6f1c0d3e-0000-4000-8000-000000000007"


def _ingest(lake: Lake, *paths: Path) -> IngestReport:
    return ingest(lake, list(paths), find_source("argo"))


def _rows(lake: Lake, table: str) -> list[dict[str, Any]]:
    """Return the rows of a table in the order of the file, without NULLs and provenance."""
    frame = pl.read_parquet(lake.lake / "observed" / table)
    rows = frame.sort("source_line", *[c for c in frame.columns if c != "source_line"]).to_dicts()
    return [{k: v for k, v in row.items() if v is not None and k not in ("source", "source_file", "ingest_id")} for row in rows]


def _edges(lake: Lake) -> set[tuple[str, str]]:
    return {(row["parent_task_id"], row["task_id"]) for row in _rows(lake, "task_edges")}


def _refused(lake: Lake) -> list[tuple[int, str, str, str]]:
    folder = lake.lake / "quarantine"
    if not folder.exists():
        return []
    return pl.read_parquet(folder).sort("source_line", "rule").select("source_line", "stage", "rule", "detail").rows()


SAID = json.dumps(yaml.safe_load(NIGHTLY.read_text()))


def _nightly() -> Any:
    return json.loads(SAID)


def _write(path: Path, document: object) -> Path:
    path.write_text(json.dumps(document))
    return path


def at(clock: str) -> datetime:
    return datetime.fromisoformat(f"2026-03-02T{clock}")


def test_every_row_of_a_finished_workflow(lake: Lake) -> None:
    (account,) = _ingest(lake, NIGHTLY).accounts
    assert (account.lines, account.valid, account.quarantined, account.duplicates, account.blank_or_header) == (18, 9, 0, 0, 9)
    assert account.unused == ["newField"]
    assert _rows(lake, "pipeline_runs") == [
        {
            "source_line": 1, "run_id": RUN, "pipeline_name": "nightly", "trigger": "schedule", "tenant": "team-a",
            "user": "system-serviceaccount-argo", "priority": 5, "status": "SUCCEEDED", "raw_status": "Succeeded",
            "submitted_at": at("01:00:00"), "started_at": at("01:00:01"), "ended_at": at("03:00:00"),
            "observed_until": at("03:00:00"), "time_basis": "utc",
        }
    ]  # fmt: skip
    done = {"run_id": RUN, "attempt": 1, "status": "SUCCEEDED", "raw_status": "Succeeded", "is_censored": False}
    train = {"task_id": "nightly-7[1].train", "task_name": "train", "task_type": "train", "raw_type": "train",
             "cpu_cores": 8.0, "memory_bytes": 64 << 30, "gpu_type": "nvidia-tesla-a100"}  # fmt: skip
    judged = {"task_type": "evaluate", "raw_type": "evaluate", "cpu_cores": 2.0, "gpus": 0.0, "started_at": at("02:20:12")}
    assert _rows(lake, "task_runs") == [
        {"source_line": 4, "task_id": "nightly-7[0].prepare", "task_name": "prepare", "task_type": "preprocess",
         "raw_type": "preprocess", "started_at": at("01:00:02"), "ended_at": at("01:10:02"), "duration_s": 600.0,
         "node_id": "cpu-1", "cpu_cores": 1.5, "gpus": 0.0, "memory_bytes": 1536 << 20, **done},
        {"source_line": 7, **done, **train, "status": "FAILED", "raw_status": "Error", "is_censored": True, "gpus": 2.0,
         "started_at": at("01:10:03"), "ended_at": at("01:20:03"), "duration_s": 600.0, "node_id": "gpu-1",
         "error": "OOMKilled (exit code 137): '; DROP TABLE runs"},
        {"source_line": 8, **done, **train, "attempt": 2, "gpus": 4.0, "node_id": "gpu-2",
         "started_at": at("01:20:10"), "ended_at": at("02:20:10"), "duration_s": 3600.0},
        {"source_line": 9, **done, "task_id": "nightly-7[1].tune", "task_name": "tune", "task_type": "train",
         "raw_type": "train", "status": "SKIPPED", "raw_status": "Skipped", "ended_at": at("01:10:03")},
        {"source_line": 14, **done, **judged, "task_id": "nightly-7[2].judge.evaluate(0:a)", "task_name": "evaluate(0:a)",
         "ended_at": at("02:30:12"), "duration_s": 600.0},
        {"source_line": 15, **done, **judged, "task_id": "nightly-7[2].judge.evaluate(1:b)", "task_name": "evaluate(1:b)",
         "ended_at": at("02:20:12"), "duration_s": 0.0, "cached": True},
        {"source_line": 17, **done, "task_id": "nightly-7[2].judge.deploy", "task_name": "deploy", "task_type": "deploy",
         "raw_type": "deploy", "cpu_cores": 0.25, "gpus": 0.0, "started_at": at("02:40:00"), "ended_at": at("02:41:00"),
         "duration_s": 60.0},
        {"source_line": 18, **done, "task_id": "nightly-7.onExit", "task_name": "nightly-7.onExit", "task_type": "other",
         "raw_type": "notify", "started_at": at("02:50:01"), "ended_at": at("02:50:02"), "duration_s": 1.0},
    ]  # fmt: skip
    prepare, train_id, tune = "nightly-7[0].prepare", "nightly-7[1].train", "nightly-7[1].tune"
    first, second, deploy = (f"nightly-7[2].judge.{n}" for n in ("evaluate(0:a)", "evaluate(1:b)", "deploy"))
    assert _edges(lake) == {
        (prepare, train_id), (prepare, tune), (prepare, first), (prepare, second),  # the last two past the skipped group
        (train_id, first), (train_id, second), (tune, first), (tune, second),
        (first, deploy), (second, deploy), (deploy, "nightly-7.onExit"),
    }  # fmt: skip
    table = {"asset_id": "nightly-7/n-prep/table.parquet", "version": RUN}
    assert _rows(lake, "data_assets") == [{"source_line": 7, "namespace": "artifacts", **table}]
    assert _rows(lake, "task_io") == [
        {"source_line": 4, "run_id": RUN, "task_id": prepare, "attempt": 1, "direction": "write", **table},
        {"source_line": 7, "run_id": RUN, "task_id": train_id, "attempt": 1, "direction": "read", **table},
    ]
    assert lake.load_observed().violations() == []


def test_json_and_yaml_lists_and_arrays_say_the_same(lake: Lake, tmp_path: Path) -> None:
    _ingest(lake, NIGHTLY)
    without_kind = {k: v for k, v in _nightly().items() if k not in ("kind", "apiVersion")}
    forms = {
        "one.json": json.dumps(_nightly(), indent=1),
        "lines.jsonl": json.dumps(_nightly()) + "\n",
        "list.json": json.dumps({"apiVersion": "v1", "kind": "List", "items": [_nightly()]}),
        "argo-list.json": json.dumps([without_kind], indent=2),
        "two.yaml": "---\n" + NIGHTLY.read_text() + "\n---\n",
    }
    for name, text in forms.items():
        (tmp_path / name).write_text(text)
        (account,) = _ingest(lake, tmp_path / name).accounts
        assert (account.lines, account.duplicates, account.blank_or_header) == (18, 9, 9), name


def test_every_row_of_running_and_of_kubeflow_workflows(lake: Lake) -> None:
    (account,) = _ingest(lake, KUBEFLOW).accounts
    assert (account.lines, account.valid, account.quarantined, account.blank_or_header) == (11, 6, 1, 4)
    assert account.unused == ["children (of nodes that are not in the document)"]
    day, until = datetime(2026, 3, 3), datetime(2026, 3, 3, 0, 11)
    assert _rows(lake, "pipeline_runs") == [
        {"source_line": 1, "run_id": "run-2", "pipeline_name": "fraud", "trigger": "schedule", "tenant": "kubeflow",
         "status": "RUNNING", "raw_status": "Running", "submitted_at": day, "started_at": day.replace(second=1),
         "observed_until": until, "time_basis": "utc"},
        {"source_line": 9, "run_id": "default/hello-1", "pipeline_name": "Hello", "tenant": "default", "status": "RUNNING",
         "raw_status": "Running", "submitted_at": day.replace(minute=10), "started_at": day.replace(minute=10, second=1),
         "observed_until": until, "time_basis": "utc"},
        {"source_line": 11, "run_id": "u-3", "pipeline_name": "retrain", "parent_run_id": "u-2", "status": "PENDING",
         "raw_status": "PENDING", "submitted_at": until, "observed_until": until, "time_basis": "utc"},
    ]  # fmt: skip
    assert _rows(lake, "task_runs") == [
        {"source_line": 4, "run_id": "run-2", "task_id": "fraud-x2k.prep.executor", "attempt": 1, "task_name": "prep",
         "task_type": "other", "raw_type": "prep", "status": "SKIPPED", "raw_status": "Skipped",
         "ended_at": day.replace(second=5), "is_censored": False, "cached": True},
        {"source_line": 6, "run_id": "run-2", "task_id": "fraud-x2k.train.executor", "attempt": 1, "task_name": "train",
         "task_type": "train", "raw_type": "train", "status": "RUNNING", "raw_status": "Running",
         "started_at": day.replace(second=6), "is_censored": True, "node_id": "gpu-9", "cpu_cores": 4.0, "gpus": 1.0,
         "gpu_type": "H100", "memory_bytes": 16_000_000_000},
        {"source_line": 10, "run_id": "default/hello-1", "task_id": "hello-1", "attempt": 1, "task_name": "hello-1",
         "status": "PENDING", "raw_status": "Pending", "queued_at": datetime(2026, 3, 3, 0, 10, 2), "is_censored": True},
    ]  # fmt: skip
    assert _edges(lake) == {("fraud-x2k.prep.executor", "fraud-x2k.train.executor")}
    assert _refused(lake) == [(7, "parse", "not_json", "line 2, column 30: invalid control character at")]


def test_a_later_export_completes_what_was_running(lake: Lake, tmp_path: Path) -> None:
    _ingest(lake, KUBEFLOW)
    first = json.loads(KUBEFLOW.read_text().splitlines()[0])
    first["status"] |= {"phase": "Failed", "finishedAt": "2026-03-03T01:00:00Z"}
    first["status"]["nodes"]["k-te"] |= {"phase": "Failed", "finishedAt": "2026-03-03T00:59:00Z", "message": "OOM"}
    _ingest(lake, _write(tmp_path / "later.json", first))
    rows = {row["task_id"]: row for row in _rows(lake, "task_runs")}
    assert len(rows) == 3
    train = rows["fraud-x2k.train.executor"]
    assert (train["status"], train["duration_s"], train["error"]) == ("FAILED", 3534.0, "OOM")


def test_what_is_odd_is_refused_with_its_entry(lake: Lake) -> None:
    (account,) = _ingest(lake, LIST).accounts
    assert (account.lines, account.valid, account.quarantined) == (13, 1, 12)
    assert [row["task_id"] for row in _rows(lake, "task_runs")] == ["odd.a"]
    assert _refused(lake) == [
        (1, "parse", "nodes_elsewhere", "its nodes are in Argo's database (version fnv:784444487); export it with "
         "`argo get -o json` through the Argo Server"),
        (2, "parse", "no_workflow", "this is no Workflow of Argo"),
        (3, "rule", "unmapped_status", "status: Exploded"),
        (5, "parse", "unknown_node_type", "the type 'Quantum' is none of Argo's"),
        (6, "parse", "wrong_type", "phase is a list, not text"),
        (7, "parse", "not_a_quantity", "'many' is no quantity of Kubernetes"),
        (8, "parse", "node_name_twice", "an earlier node is called 'odd.a', too"),
        (9, "parse", "wrong_type", "nodes{} is a list, not an object"),
        (10, "rule", "started_at_after_ended_at",
         "started_at is no later than ended_at: started_at 2026-03-04 00:00:09, ended_at 2026-03-04 00:00:01"),
        (11, "rule", "unmapped_status", "status: Melted"),
        (12, "parse", "no_run_id", "it has neither a uid nor a name"),
        (13, "parse", "unreadable_workflow", "its workflow: it has neither a uid nor a name"),
    ]  # fmt: skip


@pytest.mark.parametrize("node", ["n-e0", "n-deploy", "n-exit"])
def test_a_refused_task_on_which_others_depend_refuses_the_run(lake: Lake, tmp_path: Path, node: str) -> None:
    workflow = _nightly()
    workflow["status"]["nodes"][node]["startedAt"] = "2027-01-01T00:00:00Z"
    (account,) = _ingest(lake, _write(tmp_path / "x.json", workflow)).accounts
    assert (account.valid, account.quarantined, account.blank_or_header) == (0, 9, 9)
    assert {rule for _, stage, rule, _ in _refused(lake) if stage == "reference"} == {"missing_edge_end"}


def _packed(nodes: object, algorithm: str) -> str:
    data = json.dumps(nodes).encode()
    packed = gzip.compress(data, mtime=0) if algorithm == "gzip" else pa.compress(data, algorithm, asbytes=True)
    return base64.b64encode(packed).decode()


@pytest.mark.parametrize("algorithm", ["gzip", "zstd"])
def test_compressed_nodes_are_unpacked(lake: Lake, tmp_path: Path, algorithm: str) -> None:
    workflow = _nightly()
    workflow["status"]["compressedNodes"] = _packed(workflow["status"].pop("nodes"), algorithm)
    (account,) = _ingest(lake, _write(tmp_path / "x.json", workflow)).accounts
    assert (account.lines, account.valid) == (18, 9)


@pytest.mark.parametrize(
    ("packed", "detail"),
    [
        ("%%%", "compressedNodes cannot be unpacked"),
        (base64.b64encode(b"nodes").decode(), "compressedNodes is neither gzip nor zstd"),
        (base64.b64encode(gzip.compress(b"{}", mtime=0)[:-9]).decode(), "compressedNodes"),
        (base64.b64encode(gzip.compress(b"\xff", mtime=0)).decode(), "compressedNodes cannot be unpacked"),
        (base64.b64encode(gzip.compress(b"{", mtime=0)).decode(), "compressedNodes holds no JSON"),
        (base64.b64encode(gzip.compress(b"", mtime=0)).decode(), "compressedNodes is null, not an object"),
        (_packed([1], "gzip"), "compressedNodes is a list, not an object"),
    ],
)
def test_compressed_nodes_that_cannot_be_unpacked_refuse_their_workflow(tmp_path: Path, packed: str, detail: str) -> None:
    workflow = _nightly()
    workflow["status"] = {"compressedNodes": packed}
    (file,) = find_files([_write(tmp_path / "x.json", workflow)])
    (unit,) = find_source("argo").units(file) or ()
    assert unit.problem is not None
    assert detail in unit.problem[1]


def test_nodes_that_grow_beyond_all_sense_refuse_their_workflow(tmp_path: Path) -> None:
    packed = base64.b64encode(gzip.compress(b" " * (129 << 20), 1)).decode()
    test_compressed_nodes_that_cannot_be_unpacked_refuse_their_workflow(tmp_path, packed, "compressedNodes holds over 128 MiB")


def _node(name: str, kind: str = "Pod", children: tuple[str, ...] = (), boundary: str | None = None) -> Node:
    return Node(name, kind, children, boundary, kind == "Pod")


def test_attempts_of_a_group_are_attempts_of_the_tasks_in_it() -> None:
    nodes = {
        "r": _node("w.x", "Retry", ("d0", "d1")),
        "d0": _node("w.x(0)", "DAG", ("a0",)),
        "a0": _node("w.x(0).a", "Pod", ("b0",), "d0"),
        "b0": _node("w.x(0).b", "Retry", ("b00", "b01"), "d0"),
        "b00": _node("w.x(0).b(0)", "Pod", (), "d0"),
        "b01": _node("w.x(0).b(1)", "Pod", (), "d0"),
        "d1": _node("w.x(1)", "DAG", ("a1",)),
        "a1": _node("w.x(1).a", "Pod", ("b1",), "d1"),
        "b1": _node("w.x(1).b", "Retry", ("b10",), "d1"),
        "b10": _node("w.x(1).b(0)", "Pod", ("c",), "d1"),
        "c": _node("w.c(7)"),
    }
    found, twins = places(nodes)
    assert found == {
        "a0": ("w.x.a", 1), "a1": ("w.x.a", 2), "b00": ("w.x.b", 1), "b01": ("w.x.b", 2), "b10": ("w.x.b", 3),
        "c": ("w.c(7)", 1),
    }  # fmt: skip
    assert twins == frozenset()
    assert dependencies(nodes, found, "") == {"w.x.b": {"w.x.a": None}, "w.c(7)": {"w.x.b": None}}


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_tasks_depend_on_each_other_where_a_path_of_groups_leads(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 9))
    kinds = data.draw(st.lists(st.sampled_from(["Pod", "StepGroup"]), min_size=count, max_size=count))
    links = data.draw(st.sets(st.tuples(st.integers(0, count - 1), st.integers(0, count))))
    cyclic = data.draw(st.booleans())
    links = {(a, b) for a, b in links if cyclic or a < b}
    nodes = {
        str(i): _node(f"n{i}", kinds[i], tuple(str(b) for a, b in sorted(links) if a == i)) for i in range(count)
    }  # links to `count` lead to a node that is not there

    def reached(i: str, seen: frozenset[str]) -> set[str]:
        ends = set()
        for child in nodes[i].children:
            if child in nodes and child not in seen:
                ends |= {child} if nodes[child].works else reached(child, seen | {child})
        return ends

    found, _ = places(nodes)
    parents = dependencies(nodes, found, "")
    edges = {(parent, child) for child, named in parents.items() for parent in named}
    expected = {(nodes[i].name, nodes[end].name) for i in found for end in reached(i, frozenset())}
    if not cyclic:
        assert edges == expected
    else:
        assert edges <= expected


def test_more_dependencies_than_can_be_meant_refuse_the_workflow(tmp_path: Path) -> None:
    count = 1100
    nodes: dict[str, Any] = {"g": {"type": "StepGroup", "children": [f"b{i}" for i in range(count)]}}
    for i in range(count):
        nodes[f"a{i}"] = {"type": "Pod", "phase": "Succeeded", "children": ["g"]}
        nodes[f"b{i}"] = {"type": "Pod", "phase": "Succeeded"}
    workflow = {"kind": "Workflow", "metadata": {"name": "w"}, "status": {"nodes": nodes}}
    (file,) = find_files([_write(tmp_path / "x.json", workflow)])
    units = list(find_source("argo").units(file) or ())
    assert len(units) == 1 + len(nodes)
    assert [unit.problem and unit.problem[0] for unit in units[:2]] == ["too_many_edges", "unreadable_workflow"]


@pytest.mark.parametrize(
    ("said", "value"),
    [
        ("500m", 0.5), ("2", 2), (2, 2), (0.5, 0.5), ("1.5", 1.5), ("1e3", 1000), ("12E2", 1200), ("1k", 1000),
        ("4Gi", 4 << 30),
        ("4G", 4e9), ("100n", 1e-7), (".5Ki", 512), ("1E", 1e18), ("{{inputs.parameters.cpu}}", None), (None, None),
    ],
)  # fmt: skip
def test_quantities_are_read_as_kubernetes_does(said: object, value: float | None) -> None:
    found = quantity(said)
    assert (None if found is None else float(found)) == value


@pytest.mark.parametrize("said", ["", "many", "1e999", "1.2.3", "4gi", True, [1], {"a": 1}, "9" * 99, float("inf"), "1 Gi"])
def test_what_is_no_quantity_is_refused(said: object) -> None:
    with pytest.raises(UnfitError, match="no quantity of Kubernetes"):
        quantity(said)


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ({"container": {}}, (None, None, None, None)),
        ({"container": {"resources": {"limits": {"memory": "1Ki"}}}}, (None, 1024, 0.0, None)),
        ({"container": {"resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "3", "amd.com/gpu": 1}}}},
         (1.0, None, 1.0, "g")),
        ({"containerSet": {"containers": [{"name": "a", "resources": {"requests": {"cpu": 1}}}, {"name": "b"}]}},
         (1.0, None, 0.0, None)),
        ({"container": {"resources": {"requests": {"cpu": "{{inputs.parameters.none}}"}}}}, (None, None, 0.0, None)),
        ({"container": {}, "podSpecPatch": "{{inputs.parameters.none}}"}, (None, None, None, None)),
        ({"container": {}, "podSpecPatch": "containers:\n- name: main\n  resources: {requests: {cpu: 250m}}\n"},
         (0.25, None, 0.0, None)),
        ({"container": {"resources": {"requests": {"nvidia.com/mig-1g.5gb": 1}}}}, (None, None, 0.0, None)),
    ],
)  # fmt: skip
def test_demand_is_what_the_template_asks_for(tmp_path: Path, template: Any, expected: tuple[object, ...]) -> None:
    workflow = {
        "kind": "Workflow",
        "metadata": {"name": "w"},
        "spec": {"templates": [{"name": "t", "nodeSelector": {"accelerator": "g"}, **template}]},
        "status": {"nodes": {"a": {"type": "Pod", "phase": "Running", "templateName": "t"}}},
    }
    (file,) = find_files([_write(tmp_path / "x.json", workflow)])
    _, unit = find_source("argo").units(file) or ()
    record = unit.records[0]
    assert tuple(record.get(name) for name in ("cpu_cores", "memory_bytes", "gpus", "gpu_type")) == expected


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.json", '{"kind": "Pod", "metadata": {}}', "it holds no Workflow of Argo"),
        ("x.jsonl", '{"eventType": "START"}\n{"eventType": "COMPLETE"}\n', "it holds no Workflow of Argo"),
        ("x.json", '{"kind": "List", "items": 7}', "it holds no Workflow of Argo"),
        ("x.csv", "a,b\n1,2\n", "it holds no Workflow of Argo"),
        ("x.yaml", "kind: Workflow\nkind: Workflow\n", "x.yaml:2:1: the key 'kind' stands twice"),
        ("x.json", '{"kind": "Workflow",\n', "x.json:2:1: expecting property name"),
        ("x.json", '{"kind": "Workflow", "a":' + "[" * 10_000, "nested deeper than 200"),
    ],
)
def test_another_file_is_refused_by_name(lake: Lake, tmp_path: Path, name: str, text: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(FileError) as caught:
        _ingest(lake, path)
    assert message in str(caught.value)
    assert caught.value.remedy


def test_an_empty_list_is_no_error(lake: Lake, tmp_path: Path) -> None:
    (account,) = _ingest(lake, _write(tmp_path / "none.json", {"apiVersion": "v1", "kind": "List", "items": None})).accounts
    assert account.lines == 0


def test_workflows_are_recognised() -> None:
    for path in (NIGHTLY, KUBEFLOW, LIST):
        source, why = recognise_source(find_files([path]))
        assert source.name == "argo"
        assert "of Argo Workflows" in why
    others = [p for p in FIXTURES.rglob("*") if p.is_file() and "argo" not in p.parts]
    assert others
    assert all(find_source("argo").recognise(Head(file)) is None for file in find_files(others))


def test_a_line_of_another_format_that_quotes_a_workflow_is_not_taken_for_one(tmp_path: Path) -> None:
    path = _write(tmp_path / "x.jsonl", {"eventType": "START", "spec": json.dumps(_nightly())})
    assert find_source("argo").recognise(Head(*find_files([path]))) is None


JUNK = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.just([[1]]) | st.just({"id": {}})


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_whatever_stands_in_a_field_every_entry_is_a_unit(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    document = data.draw(st.sampled_from([_nightly(), json.loads(KUBEFLOW.read_text().splitlines()[0])]))
    holder: Any = document
    key: Any = None
    for _ in range(data.draw(st.integers(1, 7))):
        inner = holder if key is None else holder[key]
        if not isinstance(inner, (dict, list)) or not inner:
            break
        holder, key = inner, data.draw(st.sampled_from(list(inner) if isinstance(inner, dict) else range(len(inner))))
    holder[key] = data.draw(JUNK)
    (file,) = find_files([_write(tmp_path_factory.mktemp("junk") / "x.json", document)])
    try:
        units = list(find_source("argo").units(file) or ())
    except FileError:
        return
    assert [unit.number for unit in units] == list(range(1, len(units) + 1))
    nodes = document.get("status") and isinstance(document["status"], dict) and document["status"].get("nodes")
    assert len(units) == 1 + (len(nodes) if isinstance(nodes, dict) else 0)


@given(st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_the_order_of_nodes_changes_no_row(tmp_path_factory: pytest.TempPathFactory, random: Any) -> None:
    said = []
    workflow = _nightly()
    for turn in range(2):
        (file,) = find_files([_write(tmp_path_factory.mktemp("order") / f"{turn}.json", workflow)])
        records = [record for unit in find_source("argo").units(file) or () for record in unit.records]
        said.append(sorted(json.dumps(record, sort_keys=True) for record in records))
        nodes = list(workflow["status"]["nodes"].items())
        random.shuffle(nodes)
        workflow["status"]["nodes"] = dict(nodes)
    assert said[0] == said[1]


@pytest.mark.parametrize("damage", [b"\xff", b"\x00", b'"'])
def test_a_damaged_line_leaves_the_others_as_they_are(lake: Lake, tmp_path: Path, damage: bytes) -> None:
    lines = KUBEFLOW.read_bytes().splitlines()
    lines[0] = lines[0][:500] + damage + lines[0][500:]
    path = tmp_path / "damaged.jsonl"
    path.write_bytes(b"\n".join([lines[4], *lines]))
    if damage == b"\x00":  # so early in a file, it is no text
        path.write_bytes(b"\n".join([lines[4], b" " * 70_000, *lines]))
    _ingest(lake, path)
    assert {row["run_id"] for row in _rows(lake, "pipeline_runs")} == {"u-3", "default/hello-1"}


def _unit_problem(tmp_path: Path, change: Callable[[Any], object]) -> list[str | None]:
    workflow = _nightly()
    change(workflow)
    (file,) = find_files([_write(tmp_path / "x.json", workflow)])
    return [unit.problem and unit.problem[0] for unit in find_source("argo").units(file) or ()]


def test_a_workflow_whose_parts_are_no_objects_is_refused_with_its_nodes(tmp_path: Path) -> None:
    for change in (
        lambda w: w["metadata"].update(labels=[1]),
        lambda w: w["spec"].update(templates={"a": 1}),
        lambda w: w["spec"].update(arguments="none"),
    ):
        problems = _unit_problem(tmp_path, change)
        assert problems == ["wrong_type"] + ["unreadable_workflow"] * 17
    problems = _unit_problem(tmp_path, lambda w: w["spec"].update(priority=[5]))
    assert problems == ["wrong_type"] + [None] * 17
