"""Formats whose entries are translated one by one: accounted for as lines are, and kept in quarantine as they stand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import polars as pl
import pytest

from pipesim.ingest import ingest
from pipesim.ingest.reading.files import LogFile
from pipesim.ingest.sources import Translated, Unit, line_units
from pipesim.lake import Lake

START = datetime(2026, 3, 2, tzinfo=timezone(timedelta(hours=1)))


class Minutes(Translated):
    """Lines `<run> <minutes> ...`: a run with a task for each number, the first of which has the run's name."""

    name = "minutes"
    description = "a format made for this test"

    def units(self, file: LogFile) -> Iterator[Unit]:
        return line_units(file, self._unit)

    def _unit(self, number: int, text: str) -> Unit:
        if text.startswith("#"):
            return Unit(number, text, unused=("comment",))
        run, *minutes = text.split()
        if not minutes:
            return Unit(number, text, problem=("no_minutes", "a line has a run and its minutes"))
        common = {"run_id": run, "status": "done", "queued_at": START}
        tasks = [
            {"table": "task_runs", "task_id": f"t{k}", "task_name": "t", "duration_s": float(m) * 60 if m != "?" else m}
            for k, m in enumerate(minutes)
        ]
        whole = {"table": "pipeline_runs", "pipeline_name": "p", "submitted_at": START.replace(tzinfo=None), **common}
        return Unit(number, text, [whole, *({**common, **task} for task in tasks)])


def test_every_entry_is_accounted_for_and_one_bad_record_refuses_its_entry(lake: Lake, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_bytes(b"# a\n\na 1 2\nb\nc 3 -4 ?\na 1 2\n\xff\nd 5\n")
    report = ingest(lake, [log], Minutes("Europe/Vienna"))
    (account,) = report.accounts
    assert (account.lines, account.valid, account.duplicates, account.quarantined, account.blank_or_header) == (8, 2, 1, 3, 2)
    assert account.rows == {"pipeline_runs": 2, "task_runs": 3}
    assert account.unused == ["comment"]
    refused = pl.read_parquet(lake.lake / "quarantine").sort("source_line", "rule")
    assert refused.select("source_line", "stage", "rule", "raw").rows() == [
        (4, "parse", "no_minutes", "b"),
        (5, "type", "duration_s_not_a_number", "c 3 -4 ?"),
        (5, "rule", "negative_duration_s", "c 3 -4 ?"),
        (7, "read", "not_utf8", "\\xff"),
    ]
    runs = pl.read_parquet(lake.lake / "observed" / "pipeline_runs")
    # An instant without a zone is of the log's own, one with a zone is what it says.
    assert set(runs["submitted_at"]) == {datetime(2026, 3, 1, 23)}
    assert set(runs["time_basis"]) == {"assumed_zone"}
    tasks = pl.read_parquet(lake.lake / "observed" / "task_runs").sort("run_id", "task_id")
    assert tasks["duration_s"].to_list() == [60.0, 120.0, 300.0]
    assert set(tasks["queued_at"]) == {START.astimezone(UTC).replace(tzinfo=None)}


@pytest.mark.parametrize("zone", [None, "UTC"])
def test_the_zone_is_part_of_what_a_file_was_read_with(zone: str | None) -> None:
    assert Minutes(zone).fingerprint() == "minutes UTC"
    assert Minutes("Asia/Tokyo").fingerprint() == "minutes Asia/Tokyo"


class Pairs(Translated):
    """Lines of JSON: the name of a run and those of its tasks, each of which follows all before it."""

    name = "pairs"
    description = "a format made for this test"

    def units(self, file: LogFile) -> Iterator[Unit]:
        return line_units(file, self._unit)

    def _unit(self, number: int, text: str) -> Unit:
        run, *names = json.loads(text)
        whole = {"table": "pipeline_runs", "run_id": run, "pipeline_name": "p", "status": "running", "submitted_at": START}
        tasks = [{"table": "task_runs", "run_id": run, "task_id": n, "task_name": "t", "status": "running"} for n in names]
        edges = [
            {"table": "task_edges", "run_id": run, "task_id": child, "parent_task_id": parent}
            for k, child in enumerate(names)
            for parent in names[:k]
        ]
        return Unit(number, text, [whole, *tasks, *edges])


def test_half_a_character_refuses_its_entry_and_no_other(lake: Lake, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_text('["a", "\\ud83d"]\n["b", "\\ud83d\\ude00"]\n')
    counts = ingest(lake, [log], Pairs()).as_dict()
    assert (counts["valid"], counts["quarantined"]) == (1, 1)
    assert lake.load_observed().task_runs["task_id"].to_list() == ["\U0001f600"]
    assert pl.read_parquet(lake.lake / "quarantine")["rule"].to_list() == ["not_text"]


def test_entries_of_many_records_are_taken_a_few_at_a_time(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipesim.ingest.reading.unit_records._MOST_RECORDS", 10)
    log = tmp_path / "log.txt"
    log.write_text("".join(json.dumps([f"r{i}", *"abcde"]) + "\n" for i in range(9)))
    counts = ingest(lake, [log], Pairs()).as_dict()
    assert (counts["lines"], counts["valid"]) == (9, 9)
    assert counts["rows"] == {"pipeline_runs": 9, "task_runs": 45, "task_edges": 90}
