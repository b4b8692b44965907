"""What people take away: the report, and the catalogue for SQL clients."""

import dagster as dg

from dagster_project.analytics import GROUP as ANALYTICS
from dagster_project.analytics import TABLES
from dagster_project.logs import FOLLOWS
from dagster_project.metadata import OWNERS, code_version, figure
from dagster_project.resources import Home
from pipesim.ingest.inbox import settle
from pipesim.report.data import TABLES as SHOWN

GROUP = "publication"


@dg.asset(
    deps=[dg.AssetKey([ANALYTICS, name]) for name in SHOWN],
    group_name=GROUP,
    kinds={"html", "altair"},
    owners=OWNERS,
    tags={"stage": "report"},
    code_version=code_version("report", "experiments"),
)
def report(home: Home) -> dg.MaterializeResult[None]:
    """The report: one HTML file that compares observed, synthetic and simulated traces and needs no network."""
    from pipesim.report import write_report

    return dg.MaterializeResult(metadata={"file": dg.MetadataValue.path(write_report(home.lake()))})


@dg.asset(
    deps=[dg.AssetKey([ANALYTICS, name]) for name in SHOWN],
    group_name=GROUP,
    kinds={"altair", "png"},
    owners=OWNERS,
    tags={"stage": "report"},
    code_version=code_version("report"),
)
def figures(home: Home) -> dg.MaterializeResult[None]:
    """The charts of the report as pictures, to be looked at right here."""
    from pipesim.report import build_chart, chart_names, open_data, png

    with open_data(home.lake()) as data:
        charts = {name: chart for name in chart_names() if (chart := build_chart(name, data)) is not None}
    return dg.MaterializeResult(metadata={name: figure(png(chart)) for name, chart in charts.items()})


@dg.asset(
    deps=[report, figures, *TABLES],
    group_name=GROUP,
    kinds={"duckdb"},
    owners=OWNERS,
    tags={"stage": "catalogue"},
    code_version=code_version("catalog.py", "schema.py"),
)
def catalogue(context: dg.AssetExecutionContext, home: Home) -> dg.MaterializeResult[None]:
    """The catalogue: `warehouse.duckdb`, views over everything in the lake, swapped in while clients keep reading."""
    from pipesim.catalog import publish

    lake = home.lake()
    path = publish(lake)
    run = context.instance.get_run_by_id(context.run.run_id)
    if run and (followed := run.tags.get(FOLLOWS)):
        settle(lake, followed)
    return dg.MaterializeResult(
        metadata={"file": dg.MetadataValue.path(path), "open": dg.MetadataValue.text(f"duckdb -readonly {path}")}
    )
