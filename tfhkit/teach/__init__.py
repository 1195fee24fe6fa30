"""What a reader of the notebooks touches: widgets, players, figures that turn, exercises.

A notebook needs three names of this package beside `tfhkit.pipeline.open_step`:

    explore(function, yaw=(-40, 40))
    check("Eq. 3", function, cases)
    raise NotAttempted

Importing it in a notebook gives its figures an alternative text (`figures.py`). Nothing in here
changes a step's result, so nothing in here makes a step run again.
"""

from tfhkit.teach.exercises import CheckFailed, NotAttempted, check
from tfhkit.teach.explorer import explore
from tfhkit.teach.figures import install_figures

install_figures()

__all__ = ["CheckFailed", "NotAttempted", "check", "explore"]
