"""WfFormat: workflows, tasks, files and machines of both shapes, every row; what is odd in them is refused entry by entry."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipesim.errors import FileError
from pipesim.ingest import IngestReport, find_source, ingest
from pipesim.ingest.reading.files import find_files
from pipesim.ingest.sources import recognise_source
from pipesim.lake import Lake

FIXTURES = Path(__file__).parents[1] / "fixtures"
CURRENT = FIXTURES / "wfformat" / "instance-1.5.json"
OLD = FIXTURES / "wfformat" / "instance-1.4.json"
REAL = Path(__file__).parents[4] / "shared" / "traces" / "wfinstances"
ODD = "model '; DROP TABLE\n../x"
RUN, OLD_RUN = "genome-2020-c85c890d744b0d73", "montage-old-7e4b0c073b3d69d8"


def _ingest(lake: Lake, *paths: Path, zone: str | None = None) -> IngestReport:
    return ingest(lake, list(paths), find_source("wfformat", time_zone=zone))


def _rows(lake: Lake, table: str) -> list[dict[str, Any]]:
    """Return the rows of a table in the order of the file, without NULLs, provenance and the run that all of them have."""
    frame = pl.read_parquet(lake.lake / "observed" / table)
    rows = frame.sort("source_line", *[c for c in frame.columns if c != "source_line"]).to_dicts()
    left_out = {"source", "source_file", "ingest_id", "run_id", "version"}
    return [{k: v for k, v in row.items() if v is not None and k not in left_out} for row in rows]


def _refused(lake: Lake) -> list[tuple[int, str, str, str]]:
    folder = lake.lake / "quarantine"
    if not folder.exists():
        return []
    return pl.read_parquet(folder).sort("source_line", "rule").select("source_line", "stage", "rule", "detail").rows()


def _changed(path: Path, change: Callable[[Any], object]) -> Path:
    document = json.loads(CURRENT.read_text())
    change(document)
    path.write_text(json.dumps(document))
    return path


def test_every_row_of_an_instance(lake: Lake) -> None:
    (account,) = _ingest(lake, CURRENT).accounts
    assert (account.lines, account.valid, account.quarantined, account.duplicates, account.blank_or_header) == (15, 11, 4, 0, 0)
    assert account.unused == ["checksum", "weather"]
    assert set(pl.read_parquet(lake.lake / "observed" / "task_runs")["run_id"]) == {RUN}
    assert set(pl.read_parquet(lake.lake / "observed" / "data_assets")["version"]) == {RUN}
    began, ended = datetime(2020, 4, 1, 4, 39, 3), datetime(2020, 4, 1, 4, 50, 4, 500_000)
    assert _rows(lake, "pipeline_runs") == [
        {
            "source_line": 1, "pipeline_name": "genome-2020", "status": "UNKNOWN", "raw_status": "UNKNOWN",
            "submitted_at": began, "ended_at": ended, "observed_until": ended, "time_basis": "utc",
        }
    ]  # fmt: skip
    done = {"attempt": 1, "status": "SUCCEEDED", "raw_status": "SUCCEEDED", "is_censored": False}
    at = datetime(2020, 4, 1, 4, 40)
    assert _rows(lake, "task_runs") == [
        {"source_line": 2, "task_id": "split_ID1", "task_name": "split_ID1", "task_type": "other", "raw_type": "split",
         "duration_s": 109.538, **done},
        {"source_line": 3, "task_id": "train_ID2", "task_name": "train_ID2", "task_type": "train", "raw_type": "fit",
         "duration_s": 0.0, "started_at": at, "ended_at": at, "pool": "gpu-1", "node_id": "gpu-1", "cpu_cores": 1.5,
         "memory_bytes": 3_000_000, "read_bytes": 660_000, "written_bytes": 312_000, **done},
        {"source_line": 4, "task_id": "train_ID3", "task_name": "train_ID3", "duration_s": 3.0, "pool": "cpu-1",
         "node_id": "cpu-1", **done},
        {"source_line": 5, "task_id": "join", "task_name": "join", "duration_s": 1.0, **done},
        {"source_line": 6, "task_id": "spare", "task_name": "never run", **done, "status": "UNKNOWN", "raw_status": "UNKNOWN"},
    ]  # fmt: skip
    assert [(r["source_line"], r["task_id"], r["parent_task_id"]) for r in _rows(lake, "task_edges")] == [
        (3, "train_ID2", "split_ID1"),
        (4, "train_ID3", "split_ID1"),  # only its parent says so
        (5, "join", "train_ID2"),  # only itself says so
        (5, "join", "train_ID3"),
    ]
    assert [(r["source_line"], r["asset_id"], r["size_bytes"]) for r in _rows(lake, "data_assets")] == [
        (8, "in.txt", 20078),
        (9, "a", 0),
        (12, ODD, 7),
    ]
    assert [
        (r["source_line"], r["task_id"], r["direction"], r["asset_id"], r.get("size_bytes")) for r in _rows(lake, "task_io")
    ] == [
        (2, "split_ID1", "read", "in.txt", 20078),
        (2, "split_ID1", "write", "a", 0),
        (2, "split_ID1", "write", "b", None),
        (3, "train_ID2", "read", "a", 0),
        (3, "train_ID2", "write", ODD, 7),
        (4, "train_ID3", "read", "b", None),
        (4, "train_ID3", "read", "unlisted", None),
    ]
    assert _rows(lake, "pools") == [
        {"source_line": 14, "pool": "cpu-1", "valid_from": began, "kind": "cpu", "node_count": 1, "cpu_cores": 48.0,
         "memory_bytes": 131_795_984_000},
        {"source_line": 15, "pool": "gpu-1", "valid_from": began, "kind": "cpu", "node_count": 1},
    ]  # fmt: skip
    assert _refused(lake) == [
        (7, "parse", "no_such_task", "no task of the specification has its id"),
        (10, "rule", "negative_size_bytes", "such a quantity is never negative: size_bytes -1024"),
        (11, "rule", "no_asset_id", "part of the key, so it must be given: asset_id NULL"),
        (13, "parse", "name_twice", "an earlier entry is called 'a', too, and says something else"),
    ]
    assert lake.load_observed().violations() == []


def test_every_row_of_an_old_instance(lake: Lake) -> None:
    (account,) = _ingest(lake, OLD, zone="Europe/Vienna").accounts
    assert (account.lines, account.valid, account.unused) == (8, 8, [])
    # Pegasus writes Z behind its local time, so that the zone is the one that is asked for.
    began = datetime(2020, 12, 20, 3, 58, 25)
    assert _rows(lake, "pipeline_runs") == [
        {
            "source_line": 1, "pipeline_name": "montage-old", "status": "UNKNOWN", "raw_status": "UNKNOWN",
            "submitted_at": began, "ended_at": datetime(2020, 12, 20, 3, 59, 25),
            "observed_until": datetime(2020, 12, 20, 3, 59, 25), "time_basis": "assumed_zone",
        }
    ]  # fmt: skip
    done = {"attempt": 1, "status": "SUCCEEDED", "raw_status": "SUCCEEDED", "is_censored": False}
    assert _rows(lake, "task_runs") == [
        {"source_line": 2, "task_id": "ID1", "task_name": "project_ID1", "task_type": "other", "raw_type": "project",
         "duration_s": 5.5, "pool": "worker-1", "node_id": "worker-1", "cpu_cores": 2.0, **done},
        {"source_line": 3, "task_id": "ID2", "task_name": "add_ID2", "duration_s": 7.0, "memory_bytes": 99, **done},
        {"source_line": 4, "task_id": "view_ID3", "task_name": "view_ID3",
         **done, "status": "UNKNOWN", "raw_status": "UNKNOWN"},
    ]  # fmt: skip
    assert [(r["task_id"], r["parent_task_id"]) for r in _rows(lake, "task_edges")] == [("ID2", "ID1"), ("view_ID3", "ID2")]
    assert [(r["source_line"], r["asset_id"], r["size_bytes"]) for r in _rows(lake, "data_assets")] == [
        (5, "/data/sky.fits", 10),
        (6, "out.fits", 20),
        (7, "sum.fits", 30),
    ]
    assert [(r["task_id"], r["direction"], r["asset_id"]) for r in _rows(lake, "task_io")] == [
        ("ID1", "read", "/data/sky.fits"),
        ("ID1", "write", "out.fits"),
        ("ID2", "read", "out.fits"),
        ("ID2", "write", "sum.fits"),
    ]
    assert _rows(lake, "pools") == [
        {"source_line": 8, "pool": "worker-1", "valid_from": began, "kind": "cpu", "node_count": 1, "cpu_cores": 4.0,
         "memory_bytes": 1000}
    ]  # fmt: skip


def test_the_run_is_the_same_however_its_file_is_laid_out(lake: Lake, tmp_path: Path) -> None:
    _ingest(lake, CURRENT)
    packed = tmp_path / "again.json.gz"
    document = json.loads(CURRENT.read_text())
    packed.write_bytes(gzip.compress(json.dumps(dict(reversed(document.items()))).encode()))
    (account,) = _ingest(lake, packed).accounts
    assert (account.valid, account.duplicates, account.quarantined, account.rows) == (0, 11, 4, {})
    other = _changed(tmp_path / "other.json", lambda d: d["workflow"]["execution"].update(makespanInSeconds=1))
    _ingest(lake, other)
    assert pl.read_parquet(lake.lake / "observed" / "pipeline_runs").height == 2


@pytest.mark.parametrize(
    ("change", "refused"),
    [
        (lambda w: w["execution"].update(makespanInSeconds=-1), [(1, "makespan_not_a_duration")]),
        (lambda w: w["execution"].update(makespanInSeconds="long"), [(1, "makespan_not_a_duration")]),
        (lambda w: w["execution"].update(makespanInSeconds=10**400), [(1, "makespan_not_a_duration")]),
        (lambda w: w["execution"].update(makespanInSeconds=float("nan")), []),
        (lambda w: w["execution"]["tasks"][3].update(memoryInBytes=87824.00000000001), []),
        (lambda w: w["execution"]["tasks"][3].update(memoryInBytes=float("inf")), None),
        (lambda w: w["execution"]["tasks"][3].update(runtimeInSeconds=10**400), None),
        (lambda w: w["execution"].update(executedAt="yesterday"),
         [(1, "submitted_at_not_an_instant"), (14, "valid_from_not_an_instant"), (15, "valid_from_not_an_instant")]),
        (lambda w: w["execution"].pop("executedAt"), [(14, "no_valid_from"), (15, "no_valid_from")]),
        (lambda w: w["specification"]["tasks"][4].update(name=["spare"]), [(6, "wrong_type")]),
        (lambda w: w["specification"]["tasks"][4].update(id=None), [(6, "no_task_id")]),
        (lambda w: w["specification"]["tasks"].append("spare"), [(7, "wrong_type")]),
        (lambda w: w["specification"]["tasks"].append({"id": "join", "name": "other"}), [(7, "task_id_twice")]),
        (lambda w: w["execution"]["tasks"].append({"id": "join", "runtimeInSeconds": 2}), None),
        (lambda w: w["execution"]["tasks"][3].update(runtimeInSeconds=-2), None),
        (lambda w: w["execution"]["machines"].append({"nodeName": "cpu-1"}), [(16, "name_twice")]),
        (lambda w: w["execution"]["machines"].append(7), [(16, "wrong_type")]),
    ],
)  # fmt: skip
def test_what_is_odd_is_refused_with_its_entry(
    lake: Lake, tmp_path: Path, change: Callable[[Any], object], refused: list[tuple[int, str]] | None
) -> None:
    report = _ingest(lake, _changed(tmp_path / "odd.json", lambda d: change(d["workflow"])))
    found = {(line, rule) for line, _, rule, _ in _refused(lake)}
    if refused is None:  # a task that others wait for, or that waits for others, takes all of the run with it
        assert (1, "missing_edge_end") in found
    else:
        assert set(refused) <= found
        assert {r["source_line"] for r in _rows(lake, "task_runs")} >= {2, 3, 4, 5}
    assert report.accounts[0].lines >= 15


def test_a_dependency_on_what_is_no_task_refuses_the_run(lake: Lake, tmp_path: Path) -> None:
    for at, (key, other) in enumerate((("parents", "nobody"), ("children", "nobody"), ("parents", "join"))):
        document = json.loads(CURRENT.read_text())
        document["name"] = f"w{at}"
        document["workflow"]["specification"]["tasks"][0][key] += [other]
        path = tmp_path / f"{at}.json"
        path.write_text(json.dumps(document))
        _ingest(lake, path)
    rules = [rule for _, stage, rule, _ in _refused(lake) if stage == "reference"]
    assert {rule: rules.count(rule) for rule in rules} == {"missing_edge_end": 12, "dependency_cycle": 6}
    assert not (lake.lake / "observed" / "task_runs").exists()


def test_tasks_that_share_a_name_cannot_be_referred_to_by_it(lake: Lake, tmp_path: Path) -> None:
    document = json.loads(OLD.read_text())
    document["workflow"]["tasks"][2] |= {"name": "project_ID1", "id": "ID3"}
    path = tmp_path / "twice.json"
    path.write_text(json.dumps(document))
    _ingest(lake, path)
    assert (3, "parse", "ambiguous_name", "2 tasks are called 'project_ID1'") in _refused(lake)


def test_a_specification_without_execution_says_what_is_to_be_done(lake: Lake, tmp_path: Path) -> None:
    _ingest(lake, _changed(tmp_path / "plan.json", lambda d: d["workflow"].pop("execution")))
    assert {row["status"] for row in [*_rows(lake, "task_runs"), *_rows(lake, "pipeline_runs")]} == {"UNKNOWN"}
    assert not (lake.lake / "observed" / "pools").exists()


def test_a_run_began_with_its_first_task_if_all_say_when(lake: Lake, tmp_path: Path) -> None:
    def change(document: Any) -> None:
        document["workflow"]["specification"]["tasks"].pop()
        for minute, entry in enumerate(document["workflow"]["execution"]["tasks"]):
            entry["executedAt"] = f"2020-04-01T04:{50 - minute}:00Z"
        document["workflow"]["execution"]["makespanInSeconds"] = 3600

    _ingest(lake, _changed(tmp_path / "dated.json", change))
    (run,) = _rows(lake, "pipeline_runs")
    assert (run["status"], run["started_at"]) == ("SUCCEEDED", datetime(2020, 4, 1, 4, 47))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "no single JSON object"),
        ("{}{}", "no single JSON object"),
        ('{"schemaVersion": "1.5"}', "it has no tasks"),
        ('{"schemaVersion": "1.5", "workflow": []}', "workflow is a list, not an object"),
        ('{"schemaVersion": "1.5", "workflow": {"specification": {"tasks": {}}}}', "tasks is an object, not a list"),
        ('{"schemaVersion": "1.5", "name": {}, "workflow": {}}', "name is an object, not text"),
        ('{"schemaVersion": "1.3", "workflow": {"jobs": []}}', "it has the schemaVersion '1.3'"),
        ('{"schemaVersion": {"a": 1}}', "it has the schemaVersion"),
        ('{"name": "x"}', "it has no schemaVersion"),
        ('{"schemaVersion": "1.5", "workflow":', ":1:37: expecting value"),
        ("a,b\n1,2\n", "no single JSON object"),
        ('{"a":' * 10_000, ":1:1001: it is nested deeper"),
    ],
)
def test_another_file_is_refused_by_name(lake: Lake, tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "other.json"
    path.write_text(text)
    with pytest.raises(FileError) as caught:
        _ingest(lake, path)
    assert message in str(caught.value)
    assert "other.json" in str(caught.value)
    assert caught.value.remedy


def test_instances_are_recognised() -> None:
    for path in (CURRENT, OLD):
        source, why = recognise_source(find_files([path]))
        assert source.name == "wfformat"
        assert "of WfFormat" in why
    from pipesim.ingest.sources import Head

    others = [p for p in FIXTURES.rglob("*") if p.is_file() and "wfformat" not in p.parts]
    assert others
    assert all(find_source("wfformat").recognise(Head(file)) is None for file in find_files(others))


JUNK = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.just([[1]]) | st.just({"id": {}})


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_whatever_stands_in_a_field_every_entry_is_a_unit(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    document = json.loads(data.draw(st.sampled_from([CURRENT, OLD])).read_text())
    holder: Any = document
    key: Any = None
    for _ in range(data.draw(st.integers(1, 6))):
        if not isinstance(inner := holder if key is None else holder[key], (dict, list)) or not inner:
            break
        holder, key = inner, data.draw(st.sampled_from(list(inner) if isinstance(inner, dict) else range(len(inner))))
    holder[key] = data.draw(JUNK)
    path = tmp_path_factory.mktemp("junk") / "x.json"
    path.write_text(json.dumps(document))
    (file,) = find_files([path])
    try:
        units = list(find_source("wfformat").units(file) or ())
    except FileError:
        return
    assert [unit.number for unit in units] == list(range(1, len(units) + 1))
    assert all((unit.problem is None) == bool(unit.records) for unit in units)


def _said(path: Path) -> list[str]:
    """Return what the entries of an instance say, whichever they are, without the run's id, which is of the file's content."""
    (file,) = find_files([path])
    records = [record for unit in find_source("wfformat").units(file) or () for record in unit.records]
    return sorted(str(sorted((k, str(v)) for k, v in record.items() if k not in ("run_id", "version"))) for record in records)


@given(st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_the_order_of_entries_changes_no_row(tmp_path_factory: pytest.TempPathFactory, random: Any) -> None:
    document = json.loads(CURRENT.read_text())
    document["workflow"]["specification"]["files"].pop()  # of two entries with one name, the first one counts
    folder = tmp_path_factory.mktemp("order")
    (folder / "a.json").write_text(json.dumps(document))
    for part in ("specification", "execution"):
        for entries in document["workflow"][part].values():
            if isinstance(entries, list):
                random.shuffle(entries)
    (folder / "b.json").write_text(json.dumps(document))
    assert _said(folder / "a.json") == _said(folder / "b.json")


@pytest.mark.skipif(not REAL.is_dir(), reason="the instances of WfCommons do not lie beside this checkout")
def test_real_instances_are_read_to_the_last_entry(lake: Lake) -> None:
    report = _ingest(lake, REAL)
    assert [(a.lines, a.valid, a.quarantined, a.unused) for a in report.accounts] == [
        (335, 335, 0, []),
        (174, 173, 1, []),
        (13, 13, 0, []),
        (133, 133, 0, []),
    ]
    # The library of WfCommons named a file None, whose name it did not find.
    assert [(line, rule) for line, _, rule, _ in _refused(lake)] == [(169, "no_asset_id")]
    tasks = pl.read_parquet(lake.lake / "observed" / "task_runs")
    assert tasks["duration_s"].sum() == pytest.approx(10853.633 + 371.422047 + 501.24 + 46182.798)
    assert pl.read_parquet(lake.lake / "observed" / "task_edges").height == 228 + 120 + 4 + 60
    assert lake.load_observed().violations() == []
