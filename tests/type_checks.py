"""Checks the annotations of `tfhkit` at every call; conftest.py imports it before the package.

It does what `--jaxtyping-packages` of jaxtyping's pytest plugin does, and in xdist's workers as
well. The plugin would be installed before anything is imported, and what is imported under its
hook is compiled anew in every process where Python may not write its caches (torch: 6 s).
"""

import importlib
import sys

from jaxtyping import install_import_hook

HEAVY = (
    "av cv2 dlib librosa matplotlib.pyplot numba plotly.graph_objects scipy.interpolate "
    "scipy.optimize scipy.signal scipy.stats skimage.metrics torch"
).split()

assert "tfhkit" not in sys.modules, "what is imported before the hook would not be checked"
for name in HEAVY:
    importlib.import_module(name)
# an int may stand for a float
install_import_hook("tfhkit", "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))")
