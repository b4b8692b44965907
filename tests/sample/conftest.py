import pytest

from pipesim.sample import build_platform_trace, build_workload, observe
from pipesim.trace import Trace


@pytest.fixture(scope="session")
def workload() -> Trace:
    return build_workload()


@pytest.fixture(scope="session")
def history() -> Trace:
    return build_platform_trace()


@pytest.fixture(scope="session")
def observed(history: Trace) -> Trace:
    return observe(history)
