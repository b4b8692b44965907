"""The page of scenario files is the one that their parts give, and says something of every key."""

from __future__ import annotations

from typing import get_args

import yaml

from pipesim.simulation.scenario import Order, Policy
from pipesim.simulation.scenario.examples import EXAMPLES
from pipesim.simulation.scenario.page import page, said_of, sections
from tests.conftest import REPOSITORY


def test_the_page_is_the_one_that_the_parts_give() -> None:
    assert (REPOSITORY / "docs" / "scenario-file.md").read_text(encoding="utf-8") == page(), (
        "run: python -m pipesim.simulation.scenario.page > docs/scenario-file.md"
    )


def test_every_key_of_every_part_is_described() -> None:
    found = sections()
    assert len(found) > 25
    for section in found:
        assert list(said_of(section.part)[1]) == list(section.part.model_fields), section.title


def test_every_key_stands_in_an_example() -> None:
    written = {key for example in EXAMPLES.values() for key in _keys(yaml.safe_load(example))}
    assert {key for section in sections() for key in section.part.model_fields} - written == set()
    assert EXAMPLES.keys() <= {section.part.__name__ for section in sections()}


def test_every_order_is_named() -> None:
    said = said_of(Policy)[1]["order"]
    assert [order for order in get_args(Order) if f"`{order}`" not in said] == []


def test_types_and_bounds_are_those_that_are_checked() -> None:
    text = page()
    for row in (
        "| `warmup_days` | number or `auto` | at least 0 | `0` |",
        "| `seed` | whole number | at least 0, below 2^63 | `0` |",
        "| `target` | number | above 0, at most 1 | `1` |",
        "| `estimates` | `oracle`, `history` or [policy.estimates](#policyestimates) | | `oracle` |",
        "| `trigger` | `none` or [lifecycle.trigger](#lifecycletrigger) | |",
        "| `read_mb_per_s` | number | above 0 | needed |",
    ):
        assert row in text, row


def _keys(value: object) -> set[str]:
    if isinstance(value, dict):
        return set(value) | {key for inner in value.values() for key in _keys(inner)}
    return {key for inner in value for key in _keys(inner)} if isinstance(value, list) else set()
