"""Random streams: the same for the same name, independent otherwise."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipesim.streams import stream


@given(st.integers(0, 2**63), st.text(), st.text())
def test_a_stream_depends_on_seed_and_name_only(seed: int, one: str, other: str) -> None:
    first = stream(seed, one).random(4)
    assert np.array_equal(first, stream(seed, one).random(4))
    assert (one == other) == np.array_equal(first, stream(seed, other).random(4))
    assert not np.array_equal(first, stream(seed + 1, one).random(4))


def test_paths_are_not_glued_together() -> None:
    assert stream(0, "a", "bc").random() != stream(0, "ab", "c").random()
