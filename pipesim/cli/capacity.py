"""The command that turns the question around: how much of a pool does it take?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipesim.cli.options import HOME, Address, Debug, Engine, Home, Json, Report, Where, Workers, answer, chosen_backend, say
from pipesim.cli.printing import capacity_line, capacity_table, mix_table
from pipesim.cli.scenarios import load_all, published, scenarios_of, variants_of
from pipesim.errors import RequestError
from pipesim.lake import Lake
from pipesim.progress import working

if TYPE_CHECKING:
    from pipesim.experiments.capacity import Answer, Mix, Trial


def capacity(
    pool: Annotated[
        list[str], typer.Option("--pool", metavar="NAME", help="The pool whose capacity is asked for; two for a mix of them.")
    ],
    slo: Annotated[str, typer.Option("--slo", metavar="OBJECTIVE", help="What to keep, for example 'p95_wait_s < 600'.")],
    scenarios: Annotated[
        list[Path] | None,
        typer.Argument(metavar="SCENARIO.yaml...", help="Scenario files, or sweeps; by default the scenario as-is."),
    ] = None,
    price: Annotated[
        list[str] | None,
        typer.Option("--price", metavar="POOL=X", help="What one of the pool costs an hour; else as in the scenario."),
    ] = None,
    confidence: Annotated[
        float, typer.Option("--confidence", metavar="P", help="How sure it must be that the mean keeps the objective.")
    ] = 0.95,
    replications: Annotated[int, typer.Option("--replications", metavar="N", min=2, help="Runs of each capacity.")] = 10,
    engine: Engine = None,
    workers: Workers = None,
    where: Where = "processes",
    address: Address = None,
    report: Report = None,
    home: Home = HOME,
    as_json: Json = False,
    debug: Debug = False,
) -> None:
    """Find the smallest capacity of a pool, or the cheapest mix of two, that meets an objective."""
    from pipesim.experiments.capacity import (
        Answer,
        Objective,
        capacity_rows,
        find_capacity,
        find_mix,
        search_name,
    )
    from pipesim.experiments.scenario_files import scenario_files
    from pipesim.report.decision import Evidence, check_name, write_decision

    if report is not None:
        check_name(report)
    lake, objective, prices = Lake(home), Objective.parse(slo), dict(map(_price, price or []))
    if len(pool) > 2:
        raise RequestError("one pool or two can be sized at once", where="--pool", remedy="name two at most")
    if unsized := sorted(prices.keys() - set(pool)):
        raise RequestError(f"no pool {unsized[0]!r} is sized", where="--price", remedy="give the price of a pool under --pool")
    sweeps = load_all(scenarios or [scenario_files(lake)["as-is"]])
    wanted = scenarios_of(variants_of(sweeps))

    def tell(trial: Trial) -> None:
        if sys.stderr.isatty():
            say(capacity_line(trial, objective.metric))

    answers: list[Answer | Mix] = []
    search = search_name([sweep.name for sweep in sweeps], pool, objective)
    searching = working(f"searching for the capacity of {' and '.join(pool)}")
    with chosen_backend(lake, where, address, workers) as on, searching, published(lake):
        options: dict[str, Any] = {
            "confidence": confidence, "replications": replications, "engine": engine, "workers": workers, "on": on,
            "tell": tell, "prices": prices,
        }  # fmt: skip
        for scenario in wanted:
            if len(pool) == 1:
                answers.append(find_capacity(lake, scenario, pool[0], objective, **options))
            else:
                answers.append(find_mix(lake, scenario, (pool[0], pool[1]), objective, **options))
        rows = capacity_rows(search, objective, answers)
        lake.save_experiment(search, {"capacity": rows})
    tables = [capacity_table(found) if isinstance(found, Answer) else mix_table(found) for found in answers]
    page = {}
    if report is not None:
        with working("writing the report"):
            page["report"] = str(write_decision(lake, report, Evidence.at_hand(lake, searches=[rows])))
    told = {"answers": [found.as_dict() for found in answers], **page}
    answer(told, as_json, "\n\n".join([*tables, *page.values()]))


def _price(text: str) -> tuple[str, float]:
    pool, sign, amount = text.rpartition("=")
    try:
        if not sign or not float(amount) > 0:
            raise ValueError
        return pool, float(amount)
    except ValueError:
        raise RequestError(
            f"{text!r} is no price", where="--price", remedy="write a pool and what one costs: gpu=2.50"
        ) from None
