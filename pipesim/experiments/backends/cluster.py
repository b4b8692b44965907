"""Ray itself: joining a cluster, or starting one on this machine, and whether its nodes can do the work."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipesim import __version__
from pipesim.errors import PipesimError, RequestError, WorkError
from pipesim.lake import Lake

#: What Ray is told as it is imported, unless the user has told it something else.
_SETTINGS = {
    # 127.0.0.1 is not replaced by an address that others reach: a Ray of this machine listens on loopback alone.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # what Ray will do from a later version on, of which it warns
    "RAY_BACKEND_LOG_LEVEL": "error",
    "RAY_NUM_REDIS_GET_RETRIES": "5",  # seconds, in fact, for which a cluster that refuses is asked again
    "RAY_IGNORE_UNHANDLED_ERRORS": "1",
}
#: The same, but only of what reads it at import: how long it looks for a node of the cluster on this machine.
_AT_IMPORT = {"RAY_gcs_server_request_timeout_seconds": "8"}
_LOOPBACK = "127.0.0.1"
#: How long an address may take to answer, and a node.
_ANSWER_S, _LOOK_S = 4.0, 60.0
#: Results are small.
_OBJECT_STORE_BYTES = 128 << 20


def load() -> Any:
    """Import Ray.

    Raises:
        RequestError: If it is not installed.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    brief = {name: value for name, value in _AT_IMPORT.items() if name not in os.environ}
    os.environ.update(brief)
    try:
        import ray
    except ImportError as error:
        raise RequestError("Ray is not installed", where="--backend", remedy="pip install 'pipesim[ray]'") from error
    finally:
        for name in brief:
            del os.environ[name]
    return ray


def reach(address: str) -> None:
    """See that a cluster answers, which Ray itself would try for minutes.

    Raises:
        RequestError: If this is no address.
        WorkError: If nothing answers there, or no Ray.
    """
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdigit() or int(port) > 65_535:
        raise RequestError(
            f"{address!r} is no address of a cluster", where="--address", remedy="write it as HOST:PORT, as `ray start` says it"
        )
    remedy = "name the address that `ray start` said on the cluster's head, and see there with `ray status` whether it runs"
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_ANSWER_S).close()
    except OSError as error:
        reason = error.strerror or str(error)
        raise WorkError(f"nothing answers at {address} ({reason})", where="--address", remedy=remedy) from error
    if os.environ.get("RAY_USE_TLS", "0") == "0" and not _speaks_grpc(address):
        raise WorkError(f"what answers at {address} is no Ray cluster", where="--address", remedy=remedy)


def _speaks_grpc(address: str) -> bool:
    import grpc

    with grpc.insecure_channel(address, options=(("grpc.enable_http_proxy", 0),)) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=_ANSWER_S)
        except grpc.FutureTimeoutError:
            return False
    return True


@contextmanager
def joined(address: str) -> Iterator[None]:
    """Be a driver of a cluster.

    Raises:
        RequestError: If it is of another version of Ray or Python, or wants a token.
        WorkError: If it cannot be joined.
    """
    if address.rpartition(":")[0] in (_LOOPBACK, "localhost"):
        _keep_to_loopback()
    try:
        _init(address=address)
    except (OSError, RuntimeError, ValueError) as error:
        _shutdown()
        raise _refusal(address, error) from error
    try:
        yield
    finally:
        _shutdown()


def _keep_to_loopback() -> None:
    if load().util.get_node_ip_address() != _LOOPBACK:
        raise WorkError(
            "Ray was told to use no loopback address, or was imported before pipesim could tell it to",
            where="RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER",
            remedy="set it to 0 before Python starts; or name another address of the cluster",
        )


def _refusal(address: str, error: Exception) -> PipesimError:
    told = " ".join(f"{error} {error.__cause__ or ''}".split())
    if "ersion mismatch" in told:
        return RequestError(
            f"the cluster at {address} is not of the same version: {told}",
            where="--address",
            remedy="install the same versions of Ray and of Python here and on all of its nodes",
        )
    if "Authentication" in told:
        return RequestError(
            f"the cluster at {address} wants a token",
            where="--address",
            remedy="set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH to the cluster's",
        )
    if "node info" in told or "node ids" in told:
        return WorkError(
            f"this machine is no node of the cluster at {address}",
            where="--address",
            remedy=f"run pipesim on one that is, or have this one join: ray start --address={address} --num-cpus=0",
        )
    return WorkError(
        f"the cluster at {address} cannot be joined: {told[:500]}", where="--address", remedy="see with `ray status` how it is"
    )


@contextmanager
def started(cores: int) -> Iterator[None]:
    """Have a Ray of so many cores of this machine, which listens on loopback only and is open to this process only.

    Raises:
        WorkError: If it cannot be started.
    """
    _keep_to_loopback()
    # Ray's own place: that of other temporary files may be too long for the names of sockets.
    folder = Path(tempfile.mkdtemp(prefix="pipesim-ray-", dir="/tmp" if Path("/tmp").is_dir() else None))
    try:
        try:
            with _own_token():
                _init(
                    address="local",
                    num_cpus=cores,
                    object_store_memory=_OBJECT_STORE_BYTES,
                    include_dashboard=False,
                    _node_ip_address=_LOOPBACK,
                    _temp_dir=str(folder),
                )
        except (OSError, RuntimeError, ValueError) as error:
            told = f"Ray could not be started on this machine: {str(error).strip().splitlines()[0]}"
            raise WorkError(told, where="--backend", remedy="leave out --backend ray") from error
        yield
    finally:
        _shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def _init(**options: Any) -> None:
    ray, handler = load(), signal.getsignal(signal.SIGTERM)
    try:
        # Ray prints what becomes of nodes and workers, on standard output at that, whatever it is told of logs.
        ray._private.worker._worker_logs_enabled = False
        with _silenced():
            ray.init(log_to_driver=False, logging_level=logging.CRITICAL, **options)
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)  # Ray puts its own there


def _shutdown() -> None:
    with _silenced():
        load().shutdown()


@contextmanager
def _silenced() -> Iterator[None]:
    """Keep what Ray's libraries write from the answer and from the terminal: they do so by the numbers of the streams."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(stream) for stream in (1, 2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for stream in (1, 2):
            os.dup2(nowhere, stream)
        yield
    finally:
        for stream, there in zip((1, 2), kept, strict=True):
            os.dup2(there, stream)
        for descriptor in (*kept, nowhere):
            os.close(descriptor)


@contextmanager
def _own_token() -> Iterator[None]:
    """Let a Ray that is started have a token of its own, where the user says nothing of tokens.

    Ray would store one for all Rays of this user, which changes how those that are started later behave.
    """
    names = ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
    before = {name: os.environ[name] for name in names if name in os.environ}
    if not before:
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex()
    try:
        yield
    finally:
        for name in names:
            os.environ.pop(name, None)
        os.environ.update(before)


def fit_nodes(lake: Lake, known: frozenset[str]) -> frozenset[str]:
    """Return the nodes that may run something, after asking those that are not known yet whether they can.

    One that dies meanwhile is left out.

    Args:
        lake: The home folder, which each of them must see.
        known: The nodes that were asked before.

    Raises:
        WorkError: If one sees another folder or none, or has another version of pipesim.
    """
    ray = load()
    names = {
        node["NodeID"]: f"{node['NodeManagerHostname']} ({node['NodeManagerAddress']})"
        for node in ray.nodes()
        if node["Alive"] and node["Resources"].get("CPU")
    }
    new = names.keys() - known
    if not new:
        return frozenset(names)
    ask = ray.remote(num_cpus=0, max_retries=0)(_look)
    at = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
    problems: list[str] = []
    with lake.transaction() as tx:
        asked = {node: ask.options(scheduling_strategy=at(node, soft=False)).remote(tx.scratch) for node in new}
        ray.wait(list(asked.values()), num_returns=len(asked), timeout=_LOOK_S)
        for node, answer in asked.items():
            try:
                problem = _problem(lake, *ray.get(answer, timeout=0))
            except (ray.exceptions.NodeDiedError, ray.exceptions.TaskUnschedulableError):
                del names[node]
                continue
            except ray.exceptions.GetTimeoutError:
                problem = f"does not answer in {_LOOK_S:.0f} s: see with `ray status` how it is"
            except ray.exceptions.RayError as error:
                said = str(error).strip().splitlines()[-1]
                problem = f"cannot run pipesim: install pipesim {__version__} there ({said})"
            if problem:
                problems.append(f"the node {names[node]} {problem}")
    if problems:
        raise WorkError("not every node of the cluster can run this\n  " + "\n  ".join(sorted(problems)), where="--address")
    return frozenset(names)


def _problem(lake: Lake, version: str, sees: bool) -> str:
    if version != __version__:
        return f"has pipesim {version}, not {__version__}: install the same there"
    if not sees:
        return f"does not see the home folder {lake.root}, or may not write there: keep it on storage that all nodes share"
    return ""


def _look(folder: Path) -> tuple[str, bool]:
    """Tell, on a node, which pipesim it has and whether it sees a folder that has just been made in the home."""
    return __version__, os.access(folder, os.W_OK)
