"""What an account holds: its apps and their packages, as all pages of the console need them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from ziyan.metering.credentials import App
from ziyan.metering.desk import Desk
from ziyan.metering.store import apps as table
from ziyan.metering.store import packages
from ziyan.metering.store.packages import Package
from ziyan.metering.times import DAY_MS, now_ms

#: Days before expiry from which on a page says so.
SOON_DAYS = 30
LOW_PERCENT = 20


@dataclass(frozen=True, slots=True)
class Holding:
    """An app with what is left to it.

    Attributes:
        app: The app.
        packages: Those that calls can be made of, the first to expire first.
        now: The moment that this is so.
    """

    app: App
    packages: Sequence[Package]
    now: int

    @property
    def left(self) -> int:
        """Calls that can still be made."""
        return sum(package.left for package in self.packages)

    @property
    def calls(self) -> int:
        """Calls that its packages had together."""
        return sum(package.calls for package in self.packages)

    @property
    def expires_at(self) -> int | None:
        """When the first of its packages expires; None where it has none."""
        return min((package.valid_to for package in self.packages), default=None)

    @property
    def is_low(self) -> bool:
        """Whether calls are getting few."""
        return self.left * 100 <= self.calls * LOW_PERCENT

    @property
    def days_left(self) -> int:
        """Whole days until the first package expires."""
        return 0 if self.expires_at is None else max(0, (self.expires_at - self.now) // DAY_MS)

    @property
    def is_soon(self) -> bool:
        """Whether a package is about to expire."""
        return self.expires_at is not None and self.days_left < SOON_DAYS


def account_apps(desk: Desk) -> list[App]:
    """The account's apps, oldest first."""
    account_id = desk.account_id or ""
    return table.all_apps(desk.connection, account_id)


def holdings(desk: Desk) -> list[Holding]:
    """The account's apps with the packages that calls can be made of, now or later, oldest app first."""
    now = now_ms()
    mine: dict[str, list[Package]] = defaultdict(list)
    for package in packages.unspent_of_account(desk.connection, desk.account_id or "", now):
        mine[package.app_id].append(package)
    return [Holding(app, mine[app.id], now) for app in account_apps(desk)]


def state_of(package: Package, now: int) -> str:
    """``usable``, ``waiting`` (not valid yet), ``used``, ``expired`` or ``closed``."""
    if package.closed_at is not None:
        return "closed"
    if package.valid_to <= now:
        return "expired"
    if package.consumed >= package.calls:
        return "used"
    return "usable" if package.valid_from <= now else "waiting"
