"""From log files to the observed trace."""

from pathlib import Path

import dagster as dg
from pydantic import Field

from dagster_project.metadata import OWNERS, code_version, counts
from dagster_project.resources import Home
from pipesim.shipped import shipped

GROUP = "logs"


class Logs(dg.Config):
    """Which logs are ingested."""

    paths: list[str] = Field(default=[], description="Log files, or folders of them; the sample logs where none is named.")
    source: str = Field(default="native", description="The log format: native, job-table, or a shipped profile such as philly.")
    mapping: str | None = Field(default=None, description="For job-table: the YAML file that says what its columns mean.")
    time_zone: str | None = Field(default=None, description="The zone of instants that name none, for example Europe/Vienna.")


sample_logs = dg.AssetSpec(
    "sample_logs",
    description="Four weeks of logs of a production-style AI platform, as they ship with pipesim.",
    group_name=GROUP,
    kinds={"file"},
    owners=OWNERS,
    tags={"stage": "logs"},
    metadata={"folder": dg.MetadataValue.path(shipped("traces", "sample"))},
)


@dg.asset(
    deps=[sample_logs],
    group_name=GROUP,
    kinds={"python", "duckdb", "parquet"},
    owners=OWNERS,
    tags={"stage": "observed"},
    code_version=code_version("ingest", "schema.py"),
)
def observed(config: Logs, home: Home) -> dg.MaterializeResult[None]:
    """What happened: every log line validated, folded and typed into the canonical tables, or quarantined with its reason.

    Ingesting a log again changes nothing; a log that grew adds only what is new.
    """
    from pipesim.verbs import ingest_logs

    paths = [Path(path) for path in config.paths] or [shipped("traces", "sample")]
    mapping = Path(config.mapping) if config.mapping else None
    report = ingest_logs(home.lake(), paths, config.source, mapping, config.time_zone)
    account = report.as_dict()
    rows = account.pop("rows")
    return dg.MaterializeResult(
        metadata={
            **account,
            "dagster/row_count": sum(rows.values()),
            "tables": counts(rows, "table"),
            "known": report.unchanged,
        }
    )
