"""Formats whose entries are translated one by one: accounted for as lines are, and kept in quarantine as they stand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import polars as pl
import pytest

from pipesim.ingest import ingest
from pipesim.ingest.files import LogFile
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
