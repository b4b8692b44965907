"""Drafts of mappings: what a table's columns are taken for, and that a draft can be read and used as it stands."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipesim.errors import FileError
from pipesim.ingest import find_files, find_source, ingest
from pipesim.ingest.mapping.model import MappedColumn, parse_mapping
from pipesim.ingest.mapping.suggest import Draft, suggest
from pipesim.lake import Lake

FIXTURES = Path(__file__).parents[1] / "fixtures"


def drafted(path: Path) -> Draft:
    return suggest(find_files([path])[0], "ours")


def columns(draft: Draft) -> dict[str, MappedColumn]:
    (table,) = parse_mapping(draft.text, "draft").tables
    return table.columns


def test_names_units_and_formats_are_told_by_names_and_values(tmp_path: Path) -> None:
    log = tmp_path / "jobs.csv"
    log.write_text(
        "JobID,submitTime,start_time,runtime_ms,Elapsed,memGiB,mem_mib,num-gpus,State,weather,end\n"
        "1,1767225600,01.02.2026 00:00:05,1500,,x,2048,2,Passed,sunny,soon\n"
        "2,1767225601,13.02.2026 00:00:06,2500,,x,1024,1,Strange,rain,later\n"
    )
    draft = drafted(log)
    found = columns(draft)
    assert {name: (m.column, m.unit, m.format) for name, m in found.items()} == {
        "run_id": ("JobID", None, "iso"),
        "submitted_at": ("submitTime", None, "epoch_s"),
        "started_at": ("start_time", None, "%d.%m.%Y %H:%M:%S"),
        "duration_s": ("runtime_ms", "ms", "iso"),
        "memory_bytes": ("mem_mib", "MiB", "iso"),
        "gpus": ("num-gpus", None, "iso"),
        "status": ("State", None, "iso"),
    }
    # What does not fit the column of its name, as an end that is no instant, is left to the user.
    assert draft.unmapped == ["Elapsed", "memGiB", "weather", "end"]
    assert any("Strange" in note for note in draft.notes)


def test_a_draft_of_a_shipped_profile_s_log_goes_in(lake: Lake, tmp_path: Path) -> None:
    log = FIXTURES / "helios" / "cluster_log.csv"
    (tmp_path / "mapping.yaml").write_text(drafted(log).text)
    counts = ingest(lake, [log], find_source("job-table", tmp_path / "mapping.yaml")).as_dict()
    assert (counts["valid"], counts["quarantined"], counts["blank_or_header"]) == (5, 3, 1)


def test_parquet_and_json_are_drafted_alike(tmp_path: Path) -> None:
    frame = pl.DataFrame({"id": ["a"], "created_at": ["2026-01-01T00:00:00Z"], "gpu": [2]})
    frame.write_parquet(tmp_path / "a.parquet")
    frame.write_ndjson(tmp_path / "a.jsonl")
    texts = {drafted(tmp_path / name).text for name in ("a.parquet", "a.jsonl")}
    assert len(texts) == 1
    assert "submitted_at: created_at" in texts.pop()


def test_without_an_instant_the_draft_says_what_is_missing(tmp_path: Path) -> None:
    log = tmp_path / "jobs.csv"
    log.write_text("id,gpus\n1,2\n")
    draft = drafted(log)
    assert "WHICH_COLUMN" in draft.text
    assert "no column looks like an instant" in draft.notes[-1]


@pytest.mark.parametrize(("name", "text"), [("a.jsonl", "[1]\n"), ("a.csv", "\n\n")])
def test_what_is_no_table_is_refused(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(FileError):
        drafted(tmp_path / name)


_ODD = st.text(st.characters(codec="utf-8", exclude_characters='\r\n,;|\t"\x00'), min_size=1, max_size=8).filter(str.strip)


@given(st.lists(_ODD, min_size=1, max_size=6, unique_by=str.lower))
def test_whatever_columns_are_called_the_draft_can_be_read(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    log = tmp_path_factory.mktemp("draft") / "jobs.csv"
    log.write_text("submit_time," + ",".join(f"x {name.strip()}" for name in names) + "\n2026-01-01" + ",1" * len(names) + "\n")
    try:
        draft = drafted(log)
    except FileError:
        return  # names that differ only in blanks or in letters that SQL takes for the same
    (table,) = parse_mapping(draft.text, "draft").tables
    assert set(table.unused) | {m.column for m in table.columns.values()} == {"submit_time", *(f"x {n.strip()}" for n in names)}
