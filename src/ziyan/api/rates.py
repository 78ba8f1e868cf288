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
from ziyan.metering.credentials import App
from ziyan.settings import Settings

#: Callers that are remembered; whoever has not called for longest is forgotten first, which does them no harm.
_MAX_CALLERS: Final = 10_000


class Rate:
    """A token bucket for each caller: so many calls a second, and at most a second's worth at once.

    The memory is bounded.  Used by one event loop, and each process counts for itself.
    """

    def __init__(self, per_second: float, *, clock: Callable[[], float] = time.monotonic, burst: float = 0) -> None:
        """Let each caller make ``per_second`` calls a second; 0 lets everything pass.

        Args:
            per_second: How many, for callers of whom nothing else is said.
            clock: Seconds.
            burst: How many at once, where that is more than a second's worth.
        """
        self._per_second = per_second
        self._burst = max(1.0, burst)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def admit(self, caller: str, per_second: float | None = None) -> None:
        """Count one call, of a caller who may make ``per_second`` if that is said.

        Raises:
            GatewayRefusedError: One too many, which is not counted; it says when to try again.
        """
        if seconds := self.wait(caller, per_second):
            raise GatewayRefusedError(replace(THROTTLED, retry_after=seconds))
        self.spend(caller, per_second)

    def wait(self, caller: str, per_second: float | None = None) -> int:
        """Whole seconds until a caller may call; 0 at once."""
        rate = self._per_second if per_second is None else per_second
        if not rate:
            return 0
        tokens = self._tokens(caller, rate)
        if caller in self._buckets:
            self._buckets.move_to_end(caller)
        return 0 if tokens >= 1 else max(1, math.ceil((1 - tokens) / rate))

    def spend(self, caller: str, per_second: float | None = None) -> None:
        """Count one call, also one too many: it takes the longer until the next may be made."""
        rate = self._per_second if per_second is None else per_second
        if not rate:
            return
        self._buckets[caller] = (self._tokens(caller, rate) - 1, self._clock())
        self._buckets.move_to_end(caller)
        if len(self._buckets) > _MAX_CALLERS:
            self._buckets.popitem(last=False)

    def _tokens(self, caller: str, rate: float) -> float:
        most = max(self._burst, rate)
        tokens, seen = self._buckets.get(caller, (most, 0.0))
        return min(most, tokens + (self._clock() - seen) * rate)


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

    def admit_app(self, app: App) -> None:
        """Count one call of ``app``, which may have a rate of its own.

        Raises:
            GatewayRefusedError: As ``Rate.admit``.
        """
        self.app.admit(app.id, app.rate)


def address_block(address: str) -> str:
    """What counts as one caller: an IPv4 address, or the 64 bits that an IPv6 caller was given whole."""
    if ":" in address:
        return str(IPv6Network((ip_address(address.partition("%")[0]), 64), strict=False))
    return address
