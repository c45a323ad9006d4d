"""Keep freed memory: glibc hands large blocks back to the system at once, and gets them again page by page.

A pass of the network allocates and frees the same feature maps of some megabytes again and again. By default each of
them costs thousands of page faults; *measured* on one core, a batch of four images took 50 ms an image so, and 38 ms
with the memory kept. Only glibc knows these settings (mallopt(3)); elsewhere nothing happens.
"""

from __future__ import annotations

import ctypes
from functools import cache

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
#: Bytes: blocks below it come from the heap, and so much of the heap's end may stay unused before it is given back.
KEPT = 512 * 1024 * 1024


@cache
def keep_freed_memory() -> bool:
    """Set it for this process, once.

    Returns:
        True where the C library took both settings.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # no glibc
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, KEPT)) and bool(mallopt(_M_TRIM_THRESHOLD, KEPT))
