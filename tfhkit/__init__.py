"""tfhkit: audio-driven talking heads with personalised head pose, to learn from and to explore."""

import os

# Read once, when torch is loaded. Threads that wait for others then sleep in place of spinning:
# next to another busy process a fit takes half as long, alone it loses about a hundredth.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"
