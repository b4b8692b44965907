"""How like the log the synthetic traces of the workload model are."""

import dagster as dg
from pydantic import Field

from dagster_project.metadata import OWNERS, code_version
from dagster_project.resources import Home
from dagster_project.workload import GROUP, workload_model
from pipesim.checks.verdict import markdown


class Judging(dg.Config):
    """How the workload model is judged."""

    seeds: int = Field(default=4, ge=1, le=1000, description="How many synthetic traces are drawn; 16 or more tell chance.")
    seed: int = Field(default=0, ge=0, description="The root seed: that of the first trace; the others have the next ones.")


@dg.asset(
    deps=[workload_model],
    group_name=GROUP,
    kinds={"python", "scikitlearn", "parquet"},
    owners=OWNERS,
    tags={"stage": "quality"},
    code_version=code_version("quality", "workload", "streams.py"),
)
def synthetic_quality(config: Judging, home: Home) -> dg.MaterializeResult[None]:
    """How good the workload model is: traces drawn from it beside the log, a noise floor, a baseline and goals."""
    from pipesim.quality import QualityConfig
    from pipesim.report import outcome
    from pipesim.verbs import quality

    found = quality(home.lake(), QualityConfig(seeds=config.seeds, seed=config.seed))
    scores = found.scores.rename({"ok": "met"})
    judged = scores["met"].drop_nulls()
    return dg.MaterializeResult(
        metadata={
            "model": found.model,
            "days": found.days,
            "goals_met": int(judged.sum()),
            "goals": len(judged),
            "outcome": outcome(scores),
            "scores": dg.MetadataValue.md(
                markdown(scores.select("title", "cell", "value", "floor", "baseline", "goal", "met", "words"))
            ),
        }
    )
