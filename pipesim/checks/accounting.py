"""Whether every line of every log is accounted for, and how many were refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import duckdb
import polars as pl

from pipesim.catalog import quote
from pipesim.checks.reading import observed_views
from pipesim.checks.verdict import MOST_ROWS, Figure, Verdict
from pipesim.ingest.accounts import FileAccount, accounts, manifests
from pipesim.lake import Lake
from pipesim.schema import TRACE_TABLES
from pipesim.words import count

_FATES = ("valid", "duplicates", "quarantined", "blank_or_header")
_MOST_REFUSED = 0.20
_MANY_REFUSED = 0.01
#: Characters of a refused line that are shown.
_RAW = 80

_Problem = tuple[str, str, str]


def accounting(lake: Lake) -> Verdict:
    """Every line of every log is a valid row, a duplicate, quarantined or blank, and what is stored is what was accounted for.

    Proven for each file of each ingest: lines = valid + duplicates + quarantined + blank or header; the quarantine holds as
    many of its lines as the account says, or fewer where a later ingest has read the same file again, whose account is then
    held to its number; no more rows of it are stored than it brought, and fewer only where other ingests brought rows of
    that table that may have replaced them. No stored row or refused line is without an account.
    """
    with observed_views(lake, "quarantine") as con:
        read = [account for manifest in manifests(lake) for account in accounts(manifest)]
        refused = _refused(con)
        stored = _stored(con, lake)
    problems = [*_unbalanced(read), *_wrong_refusals(read, refused), *_wrong_rows(read, stored)]
    totals = {name: sum(getattr(a, name) for a in read) for name in ("lines", *_FATES)}
    brought, kept = sum(sum(a.rows.values()) for a in read), sum(stored.values())
    figures = {
        **{name: Figure(total) for name, total in totals.items()},
        "rows_brought": Figure(brought),
        "rows_stored": Figure(kept),
        "rows_replaced": Figure(brought - kept),
        "problems": Figure(len(problems), high=0),
    }
    words = f"All {count(totals['lines'], 'line')} of {count(len({a.file for a in read}), 'file')} are accounted for."
    if problems:
        words = f"The account of {count(len({p[0] for p in problems}), 'file')} does not agree with what is stored."
    table = pl.DataFrame(problems[:MOST_ROWS], schema=["file", "ingest", "problem"], orient="row")
    return Verdict(not problems, words, figures=figures, tables={"problems": table} if problems else {})


def quarantine_ratio(lake: Lake) -> Verdict:
    """Few lines are refused: over 1 % of those that are not blank or header is a warning, over 20 % an error.

    Of a file that was read several times, as it grew or as what it lacked came, the longest account counts, once.
    """
    with observed_views(lake, "quarantine") as con:
        read = [account for manifest in manifests(lake) for account in accounts(manifest)]
        names = {a.file: number for number, group in enumerate(_same_file(read)) for a in group}
        of_file = dict.fromkeys(names, 0)
        for file, lines in con.execute(
            "SELECT source_file, count(DISTINCT source_line) FROM quarantine GROUP BY ALL"
        ).fetchall():
            of_file[file] = lines
        rules = con.sql(
            "SELECT rule, any_value(stage) AS stage, count(DISTINCT (source_file, source_line)) AS lines "
            f"FROM quarantine GROUP BY rule ORDER BY lines DESC, rule LIMIT {MOST_ROWS}"
        ).pl()
        first = con.sql(
            f"SELECT source_file || ':' || source_line AS line, rule, detail, left(raw, {_RAW}) AS raw "
            f"FROM quarantine ORDER BY source_file, source_line, rule LIMIT {MOST_ROWS}"
        ).pl()
    groups = pl.DataFrame(
        [(names[a.file], a.file, a.lines - a.blank_or_header, of_file[a.file]) for a in read],
        schema={"group": pl.Int64, "file": pl.String, "lines": pl.Int64, "refused": pl.Int64},
        orient="row",
    )
    # Two names of the same bytes may both hold refusals; the one that was read last holds them all.
    files = groups.group_by("group").agg(pl.col("file").last(), pl.col("lines").max(), pl.col("refused").max())
    files = files.with_columns(share=pl.col("refused") / pl.col("lines")).sort("share", "file", descending=[True, False])
    lines, refused = int(files["lines"].sum()), int(files["refused"].sum())
    ratio = refused / lines if lines else 0.0
    words = f"{count(refused, f'of {lines:,} lines is', f'of {lines:,} lines are')} in quarantine ({100 * ratio:.2g} %)."
    if refused:
        words = f"{words[:-1]}, most of them for {rules['rule'][0]}."
    return Verdict(
        passed=ratio <= _MANY_REFUSED,
        severity="error" if ratio > _MOST_REFUSED else "warn",
        words=words,
        figures={"quarantine_ratio": Figure(ratio, high=_MANY_REFUSED), "lines": Figure(lines), "quarantined": Figure(refused)},
        tables={
            "rules": rules,
            "first_lines": first,
            "worst_files": files.filter(pl.col("refused") > 0).drop("group").head(MOST_ROWS),
        }
        if refused
        else {},
    )


def _refused(con: duckdb.DuckDBPyConnection) -> dict[tuple[str, str], int]:
    """Return how many lines of each (ingest, file) are in quarantine."""
    query = "SELECT ingest_id, source_file, count(DISTINCT source_line) FROM quarantine GROUP BY ALL"
    return {(ingest, file): lines for ingest, file, lines in con.execute(query).fetchall()}


def _stored(con: duckdb.DuckDBPyConnection, lake: Lake) -> dict[tuple[str, str, str, str], int]:
    """Return how many rows are stored by (table, ingest that the store's file is named after, ingest, file of the log)."""
    parts = [
        f"SELECT '{table}' AS kind, parse_filename(filename, true) AS stem, ingest_id, source_file, count(*) AS held "
        f"FROM read_parquet({quote(f'{folder}/*.parquet')}, union_by_name = true, filename = true) GROUP BY ALL"
        for table in TRACE_TABLES
        if any((folder := lake.lake / "observed" / table).glob("*.parquet"))
    ]
    found = con.execute(" UNION ALL ".join(parts)).fetchall() if parts else []
    return {(table, stem, ingest, file): held for table, stem, ingest, file, held in found}


def _same_file(read: list[FileAccount]) -> list[list[FileAccount]]:
    """Group the accounts that are of one file: the same name, or the same bytes under another name, directly or by a third."""
    root: dict[tuple[str, str], tuple[str, str]] = {}

    def find(node: tuple[str, str]) -> tuple[str, str]:
        while (parent := root.setdefault(node, node)) != node:
            root[node] = node = root[parent]
        return node

    for account in read:
        root[find(("name", account.file))] = find(("bytes", account.digest))
    groups: dict[tuple[str, str], list[FileAccount]] = {}
    for account in read:
        groups.setdefault(find(("name", account.file)), []).append(account)
    return list(groups.values())


def _unbalanced(read: Iterable[FileAccount]) -> Iterator[_Problem]:
    for a in read:
        fates = sum(getattr(a, name) for name in _FATES)
        if fates != a.lines:
            yield a.file, a.ingest_id, f"{count(a.lines, 'line')} read, but {fates:,} accounted for"


def _wrong_refusals(read: list[FileAccount], refused: dict[tuple[str, str], int]) -> Iterator[_Problem]:
    for group in _same_file(read):
        kept = {id(a): refused.get((a.ingest_id, a.file), 0) for a in group}
        for a in group:
            if kept[id(a)] > a.quarantined:
                yield (
                    a.file,
                    a.ingest_id,
                    f"{count(kept[id(a)], 'line')} in quarantine, but {a.quarantined:,} refused",
                )
        if not any(kept[id(a)] >= a.quarantined for a in group):
            a = group[-1]
            yield (
                a.file,
                a.ingest_id,
                f"{count(a.quarantined, 'line')} refused, but {kept[id(a)]:,} in quarantine",
            )
    known = {(a.ingest_id, a.file) for a in read}
    for ingest, file in sorted(set(refused) - known):
        yield file, ingest, f"{count(refused[ingest, file], 'line')} in quarantine of which no account tells"


def _wrong_rows(read: list[FileAccount], stored: dict[tuple[str, str, str, str], int]) -> Iterator[_Problem]:
    brought = {(table, a.ingest_id, a.file): rows for a in read for table, rows in a.rows.items()}
    held: dict[tuple[str, str, str], int] = {}
    for (table, stem, ingest, file), rows in sorted(stored.items()):
        held[table, ingest, file] = held.get((table, ingest, file), 0) + rows
        if stem != ingest:
            yield file, ingest, f"{count(rows, 'row')} of {table} in the store of the ingest {stem}"
        if (table, ingest, file) not in brought:
            yield file, ingest, f"{count(rows, 'row')} of {table} stored of which no account tells"
    in_all: dict[str, int] = {}
    of_ingest: dict[tuple[str, str], int] = {}
    for (table, ingest, _), rows in brought.items():
        in_all[table] = in_all.get(table, 0) + rows
        of_ingest[table, ingest] = of_ingest.get((table, ingest), 0) + rows
    missing: dict[tuple[str, str], int] = {}
    for (table, ingest, file), rows in sorted(brought.items()):
        gone = rows - held.get((table, ingest, file), 0)
        missing[table, ingest] = missing.get((table, ingest), 0) + gone
        if gone < 0:
            yield file, ingest, f"{count(-gone, 'more row')} of {table} stored than it brought ({rows:,})"
        elif missing[table, ingest] > in_all[table] - of_ingest[table, ingest]:
            yield file, ingest, f"{gone:,} of its {count(rows, 'row')} of {table} gone, more than others can have replaced"
