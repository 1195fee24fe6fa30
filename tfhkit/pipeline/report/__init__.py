"""The report of a run: summary, videos, figures and numbers, and the notebooks as pages."""

from tfhkit.pipeline.report.build import run_and_report, write_report

__all__ = ["run_and_report", "write_report"]
