"""What a reader of the notebooks touches: widgets, players, figures that turn, exercises.

A notebook needs three names of this package beside `tfhkit.series.open_step`:

    explore(function, yaw=(-40, 40))
    check("Eq. 3", function, cases)
    raise NotAttempted

Nothing in here changes a step's result, so nothing in here makes a step run again.
"""

from tfhkit.teach.exercises import CheckFailed, NotAttempted, check
from tfhkit.teach.explorer import explore

__all__ = ["CheckFailed", "NotAttempted", "check", "explore"]
