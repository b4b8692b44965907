"""The page of documentation that the shipped mappings amount to: `python -m pipesim.ingest.mapping.page`."""

from __future__ import annotations

from collections.abc import Iterator

from pipesim.ingest.mapping.model import JOB, NODES, PROFILES, LogMapping, MappedColumn, MappedTable, load_mapping, targets

#: What the source says of each row by itself, whatever the mapping.
_ALWAYS = frozenset({"task_id", "pipeline_name", "task_name", "status", "time_basis", "attempt", "node_count"})


def page() -> str:
    """Return the page as Markdown."""
    lines = [
        "# Published traces",
        "",
        "Which columns of published traces are read, as what, and what stays NULL. [Where the traces are](../datasets.md).",
        "",
        "Generated from the mappings in `pipesim/ingest/mapping/profiles/` by `python -m pipesim.ingest.mapping.page`; a test",
        "keeps the two the same. [Mappings of your own](../mapping.md) are written alike.",
    ]
    for path in sorted(PROFILES.glob("*.yaml")):
        lines += _profile(load_mapping(path))
    return "\n".join(lines) + "\n"


def _profile(mapping: LogMapping) -> Iterator[str]:
    yield from ("", f"## {mapping.name}", "", mapping.description)
    if mapping.unread:
        yield from ("", f"Known and not read: {', '.join(f'`{name}`' for name in mapping.unread)}.")
    for table in mapping.tables:
        yield from _table(table, alone=len(mapping.tables) == 1)


def _table(table: MappedTable, *, alone: bool) -> Iterator[str]:
    become = "a run and its only task" if table.rows == JOB else "machines of a pool" if table.rows == (NODES,) else None
    rows = become or "rows of " + " and ".join(f"`{name}`" for name in table.rows)
    yield from ("", f"{'A row' if alone else f'`{table.files}`: a row'} is {rows}.", "", "| column | from |", "|---|---|")
    known = targets(table.rows)
    for name in known:
        if name in table.columns:
            yield f"| `{name}` | {_origin(table.columns[name])} |"
    if table.unused:
        yield from ("", f"Not read: {', '.join(f'`{name}`' for name in table.unused)}.")
    absent = [name for name in known if name not in table.columns and not _is_given(name, table)]
    if absent:
        yield from ("", f"Stays NULL: {', '.join(f'`{name}`' for name in absent)}.")


def _is_given(name: str, table: MappedTable) -> bool:
    """Whether a column is filled though no mapping says so: it follows from others, or is the same for every row."""
    spanned = name == "duration_s" and {"started_at", "ended_at"} <= table.columns.keys()
    queued = name == "queued_at" and table.is_jobs and "submitted_at" in table.columns
    return name in _ALWAYS or spanned or queued


def _origin(mapped: MappedColumn) -> str:
    if mapped.expr is not None:
        said = f"`{' '.join(mapped.expr.split())}`"
    elif mapped.column is not None:
        said = f"`{mapped.column}`"
    else:
        said = f"always {mapped.const}"
    details = [f"in {mapped.unit}"] * bool(mapped.unit and mapped.unit != "s")
    details += [f"as {mapped.format}"] * (mapped.format != "iso")
    details += [f"{', '.join(f'{raw} is {word}' for raw, word in mapped.words.items())}"] * bool(mapped.words)
    return said.replace("|", "\\|") + (f" ({'; '.join(details)})" if details else "")


if __name__ == "__main__":
    print(page(), end="")
