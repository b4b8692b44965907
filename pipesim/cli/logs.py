"""The commands that bring logs in: what can be read, how a table is mapped, where public data sets come from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pipesim.cli.options import HOME, Debug, Home, Json, answer, say
from pipesim.cli.printing import datasets_table, preview_table
from pipesim.lake import Lake
from pipesim.object_store.address import folder_of
from pipesim.progress import bar, working
from pipesim.words import count


def ingest(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Log files, or folders of them.")],
    source: Annotated[
        str, typer.Option("--source", metavar="NAME", help="The log format, see `pipesim sources`; auto to have it recognised.")
    ],
    mapping: Annotated[Path | None, typer.Option("--mapping", metavar="FILE.yaml", help="For job-table: its columns.")] = None,
    timezone: Annotated[
        str | None, typer.Option("--timezone", metavar="TZ", help="The zone of instants that name none.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show the first rows as they would land, and what would be refused.")
    ] = False,
    home: Home = HOME,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Read production logs into the lake: validated, folded, every line accounted for."""
    from pipesim.catalog import publish
    from pipesim.verbs import ingest_logs, preview_logs

    lake = Lake(home)
    if dry_run:
        with working("reading logs"):
            found = preview_logs(lake, paths, source, mapping, timezone)
        if found.chosen:
            say(found.chosen)
        answer(found.as_dict(), as_json, preview_table(found))
        return
    with working("reading logs"):
        report = ingest_logs(lake, paths, source, mapping, timezone)
        publish(lake)
    if report.chosen:
        say(report.chosen)
    for name in report.unchanged:
        say(f"{name}: known already, nothing to do")
    for account in report.accounts:
        if account.unused:
            say(f"warning: {account.file}: nothing reads {', '.join(account.unused)}")
    counts = report.as_dict()
    if counts["quarantined"]:
        say(f"{count(counts['quarantined'], 'line is', 'lines are')} in quarantine: pipesim sql 'FROM quarantine.quarantine'")
    rows = ", ".join(f"{n:,} {table}" for table, n in counts["rows"].items()) or "none"
    classes = ("valid", "duplicates", "quarantined", "blank_or_header")
    fates = ", ".join(f"{counts[name]:,} {name.replace('_', ' ')}" for name in classes)
    answer(counts, as_json, f"{count(counts['lines'], 'line')} of {count(counts['files'], 'file')}: {fates}\nrows: {rows}")


def sources(as_json: Json = False, debug: Debug = False) -> None:
    """List the log formats that can be read."""
    from pipesim.ingest.sources import MAPPED, sources

    known = {source.name: source.description for source in sources()} | {"job-table": MAPPED}
    # Profiles say much of where their trace comes from; the first words are enough here.
    lines = [f"{name:<14}{said.split(' (')[0]}" for name, said in sorted(known.items())]
    answer({"sources": known}, as_json, "\n".join(lines))


mapping_app = typer.Typer(help="Work on mapping files, which say what the columns of any table mean.", no_args_is_help=True)


@mapping_app.command("suggest")
def suggest_mapping(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A table of jobs: CSV, JSON lines or Parquet.")],
    name: Annotated[str, typer.Option("--name", help="What the source is to be called.")] = "my-log",
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Draft a mapping file from a table's columns and first rows; save what it prints, correct it, try it with --dry-run."""
    from pipesim.ingest import find_files
    from pipesim.ingest.mapping.suggest import suggest

    draft = suggest(find_files([file])[0], name)
    answer({"mapping": draft.text, "unmapped": draft.unmapped, "notes": draft.notes}, as_json, draft.text.rstrip())


datasets_app = typer.Typer(
    help="Public data sets that can be ingested; nothing is fetched unless asked for.", no_args_is_help=True
)


@datasets_app.command("list")
def list_datasets(home: Home = HOME, as_json: Json = False, debug: Debug = False) -> None:
    """List public data sets: title, licence, citation, files, and the command that ingests each once it is fetched."""
    from pipesim.ingest.datasets import datasets

    folder = folder_of(home) / "datasets"
    known = [(dataset, dataset.ingest_command(folder / dataset.name, _other(home))) for dataset in datasets()]
    told = [{**dataset.as_dict(), "ingest": command} for dataset, command in known]
    answer({"datasets": told}, as_json, datasets_table(known))


@datasets_app.command("fetch")
def fetch_dataset(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The data set, see `pipesim datasets list`.")],
    to: Annotated[Path | None, typer.Option("--to", metavar="FOLDER", help="Where to; by default HOME/datasets/NAME.")] = None,
    home: Home = HOME,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Fetch a public data set, or what a folder lacks of it, check it and unpack it."""
    from pipesim.ingest.datasets import fetch, find_dataset

    dataset = find_dataset(name)
    done = fetch(dataset, to or folder_of(home) / "datasets" / name, say, bar)
    command = dataset.ingest_command(done.folder, _other(home))
    what = f"fetched {', '.join(done.fetched)}" if done.fetched else "everything is there and right, nothing to do"
    terms = f"licence: {dataset.licence}\nplease cite: {dataset.citation}"
    answer({**done.as_dict(), "ingest": command}, as_json, f"{done.folder}: {what}\n{terms}\nnow: {command}")


def _other(home: str) -> str | None:
    """Return a home that commands do not take by themselves."""
    return None if Path(home) == Path(HOME) else home
