"""OpenLineage files: the forms they come in, and what becomes of damage and of hostile content."""

from __future__ import annotations

import gzip
import json
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipesim.errors import FileError
from pipesim.ingest import ingest
from pipesim.ingest.reading.files import find_files
from pipesim.ingest.sources import Head, Unit, recognise_source
from pipesim.ingest.sources.openlineage import entries
from pipesim.ingest.sources.openlineage.source import OpenLineage
from pipesim.lake import Lake
from tests.ingest.sources.openlineage_events import (
    FIXTURES,
    GOOD,
    INDENTED,
    LINES,
    LOG,
    data,
    event,
    read,
    refused,
    rows,
    run_of,
)  # fmt: skip


def _units(log: Path) -> list[Unit]:
    (file,) = find_files([log])
    return list(OpenLineage().units(file))


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_damage_is_accounted_for_line_by_line(drawn: st.DataObject) -> None:
    content = bytearray("\n".join(LINES).encode() + b"\n")
    for _ in range(drawn.draw(st.integers(1, 6))):
        content[drawn.draw(st.integers(0, len(content) - 1))] ^= 1 << drawn.draw(st.integers(0, 7))
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.jsonl"
        log.write_bytes(bytes(content))
        try:
            units = _units(log)
        except FileError:  # a NUL byte makes it a binary file
            assert b"\0" in content
            return
    lines = content.count(b"\n") + (not content.endswith(b"\n"))
    assert [unit.number for unit in units] == list(range(1, lines + 1))
    assert all(unit.problem is None or not unit.records for unit in units)
    # All that they hold can be stored as text.
    pa.array([json.dumps([unit.raw, unit.records, unit.problem], ensure_ascii=False) for unit in units], pa.large_string())


@settings(max_examples=4, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, len(LINES) - 1), st.integers(0, 2000), st.sampled_from('",:{}[]x9')), min_size=1, max_size=8
    )
)
def test_a_damaged_log_leaves_a_valid_lake(damage: list[tuple[int, int, str]]) -> None:
    lines = list(LINES)
    for number, place, character in damage:
        text = lines[number]
        lines[number] = text[: place % (len(text) + 1)] + character + text[place % (len(text) + 1) + 1 :]
    with tempfile.TemporaryDirectory() as folder:
        lake, account = read(Path(folder), lines)
        assert account.lines == len(LINES)
        assert lake.load_observed().violations() == []


@pytest.mark.parametrize("form", ["array", "array, a line each", "indented", "one after the other", "answer", "gzip"])
def test_documents_hold_what_lines_hold(form: str, tmp_path: Path) -> None:
    events = [json.loads(line) for line in GOOD]
    text = {
        "array": lambda: json.dumps(events),
        "array, a line each": lambda: "[" + ",\n".join(GOOD) + "\n]",
        "indented": lambda: json.dumps(events, indent=2),
        "one after the other": lambda: "\n".join(json.dumps(e, indent=2) for e in events),
        "answer": lambda: json.dumps({"events": events[:20]}) + json.dumps({"totalCount": 27, "events": events[20:]}),
        "gzip": lambda: "\n".join(GOOD),
    }[form]()
    log = tmp_path / "log.json"
    log.write_bytes(gzip.compress(text.encode()) if form == "gzip" else text.encode())
    units = _units(log)
    assert [unit.number for unit in units] == list(range(1, len(GOOD) + 1))
    assert [unit.records for unit in units] == [unit.records for unit in _units(LOG)[: len(GOOD)]]


@pytest.mark.parametrize(
    ("text", "counts", "rule"),
    [
        ("[" + ",".join(GOOD[:3]), (4, 3, 1), "not_json"),
        ("[" + ",".join(GOOD[:3])[:-30], (3, 2, 1), "not_json"),
        (f"[{GOOD[2]}, 5, {GOOD[3]}]", (3, 2, 1), "not_an_object"),
        (f"[{GOOD[2]}, [[]], {GOOD[3]}]", (3, 2, 1), "not_an_object"),
        (f"{INDENTED[:-9]}\n{INDENTED}\n", (2, 1, 1), "not_json"),
        # Beyond the head, where a NUL would tell a binary file.
        (f"[{GOOD[2]},\n{' ' * (1 << 17)}\n\0, {GOOD[3]}]", (2, 1, 1), "not_json"),
        (f"[{GOOD[2]}, {'[' * 10_000}]", (2, 1, 1), "not_json"),
        (f"[{GOOD[2]}]]", (2, 1, 1), "not_json"),
    ],
    ids=["no end", "cut short", "number", "nested", "two documents", "NUL", "deep", "an end too many"],
)  # fmt: skip
def test_damage_of_documents_is_told(text: str, counts: tuple[int, int, int], rule: str, tmp_path: Path) -> None:
    log = tmp_path / "log.json"
    log.write_text(text, encoding="utf-8")
    units = _units(log)
    problems = [unit.problem for unit in units if unit.problem]
    assert (len(units), len([unit for unit in units if unit.records]), len(problems)) == counts
    assert {found for found, _ in problems} == {rule}
    assert not any("\0" in unit.raw for unit in units)


def test_bytes_that_are_no_text_damage_the_rest_of_a_document(tmp_path: Path) -> None:
    log = tmp_path / "log.json"
    log.write_bytes(f"[{GOOD[2]}, ".encode() + GOOD[3].encode().replace(b"churn", b"chu\xffrn") + b"]")
    assert [(unit.problem or ("good", ""))[0] for unit in _units(log)] == ["good", "not_json"]


def test_a_damaged_first_line_does_not_make_a_file_a_document(tmp_path: Path) -> None:
    for number, first in enumerate(("[" + GOOD[0][1:], GOOD[0][:-9], "{")):
        log = tmp_path / f"{number}.jsonl"
        log.write_text("\n".join([first, *GOOD[1:]]), encoding="utf-8")
        assert [unit.number for unit in _units(log) if unit.problem] == [1]


def test_a_document_beyond_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entries, "MAX_DOCUMENT_BYTES", 1 << 10)
    with pytest.raises(FileError, match="goes on for lines") as caught:
        read(tmp_path, ["[" + ",".join(GOOD) + "]"])
    assert "jq" in (caught.value.remedy or "")


def _wrong(path: str, value: Any) -> dict[str, Any]:
    """Return an event with everything in it that is read, but for what a dotted path names, which is `value`."""
    item = {
        "facets": {
            "version": {"datasetVersion": "1"},
            "schema": {"fields": []},
            "dataQualityMetrics": {"rowCount": 1, "bytes": 1},
        },
        "inputFacets": {"inputStatistics": {"rowCount": 1, "size": 1}, "dataQualityMetrics": None},
        "outputFacets": {"outputStatistics": {"rowCount": 1, "size": 1}},
    }
    facets = {
        "nominalTime": {"nominalStartTime": "2026-03-02T09:00:00Z", "nominalEndTime": "2026-03-02T10:00:00Z"},
        "errorMessage": {"message": "m"},
        "processing_engine": {"name": "e"},
    }
    job = {"jobType": {"jobType": "TASK"}, "ownership": {"owners": [{"name": "o"}]}}
    whole = event(
        run=run_of(50, 51, 52, **facets),
        job={"namespace": "n", "name": "j", "facets": job},
        inputs=[data("i", **item)],
        outputs=[data("o", **item)],
    )
    place: Any = whole
    *above, last = path.split(".")
    for name in above:
        place = place[int(name)] if isinstance(place, list) else place[name]
    place[int(last) if isinstance(place, list) else last] = value
    return whole


_TEXTS = (
    "eventType", "eventTime", "run.runId", "job.name", "run.facets.parent.run.runId", "run.facets.parent.job.name",
    "run.facets.parent.root.run.runId", "run.facets.nominalTime.nominalStartTime", "run.facets.nominalTime.nominalEndTime",
    "run.facets.errorMessage.message", "run.facets.processing_engine.name", "job.facets.jobType.jobType",
    "job.facets.ownership.owners.0.name", "inputs.0.name", "inputs.0.namespace", "outputs.0.name",
    "outputs.0.facets.version.datasetVersion",
)  # fmt: skip
_OBJECTS = (
    "run", "job", "run.facets", "job.facets", "run.facets.parent", "run.facets.parent.run", "run.facets.parent.job",
    "run.facets.parent.root", "run.facets.parent.root.run", "run.facets.nominalTime", "run.facets.errorMessage",
    "run.facets.processing_engine", "job.facets.jobType", "job.facets.ownership", "job.facets.ownership.owners.0", "inputs.0",
    "inputs.0.facets", "inputs.0.inputFacets", "inputs.0.facets.schema", "inputs.0.facets.version",
    "inputs.0.facets.dataQualityMetrics", "inputs.0.inputFacets.inputStatistics", "outputs.0.outputFacets.outputStatistics",
    "inputs.0.inputFacets.dataQualityMetrics",
)  # fmt: skip
_ARRAYS = ("inputs", "outputs", "job.facets.ownership.owners", "inputs.0.facets.schema.fields")
_NUMBERS = (
    "inputs.0.inputFacets.inputStatistics.rowCount", "inputs.0.inputFacets.inputStatistics.size",
    "outputs.0.outputFacets.outputStatistics.rowCount", "outputs.0.outputFacets.outputStatistics.size",
    "inputs.0.facets.dataQualityMetrics.rowCount", "inputs.0.facets.dataQualityMetrics.bytes",
)  # fmt: skip


def test_a_wrong_type_refuses_the_event_wherever_it_stands(tmp_path: Path) -> None:
    wrong = [(p, v) for p in _TEXTS for v in ([1], {"a": 1}, 1.5, True)]
    wrong += [(p, v) for p in _OBJECTS for v in ([1], "text", 5, False)]
    wrong += [(p, v) for p in _ARRAYS for v in ({"a": 1}, "text", 5, True)]
    wrong += [(p, v) for p in _NUMBERS for v in ([1], {"a": 1}, False)]
    good = json.dumps(_wrong("eventType", "COMPLETE"))
    lake, account = read(tmp_path, [good, *(json.dumps(_wrong(path, value)) for path, value in wrong)])
    assert (account.valid, account.quarantined) == (1, len(wrong))
    assert {rule for _, _, rule in refused(lake)} == {"wrong_type"}
    details = pl.read_parquet(lake.lake / "quarantine").sort("source_line")["detail"].to_list()
    for (path, _), detail in zip(wrong, details, strict=True):
        assert path.split(".")[-1].replace("0", "[]") in detail


def _number(value: str) -> str:
    return json.dumps(_wrong("inputs.0.inputFacets.inputStatistics.rowCount", "@")).replace('"@"', value)


_HOSTILE = [
    ("[" * 10_000, "not_json"),
    ('{"eventTime": ' * 10_000, "not_json"),
    ('{"run": ' + "[" * 10_000 + "]" * 10_000 + "}", "not_json"),
    (_number("9" * 5000), "not_json"),
    (_number("9" * 400), "row_count_not_an_integer"),
    (_number("1e999"), "row_count_not_an_integer"),
    (_number("1.5"), "row_count_not_an_integer"),
    (_number('"many"'), "row_count_not_an_integer"),
    (_number("-2"), "negative_row_count"),
    (json.dumps(event(run={"runId": "\ud800"})), "not_text"),
    (json.dumps(event(eventTime="0001-01-01T00:00:00+14:00")), "not_an_instant"),
    (json.dumps(event(eventTime="2026-03-02")), "not_an_instant"),
    (json.dumps(event(eventTime="2026-02-30T00:00:00Z")), "not_an_instant"),
    (json.dumps({**event(), "eventTime": None}), "no_instant"),
    (json.dumps(event(run={})), "no_run_id"),
    (json.dumps(event(run={"runId": ""})), "no_run_id"),
    (json.dumps({k: v for k, v in event().items() if k != "job"}), "no_job_name"),
    (json.dumps(event(run={"runId": "r", "facets": {"parent": {"job": {"name": "x"}}}})), "no_parent_run_id"),
    (json.dumps(event(inputs=[{"namespace": "n"}])), "no_data_set_name"),
    (json.dumps(event(inputs=[{"name": "n"}])), "no_data_set_name"),
    (json.dumps({k: v for k, v in event().items() if k not in ("run", "job")}), "not_an_event"),
    (json.dumps(event("DONE")), "unmapped_status"),
    ("null", "not_an_object"),
    ("\ufeff" + json.dumps(event()), "not_json"),
]


def test_hostile_events_are_refused(tmp_path: Path) -> None:
    lake, account = read(tmp_path, [json.dumps(event(run=run_of(60))), *(line for line, _ in _HOSTILE)])
    assert (account.valid, account.quarantined) == (1, len(_HOSTILE))
    assert [rule for _, _, rule in refused(lake)] == [rule for _, rule in _HOSTILE]


def test_ids_and_names_may_hold_anything(tmp_path: Path) -> None:
    odd = ["'; DROP TABLE x; --", '"', "../../etc/passwd", "<script>", "a\nb\tc", "a\0b", "\U0001f600", "x" * 5000]
    lines = [json.dumps(event(run={"runId": text}, job={"namespace": text, "name": text}, inputs=[data(text)])) for text in odd]
    lake, account = read(tmp_path, lines)
    assert account.valid == len(odd)
    assert sorted(row["pipeline_name"] for row in rows(lake, "pipeline_runs")) == sorted(odd)
    assert sorted(row["asset_id"] for row in rows(lake, "task_io")) == sorted(f"s3://lake/{text}" for text in odd)


@pytest.mark.parametrize("name", ["log.parquet", "log.sqlite", "native.jsonl", "words.txt", "array.json", "deep.json"])
def test_a_file_of_another_format_is_refused_by_name(name: str, tmp_path: Path) -> None:
    log = tmp_path / name
    if name == "log.parquet":
        pq.write_table(pa.table({"eventTime": ["x"]}), log)
    elif name == "log.sqlite":
        with sqlite3.connect(log) as con:
            con.execute("CREATE TABLE runs (id TEXT)")
        con.close()
    else:
        texts = {
            "native.jsonl": '{"run_id": "a", "status": "ok"}\n' * 3,
            "words.txt": "some words\n",
            "deep.json": "[" * 10_000,
        }
        log.write_text(texts.get(name, '[{"a": 1}, 2]'), encoding="utf-8")
    with pytest.raises(FileError) as caught:
        ingest(Lake(tmp_path / "home"), [log], OpenLineage())
    assert caught.value.where == str(log)
    assert "--source" in (caught.value.remedy or "")


def test_its_files_are_recognised(tmp_path: Path) -> None:
    forms: dict[str, Callable[[], str]] = {
        "lines.jsonl": lambda: "\n".join(LINES),
        "indented.json": lambda: json.dumps(json.loads(GOOD[3]), indent=2),
        "array.json": lambda: json.dumps([json.loads(line) for line in GOOD]),
        "damaged.jsonl": lambda: "\n".join([GOOD[0][:50], *GOOD[1:]]),
    }
    for name, text in forms.items():
        (tmp_path / name).write_text(text(), encoding="utf-8")
    (tmp_path / "packed.jsonl.gz").write_bytes(gzip.compress(LOG.read_bytes()))
    source, why = recognise_source(find_files([tmp_path]))
    assert source.name == "openlineage"
    assert "eventTime" in why


def test_files_of_others_are_not_taken_for_its_own(tmp_path: Path) -> None:
    samples = sorted((Path(__file__).parents[3] / "traces" / "sample").glob("*.*"))
    others = [path for path in FIXTURES.rglob("*") if path.is_file() and "openlineage" not in path.parts]
    (tmp_path / "app.jsonl").write_text('{"eventTime": "2026-03-02T00:00:00Z", "message": "runId"}\n', encoding="utf-8")
    found = find_files([*samples, *others, tmp_path / "app.jsonl"], refused=[])
    assert len(found) > len(others)
    assert [file.name for file in found if OpenLineage().recognise(Head(file))] == []
