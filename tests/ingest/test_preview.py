"""What an ingest would do is what it then does, and to ask changes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipesim.ingest import find_files, find_source, ingest, preview
from pipesim.lake import Lake

FIXTURES = Path(__file__).parent / "fixtures"


def plain(value: object) -> object:
    return value if value is None or isinstance(value, str | int | float) else str(value)


@pytest.mark.parametrize("name", ["helios", "openb", "pai"])
def test_a_preview_tells_what_an_ingest_does(lake: Lake, name: str) -> None:
    files = find_files([FIXTURES / name])
    found = preview(lake, files, find_source(name))
    assert not list(lake.root.rglob("*.parquet"))
    assert not lake.ingest_manifests()
    told = found.as_dict()
    assert json.loads(json.dumps(told)) == told
    done = ingest(lake, [FIXTURES / name], find_source(name)).as_dict()
    assert told["rows"] == done["rows"]
    lines = {(row["file"], row["line"]) for row in told["refused"]}
    assert len(lines) <= done["quarantined"]
    assert (not lines) == (done["quarantined"] == 0)
    trace = lake.load_observed()
    for table, first in told["first"].items():
        stored = [{k: plain(v) for k, v in row.items()} for row in trace[table].to_dicts()]
        assert all(any(row.items() <= other.items() for other in stored) for row in first)
        unsaid = told["unsaid"][table]
        assert all(trace[table][column].null_count() == trace[table].height for column in unsaid)


def test_what_nothing_reads_and_the_first_line_of_each_refusal_are_told(lake: Lake, tmp_path: Path) -> None:
    log = tmp_path / "task_runs.csv"
    log.write_text("run_id,task_id,task_name,status,duration_s,colour\nr,t,t,ok,1,red\nr,u,u,odd,1,red\nr,v,v,odd,1,red\n")
    found = preview(lake, find_files([log]), find_source("native"))
    assert found.unused == {str(log): ["colour"]}
    assert found.refused.select("rule", "lines", "line", "raw").rows() == [("unmapped_status", 2, 3, "r,u,u,odd,1,red")]
