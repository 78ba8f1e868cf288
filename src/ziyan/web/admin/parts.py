"""What the operator's pages share: names of things, links between them, states in words, fields of forms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

from markupsafe import Markup

from ziyan.metering.desk import Desk
from ziyan.metering.selling import MOST_CALLS, MOST_MONTHS
from ziyan.metering.store import apps
from ziyan.metering.store.apps import App
from ziyan.metering.times import DAY_MS, day_of, now_ms, start_of
from ziyan.web.rooms import Ask, EntryError

#: State → its name in both languages, and how it looks.
ORDER_STATES: Final = {
    "pending": (("待付款", "to be paid"), "waiting"),
    "paid": (("已付款", "paid"), "good"),
    "cancelled": (("已取消", "cancelled"), "over"),
    "refunded": (("已退款", "refunded"), "over"),
}
INVOICE_STATES: Final = {
    "requested": (("待开票", "requested"), "waiting"),
    "issued": (("已开票", "issued"), "good"),
    "rejected": (("已驳回", "rejected"), "bad"),
    "cancelled": (("已撤回", "cancelled"), "over"),
    "voided": (("已作废", "voided"), "over"),
}
INVOICE_KINDS: Final = {"normal": ("普通发票", "normal"), "special": ("专用发票", "special")}
#: Field of a form → its name.
_LABELS: Final = {
    "name": ("名称", "Name"),
    "reference": ("付款凭据", "Reference of the payment"),
    "reason": ("理由", "Reason"),
    "calls": ("次数", "Calls"),
    "months": ("有效月数", "Months"),
    "price": ("价格", "Price"),
    "amount": ("退款金额", "Amount"),
}
#: Of a field that holds a whole number, the greatest.
_MOST: Final = {"calls": MOST_CALLS, "months": MOST_MONTHS}
_YUAN: Final = re.compile(r"([0-9]{1,10})(?:\.([0-9]{1,2}))?")
_WHOLE: Final = re.compile(r"[0-9]{1,13}")
_MOST_DAYS: Final = 400


@dataclass(frozen=True, slots=True)
class Names:
    """Accounts and apps by their identifiers.

    Attributes:
        accounts: Names of accounts.
        apps: Apps.
    """

    accounts: Mapping[str, str]
    apps: Mapping[str, App]

    @classmethod
    def of(cls, desk: Desk) -> Names:
        """All there are."""
        found = apps.all_apps(desk.connection)
        return cls(apps.account_names(desk.connection), {app.id: app for app in found})

    def account(self, ask: Ask, account_id: str) -> Markup:
        """A link to an account."""
        return link(ask, f"/admin/accounts/{account_id}", self.accounts.get(account_id, account_id))

    def app(self, ask: Ask, app_id: str) -> Markup:
        """A link to an app."""
        app = self.apps.get(app_id)
        return link(ask, f"/admin/apps/{app_id}", app.name if app else app_id)


def link(ask: Ask, path: str, text: str) -> Markup:
    """A link inside the pages; its text is escaped."""
    return Markup('<a href="{}">{}</a>').format(ask.visit.link(path), text)


def name_of(ask: Ask, field: str = "name", most: int = 200) -> str:
    """A field that names something.

    Raises:
        EntryError: It is empty, too long or not printable.
    """
    text = ask.field(field)
    if not 0 < len(text) <= most or not text.isprintable():
        raise _wrong(field, f"请填写 1 到 {most} 个字符", f"1 to {most} printable characters are wanted")
    return text


def note_of(ask: Ask, field: str) -> str:
    """As ``name_of``, or nothing."""
    return name_of(ask, field) if ask.field(field) else ""


def whole_of(ask: Ask, field: str) -> int:
    """A field with a whole number, of calls or months.

    Raises:
        EntryError: It holds none, or one that is too small or too great.
    """
    text = ask.field(field).replace(",", "").replace("，", "")
    most = _MOST[field]
    if not text.isascii() or not _WHOLE.fullmatch(text) or not 1 <= int(text) <= most:
        raise _wrong(field, f"请填写 1 到 {most:,} 的整数", f"a whole number from 1 to {most:,} is wanted")
    return int(text)


def fen_of(ask: Ask, field: str) -> int:
    """A field with an amount of yuan, in fen.

    Raises:
        EntryError: It holds none.
    """
    found = _YUAN.fullmatch(ask.field(field).replace(",", "").removeprefix("¥"))
    if found is None or not ask.field(field).removeprefix("¥").isascii():
        raise _wrong(field, "请填写以元为单位的金额，如 20000.00", "an amount of yuan is wanted, such as 20000.00")
    return int(found[1]) * 100 + int((found[2] or "").ljust(2, "0"))


def _wrong(field: str, chinese: str, english: str) -> EntryError:
    """Which field is wrong, and what it must be."""
    label = _LABELS[field]
    return EntryError(f"{label[0]}：{chinese}。", f"{label[1]}: {english}.")


@dataclass(frozen=True, slots=True)
class Time:
    """Some days, as the address asks for them.

    Attributes:
        first: The first day.
        last: The last day.
        since: The moment at which the first begins.
        until: The moment at which the last ends.
    """

    first: date
    last: date
    since: int
    until: int

    @classmethod
    def of(cls, ask: Ask, days: int) -> Time:
        """From ``since`` to ``until`` of the address; where that makes no sense, the last ``days`` days."""
        zone = ask.store.zone
        today = day_of(now_ms(), zone)
        last = _day(ask.query("until")) or today
        first = _day(ask.query("since")) or date.fromordinal(last.toordinal() - days + 1)
        if not 0 <= last.toordinal() - first.toordinal() < _MOST_DAYS:
            first = date.fromordinal(last.toordinal() - days + 1)
        return cls(first, last, start_of(first, zone), start_of(date.fromordinal(last.toordinal() + 1), zone))

    @property
    def days(self) -> list[date]:
        """Each of them."""
        return [date.fromordinal(day) for day in range(self.first.toordinal(), self.last.toordinal() + 1)]

    @property
    def is_short(self) -> bool:
        """Whether hours can be told apart in a chart."""
        return self.until - self.since <= 3 * DAY_MS


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if 2000 <= found.year < 2200 else None
