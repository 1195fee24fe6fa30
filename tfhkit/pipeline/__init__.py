"""Running the series: the step that a notebook opens, its files, its manifest.

    step = open_step("03_lstm_training", globals())

The runner (`runner.py`) and the report (`report.py`) are imported by name.
"""

from tfhkit.pipeline.step import Step, open_step

__all__ = ["Step", "open_step"]
