"""What is said where there is no Ray, or none that will do; without one."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipesim.cli import app
from pipesim.errors import RequestError, WorkError
from pipesim.experiments.backends import Ray, cluster
from pipesim.lake import Lake
from tests.end_to_end.ports import free_port


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port on which something listens that says nothing."""
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        yield silent.getsockname()[1]


def test_without_ray_the_remedy_is_to_install_it(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(RequestError, match=r"pip install 'pipesim\[ray\]'"):
        Ray(lake)


def test_a_dead_address_is_told_at_once(lake: Lake) -> None:
    address, begun = f"127.0.0.1:{free_port()}", time.monotonic()
    with pytest.raises(WorkError, match=rf"--address: nothing answers at {address} \(Connection refused\)") as caught:
        Ray(lake, address=address)
    assert time.monotonic() - begun < 5
    assert "ray start" in str(caught.value)


def test_what_is_no_cluster_is_told_in_time(lake: Lake, silent_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert 2 * cluster._ANSWER_S < 15
    monkeypatch.setattr(cluster, "_ANSWER_S", 0.3)
    with pytest.raises(WorkError, match=f"what answers at 127.0.0.1:{silent_port} is no Ray cluster"):
        Ray(lake, address=f"127.0.0.1:{silent_port}")


@pytest.mark.parametrize("address", ["head", "head:", ":6379", "head:x", "head:70000", "ray://head:10001", "auto", ""])
def test_an_address_is_a_host_and_a_port(lake: Lake, address: str) -> None:
    with pytest.raises(RequestError, match="is no address of a cluster"):
        Ray(lake, address=address)


@pytest.mark.parametrize("command", ["simulate", "compare", "capacity"])
@pytest.mark.parametrize(
    ("options", "wrong"),
    [
        (["--address", "127.0.0.1:6379"], "processes of this machine have no address"),
        (["--backend", "spark"], "there is no back end 'spark'"),
        (["--backend", "ray", "--address", "head"], "'head' is no address of a cluster"),
    ],
)
def test_commands_refuse_what_does_not_fit(tmp_path: Path, command: str, options: list[str], wrong: str) -> None:
    scenario = tmp_path / "one.yaml"
    scenario.write_text("name: one\nworkload: {kind: replay}\nplatform: {pools: [{name: all, slots: 1}]}\n")
    (tmp_path / "two.yaml").write_text(scenario.read_text().replace("name: one", "name: two"))
    more = {"capacity": ["--pool", "all", "--slo", "mean_wait_s < 1"], "compare": [str(tmp_path / "two.yaml")]}.get(command, [])
    done = CliRunner().invoke(app, [command, str(scenario), "--home", str(tmp_path / "home"), *more, *options])
    assert isinstance(done.exception, RequestError)
    assert wrong in str(done.exception)
