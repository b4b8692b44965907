"""Time that follows data: seconds as a function of the amount of data that a task reads, with multiplicative noise."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Literal

import numpy as np
import polars as pl
from pydantic import Field

from pipesim.trace import Trace
from pipesim.workload.laws.choice import MIN_ROWS
from pipesim.workload.laws.law import Floats, Law, table_law
from pipesim.workload.laws.regression import Function, Sample, fit_monotone, fit_power, foretell, foretell_by_copula
from pipesim.workload.part import Part

Unit = Literal["bytes", "cells"]
#: Functions are fitted to no more rows than this, evenly spaced in the order of their data.
_MAX_ROWS = 12_000
#: By how many standard errors of the mean difference of held-out log densities a function has to beat a law without data.
_STANDARD_ERRORS = 3.0
#: And by how much: what a rank correlation of .14 tells. Equal laws differ by rounding alone, of one sign in all rows.
_LEAST_GAIN = 0.01
#: With a larger share of attempts that still run, or took no time, logarithms of the others would mislead.
_MAX_LEFT_OUT = 0.1
#: Nothing longer than this many times the longest of the log is drawn.
_BEYOND = 1.2


class DataTime(Part):
    """Natural seconds = f(ln(1 + amount of data)) x noise.

    Attributes:
        unit: The data are measured in bytes, or in cells (rows x columns) where the log does not tell bytes.
        amount: The law of the amounts, for tasks of which no bytes are drawn.
        function: f.
        noise: The law of the factor.
        maximum: No attempt takes longer: 1.2 times the longest of the log.
    """

    unit: Unit
    amount: Law
    function: Function
    noise: Law
    maximum: float = Field(gt=0)

    def amounts(self, read_bytes: Floats, u: Floats) -> Floats:
        """Return the amounts of data of tasks: the bytes they read, or where these do not tell, the law's values at `u`."""
        told = ~np.isnan(read_bytes) if self.unit == "bytes" else np.zeros(len(read_bytes), dtype=bool)
        return np.where(told, read_bytes, self.amount.quantile(u))

    def seconds(self, amounts: Floats, u: Floats) -> Floats:
        """Return the natural seconds of attempts on amounts of data.

        Args:
            amounts: In the function's unit.
            u: The noise's rank among all of the kind, uniform on [0, 1) and independent of the data.
        """
        logs = np.minimum(self.function.log(np.log1p(amounts)), np.log(self.maximum))
        return np.minimum(np.exp(logs) * self.noise.quantile(u), self.maximum)

    def factors(self, amounts: Floats, seconds: Floats) -> Floats:
        """Return the noise in observed seconds."""
        return np.asarray(seconds / np.exp(self.function.log(np.log1p(amounts))))


class Score(Part):
    """How well the logarithms of seconds of held-out rows were foretold from their data.

    Attributes:
        name: `power` (a b^x + c), `monotone` (isotonic regression), `copula` (the empirical law of the seconds of the size
            class, tied to the data by the correlation of their normal scores) or `independent` (the same, not tied).
        log_likelihood: Mean of a row.
        squared_error: Mean of a row.
    """

    name: Literal["power", "monotone", "copula", "independent"]
    log_likelihood: float
    squared_error: float


class DataTimeChoice(Part):
    """Whether the time of a kind of task follows its data, why, and how the alternatives did.

    Attributes:
        law: The function with its noise; NULL where the duration's own law, tied to the bytes by a copula, serves as well.
        reason: Why.
        rows: Attempts that tell both their natural seconds and their data.
        scores: Of the functions and of the copula, where they were fitted.
    """

    law: DataTime | None
    reason: str
    rows: int
    scores: tuple[Score, ...] = ()


def with_data(attempts: pl.DataFrame, trace: Trace) -> pl.DataFrame:
    """Add the columns `bytes` and `cells`: how much data each attempt read, NULL where the log does not tell all of it.

    Bytes are those of the attempt, or else of the assets that it read; cells are those of the assets.
    """
    key, attempt = ["asset_id", "version"], ["run_id", "task_id", "attempt"]
    assets = trace["data_assets"].select(*key, "size_bytes", "row_count", "column_count").unique(key, keep="none")
    reads = trace["task_io"].filter(pl.col("direction") == "read").join(assets, on=key, how="left", suffix="_asset")
    rows = pl.coalesce("row_count", "row_count_asset").cast(pl.Float64)
    sizes = reads.select(*attempt, b=pl.coalesce("size_bytes", "size_bytes_asset"), cells=rows * pl.col("column_count"))
    told = [pl.when(pl.col(c).is_not_null().all()).then(pl.col(c).sum()).alias(c) for c in ("b", "cells")]
    joined = attempts.join(sizes.group_by(attempt).agg(told), on=attempt, how="left", maintain_order="left")
    return joined.with_columns(bytes=pl.coalesce("read_bytes", "b").cast(pl.Float64)).drop("b")


def fit_data_time(attempts: pl.DataFrame) -> DataTimeChoice | None:
    """Return whether the natural seconds of one kind of task follow its data, None if the log tells too little to ask.

    Each half of the rows (every second one in the order of their data) is foretold from the other. The better function, which
    is a b^x + c if that is within one standard error of isotonic regression, is taken if its mean log density is above that
    of the copula, and above that of the law which knows no data by .01 and more than three standard errors.

    Args:
        attempts: What `with_data` returns, of one kind.
    """
    exact = attempts.filter(pl.col("natural"))
    unit: Unit = "bytes" if exact["bytes"].count() >= MIN_ROWS else "cells"
    known = exact.filter(pl.col(unit).is_not_null())
    told = known.filter(pl.col("seconds") > 0).sort(unit, "seconds", "size")
    if told.height < MIN_ROWS:
        return None

    def declined(reason: str) -> DataTimeChoice:
        return DataTimeChoice(law=None, reason=reason, rows=told.height)

    still_running = attempts.filter(pl.col("censored") & pl.col(unit).is_not_null()).height
    if 1.0 - told.height / (known.height + still_running) > _MAX_LEFT_OUT:
        return declined("too many attempts still run, or took no time")
    if told[unit].n_unique() < 3 or told["seconds"].n_unique() < 3:
        return declined("the data, or the seconds, are nearly always the same")
    return _choose(unit, told)


def _choose(unit: Unit, told: pl.DataFrame) -> DataTimeChoice:
    amounts, seconds = told[unit].to_numpy(), told["seconds"].to_numpy()
    group = told["size"].fill_null("").rank("dense").to_numpy().astype(np.int64)
    rows = np.linspace(0, told.height - 1, min(told.height, _MAX_ROWS)).astype(np.int64)
    sample = Sample(np.log1p(amounts[rows]), np.log(seconds[rows]), group[rows])
    fits: dict[str, Callable[[Sample], Function]] = {"power": fit_power, "monotone": fit_monotone}
    rivals: dict[str, Callable[[Sample, Sample], tuple[Floats, Floats]]] = {
        **{name: partial(_foretell, fit) for name, fit in fits.items()},
        "copula": foretell_by_copula,
        "independent": partial(foretell_by_copula, tied=False),
    }
    densities, errors = ({name: np.empty(len(rows)) for name in rivals} for _ in range(2))
    for which, (name, rival) in product((0, 1), rivals.items()):
        densities[name][which::2], errors[name][which::2] = rival(sample.half(1 - which), sample.half(which))
    mean = {name: float(np.mean(density)) for name, density in densities.items()}
    best = "monotone" if _lead(densities["monotone"], densities["power"]) > 1.0 else "power"
    scores = [{"name": n, "log_likelihood": mean[n], "squared_error": float(np.mean(errors[n] ** 2))} for n in rivals]

    def chosen(law: DataTime | None, reason: str) -> DataTimeChoice:
        return DataTimeChoice.model_validate({"law": law, "reason": reason, "rows": told.height, "scores": scores})

    told_nothing = mean[best] - mean["independent"] < _LEAST_GAIN
    if told_nothing or _lead(densities[best], densities["independent"]) <= _STANDARD_ERRORS:
        return chosen(None, "no function foretells more of held-out rows than a law that knows no data")
    if mean[best] <= mean["copula"]:
        return chosen(None, f"the copula foretells more of held-out rows than {best}")
    function = fits[best](sample)
    law = DataTime(
        unit=unit,
        amount=table_law(amounts),
        function=function,
        noise=table_law(np.exp(np.log(seconds) - function.log(np.log1p(amounts)))),
        maximum=_BEYOND * float(seconds.max()),
    )
    return chosen(law, f"{best} foretells more of held-out rows than the copula")


def _foretell(fit: Callable[[Sample], Function], train: Sample, test: Sample) -> tuple[Floats, Floats]:
    return foretell(fit(train), train, test)


def _lead(better: Floats, worse: Floats) -> float:
    """Return by how many standard errors the mean of paired numbers is above that of others."""
    difference = better - worse
    error = float(np.std(difference)) / np.sqrt(len(difference))
    return float(np.mean(difference)) / error if error > 0 else 0.0
