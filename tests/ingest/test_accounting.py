"""Nothing is lost: whatever happens to a file, every line of it is valid, a duplicate, quarantined, blank or a header."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipesim.errors import FileError
from pipesim.ingest import find_source, ingest
from pipesim.ingest.files import find_files
from pipesim.ingest.lines import read_lines
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


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_LINES, min_size=1, max_size=25), st.booleans(), st.data())
def test_every_line_is_accounted_for(lines: list[bytes], ends: bool, data: st.DataObject) -> None:
    content = bytearray(b"\n".join(lines) + (b"\n" if ends else b""))
    for _ in range(data.draw(st.integers(0, 3))):
        if content:
            content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    physical = bytes(content).count(b"\n") + (0 if content.endswith(b"\n") or not content else 1)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log.jsonl"
        log.write_bytes(bytes(content))
        lake = Lake(Path(folder) / "home")
        try:
            counts = ingest(lake, [log], find_source("native")).as_dict()
        except FileError:
            assert not list(lake.lake.rglob("*.parquet"))
            return
        assert counts["lines"] == physical - (1 if bytes(content) == b"\xef\xbb\xbf" else 0)
        assert counts["lines"] == counts["valid"] + counts["duplicates"] + counts["quarantined"] + counts["blank_or_header"]
        assert lake.load_observed().violations() == []


@settings(max_examples=60, deadline=None)
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
