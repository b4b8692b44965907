"""The workload model: all that was learnt from a trace, as plain JSON."""

from __future__ import annotations

import json
from datetime import datetime
from functools import cached_property

from pydantic import Field, ValidationError

from pipesim.errors import FileError
from pipesim.identity import content_hash
from pipesim.lifecycle import LifecycleModel
from pipesim.workload.arrivals.model import ArrivalModel
from pipesim.workload.drift import Drift
from pipesim.workload.laws.choice import LawChoice
from pipesim.workload.marks.combinations import Combinations
from pipesim.workload.marks.model import Coupling
from pipesim.workload.part import Part
from pipesim.workload.structure import Structure
from pipesim.workload.tasks.assets import AssetSizes
from pipesim.workload.tasks.durations import DurationCell
from pipesim.workload.tasks.kinds import Kind


class Window(Part):
    """The period that was fitted: from the first submission to the last instant the log covers (naive UTC)."""

    start: datetime
    end: datetime


class Provenance(Part):
    """What a model was made from, and what the fit had to put up with."""

    arrivals: str
    marks: str
    window: str
    seed: int
    pipeline_runs: int
    task_runs: int
    notes: tuple[str, ...]


class WorkloadModel(Part):
    """A fitted workload: arrivals, marks, structure, durations, what each kind of task asks for, and the models it trains.

    Equal traces, configurations and versions give equal bytes of JSON, hence equal identifiers.
    """

    version: int = Field(default=2, ge=2, le=2)
    window: Window
    arrivals: ArrivalModel
    arrival_gaps: LawChoice | None = Field(description="How the law of all gaps together was chosen, where one was.")
    combinations: Combinations
    marks: Coupling
    structure: Structure
    durations: tuple[DurationCell, ...]
    kinds: tuple[Kind, ...]
    assets: AssetSizes | None
    lifecycle: LifecycleModel = LifecycleModel()
    drift: tuple[Drift, ...] = ()
    provenance: Provenance

    @cached_property
    def id(self) -> str:
        """The identifier: `m-` and a hash of the JSON."""
        return f"m-{content_hash(self.to_json())}"

    @property
    def notes(self) -> tuple[str, ...]:
        """Where the log was too short or too thin, and what was done instead."""
        return self.provenance.notes

    def to_json(self) -> str:
        """Return the model as JSON, always the same bytes for the same model."""
        return json.dumps(self.model_dump(mode="json"), sort_keys=True, allow_nan=False, separators=(",", ":")) + "\n"

    @classmethod
    def from_json(cls, text: str) -> WorkloadModel:
        """Read what `to_json` wrote.

        Raises:
            FileError: If the text is no workload model of this version.
        """
        try:
            return cls.model_validate_json(text)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise FileError(
                f"this is no workload model that this version can read: {first['msg']}",
                where=place or None,
                remedy="fit the model again with `pipesim fit`",
            ) from error
