"""``/console``: calls left and when they expire, at a glance; usage; calls that failed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from typing import Final

from markupsafe import Markup
from sqlalchemy import Connection
from starlette.responses import Response

from ziyan.metering.credentials import App
from ziyan.metering.desk import Desk
from ziyan.metering.store import lists, searches
from ziyan.metering.store import usage as sums
from ziyan.metering.store.apps import Account
from ziyan.metering.store.listings import packages_listing
from ziyan.metering.store.packages import Package
from ziyan.metering.store.slices import Asked, Slice
from ziyan.metering.store.usage import Event, Total
from ziyan.metering.times import day_of, now_ms
from ziyan.web import plain_words
from ziyan.web.console import figures
from ziyan.web.console.figures import MOST_DAYS, MOST_HOUR_DAYS, Time
from ziyan.web.console.holdings import Holding, account_apps, holdings, state_of
from ziyan.web.rendering import ticks
from ziyan.web.rooms import Ask
from ziyan.web.tables import Column, Table, all_slices, asked_search, asked_slice, badge, moment, words_of

_DAYS: Final = 30
_SHOWN_FAILURES: Final = 5
#: State of a package → its word and the kind of its badge.
_PACKAGE_STATES: Final = {
    "usable": (("可用", "Usable"), "good"),
    "waiting": (("未生效", "Not valid yet"), "waiting"),
    "used": (("已用完", "Used up"), "over"),
    "expired": (("已到期", "Expired"), "over"),
    "closed": (("已退款停用", "Closed by a refund"), "over"),
}


async def show_overview(ask: Ask) -> Response:
    """What a buyer wants to know first."""
    today = day_of(now_ms(), ask.store.zone)
    time = Time(today - timedelta(days=_DAYS - 1), today, ask.store.zone)

    def look(desk: Desk) -> tuple[Account, list[Holding], list[Total], list[Event], bool]:
        account = desk.account(desk.account_id or "")
        failed = lists.failed_page(desk.connection, Asked(_SHOWN_FAILURES), account.id).items
        unread = lists.notices_page(desk.connection, Asked(1), account.id, unread=True).items
        return account, holdings(desk), _totals(desk, time, None), failed, bool(unread)

    account, held, totals, failed, unread = await ask.read(look)
    return ask.page(
        "console/overview.html",
        account=account,
        held=held,
        chart=figures.by_time(ask.visit, time, totals),
        failed=[explained(each) for each in failed],
        unread=unread,
        billed=sum(total.billed for total in totals),
        days=_DAYS,
        names={holding.app.id: holding.app.name for holding in held},
        moment=partial(moment, ask),
    )


async def show_packages(ask: Ask) -> Response:
    """Every package, also those that are over."""
    names = {app.id: app.name for app in await ask.read(account_apps)}
    now = now_ms()

    def state(row: Package) -> Markup:
        return badge(ask, _PACKAGE_STATES, state_of(row, now))

    columns: list[Column[Package]] = [
        Column("app", ("应用", "App"), lambda row: names.get(row.app_id, "")),
        Column(
            "state",
            ("状态", "State"),
            lambda row: ask.text(*_PACKAGE_STATES[state_of(row, now)][0]),
            show=state,
            words=words_of(_PACKAGE_STATES),
        ),
        Column("calls", ("总次数", "Calls"), lambda row: row.calls, "number"),
        Column("used", ("已用", "Used"), lambda row: row.consumed, "number"),
        Column("left", ("剩余", "Left"), lambda row: row.left, "number"),
        Column("from", ("生效", "From"), lambda row: row.valid_from, "day"),
        Column("to", ("到期", "Expires"), lambda row: row.valid_to - 1, "day"),
        Column("id", ("套餐编号", "Package"), lambda row: row.id, "code"),
    ]
    listing, wanted = packages_listing(ask.guest.account_id, now), asked_search(ask, columns)
    table = Table.searched(ask, columns, await ask.read(lambda desk: searches.page(desk.connection, listing, wanted)))
    if table.wants_csv:
        return await table.file("packages", lambda connection: searches.rows(connection, listing, wanted))
    return ask.page("console/packages.html", packages=table)


async def show_usage(ask: Ask) -> Response:
    """Usage by day, hour, outcome and app, each with its numbers."""
    time, app_id = _asked_time(ask), ask.query("app") or None

    def look(desk: Desk) -> tuple[list[App], list[Total]]:
        if app_id is not None:
            desk.app(app_id)
        return account_apps(desk), _totals(desk, time, app_id)

    apps, totals = await ask.read(look)
    names = {app.id: app.name for app in apps}
    columns: list[Column[Total]] = [
        Column("start", ("小时", "Hour") if time.hourly else ("日期", "Day"), lambda row: row.start,
               "moment" if time.hourly else "day"),
        Column("app", ("应用", "App"), lambda row: names[row.app_id]),
        Column("outcome", ("结果", "Outcome"), lambda row: ask.text(*plain_words.outcome_name(row.code))),
        Column("calls", ("调用", "Calls"), lambda row: row.calls, "number"),
        Column("billed", ("计费", "Billed"), lambda row: row.billed, "number"),
        Column("ms", ("平均毫秒", "ms on average"), lambda row: round(row.ms / row.calls), "number"),
        Column("package", ("套餐编号", "Package"), lambda row: row.package_id, "code"),
    ]  # fmt: skip
    table = Table.of(ask, columns, totals[::-1])
    if table.wants_csv:
        return table.csv("usage")
    charts = [
        figures.by_time(ask.visit, time, totals),
        figures.by_app(ask.visit, time, totals, names),
        figures.by_outcome(ask.visit, totals),
    ]
    if time.hourly:
        charts.append(figures.by_hour_of_day(ask.visit, time, totals))
    most = MOST_HOUR_DAYS if time.hourly else MOST_DAYS
    return ask.page(
        "console/usage.html", apps=apps, chosen=app_id, time=time, charts=charts, usage=table, most=most,
        billed=sum(total.billed for total in totals), calls=sum(total.calls for total in totals),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Failure:
    """A call that failed, in plain words.

    Attributes:
        event: What is known of it.
        plain: Why, and what to do.
    """

    event: Event
    plain: plain_words.Plain


def explained(event: Event) -> Failure:
    """A call that failed, in plain words."""
    return Failure(event, plain_words.of_outcome(event.code))


async def show_failures(ask: Ask) -> Response:
    """Calls that failed, newest first, each with its reason."""
    app_id = ask.query("app") or None

    def page(connection: Connection, asked: Asked) -> Slice[Event]:
        return lists.failed_page(connection, asked, ask.guest.account_id, app_id)

    def look(desk: Desk) -> tuple[list[App], Slice[Event]]:
        if app_id is not None:
            desk.app(app_id)
        return account_apps(desk), page(desk.connection, asked_slice(ask))

    apps, found = await ask.read(look)
    names = {app.id: app.name for app in apps}

    def reason(row: Event) -> Markup:
        plain = plain_words.of_outcome(row.code)
        return Markup("<b>{}</b><br><span class='small quiet'>{}</span>").format(
            ticks(ask.text(*plain.what)), ticks(ask.text(*plain.todo))
        )

    columns: list[Column[Event]] = [
        Column("at", ("时间", "When"), lambda row: row.at, "moment"),
        Column("app", ("应用", "App"), lambda row: names[row.app_id]),
        Column("reason", ("原因", "Reason"), lambda row: ask.text(*plain_words.outcome_name(row.code)), show=reason),
        Column("status", ("状态码", "Status"), lambda row: row.status, "number", show=lambda row: str(row.status)),
        Column("code", ("错误码", "Code"), lambda row: row.code, "code"),
        Column("id", ("请求编号", "Request"), lambda row: row.id, "code"),
    ]
    table = Table.sliced(ask, columns, found)
    if table.wants_csv:
        return await table.file("failed-calls", all_slices(page))
    return ask.page("console/failures.html", apps=apps, chosen=app_id, failures=table)


def _totals(desk: Desk, time: Time, app_id: str | None) -> list[Total]:
    account_id = desk.account_id or ""
    return sums.totals(
        desk.connection, span=time.span, since=time.since, until=time.until, app_id=app_id, account_id=account_id
    )


def _asked_time(ask: Ask) -> Time:
    """The days that the address asks for; what makes no sense is put right."""
    zone = ask.store.zone
    today = day_of(now_ms(), zone)
    hourly = ask.query("by") == "hour"
    last = _day(ask.query("to")) or today
    last = min(max(last, date(2000, 1, 1)), today)
    most = MOST_HOUR_DAYS if hourly else MOST_DAYS
    first = _day(ask.query("from")) or last - timedelta(days=1 if hourly else _DAYS - 1)
    first = max(min(first, last), last - timedelta(days=most - 1))
    return Time(first, last, zone, hourly)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
