"""How many connections there may be: each takes a file descriptor, and memory for what it has half sent."""

from __future__ import annotations

import resource
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any, Final

from ziyan.api.address import Network, caller_address
from ziyan.api.rates import address_block
from ziyan.settings import Settings

#: File descriptors that are left to the database, to reading processes that replace others, and to fetched pictures.
_OTHERS: Final = 256
#: More are not asked for: every one takes memory.
_MOST_DESCRIPTORS: Final = 65_536


class Crowd:
    """Counts connections by address.  Used by one event loop; each process counts for itself."""

    def __init__(self, most: int, proxies: Sequence[Network] = (), *, altogether: int = 0) -> None:
        """Let each address hold ``most`` connections, ``proxies`` any number, all ``altogether``; 0 sets no limit."""
        self._most = most
        self._proxies = proxies
        self._altogether = altogether
        self._held: Counter[str] = Counter()
        self._all = 0

    @classmethod
    def from_settings(cls, settings: Settings) -> Crowd:
        """The limit of ``ZIYAN_CONNECTIONS_ADDRESS``, and no more altogether than there are file descriptors for."""
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        return cls(settings.connections_address, settings.proxy_networks, altogether=make_room(limits))

    @contextmanager
    def joined(self, peer: Any) -> Iterator[int]:
        """Hold one more for whoever is at the other end during the block; how many too many that are, 0 for none.

        Args:
            peer: The far end's address and port; None where it has gone already.
        """
        block = self._block(peer)
        self._held[block] += 1
        self._all += 1
        try:
            too_many = self._held[block] - self._most if block and self._most else 0
            too_many_altogether = self._all - self._altogether if self._altogether else 0
            yield max(0, too_many, too_many_altogether)
        finally:
            self._all -= 1
            self._held[block] -= 1
            if not self._held[block]:
                del self._held[block]  # or everybody who ever came would be remembered

    def _block(self, peer: Any) -> str:
        """What counts as one; empty for whoever is not counted."""
        address = caller_address({"client": peer})
        if not address or any(ip_address(address) in network for network in self._proxies):
            return ""
        return address_block(address)


def make_room(limits: tuple[int, int]) -> int:
    """Ask the system for file descriptors; how many connections there are enough of them for, 0 for any number.

    Args:
        limits: How many descriptors the process may have, and how many it may ask for.
    """
    soft, hard = limits
    if soft == resource.RLIM_INFINITY:
        return 0
    most = max(soft, _MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(_MOST_DESCRIPTORS, hard))
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    except (OSError, ValueError):  # macOS grants fewer than it says
        most = soft
    return max(most - _OTHERS, most // 2)
