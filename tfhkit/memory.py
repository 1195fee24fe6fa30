"""What a process does with memory that it has freed."""

import ctypes
import sys

KEPT_BYTES = 1 << 30
_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # of <malloc.h>


def keep_freed_memory() -> None:
    """Let this process keep up to KEPT_BYTES that it has freed.

    glibc hands large blocks back to the system as soon as they are free, and gets them back page by
    page, each cleared anew: that takes a quarter of the time of a fit. Elsewhere nothing is done.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, KEPT_BYTES)
        mallopt(_TRIM_THRESHOLD, KEPT_BYTES)
