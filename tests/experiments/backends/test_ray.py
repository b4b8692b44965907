"""Ray: a cluster of two nodes on loopback, whatever becomes of its workers and nodes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import pytest

from pipesim.errors import RequestError, WorkError
from pipesim.experiments.backends import InThisProcess, Ray, cluster
from pipesim.experiments.replications import RunResult, run_scenarios
from pipesim.lake import Lake
from pipesim.simulation import Scenario
from pipesim.verbs import ingest_logs
from tests.experiments.backends.items import lasting, refusing, squared
from tests.experiments.backends.node import ENVIRONMENT, node

pytestmark = [
    pytest.mark.endurance,
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed (pip install 'pipesim[ray]')"),
    # Ray leaves it to the garbage collector to close its files and to reap its processes.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """Where Ray keeps its sockets, whose paths must be short."""
    made = Path(tempfile.mkdtemp(prefix="pipesim-test-", dir="/tmp"))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """The address of a cluster of two nodes with one core each."""
    with node(folder) as (_, head), node(folder, head):
        yield head


def _figures(results: list[RunResult]) -> list[dict[str, object]]:
    clocks = ("seconds", "engine_seconds")
    return [{key: value for key, value in result.summary.as_dict().items() if key not in clocks} for result in results]


def test_results_are_those_of_this_process(fitted: Lake, address: str) -> None:
    content = {"workload": {"kind": "synthetic", "days": 3}}
    scenarios = [
        Scenario.model_validate({**content, "name": f"s{slots}", "platform": {"pools": [{"name": "all", "slots": slots}]}})
        for slots in (1, 2, 3)
    ]
    expected = run_scenarios(fitted, scenarios, replications=3, on=InThisProcess())
    files = {path: path.read_bytes() for path in sorted((fitted.lake / "simulated").rglob("*.parquet"))}
    for scenario in scenarios:
        fitted.drop_replications(scenario.name, keep=0)
    with Ray(fitted, address=address) as on:
        assert on.workers == 2
        found = run_scenarios(fitted, scenarios, replications=3, on=on)
    assert _figures(found) == _figures(expected)
    traces = {path: data for path, data in files.items() if "summaries" not in path.parts}
    assert len(traces) > 9
    assert {path: path.read_bytes() for path in traces} == traces


def test_what_a_killed_worker_was_running_is_run_again(lake: Lake, address: str, tmp_path: Path) -> None:
    with Ray(lake, address=address) as on:
        found = dict(on.map(partial(squared, tmp_path, frozenset({2, 5}), 2), range(9)))
        assert found == {n: n * n for n in range(9)}
        assert [(tmp_path / name).read_text() for name in "25"] == ["2", "2"]
        assert dict(on.map(partial(squared, tmp_path, frozenset(), 0), [])) == {}


def test_an_item_that_kills_every_worker_is_run_last_and_named(lake: Lake, address: str, tmp_path: Path) -> None:
    found: dict[int, int] = {}
    with Ray(lake, address=address) as on, pytest.raises(WorkError, match="died 3 times while it ran 4"):
        found.update(on.map(partial(squared, tmp_path, frozenset({4}), 99), range(8)))
    done = sorted(map(int, (tmp_path / "done").read_text().split()))
    assert done == [0, 1, 2, 3, 5, 6, 7]


def test_an_error_of_an_item_is_that_very_error(lake: Lake, address: str) -> None:
    with Ray(lake, address=address) as on:
        with pytest.raises(RequestError) as caught:
            list(on.map(refusing, range(20)))
        assert type(caught.value) is RequestError
        assert (caught.value.message, caught.value.remedy) == ("no threes", "leave them out")
        assert dict(on.map(refusing, [1, 2])) == {0: 1, 1: 2}, "others can be run after it"


def test_no_more_run_at_once_than_workers(lake: Lake, address: str, tmp_path: Path) -> None:
    def spans(workers: int | None) -> list[tuple[float, float, str]]:
        with Ray(lake, workers, address) as on:
            return sorted(result for _, result in on.map(partial(lasting, tmp_path, 0.5), range(4)))

    one_by_one = spans(1)
    assert all(before[1] <= after[0] for before, after in pairwise(one_by_one))
    side_by_side = spans(None)
    assert side_by_side[1][0] < side_by_side[0][1]
    assert len({where for _, _, where in side_by_side}) == 2, "both nodes run some"


def test_nodes_come_and_go(lake: Lake, address: str, folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with Ray(lake, address=address) as on:
        results = on.map(partial(lasting, tmp_path, 1.0), range(16))
        first = next(results)[1][2]
        with node(folder, address) as (third, _):
            places, ran = [], {first}
            while len(ran) < 3:  # the new node is asked first, then it runs what there is
                place, (_, _, where) = next(results)
                places.append(place)
                ran.add(where)
            os.killpg(third.pid, signal.SIGKILL)
            places += [place for place, _ in results]
            _wait_until(lambda: sum(node["Alive"] for node in cluster.load().nodes()) == 2, 30)
            time.sleep(0.5)  # in which Ray would print so
    assert len(places) == 15
    assert len(set(places)) == 15, "each once, those on the dead node as well"
    assert capfd.readouterr() == ("", "")


def test_a_node_that_does_not_see_the_home_is_named(lake: Lake, address: str, folder: Path) -> None:
    unshare = ("unshare", "--mount") if os.geteuid() == 0 else ("unshare", "--map-root-user", "--mount")
    hide = (*unshare, "sh", "-c", f'mount -t tmpfs tmpfs "{lake.root.parent}" && exec "$@"', "sh")
    if shutil.which("unshare") is None or subprocess.run([*hide, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this user may not have mounts of his own (unshare --mount), by which the home is hidden from a node")
    with node(folder, address, hide), Ray(lake, address=address) as on:
        with pytest.raises(
            WorkError, match=rf"the node \S+ \(127\.0\.0\.1\) does not see the home folder {lake.root}"
        ) as caught:
            list(on.map(refusing, [1]))
        assert str(caught.value).count("the node") == 1, "the others do"
    assert not [path for path in (lake.root / ".staging").iterdir() if path.is_dir()]


def test_other_versions_are_told(lake: Lake, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    with monkeypatch.context() as patch:
        patch.setattr(cluster, "__version__", "9.9.9")
        with Ray(lake, address=address) as on, pytest.raises(WorkError, match=r"has pipesim \S+, not 9\.9\.9"):
            list(on.map(refusing, [1]))
    monkeypatch.setattr(ray, "__version__", "9.9.9")
    with Ray(lake, address=address) as on, pytest.raises(RequestError, match=r"not of the same version.* Ray: 9\.9\.9"):
        list(on.map(refusing, [1]))


def _said(home: Path, address: str, before: tuple[str, ...] = ()) -> tuple[int, str, float]:
    """Ask for a run on a cluster that will not do; return the exit code, what is said, and how long that takes."""
    command = ["capacity", "--pool", "gpu", "--slo", "mean_wait_s < 9", "--home", str(home), "--backend", "ray"]
    begun = time.monotonic()
    done = subprocess.run(
        [*before, sys.executable, "-m", "pipesim", *command, "--address", address],
        env=ENVIRONMENT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == ""
    return done.returncode, done.stderr, time.monotonic() - begun


def test_a_cluster_that_wants_a_token_is_told(lake: Lake) -> None:
    folder = Path(tempfile.mkdtemp(prefix="pipesim-test-", dir="/tmp"))
    try:
        with node(folder, more={"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "0123456789abcdef" * 2}) as (_, address):
            code, said, seconds = _said(lake.root, address)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    assert (code, seconds < 20) == (2, True)
    assert said.startswith(f"error: --address: the cluster at {address} wants a token\n  -> set RAY_AUTH_MODE=token")


def test_a_machine_outside_the_cluster_is_told(lake: Lake, address: str) -> None:
    apart = ("unshare", *(() if os.geteuid() == 0 else ("--map-root-user",)), "--pid", "--fork", "--mount-proc")
    if shutil.which("unshare") is None or subprocess.run([*apart, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this user may not have processes of his own (unshare --pid), which do not see those of the cluster")
    code, said, seconds = _said(lake.root, address, apart)
    assert (code, seconds < 20) == (1, True)
    assert said.startswith(f"error: --address: this machine is no node of the cluster at {address}\n")


DRIVER = """
import sys
from functools import partial
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from pipesim import cli
from pipesim.experiments.backends import Ray
from pipesim.lake import Lake
from tests.experiments.backends.items import lasting

folder, address = Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None
def app(**_):
    with Ray(Lake(folder / "home"), 2, address) as on:
        list(on.map(partial(lasting, folder, 600), range(4)))
cli.app = app
cli.main()
"""


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("own", [False, True])
def test_an_interrupt_ends_what_is_running(address: str, tmp_path: Path, stop: signal.Signals, own: bool) -> None:
    command = [sys.executable, "-c", DRIVER, str(tmp_path), *([] if own else [address])]
    with subprocess.Popen(
        command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as driver:  # fmt: skip
        alive = [tmp_path / f"alive-{number}" for number in range(2)]
        _wait_until(lambda: all(path.exists() for path in alive) or driver.poll() is not None, 60)
        os.killpg(driver.pid, stop) if stop == signal.SIGINT else driver.send_signal(stop)  # as a terminal does, and kill
        out, err = driver.communicate(timeout=30)
    assert (driver.returncode, out, err) == (130, "", "error: interrupted; nothing is half-written\n")
    _wait_until(lambda: all(path.stat().st_mtime < time.time() - 2 for path in alive), 20)


def _wait_until(true: object, seconds: float) -> None:
    assert callable(true)
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_ray_of_this_machine_answers_in_json_listens_on_loopback_and_leaves_nothing(lake: Lake, tmp_path: Path) -> None:
    log = "run_id,task_id,task_name,task_type,status,duration_s,queued_at\nr,t,train,train,ok,60,2026-03-01T00:00:00Z\n"
    (tmp_path / "task_runs.csv").write_text(log)
    ingest_logs(lake, [tmp_path / "task_runs.csv"], "native")
    scenario = tmp_path / "one.yaml"
    scenario.write_text("name: one\nworkload: {kind: replay}\nplatform: {pools: [{name: all, slots: 2}]}\n")
    command = [
        "simulate",
        str(scenario),
        "--home",
        str(lake.root),
        "--backend",
        "ray",
        "--workers",
        "2",
        "--replications",
        "3",
    ]
    before = set(Path("/tmp").glob("pipesim-ray-*"))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "pipesim", *command, "--json"],
        env=ENVIRONMENT, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert [run["replication"] for run in json.loads(done.stdout)["runs"]] == [0, 1, 2]
    if shutil.which("ss"):
        with Ray(lake, 1) as on:
            assert dict(on.map(refusing, [1])) == {0: 1}
            sockets = subprocess.run(["ss", "-ltnpuH"], capture_output=True, text=True, check=True).stdout.splitlines()
            ours = [line for line in sockets if any(name in line for name in ("gcs_server", "raylet", "ray::"))]
            assert len(ours) > 4
            assert [line for line in ours if "127.0.0.1" not in line.split()[4]] == []
    assert set(Path("/tmp").glob("pipesim-ray-*")) == before
