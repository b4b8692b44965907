"""Processes: everything is run once and told as it is done, whatever becomes of workers."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from pipesim.errors import RequestError, WorkError
from pipesim.experiments.backends import backend
from tests.experiments.backends.items import refusing, squared


@pytest.mark.parametrize("workers", [1, 2])
def test_every_item_is_run_once(tmp_path: Path, workers: int) -> None:
    with backend(workers) as place:
        found = dict(place.map(partial(squared, tmp_path, frozenset(), 0), range(9)))
        assert dict(place.map(partial(squared, tmp_path, frozenset(), 0), [])) == {}
    assert found == {n: n * n for n in range(9)}
    assert sorted(map(int, (tmp_path / "done").read_text().split())) == list(range(9))


def test_what_a_killed_worker_was_running_is_run_again(tmp_path: Path) -> None:
    with backend(2) as place:
        for again in range(2):  # the second time by processes that took the dead ones' places
            deadly = frozenset({2, 5}) if not again else frozenset()
            found = dict(place.map(partial(squared, tmp_path, deadly, 1), range(9)))
            assert found == {n: n * n for n in range(9)}


def test_an_item_that_kills_every_worker_is_named_and_the_others_are_done(tmp_path: Path) -> None:
    found: dict[int, int] = {}
    with backend(2) as place, pytest.raises(WorkError, match="died 3 times while it ran 4") as caught:
        found.update(place.map(partial(squared, tmp_path, frozenset({4}), 99), range(6)))
    assert "fewer workers" in str(caught.value)
    assert found.items() <= {n: n * n for n in range(6)}.items()


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_of_an_item_ends_the_rest_and_keeps_its_remedy(workers: int) -> None:
    with backend(workers) as place:
        with pytest.raises(RequestError, match="leave them out"):
            list(place.map(refusing, range(20)))
        assert dict(place.map(refusing, [1, 2])) == {0: 1, 1: 2}, "others can be run after it"
