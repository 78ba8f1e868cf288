"""Accounts and their apps: who buys, who calls, how much is left, and what an operator does to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from markupsafe import Markup
from sqlalchemy import Connection
from starlette.responses import Response

from ziyan.errors import ConflictError
from ziyan.metering import apps, logins, passwords, selling
from ziyan.metering.apps import AppChange
from ziyan.metering.desk import Desk
from ziyan.metering.logins import Login, Role
from ziyan.metering.packages import GRANT_MONTHS
from ziyan.metering.store import lists, overview, packages, sales, searches
from ziyan.metering.store import logins as login_table
from ziyan.metering.store.apps import Account, App
from ziyan.metering.store.listings import Customer, customers_listing, orders_listing
from ziyan.metering.store.packages import Package
from ziyan.metering.store.searches import Found
from ziyan.metering.store.slices import MOST, Asked, Slice
from ziyan.metering.store.usage import Event
from ziyan.metering.times import now_ms
from ziyan.metering.tokens import Scope
from ziyan.web.admin.doors import may
from ziyan.web.admin.parts import Names, Time, link, name_of, whole_of
from ziyan.web.admin.sales import order_columns
from ziyan.web.admin.usage import chart_of_days, event_columns
from ziyan.web.rooms import Ask
from ziyan.web.statements import months_of
from ziyan.web.tables import Column, Table, asked_search, asked_slice, badge

LoginWork = Callable[[Desk, Login], Login]

_DAYS = 30
_APP_STATES = {"on": (("已启用", "enabled"), "good"), "off": (("已停用", "disabled"), "bad")}
_PACKAGE_STATES = {
    "usable": (("可用", "usable"), "good"),
    "used": (("已用完", "used up"), "over"),
    "expired": (("已过期", "expired"), "bad"),
    "closed": (("已退款停用", "closed by a refund"), "over"),
}


async def show_accounts(ask: Ask) -> Response:
    """Every account, with how many apps it has and how much it called of late."""
    time = Time.of(ask, _DAYS)

    columns: list[Column[Customer]] = [
        Column(
            "name", ("账户", "Account"), lambda each: each.account.name,
            show=lambda each: link(ask, f"/admin/accounts/{each.account.id}", each.account.name),
        ),
        Column("apps", ("应用数", "Apps"), lambda each: each.apps, "number"),
        Column("billed", ("近 30 天计费次数", "Billed, 30 days"), lambda each: each.billed, "number"),
        Column("created", ("开户时间", "Opened"), lambda each: each.account.created_at, "moment"),
        Column("id", ("编号", "Identifier"), lambda each: each.account.id, "code"),
    ]  # fmt: skip
    listing, wanted = customers_listing(time.since, time.until), asked_search(ask, columns)
    shown = Table.searched(ask, columns, await ask.read(lambda desk: searches.page(desk.connection, listing, wanted)))
    if shown.wants_csv:
        return await shown.file("accounts", lambda connection: searches.rows(connection, listing, wanted))
    return ask.page("admin/accounts.html", table=shown)


async def create_account(ask: Ask) -> Response:
    """Open an account."""
    account = await ask.change(lambda desk: apps.create_account(desk, name_of(ask)))
    return ask.done(
        f"/admin/accounts/{account.id}", f"账户“{account.name}”已开通。", f"The account “{account.name}” was opened."
    )


async def show_account(ask: Ask) -> Response:
    """One account with its apps, orders and logins."""
    account_id, time = ask.path("account_id"), Time.of(ask, _DAYS)
    sees = {name: may(ask, scope) for name, scope in (("orders", Scope.ORDERS_READ), ("usage", Scope.USAGE_READ))}
    names = await ask.read(Names.of)
    columns, listing = order_columns(ask, names, account=False), orders_listing(account_id)
    wanted = asked_search(ask, columns, "order")

    def look(desk: Desk) -> tuple[Account, Found[sales.Order], list[Login], list[overview.Sum]]:
        account = desk.account(account_id)
        people = login_table.page(desk.connection, Asked(MOST), account_id).items
        sums = overview.sums(
            desk.connection, ("start", "code"), span="day", since=time.since, until=time.until, account_id=account_id
        )
        return account, searches.page(desk.connection, listing, wanted), people, sums

    account, orders, people, sums = await ask.read(look)
    mine = [app for app in names.apps.values() if app.account_id == account_id]
    app_table = Table.of(ask, app_columns(ask, names, account=False), mine, name="app")
    order_table = Table.searched(ask, columns, orders, name="order")
    if app_table.wants_csv:
        return app_table.csv("apps")
    if sees["orders"] and order_table.wants_csv:
        return await order_table.file("orders", lambda connection: searches.rows(connection, listing, wanted))
    return ask.page(
        "admin/account.html",
        account=account,
        app_table=app_table,
        order_table=order_table if sees["orders"] else None,
        people=people,
        months=months_of(ask, account) if may(ask, Scope.STATEMENTS_READ) else [],
        chart=chart_of_days(ask, time, sums) if sees["usage"] else None,
    )


async def rename_account(ask: Ask) -> Response:
    """Give an account another name."""
    account_id = ask.path("account_id")
    account = await ask.change(lambda desk: apps.rename_account(desk, account_id, name_of(ask)))
    return ask.done(
        f"/admin/accounts/{account_id}", f"账户已改名为“{account.name}”。", f"The account is now “{account.name}”."
    )


async def create_login(ask: Ask) -> Response:
    """Let a buyer sign in, and show the password, once."""
    account_id, name = ask.path("account_id"), name_of(ask)
    new = await asyncio.to_thread(passwords.fresh)
    login = await ask.change(lambda desk: logins.create_login(desk, name, Role.BUYER, new, account_id))
    return ask.page("admin/password.html", login=login, password=new.text, account_id=account_id)


async def reset_login(ask: Ask) -> Response:
    """Give a buyer's login another password, and show it, once."""
    new = await asyncio.to_thread(passwords.fresh)
    login = await _change_login(ask, lambda desk, login: logins.reset_password(desk, login.id, new))
    return ask.page("admin/password.html", login=login, password=new.text, account_id=login.account_id)


async def switch_login(ask: Ask) -> Response:
    """Refuse a buyer's login, or take it again."""
    disabled = ask.field("disabled") == "1"
    login = await _change_login(ask, lambda desk, login: logins.set_login_disabled(desk, login.id, disabled=disabled))
    done = (f"登录“{login.name}”已停用。", f"The login “{login.name}” is disabled.")
    if not disabled:
        done = (f"登录“{login.name}”已启用。", f"The login “{login.name}” is enabled.")
    return ask.done(f"/admin/accounts/{login.account_id}", *done)


async def show_apps(ask: Ask) -> Response:
    """Every app."""
    names = await ask.read(Names.of)
    shown = Table.of(ask, app_columns(ask, names), list(names.apps.values())[::-1])
    return shown.csv("apps") if shown.wants_csv else ask.page("admin/apps.html", table=shown)


async def create_app(ask: Ask) -> Response:
    """Register an app under an account."""
    account_id = ask.path("account_id")
    app = await ask.change(lambda desk: apps.create_app(desk, name_of(ask), account_id=account_id))
    return ask.done(f"/admin/apps/{app.id}", f"应用“{app.name}”已登记。", f"The app “{app.name}” was registered.")


async def show_app(ask: Ask) -> Response:
    """One app: what is left, how it calls, what failed, and what can be done."""
    app_id, time = ask.path("app_id"), Time.of(ask, _DAYS)

    def look(desk: Desk) -> tuple[App, Names, list[Package], list[overview.Sum], list[sales.Item], int]:
        app = desk.app(app_id)
        sums = overview.sums(
            desk.connection, ("start", "code"), span="day", since=time.since, until=time.until, app_id=app_id
        )
        items = [item for item in sales.all_items(desk.connection) if item.retired_at is None]
        left = packages.remaining(desk.connection, app_id, now_ms())
        return app, Names.of(desk), packages.of_app(desk.connection, app_id), sums, items, left

    app, names, owned, sums, items, left = await ask.read(look)

    def calls(connection: Connection, asked: Asked) -> Slice[Event]:
        return lists.events_page(connection, asked, app_id, since=time.since, until=time.until)

    events = await ask.read(lambda desk: calls(desk.connection, asked_slice(ask, "call", 20)))
    package_table = Table.of(ask, package_columns(ask, now_ms()), owned[::-1], name="package")
    event_table = Table.sliced(ask, event_columns(ask), events, name="call")
    sees_usage = may(ask, Scope.USAGE_READ)
    if package_table.wants_csv:
        return package_table.csv("packages")
    if sees_usage and event_table.wants_csv:
        return await event_table.stream("calls", calls)
    return ask.page(
        "admin/app.html",
        app=app,
        account=names.account(ask, app.account_id),
        state=badge(ask, _APP_STATES, "off" if app.disabled else "on"),
        left=left,
        items=items,
        package_table=package_table,
        event_table=event_table if sees_usage else None,
        chart=chart_of_days(ask, time, sums) if sees_usage else None,
        months=GRANT_MONTHS,
    )


async def switch_app(ask: Ask) -> Response:
    """Refuse an app's calls, or take them again."""
    app_id, disabled = ask.path("app_id"), ask.field("disabled") == "1"
    app = await ask.change(lambda desk: apps.change_app(desk, app_id, AppChange(disabled=disabled)))
    done = (f"应用“{app.name}”已停用，调用会得到 403。", f"The app “{app.name}” is disabled; its calls get 403.")
    if not disabled:
        done = (f"应用“{app.name}”已启用。", f"The app “{app.name}” is enabled.")
    return ask.done(f"/admin/apps/{app_id}", *done)


async def limit_app(ask: Ask) -> Response:
    """Set how many calls a second an app may make."""
    app_id = ask.path("app_id")
    try:
        rate = float(ask.field("rate") or "0")
    except ValueError:
        raise ConflictError("A rate is between 0 and 1000000 calls a second") from None
    app = await ask.change(lambda desk: apps.change_app(desk, app_id, AppChange(rate=rate)))
    done = ("限速已改回默认值。", "Its rate is the default again.")
    if app.rate is not None:
        done = (f"限速已改为每秒 {app.rate:g} 次。", f"It may now make {app.rate:g} calls a second.")
    return ask.done(f"/admin/apps/{app_id}", *done)


async def top_up(ask: Ask) -> Response:
    """Give an app calls that nobody pays for."""
    app_id, calls, months = ask.path("app_id"), whole_of(ask, "calls"), whole_of(ask, "months")
    await ask.change(lambda desk: selling.grant_package(desk, app_id, calls, months=months))
    return ask.done(f"/admin/apps/{app_id}", f"已充入 {calls:,} 次。", f"{calls:,} calls were given.")


def app_columns(ask: Ask, names: Names, *, account: bool = True) -> list[Column[App]]:
    """Columns of a table of apps."""

    def state(app: App) -> Markup:
        return badge(ask, _APP_STATES, "off" if app.disabled else "on")

    owner: list[Column[App]] = [
        Column(
            "account", ("账户", "Account"), lambda app: names.accounts.get(app.account_id, ""),
            show=lambda app: names.account(ask, app.account_id),
        )
    ]  # fmt: skip
    return [
        Column("name", ("应用", "App"), lambda app: app.name, show=lambda app: names.app(ask, app.id)),
        *(owner if account else []),
        Column("state", ("状态", "State"), lambda app: "off" if app.disabled else "on", show=state),
        Column("created", ("登记时间", "Registered"), lambda app: round(app.created_at.timestamp() * 1000), "moment"),
        Column("id", ("编号", "Identifier"), lambda app: app.id, "code"),
    ]


def package_columns(ask: Ask, now: int) -> list[Column[Package]]:
    """Columns of a table of packages."""

    def state(package: Package) -> str:
        if package.closed_at is not None:
            return "closed"
        if package.valid_to <= now:
            return "expired"
        return "usable" if package.left else "used"

    def source(package: Package) -> str | Markup:
        if package.order_id is None:
            return ask.text("赠送", "given")
        return link(ask, f"/admin/orders/{package.order_id}", package.order_id[:8])

    return [
        Column("order", ("来自订单", "Order"), lambda package: package.order_id or "", show=source),
        Column("state", ("状态", "State"), state, show=lambda package: badge(ask, _PACKAGE_STATES, state(package))),
        Column("calls", ("次数", "Calls"), lambda package: package.calls, "number"),
        Column("consumed", ("已用", "Used"), lambda package: package.consumed, "number"),
        Column("left", ("剩余", "Left"), lambda package: package.left, "number"),
        Column("from", ("生效", "From"), lambda package: package.valid_from, "day"),
        Column("to", ("有效至", "Last day"), lambda package: package.valid_to - 1, "day"),
    ]


async def _change_login(ask: Ask, work: LoginWork) -> Login:
    """Change a buyer's login; that of an operator is changed on the command line alone."""
    login_id = ask.path("login_id")

    def change(desk: Desk) -> Login:
        return work(desk, logins.buyer_login(desk, login_id))

    return await ask.change(change)
