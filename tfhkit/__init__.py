"""tfhkit: audio-driven talking heads with personalised head pose, to learn from and to explore."""

import os
import sys

from tfhkit.memory import keep_freed_memory

# Read once, when torch is loaded. How long threads look for work before they sleep. With the
# library's default a training next to another busy process takes 26 times as long; with threads
# that sleep at once a training on an idle machine takes twice as long.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")

# Read once, when matplotlib is loaded. A kernel inherits what the shell that started it has set:
# Agg would leave notebooks without figures, and an unknown name stops the import.
if "ipykernel" in sys.modules and "matplotlib" not in sys.modules:
    if not any(name in os.environ.get("MPLBACKEND", "") for name in ("inline", "ipympl")):
        os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"

__version__ = "0.1.0"

if not any(name.startswith("MALLOC_") for name in os.environ):
    keep_freed_memory()
