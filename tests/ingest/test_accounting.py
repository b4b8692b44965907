"""Nothing is lost: whatever happens to a file, every line of it is valid, a duplicate, quarantined, blank or a header."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipesim.errors import FileError
from pipesim.ingest import find_source, ingest
from pipesim.ingest.reading import json_records
from pipesim.ingest.reading.files import find_files
from pipesim.ingest.reading.lines import read_files, read_lines
from pipesim.ingest.staging import Staging
from pipesim.lake import Lake

_WORDS = st.sampled_from(["ok", "failed", "RUNNING", "exploded", "", "NA"])
_NUMBERS = st.sampled_from([0, 1, -1, -3, 1.5, "2", "x", None, 1e300])
_INSTANTS = st.sampled_from(["2026-01-01T00:00:00Z", "2026-01-02", "never", None, 5, "9999-12-31T23:59:59Z"])
_EVENTS = st.fixed_dictionaries(
    {"run_id": st.sampled_from(["a", "b", ""]), "task_id": st.sampled_from(["s", "t"]), "task_name": st.just("n")},
    optional={
        "status": _WORDS, "attempt": _NUMBERS, "duration_s": _NUMBERS, "gpus": _NUMBERS, "started_at": _INSTANTS,
        "ended_at": _INSTANTS, "table": st.sampled_from(["task_runs", "models", "what"]),
        "parent_task_id": st.sampled_from(["s", "t"]),
    },
)  # fmt: skip
_LINES = st.one_of(
    _EVENTS.map(lambda e: json.dumps(e).encode()), st.binary(max_size=40).map(lambda b: b.replace(b"\n", b"")), st.just(b"")
)


@pytest.mark.drawn
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.lists(_LINES, min_size=1, max_size=15), min_size=1, max_size=3), st.sampled_from([40, 300, 1 << 20]), st.data()
)
def test_every_line_is_accounted_for(files: list[list[bytes]], batch_bytes: int, data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        _cut(patch, batch_bytes)
        logs, physical = [], 0
        for number, lines in enumerate(files):
            content = bytearray(b"\n".join(lines) + (b"\n" if data.draw(st.booleans()) else b""))
            for _ in range(data.draw(st.integers(0, 2))):
                if content:
                    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
            logs.append(Path(folder) / f"log{number}.jsonl")
            logs[-1].write_bytes(bytes(content))
            if bytes(content) not in [log.read_bytes() for log in logs[:-1]] and bytes(content) != b"\xef\xbb\xbf":
                physical += bytes(content).count(b"\n") + (0 if content.endswith(b"\n") or not content else 1)
        lake = Lake(Path(folder) / "home")
        try:
            counts = ingest(lake, logs, find_source("native")).as_dict()
        except FileError:
            assert not list(lake.lake.rglob("*.parquet"))
            return
        assert counts["lines"] == physical
        assert counts["lines"] == counts["valid"] + counts["duplicates"] + counts["quarantined"] + counts["blank_or_header"]
        assert lake.load_observed().violations() == []
        for table in ("task_runs", "task_edges", "models"):
            places = lake.lake / "observed" / table
            for file in places.glob("*.parquet"):
                assert pl.read_parquet(file, columns=["source_file", "source_line"]).is_sorted(["source_file", "source_line"])


def _cut(patch: pytest.MonkeyPatch, batch_bytes: int) -> None:
    """Have files read in small batches, so that what happens between two of them is seen."""
    patch.setattr(read_files, "__defaults__", (batch_bytes, None))
    patch.setattr(json_records, "STREAM_BYTES", batch_bytes)


_PLAIN = st.fixed_dictionaries(
    {
        "run_id": st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=5),
        "task_id": st.sampled_from(["a", "b"]),
        "task_name": st.text(max_size=5),
        "status": st.sampled_from(["SUCCEEDED", "ok", "exploded"]),
        "gpus": st.sampled_from([1, 0.5, -1, -2, None, "3", "x", True, 2**60]),
        "memory_bytes": st.sampled_from([5, 2**53 + 1, 2**62 + 1, 1.5, None]),
    }
)


@pytest.mark.drawn
@given(
    st.lists(_PLAIN, min_size=1, max_size=8),
    st.sampled_from([(",", ":"), (", ", ": "), (" , ", " : ")]),
    st.booleans(),
    st.sampled_from([800, 1600, 1 << 20]),
)
def test_the_cheap_way_of_parsing_gives_what_the_careful_one_gives(
    rows: list[dict[str, Any]], separators: tuple[str, str], extra: bool, batch_bytes: int
) -> None:
    rows = [{**row, "duration_s": 1} for row in rows]
    if extra:
        rows[-1]["pool"] = "gpu"
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        _cut(patch, batch_bytes)
        log = Path(folder) / "log.jsonl"
        log.write_text("".join(json.dumps(row, separators=separators) + "\n" for row in rows), encoding="utf-8")
        cheap = Lake(Path(folder) / "cheap")
        first = ingest(cheap, [log], find_source("native")).as_dict()
        patch.setattr(Staging, "add_at_once", lambda *_, **__: False)
        careful = Lake(Path(folder) / "careful")
        second = ingest(careful, [log], find_source("native")).as_dict()
        assert {**first, "seconds": 0} == {**second, "seconds": 0}
        one, other = (each.load_observed().task_runs.sort("run_id", "task_id") for each in (cheap, careful))
        assert one.equals(other)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.text(st.characters(exclude_characters="\n\0", exclude_categories=["Cs"]), max_size=30), min_size=1),
    st.integers(1, 40),
)
def test_lines_do_not_depend_on_how_a_file_is_cut_into_batches(texts: list[str], batch_bytes: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.txt"
        log.write_bytes(("x" + "\n".join(texts)).encode())
        (file,) = find_files([log])
        batches = list(read_lines(file, batch_bytes))
        assert [b.first for b in batches] == [1 + sum(len(c) for c in batches[:i]) for i in range(len(batches))]
        read = [text.removesuffix("\n") for b in batches for text in b.text.to_pylist()]
        expected = ("x" + "\n".join(texts)).split("\n")
        assert read == (expected[:-1] if expected[-1] == "" else expected)
