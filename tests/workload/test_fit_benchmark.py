from __future__ import annotations

import runpy
from pathlib import Path

import pytest


@pytest.mark.endurance
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_the_benchmark_prints_every_fitter_beside_ours(capsys: pytest.CaptureFixture[str]) -> None:
    script = runpy.run_path(str(Path(__file__).parents[2] / "benchmarks/fit.py"))
    script["main"](["--quick"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("12,000 rows in 4 cells")
    assert float(lines[2].split()[-2]) < 1.0  # GB
    table = {line.split()[0]: line.split() for line in lines if line}
    assert float(table["pipesim"][3]) == 1.0
    assert float(table["pipesim"][4]) < 0.03
    assert float(table["fitter"][3]) > 1.0
    assert float(table["fitter"][4]) > float(table["fitter"][5])
    assert "distfit" in table
