"""The page `docs/data-model.md`, made from the declarations of the tables: `python -m pipesim.schema_page`."""

from __future__ import annotations

from pipesim.experiments_schema import EXPERIMENT_TABLES
from pipesim.schema import PROVENANCE, QUARANTINE, TRACE_TABLES


def markdown() -> str:
    """Return the page of documentation that the declarations amount to."""
    lines = [
        "# Data model",
        "",
        "The tables that logs become, whatever their format, and that synthetic and simulated traces share: every column with",
        "its type and meaning, and the rules that a row must keep.",
        "",
        "Generated from `pipesim/schema.py` and `pipesim/experiments_schema.py` by",
        "`python -m pipesim.schema_page`; a test keeps them the same.",
        "",
        "Instants are UTC (`TIMESTAMP`, microseconds), durations seconds, sizes bytes. NULL means that the log did not say.",
        "Observed rows also carry " + ", ".join(f"`{c.name}`" for c in PROVENANCE) + ".",
    ]
    for table in (*TRACE_TABLES.values(), QUARANTINE, *EXPERIMENT_TABLES.values()):
        lines += ["", f"## {table.name}", "", table.doc, "", f"Key: {', '.join(f'`{k}`' for k in table.key)}.", ""]
        lines += ["| column | type | may be NULL | meaning |", "|---|---|---|---|"]
        for c in table.columns:
            words = f" One of {', '.join(c.values)}." if c.values else ""
            lines.append(f"| `{c.name}` | {c.type.sql} | {'yes' if c.nullable else 'no'} | {c.doc}{words} |")
        own = table.extra_rules
        if own:
            lines += ["", "| rule | a row keeps it when | because |", "|---|---|---|"]
            lines += [f"| `{r.name}` | `{r.sql}` | {r.doc} |" for r in own]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(markdown(), end="")
