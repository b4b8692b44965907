"""From log files to the observed trace."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import Field

from dagster_project.metadata import OWNERS, code_version, counts, table
from dagster_project.resources import Home, Inbox
from pipesim.ingest.accounts import RefusedFile
from pipesim.ingest.inbox import due, ingest_new, refused_files, scan
from pipesim.lake import Lake
from pipesim.shipped import shipped
from pipesim.words import count

GROUP = "logs"
#: The tag of a run that follows an ingest, so that its last step knows what was followed.
FOLLOWS = "pipesim/follows"
LOG_FILES = dg.DynamicPartitionsDefinition(name="log_files")


class Logs(dg.Config):
    """Which logs are ingested."""

    paths: list[str] = Field(
        default=[],
        description="Log files, or folders of them. Where none is named, what is new in the inbox; "
        "and where that is empty and nothing was ever ingested, the sample logs.",
    )
    source: str = Field(
        default="native",
        description="The format of the files named in `paths`: native, job-table, or a shipped profile such as philly.",
    )
    mapping: str | None = Field(default=None, description="For job-table: the YAML file that says what its columns mean.")
    time_zone: str | None = Field(default=None, description="The zone of instants that name none, for example Europe/Vienna.")
    only_if_new: bool = Field(default=False, description="Leave out everything downstream where nothing new has come.")


sample_logs = dg.AssetSpec(
    "sample_logs",
    description="Four weeks of logs of a production-style AI platform, as they ship with pipesim.",
    group_name=GROUP,
    kinds={"file"},
    owners=OWNERS,
    tags={"stage": "logs"},
    metadata={"folder": dg.MetadataValue.path(shipped("traces", "sample"))},
)

log_files = dg.AssetSpec(
    "log_files",
    description="The files that came through the inbox, one partition each: what became of their lines.",
    group_name=GROUP,
    kinds={"file"},
    owners=OWNERS,
    tags={"stage": "logs"},
    partitions_def=LOG_FILES,
)


@dg.multi_asset(
    name="observed",
    specs=[
        dg.AssetSpec(
            "observed",
            deps=[sample_logs, log_files],
            description=(
                "What happened: every log line validated, folded and typed into the canonical tables, or quarantined with its "
                "reason.\n\nIngesting a log again changes nothing; a log that grew adds only what is new."
            ),
            group_name=GROUP,
            kinds={"python", "duckdb", "parquet"},
            owners=OWNERS,
            tags={"stage": "observed"},
            code_version=code_version("ingest", "schema.py"),
            skippable=True,
        )
    ],
    check_specs=[
        dg.AssetCheckSpec(
            "inbox_files",
            asset="observed",
            description="Every file in the inbox could be read, most of its lines are a log's. One that fails harms no other.",
        )
    ],
)
def observed(
    context: dg.AssetExecutionContext, config: Logs, home: Home, inbox: Inbox
) -> Iterator[dg.AssetCheckResult | dg.MaterializeResult[None]]:
    """Ingest the logs that are asked for."""
    lake = home.lake()
    metadata = _ingest_named(lake, config) if config.paths else _ingest_inbox(context, lake, inbox.folder())
    yield _verdict(refused_files(lake, inbox.folder()) if inbox.folder().is_dir() else [])
    if waiting := due(lake):
        context.instance.add_run_tags(context.run.run_id, {FOLLOWS: waiting})
    if waiting or not config.only_if_new:
        yield dg.MaterializeResult(asset_key="observed", metadata=metadata)


def _ingest_named(lake: Lake, config: Logs) -> dict[str, Any]:
    from pipesim.verbs import ingest_logs

    mapping = Path(config.mapping) if config.mapping else None
    report = ingest_logs(lake, [Path(path) for path in config.paths], config.source, mapping, config.time_zone)
    account = report.as_dict()
    rows = account.pop("rows")
    return {
        **account,
        "dagster/row_count": sum(rows.values()),
        "tables": counts(rows, "table"),
        "known": list(report.unchanged),
    }


def _ingest_inbox(context: dg.AssetExecutionContext, lake: Lake, folder: Path) -> dict[str, Any]:
    found = scan(lake, folder, time.time()) if folder.is_dir() else None
    if (found is None or not (found.new or found.known or found.unsettled)) and not any(lake.ingest_manifests()):
        return _ingest_named(lake, Logs(paths=[str(shipped("traces", "sample"))]))
    if found is None:
        return {"inbox": dg.MetadataValue.path(folder), "files": 0}
    report = ingest_new(lake, found)
    keys = {name: partition_key(name) for name in report.accepted}
    context.instance.add_dynamic_partitions(str(LOG_FILES.name), sorted(keys.values()))
    for name, account in sorted(report.accepted.items()):
        figures = {k: v for k, v in account.items() if isinstance(v, (int, str))}
        context.log_event(
            dg.AssetMaterialization(
                "log_files",
                partition=keys[name],
                metadata={**figures, "tables": counts(account["rows"], "table"), "unused": account["unused"]},
            )
        )
    accounts = list(report.accepted.values())
    totals = {n: sum(a[n] for a in accounts) for n in ("lines", "valid", "duplicates", "quarantined", "blank_or_header")}
    return {
        "inbox": dg.MetadataValue.path(folder),
        "files": len(accounts),
        **totals,
        "dagster/row_count": sum(sum(a["rows"].values()) for a in accounts),
        "same_as": table(["file", "is the same as"], sorted(report.same_as.items())),
        "known": found.known,
    }


def partition_key(name: str) -> str:
    """Return a file's name as a partition key, which must hold neither control characters nor three dots."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in name).replace("...", "\\.\\.\\.")


def _verdict(refused: list[RefusedFile]) -> dg.AssetCheckResult:
    rows: list[tuple[object, ...]] = []
    for file in refused:
        rows.append((file.file, None, file.reason, None))
        rows += [(file.file, line.line, f"{line.rule}: {line.detail}", line.raw) for line in file.lines]
    return dg.AssetCheckResult(
        check_name="inbox_files",
        asset_key="observed",
        passed=not refused,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"{count(len(refused), 'file')} in the inbox refused" if refused else "no file in the inbox was refused",
        metadata={"refused": table(["file", "line", "why", "what it holds"], rows)} if refused else {},
    )
