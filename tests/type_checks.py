"""Checks the annotations of `tfhkit` at every call; conftest.py imports it before the package.

It does what `--jaxtyping-packages` of jaxtyping's pytest plugin does. The plugin would be
installed before anything is imported, and what is imported under its hook is compiled anew in
every process where Python may not write its caches (torch: 6 s in each of xdist's workers).
"""

import importlib
import sys
from pathlib import Path

from jaxtyping import install_import_hook

KIT = Path(__file__).resolve().parent.parent / "tfhkit"
ROWS = [path.stem for path in KIT.iterdir() if path.suffix == ".py" or path.is_dir()]
HEAVY = (
    "av cv2 dlib librosa matplotlib.pyplot numba scipy.interpolate scipy.optimize scipy.signal "
    "scipy.stats skimage.metrics torch"
).split()

assert "tfhkit" not in sys.modules, "what is imported before the hook would not be checked"
for name in HEAVY:
    importlib.import_module(name)
# an int may stand for a float
CHECKER = "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
install_import_hook([f"tfhkit.{row}" for row in ROWS], CHECKER)
