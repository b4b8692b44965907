"""The page of documentation that the analytics tables amount to: `python -m pipesim.analytics_page`."""

from __future__ import annotations

from collections.abc import Iterator

from pipesim.analytics import Query, queries

_BEGINNING = """\
# Analytics tables

Every table of the schema `analytics`: what it answers, what a row is, and its columns. `pipesim analyze` makes them, each from
the file of its name under `sql/`; [SQL](sql.md) shows how to ask.

Generated from the comments of those files by `python -m pipesim.analytics_page`; a test keeps the two the same. The catalogue
carries the same texts as comments of its views and columns."""


def page() -> str:
    """Return the page as Markdown."""
    found = sorted(queries(), key=lambda query: query.name)
    lines = [_BEGINNING, "", "| table | what it answers |", "|---|---|"]
    lines += [f"| [`{query.name}`](#{query.name}) | {_escaped(query.doc.splitlines()[0])} |" for query in found]
    for query in found:
        lines += _section(query)
    return "\n".join(lines) + "\n"


def _section(query: Query) -> Iterator[str]:
    said = query.doc.partition("\nColumns:\n")[0]
    question, _, rest = said.partition("\n")
    text, _, grain = rest.partition("Grain: ")
    yield from ("", f"## {query.name}", "", _escaped(question))
    for part in (text, f"Grain: {grain}"):
        if part.strip():
            yield from ("", _escaped(part.strip()))
    yield from ("", "| column | unit | meaning |", "|---|---|---|")
    for column in query.columns:
        yield f"| `{column.name}` | {_escaped(column.unit)} | {_escaped(column.doc)} |"
    tables = (
        f"[`{table}`](#{table.removeprefix('analytics.')})" if "analytics." in table else f"`{table}`"
        for table in query.upstream
    )
    yield from ("", f"Reads {', '.join(tables) or 'nothing'}.")


def _escaped(text: str) -> str:
    """Return a text of a comment so that Markdown shows it as it stands."""
    for sign in ("|", "*", "<"):
        text = text.replace(sign, f"\\{sign}")
    return text


if __name__ == "__main__":
    print(page(), end="")
