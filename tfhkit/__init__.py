"""tfhkit: audio-driven talking heads with personalised head pose, to learn from and to explore."""

import os
import sys

# Read once, when torch is loaded. Threads that wait for others then sleep in place of spinning:
# next to another busy process a fit takes half as long, alone it loses about a hundredth.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# Read once, when matplotlib is loaded. A kernel inherits what the shell that started it has set:
# Agg would leave notebooks without figures, and an unknown name stops the import.
if "ipykernel" in sys.modules and "matplotlib" not in sys.modules:
    if not any(name in os.environ.get("MPLBACKEND", "") for name in ("inline", "ipympl")):
        os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"

__version__ = "0.1.0"
