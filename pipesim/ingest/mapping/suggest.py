"""A first draft of a mapping file, from the names of a table's columns and what stands in its first rows."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pipesim.catalog import quote_name
from pipesim.errors import FileError
from pipesim.ingest.mapping.model import UNITS, targets
from pipesim.ingest.reading.files import LogFile
from pipesim.ingest.reading.tabular import find_form, read_records
from pipesim.ingest.typing import MISSING, instant
from pipesim.ingest.words import STATUS_WORDS, TASK_TYPE_WORDS
from pipesim.lake import connect
from pipesim.schema import Type

_SAMPLE = 1000
#: What logs call canonical columns, the likeliest name first. A name is compared in small letters, without its unit.
_NAMES = {
    "run_id": "run_id job_id jobid id uuid job_uuid run task_id pod name job",
    "submitted_at": "submitted_at submit_time submit submitted submission_time created_at creation_time create_time created "
    "arrival_time arrival timestamp time date",
    "queued_at": "queued_at queued_time eligible eligible_time enqueue_time queued",
    "started_at": "started_at start_time start started begin_time begin scheduled_time launch_time",
    "ended_at": "ended_at end_time end ended finish_time finished_at finished completion_time completed_at deletion_time "
    "stop_time",
    "duration_s": "duration runtime run_time elapsed elapsed_time took wall_time walltime execution_time",
    "status": "status state phase pod_phase job_status job_state final_status result outcome exit_status",
    "gpus": "gpus gpu num_gpus num_gpu gpu_num gpu_count n_gpus ngpus gpu_request gpus_requested req_gpus num_chips",
    "cpu_cores": "cpu_cores cpus cpu cores num_cpus cpu_num cpu_count ncpus n_cpus vcpus cpu_request",
    "memory_bytes": "memory_bytes memory mem ram memory_request mem_request memory_requested",
    "gpu_type": "gpu_type gpu_model accelerator accelerator_type gpu_spec",
    "tenant": "tenant team account project vc virtual_cluster group organization org department namespace cluster",
    "user": "user username user_name owner user_id uid submitter",
    "pool": "pool partition queue queue_name resource_pool node_pool",
    "node_id": "node_id node host hostname machine node_name",
    "pipeline_name": "pipeline_name pipeline workflow workflow_name job_name jobname",
    "task_type": "task_type job_type type workload_type kind category",
    "framework": "framework library runtime_env",
    "priority": "priority prio",
    "error": "error error_message failure_reason reason message",
}
_SUFFIXES = {
    "us": "us", "ms": "ms", "millis": "ms", "s": "s", "sec": "s", "secs": "s", "seconds": "s", "min": "min", "mins": "min",
    "minutes": "min", "h": "h", "hours": "h", "days": "d", "b": "B", "bytes": "B", "kb": "KB", "mb": "MB", "gb": "GB",
    "tb": "TB", "kib": "KiB", "mib": "MiB", "gib": "GiB", "tib": "TiB", "percent": "percent", "pct": "percent",
    "milli": "milli", "millicores": "milli",
}  # fmt: skip
_PATTERNS = ("%Y/%m/%d %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%d.%m.%Y %H:%M:%S", "%Y%m%d%H%M%S", "%b %d %Y %H:%M:%S")
#: What YAML takes for something else than a text.
_YAML_WORDS = frozenset(("yes", "no", "on", "off", "true", "false", "null", "y", "n"))
#: Seconds, milliseconds and microseconds since 1970 of instants between 2001 and 2065.
_EPOCHS = {"epoch_s": (1e9, 3e9), "epoch_ms": (1e12, 3e12), "epoch_us": (1e15, 3e15)}


@dataclass
class Draft:
    """A mapping in the making.

    Args:
        text: The YAML text.
        unmapped: The columns for which no canonical one was found.
        notes: What to look at.
    """

    text: str = ""
    unmapped: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def suggest(file: LogFile, name: str) -> Draft:
    """Draft the mapping of a table with one job a row.

    Args:
        file: The table.
        name: What the source is to be called.

    Raises:
        FileError: If the file cannot be read, or has no rows.
    """
    seen = _first_values(file)
    draft = Draft()
    found: dict[str, str] = {}
    taken: set[str] = set()
    for canonical in _NAMES:
        column = _column(canonical, [column for column in seen if column not in taken])
        said = column is not None and _mapped(canonical, column, seen[column], draft)
        if column is not None and said:
            found[canonical] = str(said)
            taken.add(column)
    draft.unmapped = [column for column in seen if column not in taken]
    if not found.keys() & {"submitted_at", "queued_at", "started_at", "ended_at"}:
        draft.notes.append("no column looks like an instant: name one for submitted_at")
        found["submitted_at"] = "WHICH_COLUMN"
    order = [name for name in targets(("pipeline_runs", "task_runs")) if name in found]
    lines = [f"name: {name}", "time_zone: UTC   # of instants that name none", "columns:"]
    lines += [f"  {canonical}: {found[canonical]}" for canonical in order]
    if draft.unmapped:
        lines.append(f"unused: [{', '.join(map(_quoted, draft.unmapped))}]   # move what is worth reading to `columns`")
    draft.text = "".join(f"# {note}\n" for note in draft.notes) + "\n".join(lines) + "\n"
    return draft


def _first_values(file: LogFile) -> dict[str, list[str]]:
    """Return what stands in the first rows, by column, without what is missing."""
    with connect() as con:
        wanted = _keys(file) if file.format == "json" else None
        form = find_form(con, file, wanted)
        names = form.names
        for batch in read_records(con, {0: file}, {0: form}):
            records = batch.sift() if batch.sift else batch
            texts = ", ".join(f"CAST({quote_name(n)} AS VARCHAR) AS {quote_name(n)}" for n in names)
            frame = con.sql(f"SELECT {texts} FROM ({records.head(names)}) LIMIT {_SAMPLE}").pl()
            return {n: [v for v in frame[n].to_list() if v is not None and v not in MISSING] for n in names}
    raise FileError("the file has no rows to learn from", where=file.name, remedy="name a file that has some")


def _keys(file: LogFile) -> list[str]:
    """Return the keys of the first objects of a file of JSON lines."""
    from pipesim.ingest.reading.head import Head

    found = Head(file).first_object
    if not found:
        raise FileError("its first line is no JSON object", where=file.name, remedy="name a file with one object a line")
    return list(found)


def _column(canonical: str, columns: Sequence[str]) -> str | None:
    plain = {_split(column)[0]: column for column in reversed(columns)}
    plain |= {_snake(column): column for column in reversed(columns)}
    return next((plain[name] for name in _NAMES[canonical].split() if name in plain), None)


def _snake(column: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column).lower()).strip("_")


def _split(column: str) -> tuple[str, str]:
    """Return a column's name without its unit, and the unit."""
    plain, _, last = _snake(column).rpartition("_")
    return (plain, _SUFFIXES[last]) if plain and last in _SUFFIXES else (_snake(column), "")


def _mapped(canonical: str, column: str, values: Sequence[str], draft: Draft) -> str:
    """Return the YAML of a column's mapping, or nothing if what stands there does not fit."""
    target = targets(("pipeline_runs", "task_runs"))[canonical]
    quoted = _quoted(column)
    if target.type is Type.INSTANT:
        form = _time_format(values)
        return "" if form is None else quoted if form == "iso" else f"{{column: {quoted}, format: {_quoted(form)}}}"
    if target.type in (Type.NUMBER, Type.INTEGER):
        if not all(_is_number(value) for value in values):
            return ""
        unit = _split(column)[1]
        if unit and UNITS[unit] != 1.0:
            return f"{{column: {quoted}, unit: {unit}}}"
        if canonical in ("duration_s", "memory_bytes") and not unit:
            draft.notes.append(
                f"{column} is taken for {'seconds' if canonical == 'duration_s' else 'bytes'}: add `unit:` if not"
            )
        return quoted
    if canonical == "pool" and all(_is_number(value) for value in values):
        return ""  # a column `queue` mostly holds the seconds that a job waited
    words = {"status": STATUS_WORDS, "task_type": TASK_TYPE_WORDS}.get(canonical)
    if words is not None:
        return _worded(canonical, column, values, words, draft)
    return quoted


def _worded(canonical: str, column: str, values: Sequence[str], words: Mapping[str, str], draft: Draft) -> str:
    unknown = sorted({v for v in values if v.lower().replace(" ", "_").replace("-", "_") not in words})
    if len(unknown) > 20:
        return ""
    if unknown and canonical == "status":
        draft.notes.append(f"of {column}, say what {', '.join(unknown)} is: words: {{{unknown[0]}: SUCCEEDED}}")
    return _quoted(column)


def _time_format(values: Sequence[str]) -> str | None:
    if not values:
        return None
    numbers = [float(v) for v in values if _is_number(v)]
    if len(numbers) == len(values):
        form = next((f for f, (low, high) in _EPOCHS.items() if all(low <= n <= high for n in numbers)), None)
        if form or not all(len(v) == 14 for v in values):
            return form
    with connect() as con:
        for form in ("iso", *_PATTERNS):
            bad = f"count(*) FILTER ({instant('v', form, 'UTC')} IS NULL)"
            if con.execute(f"SELECT {bad} FROM (SELECT unnest(?::VARCHAR[]) AS v)", [list(values)]).fetchall()[0][0] == 0:
                return form
    return None


def _is_number(value: str) -> bool:
    return re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", value) is not None


def _quoted(text: str) -> str:
    """Return a text as a YAML scalar."""
    if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_./-]*", text) and text.lower() not in _YAML_WORDS:
        return text
    return '"' + "".join(c if c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}" for c in text) + '"'
