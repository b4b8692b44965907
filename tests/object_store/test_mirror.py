"""Mirrors of a store in memory: what machines see of each other's work, whatever dies, pauses or changes meanwhile."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipesim import store as store_module
from pipesim.errors import WorkError
from pipesim.lake import Lake
from pipesim.object_store import mirror
from pipesim.object_store.index import Index
from pipesim.object_store.lease import LEASE_S
from pipesim.trace import Trace
from tests.object_store.fake_store import URL, DiedError, Store
from tests.test_trace import ROW

#: A file of each kind of area, and two of one.
PATHS = (
    "lake/observed/manifests/a.json",
    "lake/observed/manifests/b.json",
    "lake/simulated/manifests/scenario=s/replication=0/manifest.json",
    "models/current.json",
    "scenarios/s.yaml",
)
Files = Mapping[str, str]


class World:
    """A store, and machines that each have a cache of their own."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.store = Store()
        self.store.install(patch)
        self._folder, self._patch = folder, patch

    def open(self, machine: str) -> Lake:
        self._patch.setenv("PIPESIM_CACHE", str(self._folder / machine))
        return Lake(URL)

    def bury(self) -> None:
        """Let so much time go by that a dead machine's locks are no longer good."""
        self.store.interrupt = None
        self.store.now += LEASE_S + 1


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with pytest.MonkeyPatch.context() as patch:
        yield World(tmp_path, patch)


def commit(lake: Lake, files: Files, gone: tuple[str, ...] = ()) -> None:
    with lake.transaction() as tx:
        for path, text in files.items():
            tx.stage(lake.root / path).write_text(text)
        for path in gone:
            tx.remove(lake.root / path)


def shown(lake: Lake) -> Files:
    """Return what a machine shows, but for the mark of the columns."""
    with lake.reading(simulated=True):
        return {
            path.relative_to(lake.root).as_posix(): path.read_text()
            for top in ("lake", "models", "reports", "scenarios")
            for path in (lake.root / top).rglob("*")
            if path.is_file()
        }


def aside(store: Store) -> list[str]:
    """Return what lies on the store beside files: uploads and locks."""
    return [name for name in store.objects if name.startswith(".staging/") and name != ".staging/columns.json"]


def test_machines_see_each_others_commits(world: World) -> None:
    one, other = world.open("one"), world.open("other")
    commit(one, dict.fromkeys(PATHS, "1"))
    assert shown(other) == dict.fromkeys(PATHS, "1")
    commit(other, {PATHS[0]: "2"}, gone=(PATHS[1], PATHS[2]))
    assert shown(one) == shown(world.open("new")) == {PATHS[0]: "2", PATHS[3]: "1", PATHS[4]: "1"}
    assert not (one.root / PATHS[2]).parent.exists(), "an empty folder would look like a replication"
    assert aside(world.store) == []


def test_nothing_new_costs_one_small_read_and_equal_files_are_not_uploaded(world: World) -> None:
    lake = world.open("one")
    commit(lake, dict.fromkeys(PATHS, "1"))
    before = world.store.requests
    with lake.reading(simulated=True), lake.reading():
        pass
    assert world.store.requests == before + 1
    state = world.store.objects["state.json"]
    commit(lake, dict.fromkeys(PATHS, "1"))
    assert world.store.objects["state.json"] == state
    commit(world.open("other"), {PATHS[0]: "2"})
    commit(lake, {PATHS[0]: "1"})  # equal to what is here, but no longer to what is there
    assert shown(lake) == shown(world.open("other")) == dict.fromkeys(PATHS, "1")


def test_simulated_results_are_brought_to_those_who_ask_for_them_only(world: World) -> None:
    commit(world.open("one"), dict.fromkeys(PATHS, "1"))
    lake = world.open("other")
    simulated = lake.root / PATHS[2]
    assert (lake.root / PATHS[0]).is_file()
    assert not simulated.exists()
    lake.bring_simulated()
    assert simulated.read_text() == "1"


def test_files_keep_the_times_of_the_store(world: World) -> None:
    commit(world.open("one"), {PATHS[0]: "1"})
    world.store.now += 5 * 86_400
    assert (world.open("other").root / PATHS[0]).stat().st_mtime == 1_000_000.0


def test_what_is_this_machines_own_stays_here(world: World) -> None:
    lake = world.open("one")
    commit(lake, {"inbox.json": "{}"})
    assert (lake.root / "inbox.json").is_file()
    assert "inbox.json" not in world.store.objects


def test_a_home_that_was_copied_to_the_store_is_taken_as_it_is(world: World) -> None:
    for path in PATHS:
        world.store.objects[path] = b"1", world.store.now
    lake = world.open("one")
    assert shown(lake) == dict.fromkeys(PATHS, "1")
    for name in (PATHS[0], "state.json"):  # as the documentation says
        del world.store.objects[name]
    assert shown(lake) == dict.fromkeys(PATHS[1:], "1")


def test_scenario_files_are_noticed_however_they_came(world: World) -> None:
    from pipesim.experiments.scenario_files import scenario_files

    lake = world.open("one")
    world.store.objects["scenarios/mine.yaml"] = b"name: mine", world.store.now
    assert "mine" in scenario_files(lake)


def test_a_mirror_that_was_lost_or_damaged_is_made_again(world: World) -> None:
    lake = world.open("one")
    commit(lake, dict.fromkeys(PATHS, "1"))
    (lake.root / ".staging" / "mirror.sqlite").unlink()
    (lake.root / PATHS[0]).write_text("something else")
    (lake.root / PATHS[1]).unlink()
    assert shown(world.open("one")) == dict.fromkeys(PATHS, "1")


def test_who_commits_without_having_looked_still_sees_what_others_committed(world: World) -> None:
    one, other = world.open("one"), world.open("other")
    commit(other, {PATHS[0]: "1"})
    commit(one, {PATHS[1]: "1"})
    assert shown(one) == {PATHS[0]: "1", PATHS[1]: "1"}


def test_what_was_equal_when_it_was_looked_at_is_uploaded_if_it_is_not_any_more(world: World, tmp_path: Path) -> None:
    one, same_machine = world.open("one"), world.open("one")
    commit(one, {PATHS[0]: "1"})
    staged = tmp_path / "staged"
    staged.write_text("1")
    assert one.mirror
    upload = one.mirror.upload([(staged, one.root / PATHS[0])])
    assert upload.equal
    commit(same_machine, {PATHS[0]: "2"})
    with one.hold("commit"):
        one.mirror.commit(upload, [])
    assert shown(world.open("other")) == {PATHS[0]: "1"}


def test_a_machine_that_dies_while_it_brings_files_knows_no_more_than_is_true(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = world.open("one"), world.open("other")
    commit(one, {PATHS[0]: "1"})
    assert shown(other) == {PATHS[0]: "1"}
    commit(one, {PATHS[0]: "2"})
    real = Index.note

    def die(self: Index, tags: Mapping[str, str] | None = None, **others: Any) -> None:
        if tags:
            raise DiedError
        real(self, tags, **others)

    with monkeypatch.context() as patch:
        patch.setattr(Index, "note", die)
        with pytest.raises(DiedError):
            shown(other)
    commit(one, {PATHS[0]: "1"})  # the very content, and so the tag, that the dead one had noted before
    assert shown(world.open("other")) == {PATHS[0]: "1"}


NEW = {PATHS[0]: "new", PATHS[2]: "new", PATHS[3]: "new"}
REMOVED = (PATHS[1],)
AFTER = {**dict.fromkeys(PATHS, "old"), **NEW}
del AFTER[PATHS[1]]


@pytest.mark.parametrize("done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("request_", range(13))
def test_a_machine_that_dies_while_it_commits_leaves_the_old_or_the_new_state(world: World, request_: int, done: bool) -> None:
    lake = world.open("one")
    commit(lake, dict.fromkeys(PATHS, "old"))
    world.store.die_at(request_, done)
    with pytest.raises(DiedError):
        commit(lake, NEW, REMOVED)
        world.store.interrupt = None
        raise AssertionError("the commit makes fewer requests; adapt the test")
    world.bury()
    found = shown(world.open("other"))
    # Three uploads, the lock, the state that is read: the next request records what is to be.
    assert found == (AFTER if (request_, done) >= (5, True) else dict.fromkeys(PATHS, "old"))
    assert shown(world.open("one")) == found
    commit(world.open("other"), {PATHS[4]: "newest"})
    assert shown(world.open("one")) == {**found, PATHS[4]: "newest"}


def test_what_dead_machines_uploaded_goes_after_a_day(world: World) -> None:
    lake = world.open("one")
    world.store.die_at(4, True)
    with pytest.raises(DiedError):
        commit(lake, NEW)
    world.bury()
    lost = [name for name in aside(world.store) if not name.endswith(".lock")]
    assert lost
    world.open("other")
    assert set(lost) <= set(aside(world.store))
    world.store.now += 86_400
    world.open("third")
    assert [name for name in aside(world.store) if not name.endswith(".lock")] == []


@pytest.mark.parametrize("request_", range(3, 13))  # from when it has the lock
def test_a_machine_that_wakes_up_in_the_middle_of_its_commit_undoes_nothing(world: World, request_: int) -> None:
    lake, other = world.open("sleeper"), world.open("other")
    commit(lake, dict.fromkeys(PATHS, "old"))
    woken = world.store.requests + request_

    def sleep(number: int, is_done: bool) -> None:
        if (number, is_done) == (woken, True):
            world.store.now += LEASE_S + 1
            slept = time.time() + LEASE_S + 1
            world._patch.setattr("pipesim.object_store.lease._clocks", lambda: (time.monotonic(), slept))
            commit(other, dict.fromkeys(PATHS[:3], "newest"))

    world.store.interrupt = sleep
    try:
        commit(lake, NEW, REMOVED)
        told = True
    except WorkError:
        told = False
    found = shown(other)
    assert {path: found[path] for path in PATHS[:3]} == dict.fromkeys(PATHS[:3], "newest")
    # It says that it changed something if and only if it did; then what came later lies on top of it.
    assert found[PATHS[3]] == ("new" if told else "old")
    assert shown(lake) == found


def test_a_reader_never_shows_half_of_a_commit_that_came_meanwhile(world: World) -> None:
    one, reader = world.open("one"), world.open("reader")
    both = PATHS[0], PATHS[3]
    commit(one, dict.fromkeys(both, "0"))
    for moment in range(1, 7):
        begun, version = world.store.requests, str(moment)

        def disturb(number: int, done: bool, begun: int = begun, moment: int = moment, version: str = version) -> None:
            if (number, done) == (begun + moment, True):
                commit(one, dict.fromkeys(both, version))

        commit(one, dict.fromkeys(both, f"{version} before"))
        world.store.interrupt = disturb
        begun = world.store.requests
        found = shown(reader)
        world.store.interrupt = None
        assert len({found[path] for path in both}) == 1


def test_a_reader_who_is_disturbed_again_and_again_has_them_wait(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    one, reader = world.open("one"), world.open("reader")
    commits = iter(range(1000))
    busy = False

    def disturb(number: int, done: bool) -> None:
        nonlocal busy
        if done and not busy and ".staging/commit.lock" not in world.store.objects:
            busy = True
            commit(one, {PATHS[0]: str(next(commits))})
            busy = False

    commit(one, {PATHS[0]: "first"})
    world.store.interrupt = disturb
    found = shown(reader)
    world.store.interrupt = None
    assert int(found[PATHS[0]]) >= mirror._TURNS - 1


changes = st.tuples(
    st.sampled_from(["a", "b", "c"]),
    st.dictionaries(st.sampled_from(PATHS), st.sampled_from(["1", "2", "3"])),
    st.sets(st.sampled_from(PATHS)),
    st.none() | st.tuples(st.integers(0, 25), st.booleans()),
)


@pytest.mark.drawn
@settings(deadline=None)
@given(history=st.lists(changes, min_size=1, max_size=8))
def test_whoever_dies_whenever_every_machine_shows_what_was_committed(
    tmp_path_factory: pytest.TempPathFactory, history: list[tuple[str, Files, set[str], tuple[int, bool] | None]]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        world = World(tmp_path_factory.mktemp("world"), patch)
        world.open("a")
        expected: Files = {}
        for machine, files, gone, death in history:
            after = {**{path: text for path, text in expected.items() if path not in gone}, **files}
            if death:
                world.store.die_at(*death)
            try:
                commit(world.open(machine), files, tuple(gone))
                expected = after
            except DiedError:
                world.bury()
                found = shown(world.open("b" if machine == "a" else "a"))
                assert found in (expected, after)
                expected = found
            world.store.interrupt = None
            world.bury()
        for machine in ("a", "b", "c", "new"):
            assert shown(world.open(machine)) == expected


def test_an_ingest_on_another_machine_is_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = world.open("one"), world.open("other")
    monkeypatch.setitem(store_module._LOCK_TIMEOUT_S, "ingest", 0.0)
    with one.lock("ingest"), one.lock("ingest"):
        with pytest.raises(WorkError, match=f"ingest lock of this home: process {os.getpid()}"), other.lock("ingest"):
            pass
        commit(other, {PATHS[0]: "1"})  # which is no ingest
        commit(one, {PATHS[1]: "1"})
    with other.lock("ingest"):
        pass
    assert aside(world.store) == []


def test_the_state_says_which_areas_changed(world: World) -> None:
    lake = world.open("one")
    before = json.loads(world.store.objects["state.json"][0])["marks"]
    commit(lake, {PATHS[2]: "1"})
    after = json.loads(world.store.objects["state.json"][0])["marks"]
    assert [area for area in after if after[area] != before[area]] == ["lake/simulated"]


def test_an_empty_table_replaces_one_that_this_machine_has_not_brought(world: World) -> None:
    edges = pl.DataFrame({"run_id": ["r"], "task_id": ["b"], "parent_task_id": ["a"]})
    tasks = pl.DataFrame([ROW])
    for machine, tables in (("a", {"task_edges": edges}), ("b", {})):
        trace = Trace({"task_runs": tasks, **tables}, "simulated", "s")
        world.open(machine).save_simulated(trace, 0, pl.DataFrame({"x": [1]}), {})
    for machine in ("a", "b", "c"):
        lake = world.open(machine)
        lake.bring_simulated()
        assert lake.load_simulated("s").task_edges.is_empty()
