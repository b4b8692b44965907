"""A home on a real S3 protocol: conditions, locks, errors, the command line on two machines, and readers without pipesim."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipesim import cli
from pipesim.errors import PipesimError, RequestError, WorkError
from pipesim.lake import Lake
from pipesim.object_store import lease, objects
from pipesim.object_store.address import Address, folder_of
from pipesim.object_store.lease import Lease
from pipesim.object_store.objects import ConflictError, Objects
from tests.conftest import REPOSITORY
from tests.object_store.s3 import BUCKET, CREDENTIALS, Server, serving


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


@pytest.fixture
def home(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a home that does not exist yet; this machine has everything that it takes to make it."""
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": server.url, "PIPESIM_CACHE": str(tmp_path / "cache")}.items():
        monkeypatch.setenv(name, value)
    yield f"s3://{BUCKET}/{tmp_path.name}/home"
    server.fails = None


@pytest.fixture
def store(home: str) -> Objects:
    return Objects(_address(home))


def _address(home: str) -> Address:
    found = Address.find(home)
    assert found
    return found


def _commit(lake: Lake, **files: object) -> None:
    with lake.transaction() as tx:
        for name, value in files.items():
            tx.write_json({"value": value}, lake.models / f"{name}.json")


@pytest.mark.parametrize(
    ("home", "url", "key"),
    [
        ("s3://bucket/a/b", "s3://bucket/a/b", "a/b/x"),
        ("s3://bucket/a/b/", "s3://bucket/a/b", "a/b/x"),
        ("s3://bucket", "s3://bucket", "x"),
        (Path("s3://bucket/a"), "s3://bucket/a", "a/x"),
    ],
)
def test_an_address_is_found_in_a_url_also_after_it_went_through_a_path(home: str | Path, url: str, key: str) -> None:
    address = _address(str(home))
    assert (str(address), address.key("x"), address.name(key)) == (url, key, "x")


def test_a_folder_is_no_url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPESIM_CACHE", str(tmp_path))
    for home in (tmp_path, "pipesim_home", "./s3", "C:home", ""):
        assert Address.find(home) is None
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    one = folder_of("s3://bucket/a")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:2")
    assert one != folder_of("s3://bucket/a"), "the same name at another store is another home"


@pytest.mark.parametrize(
    "home", ["gs://bucket/a", "s3://", "s3://key:word@bucket/a", "s3://b/../c", "s3://bucket/a=b", "s3://bucket/a*"]
)
def test_what_no_home_can_have_is_refused_and_not_repeated(home: str) -> None:
    with pytest.raises(RequestError) as told:
        Lake(home)
    assert "word" not in str(told.value)


def test_an_object_is_written_only_in_place_of_what_is_expected(store: Objects) -> None:
    store.insist_on_conditions()
    first = store.write("a", b"1", None)
    for wrong in (None, '"0123456789abcdef0123456789abcdef"'):
        with pytest.raises(ConflictError):
            store.write("a", b"2", wrong)
    with pytest.raises(ConflictError):
        store.write("b", b"2", first)
    second = store.write("a", b"2", first)
    store.remove("a", first)
    there = store.read("a")
    assert there
    assert (there.data, there.tag, there.age_s < 5) == (b"2", second, True)
    store.remove("a", second)
    assert store.read("a") is None


def test_files_go_up_and_come_down(store: Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "_PART_BYTES", 5 << 20)
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "3")
    large, small = tmp_path / "large", tmp_path / "small"
    large.write_bytes(os.urandom(11 << 20))
    small.write_bytes(b"small")
    store.upload({"a/large": large, **{f"a/{n}": small for n in range(7)}, "ab": small})
    assert len(store.listing("a")) == 8
    assert list(store.listing("ab")) == ["ab"]
    tags = store.copy([("a/large", "b/large"), ("a/0", "b/small")])
    assert {name: found.tag for name, found in store.listing("b").items()} == tags
    store.delete([f"a/{n}" for n in range(9)])
    assert list(store.listing("a")) == ["a/large"]
    assert store.download({"b/large": tmp_path / "1", "b/small": tmp_path / "2", "gone": tmp_path / "3"}) == {
        "b/large",
        "b/small",
    }
    assert (tmp_path / "1").read_bytes() == large.read_bytes()
    assert (tmp_path / "2").read_bytes() == b"small"
    with pytest.raises(FileNotFoundError):
        store.copy([("gone", "b/gone")])


def test_a_dead_holders_lock_is_taken_over_and_a_living_ones_is_not(
    home: str, store: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "LEASE_S", 1.0)
    store.write(".staging/commit.lock", b"of a machine that is no more", None)
    mine, other = (Lease(store, _address(home), "commit") for _ in range(2))
    with mine.hold(10):
        first = store.read(".staging/commit.lock")
        time.sleep(1.5)  # a living holder renews it
        mine.insist()
        last = store.read(".staging/commit.lock")
        assert first
        assert last
        assert first.tag != last.tag
        with pytest.raises(WorkError, match=f"process {os.getpid()} on"), other.hold(0.0):
            pass
    assert store.read(".staging/commit.lock") is None


def test_a_lock_that_somebody_took_over_is_noticed(home: str, store: Objects, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "LEASE_S", 0.2)
    mine = Lease(store, _address(home), "commit")
    with mine.hold(0.0):
        there = store.read(".staging/commit.lock")
        assert there
        store.write(".staging/commit.lock", b"another's", there.tag)
        time.sleep(0.3)
        with pytest.raises(WorkError, match="may be another machine's"):
            mine.insist()
    assert store.read(".staging/commit.lock") is not None, "it is not ours to remove"


@pytest.mark.parametrize(
    ("spoil", "kind", "message"),
    [
        (lambda patch, server: patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9"), WorkError, "does not answer"),
        (lambda patch, server: setattr(server, "fails", lambda *_: "403 Forbidden"), RequestError, "refuses"),
        (lambda patch, server: patch.delenv("AWS_ACCESS_KEY_ID"), RequestError, "refuses"),
        (lambda patch, server: patch.setitem(sys.modules, "s3fs", None), RequestError, "s3fs is missing"),
    ],
    ids=["nobody there", "refused", "no key", "no package"],
)
def test_a_store_that_cannot_be_used_is_told_with_a_remedy_and_without_secrets(
    home: str,
    server: Server,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[pytest.MonkeyPatch, Server], None],
    kind: type[PipesimError],
    message: str,
) -> None:
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    objects._connected.cache_clear()
    spoil(monkeypatch, server)
    with pytest.raises(kind, match=message) as told:
        Lake(home)
    assert home in str(told.value)
    assert told.value.remedy
    said = str(told.value) + "".join(file.read_text(errors="replace") for file in tmp_path.rglob("*") if file.is_file())
    assert not any(CREDENTIALS[name] in said for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))


def test_a_bucket_that_is_not_there_is_told(home: str) -> None:
    with pytest.raises(RequestError, match="there is no bucket 'elsewhere'"):
        Lake("s3://elsewhere/home")


def test_a_store_that_heeds_no_conditions_is_refused(home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(self: Objects, method: str, **arguments: Any) -> dict[str, Any]:
        arguments.pop("IfMatch", None), arguments.pop("IfNoneMatch", None)
        return real(self, method, **arguments)

    real = Objects._call
    monkeypatch.setattr(Objects, "_call", careless)
    with pytest.raises(RequestError, match="does not heed If-Match"):
        Lake(home)


def test_an_upload_that_fails_half_way_changes_nothing(home: str, server: Server) -> None:
    lake = Lake(home)
    _commit(lake, a=1, b=1)
    uploads = iter(range(100))
    server.fails = lambda method, path: (
        "400 Bad Request" if "/.staging/" in path and method == "PUT" and next(uploads) else None
    )
    with pytest.raises(WorkError, match="does not answer as it should"):
        _commit(lake, a=2, b=2)
    server.fails = None
    assert {path.name: json.loads(path.read_text()) for path in lake.models.iterdir()} == {
        "a.json": {"value": 1},
        "b.json": {"value": 1},
    }
    assert [name for name in Objects(_address(home)).listing(".staging") if name.count("/") > 1] == []


def test_a_store_that_falls_silent_in_a_commit_has_it_completed_by_the_next_command(home: str, server: Server) -> None:
    lake = Lake(home)
    _commit(lake, a=1, b=1)
    server.fails = lambda method, path: "400 Bad Request" if path.endswith("models/b.json") and method == "PUT" else None
    with pytest.raises(WorkError, match="completes the change"):
        _commit(lake, a=2, b=2)
    assert json.loads((lake.models / "a.json").read_text()) == {"value": 1}, "the mirror follows the store"
    server.fails = None
    again = Lake(home)
    assert [json.loads((again.models / f"{name}.json").read_text())["value"] for name in "ab"] == [2, 2]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, home: str) -> Any:
    """Run a command as on some machine, and return its JSON object."""

    def call(machine: str, *arguments: object) -> Any:
        monkeypatch.setenv("PIPESIM_CACHE", str(tmp_path / machine))
        monkeypatch.setattr("sys.argv", ["pipesim", *map(str, arguments), "--home", home, "--json"])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        told = capsys.readouterr()
        assert not stopped.value.code, told.err
        return json.loads(told.out)

    return call


def test_two_machines_work_on_one_lake(run: Any, home: str, server: Server, tmp_path: Path) -> None:
    jobs, mapping = REPOSITORY / "docs/examples/jobs.csv", REPOSITORY / "docs/examples/jobs-mapping.yaml"
    replay, synthetic = REPOSITORY / "docs/examples/replay.yaml", tmp_path / "synthetic.yaml"
    synthetic.write_text(
        replay.read_text().replace("kind: replay", "kind: synthetic, days: 1").replace("name: ", "name: drawn-")
    )
    rows = run("one", "ingest", jobs, "--source", "job-table", "--mapping", mapping)["rows"]
    fitted = run("other", "fit", "--arrivals", "poisson", "--marks", "independent")["model"]
    assert len(run("one", "simulate", replay, synthetic, "--engine", "reference", "--replications", "1")["runs"]) == 2
    counted = "SELECT (SELECT count(*) FROM observed.task_runs), (SELECT count(DISTINCT scenario) FROM simulated.task_runs)"
    assert run("other", "sql", counted)["rows"] == [[rows["task_runs"], 2]]
    assert run("third", "sql", counted)["rows"] == [[rows["task_runs"], 2]]
    assert fitted in {path.stem for path in (folder_of(home) / "models").iterdir()}
    before = len(server.requests)
    run("other", "sql", counted)
    assert len(server.requests) == before + 2, "opening and reading what has not changed are one small read each"
    script = [sys.executable, REPOSITORY / "docs/examples/read_from_s3.py", home]
    shown = subprocess.run(script, capture_output=True, text=True, check=True).stdout
    assert len(re.findall(rf"[│|] +{rows['task_runs']} +[┆│|]", shown)) == 2, shown


def test_a_result_that_another_machine_stored_is_found_without_bringing_all(
    run: Any, home: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import tests.test_trace as trace
    from pipesim.trace import Trace

    def save(lake: Lake, replication: int) -> None:
        found = Trace({"task_runs": pl.DataFrame([trace.ROW])}, "simulated", "s")
        lake.save_simulated(found, replication, pl.DataFrame({"x": [replication]}), {"n": replication})

    one = Lake(home)
    save(one, 0)
    monkeypatch.setenv("PIPESIM_CACHE", str(tmp_path / "other"))
    other = Lake(home)
    found = other.load_summary("s", 0)
    assert found
    assert found[0]["x"] == 0
    assert not list(other.lake.rglob("task_runs.parquet"))
    assert other.load_summary("s", 1) is None
    save(one, 1)
    assert other.replications("s") == [0, 1]
    one.drop_replications("s", keep=1)
    assert other.load_summary("s", 1) is None
    assert other.load_simulated("s").task_runs.height == 1


WORKER = """
import sys
from pipesim.lake import Lake
home, name = sys.argv[1:]
for number in range(12):
    lake = Lake(home)
    with lake.lock("ingest"):
        there = lake.models / "counter.json"
        import json
        count = json.loads(there.read_text())["value"] if there.is_file() else 0
        with lake.transaction() as tx:
            tx.write_json({"value": count + 1}, there)
    with lake.transaction() as tx:
        for table in ("a", "b"):
            tx.write_json({"value": number}, lake.lake / "simulated" / table / f"{name}-{number}.json")
"""


@pytest.mark.endurance
def test_machines_that_commit_at_once_lose_nothing(home: str, tmp_path: Path) -> None:
    running = [
        subprocess.Popen([sys.executable, "-c", WORKER, home, name], env={**os.environ, "PIPESIM_CACHE": str(tmp_path / cache)})
        for name, cache in (("w", "one"), ("x", "one"), ("y", "other"))
    ]
    assert [process.wait() for process in running] == [0, 0, 0]
    lake = Lake(home)
    lake.bring_simulated()
    assert json.loads((lake.models / "counter.json").read_text()) == {"value": 36}
    assert len(list((lake.lake / "simulated").rglob("*.json"))) == 72


@pytest.mark.endurance
def test_a_machine_that_is_killed_while_others_commit_stands_in_nobodys_way(
    home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = WORKER.replace("from pipesim.lake", "from pipesim.object_store import lease\nlease.LEASE_S = 2.0\nfrom pipesim.lake")
    monkeypatch.setattr(lease, "LEASE_S", 2.0)
    for round_ in range(4):
        command = [sys.executable, "-c", slow, home, f"killed{round_}"]
        process = subprocess.Popen(command, env={**os.environ, "PIPESIM_CACHE": str(tmp_path / "killed")})
        time.sleep(2.0 + 0.3 * round_)
        process.kill()
        process.wait()
        monkeypatch.setenv("PIPESIM_CACHE", str(tmp_path / f"other{round_}"))
        lake = Lake(home)
        lake.bring_simulated()
        left = {table: {file.name for file in (lake.lake / "simulated" / table).glob("*.json")} for table in ("a", "b")}
        assert left["a"] == left["b"], "what is committed as a whole is there as a whole"
        _commit(lake, **{f"after{round_}": round_})
