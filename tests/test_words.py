from __future__ import annotations

import pytest

from pipesim.words import count


@pytest.mark.parametrize(
    ("number", "nouns", "said"),
    [
        (0, ["task"], "0 tasks"),
        (1, ["task"], "1 task"),
        (1234, ["task"], "1,234 tasks"),
        (2, ["strategy", "strategies"], "2 strategies"),
        (1, ["model has", "models have"], "1 model has"),
    ],
)
def test_a_number_has_the_noun_of_its_number(number: int, nouns: list[str], said: str) -> None:
    assert count(number, *nouns) == said
