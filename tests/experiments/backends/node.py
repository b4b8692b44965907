"""One node of a Ray that listens on loopback only, for tests: `python node.py FOLDER [ADDRESS OF THE HEAD]`.

`ray start` refuses a second node where Ray is kept on loopback. Prints the cluster's address, and ends when its input does.
"""

from __future__ import annotations

import sys

from pipesim.experiments.backends.cluster import load


def main(folder: str, head: str | None = None) -> None:
    """Run it."""
    load()
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
    node = Node(settings, head=head is None, shutdown_at_exit=True, spawn_reaper=True)
    print(node.gcs_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
