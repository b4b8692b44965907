"""Every source on a log in its published shape: recognised, accounted for to the last line, and unharmed by a second look."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest

from pipesim.ingest import find_files, find_source, ingest, preview, recognise_source, source_names
from pipesim.lake import Lake

FIXTURES = Path(__file__).parent / "fixtures"
#: The sources that need no mapping; job-table's own fixtures are those of its profiles.
SOURCES = [name for name in source_names() if name != "job-table"]


def lay(name: str, folder: Path) -> Path:
    """Lay a source's fixtures as logs into a folder of their own; those of databases are SQL that makes one."""
    logs = folder / "logs"
    logs.mkdir()
    for fixture in sorted((FIXTURES / name).iterdir()):
        if fixture.suffix == ".sql":
            with closing(sqlite3.connect(logs / f"{fixture.stem}.db")) as con:
                con.executescript(fixture.read_text(encoding="utf-8"))
        else:
            shutil.copy(fixture, logs)
    return logs


def stored(lake: Lake) -> dict[str, bytes]:
    """Return the bytes of all that an ingest leaves."""
    files = (file for kind in ("observed", "quarantine") for file in (lake.lake / kind).rglob("*.parquet"))
    return {str(file.relative_to(lake.root)): file.read_bytes() for file in files}


@pytest.mark.parametrize("name", SOURCES)
def test_it_is_recognised_and_accounted_for_and_a_second_look_changes_nothing(name: str, lake: Lake, tmp_path: Path) -> None:
    logs = lay(name, tmp_path)
    files = find_files([logs], suffixes=find_source(name).suffixes)
    assert len(files) == len(list(logs.iterdir())), "a folder stands for every log in it"
    for file in files:
        source, why = recognise_source([file])
        assert source.name == name
        assert f"is read as {name}, as it has" in why
    first = ingest(lake, [logs], find_source(name))
    counts = first.as_dict()
    assert counts["valid"] > 0
    for account in first.accounts:
        parts = (account.valid, account.duplicates, account.quarantined, account.blank_or_header)
        assert account.lines == sum(parts)
    assert lake.load_observed().violations() == []
    refused = pl.read_parquet(list((lake.lake / "quarantine").glob("*.parquet"))) if counts["quarantined"] else pl.DataFrame()
    assert counts["quarantined"] == (refused.n_unique(["source_file", "source_line"]) if refused.height else 0)
    assert not refused.height or refused["raw"].null_count() == 0, "what was refused is kept as it stands"
    before = stored(lake)
    again = ingest(lake, [logs], find_source(name)).as_dict()
    assert {**again, "seconds": 0} == {**counts, "seconds": 0}
    assert stored(lake) == before


@pytest.mark.parametrize("name", SOURCES)
def test_a_preview_counts_what_an_ingest_stores(name: str, lake: Lake, tmp_path: Path) -> None:
    logs = lay(name, tmp_path)
    source = find_source(name)
    told = preview(lake, find_files([logs], suffixes=source.suffixes), source)
    assert stored(lake) == {}
    done = ingest(lake, [logs], source).as_dict()
    assert {table: count for table, (count, _) in told.rows.items()} == done["rows"]
    assert bool(told.refused["lines"].sum()) == bool(done["quarantined"])


@pytest.mark.endurance
@pytest.mark.parametrize("name", ["native", "openlineage", "mlflow", "slurm", "pai"])
def test_an_ingest_killed_at_any_moment_is_made_good_by_the_next(name: str, tmp_path: Path) -> None:
    logs = lay(name, tmp_path)
    whole, cut = Lake(tmp_path / "whole"), tmp_path / "cut"
    begun = time.monotonic()
    command = [sys.executable, "-m", "pipesim", "ingest", str(logs), "--source", name, "--home"]
    subprocess.run([*command, str(whole.root)], check=True, capture_output=True)
    lasted = time.monotonic() - begun
    killed = 0
    for moment in range(1, 9):
        shutil.rmtree(cut, ignore_errors=True)
        process = subprocess.Popen([*command, str(cut)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(lasted * moment / 9)
        os.kill(process.pid, signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        subprocess.run([*command, str(cut)], check=True, capture_output=True)
        assert stored(Lake(cut)) == stored(whole)
    assert killed
