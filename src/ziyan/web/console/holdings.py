"""What an account holds: its apps and their packages, as all pages of the console need them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ziyan.metering.credentials import App
from ziyan.metering.desk import Desk
from ziyan.metering.store import apps as table
from ziyan.metering.store import lists
from ziyan.metering.store.lists import Filter
from ziyan.metering.store.packages import Package
from ziyan.metering.times import DAY_MS, now_ms
from ziyan.web.tables import every

#: Days before expiry from which on a page says so.
SOON_DAYS = 30
LOW_PERCENT = 20


@dataclass(frozen=True, slots=True)
class Holding:
    """An app with what is left to it.

    Attributes:
        app: The app.
        packages: Those that calls can be made of, the first to expire first.
        rest: Those that are used up, have expired or were closed, newest first.
        now: The moment that this is so.
    """

    app: App
    packages: Sequence[Package]
    rest: Sequence[Package]
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
    return every(desk.connection, lambda connection, asked: table.apps_page(connection, asked, account_id))[::-1]


def holdings(desk: Desk) -> list[Holding]:
    """The account's apps with their packages, oldest app first."""
    wanted, now = Filter(desk.account_id or ""), now_ms()
    packages = every(desk.connection, lambda connection, asked: lists.packages_page(connection, asked, wanted))
    found = []
    for app in account_apps(desk):
        mine = [package for package in packages if package.app_id == app.id]
        usable = [each for each in mine if state_of(each, now) in {"usable", "waiting"}]
        usable.sort(key=lambda each: (each.valid_to, each.created_at))
        found.append(Holding(app, usable, [each for each in mine if each not in usable], now))
    return found


def state_of(package: Package, now: int) -> str:
    """``usable``, ``waiting`` (not valid yet), ``used``, ``expired`` or ``closed``."""
    if package.closed_at is not None:
        return "closed"
    if package.valid_to <= now:
        return "expired"
    if package.consumed >= package.calls:
        return "used"
    return "usable" if package.valid_from <= now else "waiting"
