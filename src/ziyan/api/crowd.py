"""How many connections one address may hold: each takes a file descriptor, and memory for what it has half sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Any

from ziyan.api.address import Network, caller_address
from ziyan.api.rates import address_block
from ziyan.settings import Settings


class Crowd:
    """Counts connections by address.  Used by one event loop; each process counts for itself."""

    def __init__(self, most: int, proxies: Sequence[Network] = ()) -> None:
        """Let each address hold ``most`` connections, and ``proxies`` any number; 0 lets everybody."""
        self._most = most
        self._proxies = proxies
        self._held: Counter[str] = Counter()

    @classmethod
    def from_settings(cls, settings: Settings) -> Crowd:
        """The limit of ``ZIYAN_CONNECTIONS_ADDRESS``."""
        return cls(settings.connections_address, settings.proxy_networks)

    @contextmanager
    def joined(self, peer: Any) -> Iterator[int]:
        """Hold one more for whoever is at the other end during the block; how many too many that are, 0 for none.

        Args:
            peer: The far end's address and port; None where it has gone already.
        """
        block = self._block(peer)
        self._held[block] += 1
        try:
            yield max(0, self._held[block] - self._most) if block and self._most else 0
        finally:
            self._held[block] -= 1
            if not self._held[block]:
                del self._held[block]  # or everybody who ever came would be remembered

    def _block(self, peer: Any) -> str:
        """What counts as one; empty for whoever is not counted."""
        address = caller_address({"client": peer})
        if not address or any(ip_address(address) in network for network in self._proxies):
            return ""
        return address_block(address)
