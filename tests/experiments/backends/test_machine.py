"""How many workers this machine has room for."""

from __future__ import annotations

import pytest

from pipesim.experiments.backends import available_bytes, default_workers, machine


def test_workers_are_as_many_as_cores_and_memory_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 0 < available_bytes() < 1 << 50
    monkeypatch.setattr(machine, "cores", lambda: 8)
    monkeypatch.setattr(machine, "available_bytes", lambda: 4 << 30)
    assert default_workers(3) == 1
    assert default_workers(6) == 6
    assert default_workers(100) == 8
    assert default_workers(100, bytes_each=1 << 30) == 2
    assert default_workers(100, bytes_each=1 << 40) == 1
