"""Whether a client that has closed its side of a connection takes what is sent to it, by what its system answers."""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import sys
import termios
from typing import Any, Final

#: Of Linux' ``struct tcp_info``: its first byte where the connection was reset, and where the acknowledged are counted.
_CLOSED: Final = 7
_ACKNOWLEDGED_AT: Final = 120
_INFO_BYTES: Final = 128
_LOOK_SECONDS: Final = 0.005
#: How often that is looked at: five seconds in all.
_LOOKS: Final = 1_000


async def acknowledged(connection: Any, size: int) -> bool:
    """Wait until something of the last ``size`` bytes sent on a socket is acknowledged; False if nothing is in time.

    Something is enough: with a small buffer a client could take the text out of an answer, reset the connection before
    the answer's end, and read for nothing.

    True at once on systems that do not tell.
    """
    if sys.platform != "linux":
        return True
    closed, before = _look(connection)
    if closed:
        return False
    (waiting,) = struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4)))
    for _ in range(_LOOKS):
        closed, count = _look(connection)
        if before + waiting - count < size:
            return True
        if closed:
            return False
        await asyncio.sleep(_LOOK_SECONDS)
    return False


def _look(connection: Any) -> tuple[bool, int]:
    """Whether the connection was reset, and how many bytes were acknowledged on it."""
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)
    except OSError:  # this side has closed it, because what was sent had nowhere to go
        return True, 0
    return info[0] == _CLOSED, struct.unpack_from("Q", info, _ACKNOWLEDGED_AT)[0]
