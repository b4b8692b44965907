"""Named, independent random streams from one root seed; nothing in pipesim draws from anywhere else."""

from __future__ import annotations

import hashlib

import numpy as np


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """Return the generator that belongs to a name under a root seed.

    Streams with different names are statistically independent, and adding a stream never changes another: the name is
    hashed into the spawn key of a `numpy.random.SeedSequence`, so no stream depends on the order in which others are made.

    Args:
        seed: The root seed of the run, a non-negative integer.
        names: The path of the stream, for example `("arrivals",)` or `("durations", "train", replication)`.

    Returns:
        A PCG64 generator.
    """
    key = hashlib.sha256("\x1f".join(str(name) for name in names).encode()).digest()
    words = tuple(int.from_bytes(key[i : i + 4], "little") for i in range(0, 16, 4))
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=words)))
