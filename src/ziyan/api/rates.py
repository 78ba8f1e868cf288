"""How often one app, or one address, may call."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import IPv6Network, ip_address
from typing import Final

from ziyan.api.refusals import THROTTLED, GatewayRefusedError
from ziyan.settings import Settings

#: Callers that are remembered; whoever has not called for longest is forgotten first, which does them no harm.
_MAX_CALLERS: Final = 10_000


class Rate:
    """A token bucket for each caller: so many calls a second, and at most a second's worth at once.

    The memory is bounded.  Used by one event loop, and each process counts for itself.
    """

    def __init__(self, per_second: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Let each caller make ``per_second`` calls a second; 0 lets everything pass."""
        self._per_second = per_second
        self._most = max(1.0, per_second)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def admit(self, caller: str) -> None:
        """Count one call.

        Raises:
            GatewayRefusedError: One too many, which is not counted; it says when to try again.
        """
        if not self._per_second:
            return
        now = self._clock()
        tokens, seen = self._buckets.pop(caller, (self._most, now))
        tokens = min(self._most, tokens + (now - seen) * self._per_second)
        admitted = tokens >= 1
        self._buckets[caller] = (tokens - 1 if admitted else tokens, now)
        if len(self._buckets) > _MAX_CALLERS:
            self._buckets.popitem(last=False)
        if not admitted:
            seconds = math.ceil((1 - tokens) / self._per_second)
            raise GatewayRefusedError(replace(THROTTLED, retry_after=max(1, seconds)))


@dataclass(frozen=True, slots=True)
class Rates:
    """The limits that hold for all calls together, whichever way they come.

    Attributes:
        address: Of one address.
        app: Of one app.
    """

    address: Rate
    app: Rate

    @classmethod
    def from_settings(cls, settings: Settings) -> Rates:
        """The limits of ``ZIYAN_RATE_ADDRESS`` and ``ZIYAN_RATE_APP``."""
        return cls(Rate(settings.rate_address), Rate(settings.rate_app))


def address_block(address: str) -> str:
    """What counts as one caller: an IPv4 address, or the 64 bits that an IPv6 caller was given whole."""
    if ":" in address:
        return str(IPv6Network((ip_address(address.partition("%")[0]), 64), strict=False))
    return address
