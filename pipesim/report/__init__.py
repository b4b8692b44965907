"""The report: one self-contained HTML file, the same charts as PNG, and its sentence on retraining strategies."""

from pipesim.report.charts import build_chart, chart_names, png
from pipesim.report.data import ReportData, open_data
from pipesim.report.page import write_report
from pipesim.report.score_table import outcome
from pipesim.report.sentence import answer
from pipesim.report.strategies import read_strategies

__all__ = [
    "ReportData",
    "answer",
    "build_chart",
    "chart_names",
    "open_data",
    "outcome",
    "png",
    "read_strategies",
    "write_report",
]
