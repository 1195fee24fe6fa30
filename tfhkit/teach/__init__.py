"""What a reader of the notebooks uses: widgets, players, interactive figures, exercises.

A notebook needs three names of this package and `tfhkit.pipeline.open_step`:

    explore(function, yaw=(-40, 40))
    check("Eq. 3", function, cases)
    raise NotAttempted

Importing it in a notebook gives the notebook's figures an alternative text (`figures.py`). Nothing
in this package changes a step's result, so a change of it does not make a step run again.
"""

from tfhkit.teach.exercises import CheckFailed, NotAttempted, check
from tfhkit.teach.explorer import explore
from tfhkit.teach.figures import install_figures

install_figures()

__all__ = ["CheckFailed", "NotAttempted", "check", "explore"]
