"""Ports for the servers that tests start."""

from __future__ import annotations

import random
import socket


def free_port() -> int:
    """Return a loopback port that nobody has.

    It lies below those that systems give to outgoing connections: a test that asks a server which does not listen yet could
    otherwise be given the very port that it asks, and reach itself.
    """
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
