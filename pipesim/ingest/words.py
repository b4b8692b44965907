"""The words that logs use for states, task types and triggers, and the canonical word for each."""

from __future__ import annotations

from collections.abc import Mapping

from pipesim.schema import STATUSES, TASK_TYPES, TRIGGERS


def _words(canonical: tuple[str, ...], synonyms: Mapping[str, str]) -> dict[str, str]:
    own = {word.lower(): word for word in canonical}
    return {**own, **{synonym: word for word, line in synonyms.items() for synonym in line.split()}}


STATUS_WORDS = _words(
    STATUSES,
    {
        "PENDING": "queued waiting created scheduled submitted new",
        "RUNNING": "started active in_progress executing",
        "SUCCEEDED": "success successful succeed completed complete finished done pass passed ok",
        "FAILED": "failure fail error errored",
        "CANCELLED": "canceled cancel killed kill aborted abort terminated stopped",
        "TIMEOUT": "timedout timed_out deadline_exceeded",
        "NODE_FAIL": "node_failure nodefail node_lost",
        "SKIPPED": "skip omitted upstream_failed",
    },
)
TASK_TYPE_WORDS = _words(
    TASK_TYPES,
    {
        "preprocess": "preprocessing etl ingest transform feature_engineering",
        "train": "training fit finetune fine_tune",
        "evaluate": "evaluation eval validate validation test",
        "compress": "compression prune pruning quantize quantization",
        "harden": "hardening",
        "deploy": "deployment serve release publish",
    },
)
TRIGGER_WORDS = _words(TRIGGERS, {"schedule": "scheduled cron timer", "manual": "user ui", "api": "rest sdk webhook"})
