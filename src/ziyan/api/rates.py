"""How often one app, or one address, may call."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv6Network, ip_address
from typing import Final

from ziyan.api.refusals import THROTTLED, GatewayRefusedError

#: Callers that are remembered; whoever has not called for longest is forgotten first, which does them no harm.
_MAX_CALLERS: Final = 10_000


class Rate:
    """A token bucket for each caller: so many calls a second, and at most a second's worth at once.

    The memory is bounded.  Used by one event loop, and each process counts for itself.
    """

    def __init__(self, per_second: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Let each caller make ``per_second`` calls a second; 0 lets everything pass."""
        self._per_second = per_second
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def admit(self, caller: str, own: float | None = None) -> None:
        """Count one call.

        Args:
            caller: Whose it is.
            own: Calls a second that this caller may make; None for as many as everybody.

        Raises:
            GatewayRefusedError: One too many, which is not counted; it says when to try again.
        """
        per_second = self._per_second if own is None else own
        if not per_second:
            return
        most = max(1.0, per_second)
        now = self._clock()
        tokens, seen = self._buckets.pop(caller, (most, now))
        tokens = min(most, tokens + (now - seen) * per_second)
        admitted = tokens >= 1
        self._buckets[caller] = (tokens - 1 if admitted else tokens, now)
        if len(self._buckets) > _MAX_CALLERS:
            self._buckets.popitem(last=False)
        if not admitted:
            seconds = math.ceil((1 - tokens) / per_second)
            raise GatewayRefusedError(replace(THROTTLED, retry_after=max(1, seconds)))


def address_block(address: str) -> str:
    """What counts as one caller: an IPv4 address, or the 64 bits that an IPv6 caller was given whole."""
    if ":" in address:
        return str(IPv6Network((ip_address(address.partition("%")[0]), 64), strict=False))
    return address
