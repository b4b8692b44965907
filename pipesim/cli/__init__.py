"""The command line: one thin command per verb."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from pipesim import __version__
from pipesim.cli import capacity, experiments, logs, sharing
from pipesim.cli.calibration import calibrate
from pipesim.cli.options import HOME, Debug, Home, Json, answer, config, say
from pipesim.cli.printing import quality_table
from pipesim.errors import PipesimError
from pipesim.lake import Lake
from pipesim.progress import bar, working
from pipesim.words import count

app = typer.Typer(
    name="pipesim",
    help="Trace-driven simulator of AI/ML platforms: logs in; model, synthetic traces, simulations and SQL analytics out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback(invoke_without_command=True)
def _version(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        print(__version__)
        raise typer.Exit


@app.command()
def demo(home: Home = HOME, as_json: Json = False, debug: Debug = False) -> None:
    """Run the whole path on the sample logs: ingest, fit, synthesize, simulate what-ifs and strategies, analyze, report."""
    from pipesim.demo import run_demo

    outcome = run_demo(Lake(home), say)
    answer(outcome, as_json, "\n".join(f"{name:<12}{value}" for name, value in outcome.items() if name != "seconds"))


for command in (logs.ingest, logs.sources):
    app.command()(command)
app.add_typer(logs.mapping_app, name="mapping")
app.add_typer(logs.datasets_app, name="datasets")


@app.command()
def fit(
    arrivals: Annotated[
        str, typer.Option("--arrivals", help="The arrival model: day-block, day-ar, hour-of-week or poisson.")
    ] = "day-block",
    marks: Annotated[
        str, typer.Option("--marks", help="What runs are, given when they come: same-day, hour-octave, independent or auto.")
    ] = "same-day",
    window: Annotated[
        str, typer.Option("--window", help="Fit only what was submitted in FROM..TO, two days in UTC, the last included.")
    ] = "",
    home: Home = HOME,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Fit a workload model to everything observed, or to a window of it."""
    from pipesim.verbs import fit_workload
    from pipesim.workload import FitConfig

    chosen = config(FitConfig, {"arrivals": arrivals, "marks": marks, "window": window})
    with working("fitting the workload model"):
        fitted = fit_workload(Lake(home), chosen)
    for note in fitted.notes:
        say(f"{'warning' if note.startswith('drift') else 'note'}: {note}")
    answer(
        fitted.as_dict(),
        as_json,
        f"model {fitted.model}: {count(fitted.rows, 'row')} in {count(fitted.cells, 'duration cell')}",
    )


@app.command()
def synthesize(
    days: Annotated[float, typer.Option("--days", metavar="N", help="Length of the trace in days.")],
    scale: Annotated[float, typer.Option("--scale", metavar="X", help="Multiplies the arrival rate, not the durations.")] = 1.0,
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="The root seed.")] = 0,
    private: Annotated[bool, typer.Option("--private", help="Draw no row, no day and no name of the log.")] = False,
    home: Home = HOME,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Draw a synthetic trace from the current workload model."""
    from pipesim.catalog import publish
    from pipesim.verbs import synthesize_trace
    from pipesim.workload import SynthesisConfig

    chosen = config(SynthesisConfig, {"days": days, "scale": scale, "seed": seed, "private": private})
    lake = Lake(home)
    with working("drawing a synthetic trace"):
        made = synthesize_trace(lake, chosen)
        publish(lake)
    answer(made.as_dict(), as_json, f"trace {made.trace}: {count(made.pipelines, 'pipeline run')}, {count(made.tasks, 'task')}")


@app.command()
def quality(
    seeds: Annotated[int, typer.Option("--seeds", metavar="N", help="How many synthetic traces are drawn.")] = 16,
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="The seed of the first; the others have the next ones.")] = 0,
    private: Annotated[bool, typer.Option("--private", help="Judge private traces; what is found is not stored.")] = False,
    home: Home = HOME,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Measure how like the observed trace the traces of the current model are, beside noise floor, baseline and goal."""
    from pipesim.catalog import publish
    from pipesim.quality import QualityConfig
    from pipesim.verbs import quality as judge

    chosen = config(QualityConfig, {"seeds": seeds, "seed": seed, "private": private})
    lake = Lake(home)
    with bar("comparing traces") as progress:
        found = judge(lake, chosen, progress)
        publish(lake)
    answer(found.as_dict(), as_json, quality_table(found))


app.command()(experiments.simulate)
app.command()(experiments.compare)
app.command()(capacity.capacity)
app.command()(calibrate)
app.command()(sharing.share)
app.command()(sharing.reproduce)


@app.command()
def analyze(home: Home = HOME, as_json: Json = False, debug: Debug = False) -> None:
    """Build the SQL analytics tables over all observed, synthetic and simulated traces."""
    from pipesim import analytics
    from pipesim.catalog import publish

    lake = Lake(home)
    with working("building analytics tables"):
        tables = analytics.build(lake)
        publish(lake)
    answer({"tables": tables}, as_json, "\n".join(f"analytics.{name:<28}{rows:>10,} rows" for name, rows in tables.items()))


@app.command()
def report(
    name: Annotated[str, typer.Option("--name", help="The report's name.")] = "report",
    home: Home = HOME,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Write the self-contained HTML report."""
    from pipesim.report import write_report

    with working("writing the report"):
        path = write_report(Lake(home), name)
    answer({"report": str(path)}, as_json, str(path))


@app.command()
def sql(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="One SQL query over the catalogue's views.")],
    home: Home = HOME,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Query the catalogue: schemas observed, synthetic, simulated, traces, quarantine and analytics."""
    from pipesim.console import run_sql

    found, table = run_sql(Lake(home), query, as_table=not as_json)
    answer(found, as_json, table)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(metavar="FILE.duckdb", help="The file to write; an earlier export is replaced.")],
    home: Home = HOME,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Write one self-contained DuckDB file with everything that the catalogue shows, as real tables."""
    from pipesim.export import export as write_export

    with working("copying tables"):
        exported = write_export(Lake(home), file)
    size = f"{count(len(exported.tables), 'table')}, {count(sum(exported.tables.values()), 'row')}, {exported.bytes:,} bytes"
    answer(
        exported.as_dict(),
        as_json,
        f"{file}: {size}",
    )


@app.command()
def ui(
    port: Annotated[int, typer.Option("--port", help="The port on 127.0.0.1.", min=1, max=65535)] = 3000,
    home: Home = HOME,
    debug: Debug = False,
) -> None:
    """Start the Dagster UI and daemon on loopback, their state under the home folder."""
    from pipesim.console import serve_ui

    serve_ui(Lake(home), port)


def main() -> None:
    """Run the command line and exit: 0 done, 1 the work failed, 2 the request was wrong, 130 interrupted."""
    interrupted: list[int] = []

    def interrupt(number: int, _: object) -> None:
        interrupted.append(number)
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)
    try:
        code = app(standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        _fail("interrupted; nothing is half-written", 130)
    except PipesimError as error:
        if "--debug" in sys.argv:
            raise
        _fail(str(error), error.exit_code)
    except BrokenPipeError:
        sys.exit(1)
    except Exception as error:  # usage errors show themselves; of all others a user sees a sentence, --debug the traceback
        if interrupted:  # which some libraries turn into an error of their own
            _fail("interrupted; nothing is half-written", 130)
        if callable(show := getattr(error, "show", None)):
            show()
            sys.exit(getattr(error, "exit_code", 2))
        if "--debug" in sys.argv:
            raise
        _fail(f"an error inside pipesim: {type(error).__name__}: {error}\n  -> run again with --debug to see where", 1)
    if interrupted:
        _fail("interrupted; nothing is half-written", 130)
    sys.exit(code if isinstance(code, int) else 0)


def _fail(message: str, code: int) -> None:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(code)
