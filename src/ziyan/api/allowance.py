"""How much a client may send that costs more than it brings."""

from __future__ import annotations

import time
from typing import Final

#: HTTP/2's frames other than requests, bodies and resets that one connection may send, and HTTP/1's chunks of bodies
#: byte by byte: so many at once, then so many a second.  Of frames so many more for each request and for each frame of
#: an answer, which a client tells of its room after.
MAX_FRAMES: Final = 1_000
_FRAMES_PER_SECOND: Final = 100
#: Bytes of a body that make up for the frame or chunk that brings them: byte by byte it costs as much as other frames.
WORTH_A_FRAME: Final = 32


class Allowance:
    """Of one connection; it comes again with time."""

    def __init__(self) -> None:
        """A whole one."""
        self._left, self._counted = float(MAX_FRAMES), time.monotonic()

    @property
    def is_used_up(self) -> bool:
        """Whether more was sent."""
        return self._left < 0

    def renew(self) -> None:
        """Add what time has brought."""
        now = time.monotonic()
        self._left += min((now - self._counted) * _FRAMES_PER_SECOND, max(0.0, MAX_FRAMES - self._left))
        self._counted = now

    def add(self, frames: float) -> None:
        """Allow so many frames or chunks more; fewer, where the number is negative."""
        self._left += frames


def worth(body: bytes) -> float:
    """How much of the frame or chunk that brings a part of a body is made up for by that part."""
    return min(1.0, len(body) / WORTH_A_FRAME)
