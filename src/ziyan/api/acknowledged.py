"""Whether a client that has closed its side of a connection takes what is sent to it, by what its system answers."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from typing import Any, Final

if sys.platform == "linux":
    import fcntl
    import termios

#: The state of a connection that was reset, in the first byte of Linux' ``struct tcp_info``.
_CLOSED: Final = 7
_LOOK_SECONDS: Final = 0.005
#: How often that is looked at: five seconds in all.
_LOOKS: Final = 1_000


async def acknowledged(connection: Any) -> bool:
    """Wait until all that was sent on a socket has been acknowledged; False if it is reset or too slow.

    True at once on systems that do not tell.
    """
    if sys.platform != "linux":
        return True
    for _ in range(_LOOKS):
        (unacknowledged,) = struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4)))
        if not unacknowledged:  # a reset empties the queue too, so the state is looked at after it
            return bool(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != _CLOSED)
        await asyncio.sleep(_LOOK_SECONDS)
    return False
