"""Which pipelines the reference platform has: their graphs, owners and drift, and how often each is run."""

from __future__ import annotations

from dataclasses import dataclass

#: The share of each framework among the runs (arXiv 2006.12587).
FRAMEWORK_SHARES = {"SparkML": 0.63, "TensorFlow": 0.32, "PyTorch": 0.03, "Caffe": 0.01, "other": 0.01}
#: The frameworks whose training, compression and hardening need GPUs.
GPU_FRAMEWORKS = frozenset(FRAMEWORK_SHARES) - {"SparkML"}


@dataclass(frozen=True)
class TaskTemplate:
    """One task of a pipeline's graph, named as in the log; parents stand before their children."""

    task_id: str
    name: str
    type: str
    parents: tuple[str, ...] = ()


@dataclass(frozen=True)
class Shape:
    """A pipeline's graph, and the share of the runs that have it."""

    name: str
    share: float
    tasks: tuple[TaskTemplate, ...]


_PREPARE = TaskTemplate("t1", "prepare", "preprocess")
_TRAIN = TaskTemplate("t2", "train", "train", ("t1",))
_EVALUATE = TaskTemplate("t3", "evaluate", "evaluate", ("t2",))

SHAPES = (
    Shape("train-only", 0.22, (TaskTemplate("t1", "train", "train"), TaskTemplate("t2", "evaluate", "evaluate", ("t1",)))),
    Shape("chain", 0.36, (_PREPARE, _TRAIN, _EVALUATE)),
    Shape(
        "fan-in",
        0.13,
        (
            TaskTemplate("t1", "prepare-events", "preprocess"),
            TaskTemplate("t2", "prepare-profiles", "preprocess"),
            TaskTemplate("t3", "train", "train", ("t1", "t2")),
            TaskTemplate("t4", "evaluate", "evaluate", ("t3",)),
        ),
    ),
    Shape("deploying", 0.14, (_PREPARE, _TRAIN, _EVALUATE, TaskTemplate("t4", "deploy", "deploy", ("t3",)))),
    Shape(
        "compressing",
        0.06,
        (
            TaskTemplate("t1", "train", "train"),
            TaskTemplate("t2", "evaluate", "evaluate", ("t1",)),
            TaskTemplate("t3", "compress", "compress", ("t2",)),
            TaskTemplate("t4", "deploy", "deploy", ("t3",)),
        ),
    ),
    Shape(
        "optimised",
        0.09,
        (
            _PREPARE,
            _TRAIN,
            _EVALUATE,
            TaskTemplate("t4", "compress", "compress", ("t3",)),
            TaskTemplate("t5", "harden", "harden", ("t3",)),
            TaskTemplate("t6", "deploy", "deploy", ("t4", "t5")),
        ),
    ),
)

#: How many pipelines each framework has of each shape, in the order of `SHAPES`. A run's framework and shape are drawn
#: independently; the pipeline is then the r-th of its group with probability proportional to 1 / sqrt(r). Pipelines that
#: deploy are many, so that a model stays in production for some days.
PIPELINES_PER_SHAPE = {
    "SparkML": (3, 5, 3, 12, 6, 9),
    "TensorFlow": (2, 3, 2, 8, 4, 6),
    "PyTorch": (1, 1, 1, 1, 1, 1),
    "Caffe": (1, 1, 1, 1, 1, 1),
    "other": (1, 1, 1, 1, 1, 1),
}
_SUBJECTS = ("churn", "fraud", "demand", "price", "search", "ads", "route", "claim", "mail", "stock")
_PURPOSES = ("rank", "score", "tag", "vision", "match", "alert", "embed", "plan", "sort", "fill")
#: Tenants; a pipeline belongs to the tenant at its index modulo 8 here, so that large tenants have more pipelines.
TENANT_CYCLE = ("retail", "ads", "risk", "retail", "search", "ads", "retail", "labs")
#: A run's user is the k-th of its tenant's users with this probability.
USER_SHARES = (0.45, 0.30, 0.15, 0.10)
#: What submits a run, and the priority that it then has.
TRIGGER_SHARES = {"schedule": 0.55, "manual": 0.30, "api": 0.15}
TRIGGER_PRIORITY = {"schedule": 0, "manual": 1, "api": 2}


@dataclass(frozen=True)
class Pipeline:
    """A named pipeline: what never changes from one of its runs to the next, and its share of the runs.

    The live performance of its model, t days after deployment, is p0 - `drift_per_day` t - `jump_size` N(t), N being a
    Poisson process of `jumps_per_day`.
    """

    name: str
    framework: str
    shape: Shape
    tenant: str
    share: float
    drift_per_day: float
    jumps_per_day: float
    jump_size: float


def _pipelines() -> tuple[Pipeline, ...]:
    found: list[Pipeline] = []
    for framework, counts in PIPELINES_PER_SHAPE.items():
        for shape, count in zip(SHAPES, counts, strict=True):
            total = sum(r**-0.5 for r in range(1, count + 1))
            for rank in range(1, count + 1):
                i = len(found)
                gradual, sudden = i % 4 in (1, 2), i % 4 == 3
                found.append(
                    Pipeline(
                        f"{_SUBJECTS[i % 10]}-{_PURPOSES[(i // 10 + i) % 10]}",
                        framework,
                        shape,
                        TENANT_CYCLE[i % len(TENANT_CYCLE)],
                        FRAMEWORK_SHARES[framework] * shape.share * rank**-0.5 / total,
                        drift_per_day=0.002 + 0.001 * (i % 5) if gradual else 0.0,
                        jumps_per_day=0.1 if sudden else 0.0,
                        jump_size=0.05 if sudden else 0.0,
                    )
                )
    return tuple(found)


PIPELINES = _pipelines()
