"""Nodes of Rays that listen on loopback only, for tests.

`ray start` refuses a second node where Ray is kept on loopback, so each is a process that runs this file:
`python node.py FOLDER [ADDRESS OF THE HEAD]` prints the cluster's address, and ends when its input does.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
NOTHING: Mapping[str, str] = MappingProxyType({})


@contextmanager
def node(
    folder: Path, head: str | None = None, before: tuple[str, ...] = (), more: Mapping[str, str] = NOTHING
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a node, and yield its process and the address of its cluster.

    Args:
        folder: Where Ray keeps its files; the paths of its sockets must be short.
        head: The address of the cluster; by default the node is the head of a new one.
        before: A command that runs it.
        more: What its environment has besides.
    """
    with subprocess.Popen(
        [*before, sys.executable, __file__, str(folder), *([head] if head else [])],
        env={**ENVIRONMENT, **more},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        try:
            address = process.stdout.readline().strip()
            assert address.startswith("127.0.0.1:"), "the node did not start"
            yield process, address
        finally:
            process.stdin.close()
            try:
                process.wait(timeout=60)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def main(folder: str, head: str | None = None) -> None:
    """Be a node of one core."""
    from pipesim.experiments.backends.cluster import load

    load()  # which has Ray keep to loopback
    from ray._private.node import Node
    from ray._private.parameter import RayParams

    settings = RayParams(
        node_ip_address="127.0.0.1",
        gcs_address=head,
        num_cpus=1,
        temp_dir=folder,
        object_store_memory=80 << 20,
        include_dashboard=False,
        include_log_monitor=False,
    )
    started = Node(settings, head=head is None, shutdown_at_exit=True, spawn_reaper=True)
    print(started.gcs_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
