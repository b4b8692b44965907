"""The tables in which experiments keep what they varied, tried and found: one declaration each."""

from __future__ import annotations

from pipesim.schema import Column, Table, Type

_S, _I, _N, _B = Type.STRING, Type.INTEGER, Type.NUMBER, Type.BOOLEAN

SWEEPS = Table(
    "sweeps",
    "What one scenario of a sweep has at one of the keys that the sweep varies.",
    key=("sweep", "scenario", "key"),
    columns=(
        Column("sweep", _S, "The sweep: the name in its file.", nullable=False),
        Column("scenario", _S, "The scenario.", nullable=False),
        Column("key", _S, "The dotted path of the key in the scenario file.", nullable=False),
        Column("position", _I, "The value's place among those of the key, from 0.", nullable=False),
        Column("value", _S, "The value, as JSON where it is no text.", nullable=False),
        Column("number", _N, "The value, where it is a number."),
    ),
)

CAPACITY = Table(
    "capacity",
    "One trial of a search for the capacity that meets an objective: capacities of one pool or two, and what they lead to.",
    key=("search", "scenario", "trial"),
    columns=(
        Column("search", _S, "The search: what is sized, on which scenarios, for which objective.", nullable=False),
        Column("scenario", _S, "The scenario whose pools are sized.", nullable=False),
        Column("trial", _I, "The trial's place among those of the scenario, by capacity, from 0.", nullable=False),
        Column("simulated_as", _S, "As which scenario it was simulated; NULL where a pool is below the largest task."),
        Column("pool", _S, "The pool that is sized.", nullable=False),
        Column("resource", _S, "What of it: gpus, slots, cpu_cores, memory_gb or nodes.", nullable=False),
        Column("capacity", _I, "How much of it.", nullable=False),
        Column("second_pool", _S, "The second pool of a mix."),
        Column("second_resource", _S, "What of it."),
        Column("second_capacity", _I, "How much of it."),
        Column("objective", _S, "What is to be kept, for example p95_wait_s < 600.", nullable=False),
        Column("metric", _S, "The figure that it is about.", nullable=False),
        Column("bound", _S, "On which side of the threshold it is to stay.", nullable=False, values=("<", ">")),
        Column("threshold", _N, "The threshold, in the figure's unit.", nullable=False),
        Column("confidence", _N, "How sure it must be that the figure's mean keeps it, 0.5 to 1.", nullable=False),
        Column("replications", _I, "How often the trial was simulated.", nullable=False),
        Column("mean", _N, "The figure's mean over the replications."),
        Column("low", _N, "The lower end of its 95 % confidence interval."),
        Column("high", _N, "The upper end."),
        Column("met", _B, "Whether it keeps the objective with that confidence.", nullable=False),
        Column("is_least", _B, "Whether it does, and less of the last pool would not.", nullable=False),
        Column("is_answer", _B, "Whether it is the smallest capacity, or the cheapest mix, that does.", nullable=False),
        Column("price_per_h", _N, "What one of the pool costs an hour; NULL where nobody says."),
        Column("second_price_per_h", _N, "What one of the second pool costs an hour."),
        Column("cost_per_h", _N, "What these capacities cost an hour."),
    ),
)

CALIBRATED_POOLS = Table(
    "calibrated_pools",
    "What a calibration found of a pool: capacity and overhead under which as many wait as the log shows.",
    key=("scenario", "pool"),
    columns=(
        Column("scenario", _S, "The scenario that was calibrated.", nullable=False),
        Column("simulated_as", _S, "As which scenario the log was replayed on what was found.", nullable=False),
        Column("pool", _S, "The pool.", nullable=False),
        Column("resource", _S, "What it is measured in: gpus, slots, cpu_cores, memory_gb or nodes.", nullable=False),
        Column("given", _I, "How much of it the scenario says.", nullable=False),
        Column("capacity", _I, "How much fits the log best.", nullable=False),
        Column("low", _I, "The least that fits as well; NULL where the log is too short to tell."),
        Column("high", _I, "The greatest that fits as well; NULL there too, and where more would change nothing."),
        Column("overhead_s", _N, "Seconds for which each attempt holds it besides its work.", nullable=False),
        Column("held", _S, "On which side of what the log says of its work.", values=("before", "after")),
        Column("waiting", _N, "How many attempts waited, on average over the log.", nullable=False),
        Column("error_as_given", _N, "How far that is off from hour to hour with the pool as given, as a part of it."),
        Column("error", _N, "The same with what was found."),
        Column("error_elsewhere", _N, "The same in the half of the log that a fit to the other has not seen."),
        Column("note", _S, "Why nothing could be found, if so."),
    ),
)

CALIBRATION_ERRORS = Table(
    "calibration_errors",
    "How far a simulated figure is from the log's, and what of that is the platform model's and what the workload model's.",
    key=("scenario", "figure", "pool"),
    columns=(
        Column("scenario", _S, "The scenario that was calibrated.", nullable=False),
        Column("simulated_as", _S, "As which scenario the log was replayed on what was found.", nullable=False),
        Column("figure", _S, "The figure: mean_wait_s, p95_wait_s, mean_jct_s, p95_jct_s or utilization.", nullable=False),
        Column("pool", _S, "The pool that it is of; NULL for the whole platform."),
        Column("unit", _S, "Its unit.", nullable=False),
        Column("observed", _N, "What the log shows."),
        Column("as_given", _N, "What its replay gives on the platform as the scenario says it."),
        Column("replayed", _N, "The same on the calibrated platform."),
        Column("drawn", _N, "The mean of what drawn work gives there."),
        Column("platform_error", _N, "replayed / observed - 1: the platform model's."),
        Column("workload_error", _N, "drawn / replayed - 1: the workload model's."),
        Column("workload_low", _N, "The lower end of its 95 % confidence interval."),
        Column("workload_high", _N, "The upper end."),
        Column("total_error", _N, "drawn / observed - 1."),
    ),
)

#: All of them, by name; each has a file an experiment.
EXPERIMENT_TABLES: dict[str, Table] = {table.name: table for table in (SWEEPS, CAPACITY, CALIBRATED_POOLS, CALIBRATION_ERRORS)}
