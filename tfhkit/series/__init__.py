"""Running the series: the step that a notebook opens, its widgets, its exercises.

A notebook needs four names of this package:

    step = open_step("03_lstm_training", clip=clip, speech=speech, out=out, ...)
    explore(function, yaw=(-40, 40))
    check("Eq. 3", function, cases)
    raise NotAttempted

The runner (`runner.py`), the report and the builder of the notebooks are imported by name.
"""

from tfhkit.series.context import Step, open_step
from tfhkit.series.exercises import CheckFailed, NotAttempted, check
from tfhkit.series.widgets import explore

__all__ = ["CheckFailed", "NotAttempted", "Step", "check", "explore", "open_step"]
