"""Memory that the C library keeps for later although nobody uses it.

Runtimes and image libraries allocate and free large blocks of ever different sizes on several threads.  What glibc then
holds in its arenas, free but in pieces, makes a process seem to grow from picture to picture.
"""

from __future__ import annotations

import ctypes
import os
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

_STATM = Path("/proc/self/statm")


def give_back_memory(above: int) -> None:
    """Let the C library return to the system what lies free; does nothing where it cannot.

    Args:
        above: Resident bytes up to which nothing is done: giving back costs some milliseconds, asking again as many.
    """
    with suppress(OSError, ValueError, IndexError):  # no Linux
        pages = int(_STATM.read_text("ascii").split()[1])
        trim = _malloc_trim()
        if trim is not None and pages * os.sysconf("SC_PAGE_SIZE") > above:
            trim(0)


@cache
def _malloc_trim() -> Any:
    """glibc's; None with another C library."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
