"""The report: one self-contained HTML file, and the same charts as PNG."""

from pipesim.report.charts import build_chart, chart_names, png
from pipesim.report.data import ReportData, open_data
from pipesim.report.page import write_report

__all__ = ["ReportData", "build_chart", "chart_names", "open_data", "png", "write_report"]
