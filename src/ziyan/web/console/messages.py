"""``/console/inbox`` and ``/console/notices``: what an account was told, where notices are sent, and when."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import Final, Literal, cast

from markupsafe import Markup
from starlette.responses import Response

from ziyan.errors import ConflictError, InvalidRequestError
from ziyan.metering import apps, inbox
from ziyan.metering.apps import AppChange
from ziyan.metering.credentials import App
from ziyan.metering.desk import Desk
from ziyan.metering.notices import Target, send_test_in
from ziyan.metering.store import lists
from ziyan.metering.store import notices as table
from ziyan.metering.store.notices import Delivery
from ziyan.metering.store.slices import Asked
from ziyan.metering.views import NoticeView
from ziyan.web.console.holdings import account_apps
from ziyan.web.deliveries import KINDS, again
from ziyan.web.rooms import Ask
from ziyan.web.spoken import spoken, why_not_sent
from ziyan.web.tables import Act, Column, Table, asked_slice, badge, moment

INBOX: Final = "/console/inbox"
NOTICES: Final = "/console/notices"
_KINDS: Final = ("mail", "webhook", "robot")
_SHOWN_DELIVERIES: Final = 20
_MOST_NUMBERS: Final = 10
#: A name server that does not answer holds the page up for no longer.
_LOOK_SECONDS: Final = 1.0


async def show_inbox(ask: Ask) -> Response:
    """Notices, newest first."""
    unread = ask.query("unread") == "1"
    found = await ask.read(
        lambda desk: lists.notices_page(desk.connection, asked_slice(ask, size=20), ask.guest.account_id, unread=unread)
    )
    pages = Table.sliced(ask, [], found)
    letters = [NoticeView.in_zone(each, ask.store.zone) for each in found.items]
    return ask.page("console/inbox.html", letters=letters, pages=pages, unread_only=unread, moment=partial(moment, ask))


async def mark_read(ask: Ask) -> Response:
    """Note that one notice, or all of them, were read."""
    chosen = [ask.field("id")] if ask.field("id") else None
    await ask.change(lambda desk: inbox.mark_read(desk, ask.guest.account_id, chosen))
    return ask.done(INBOX, "已标为已读。", "Marked as read.")


async def show_notices(ask: Ask) -> Response:
    """Where notices are sent, and when."""
    return await _page(ask)


async def add_target(ask: Ask) -> Response:
    """Have notices sent somewhere."""
    kind, app_id = ask.field("kind"), ask.field("app") or None
    if kind not in _KINDS:
        return await _page(ask, wrong=("请选择通知方式。", "Choose a way."))
    if kind == "mail" and not ask.room.takes_mail:
        return await _page(
            ask, wrong=("这台服务不发邮件，请用 Webhook 或机器人。", "No mail is sent here. Take another way.")
        )
    account_id = ask.guest.account_id
    url, name, secret = ask.field("url"), ask.field("name"), ask.field("secret")
    way = cast("Literal['mail', 'webhook', 'robot']", kind)

    def work(desk: Desk) -> Target:
        return inbox.add_target(desk, account_id, way, url, name=name, secret=secret, app_id=app_id)

    try:
        target = await ask.change(work)
    except (ConflictError, InvalidRequestError) as error:
        return await _page(ask, wrong=spoken(str(error)))
    return await _page(ask, added=target)


async def test_target(ask: Ask) -> Response:
    """Send a notice that says nothing but that notices arrive."""
    target_id = ask.path("target_id")
    await ask.change(lambda desk: send_test_in(desk.connection, ask.guest.account_id, target_id))
    return ask.done(
        NOTICES,
        "测试通知已发出；稍后刷新本页，看它是否送到。",
        "A test is on its way. Reload this page in a while to see whether it arrived.",
    )


async def remove_target(ask: Ask) -> Response:
    """Send nothing there any more."""
    target_id = ask.path("target_id")
    await ask.change(lambda desk: inbox.remove_target(desk, ask.guest.account_id, target_id))
    return ask.done(NOTICES, "以后不再往那里发通知。", "Nothing is sent there any more.")


async def retry_delivery(ask: Ask) -> Response:
    """Send a notice again that was given up."""
    delivery_id = ask.path("delivery_id")
    sent = await ask.change(lambda desk: inbox.retry_delivery(desk, delivery_id))
    return ask.done(NOTICES, f"已重新发往“{sent.target_name}”。", f"It is on its way to “{sent.target_name}” again.")


async def change_thresholds(ask: Ask) -> Response:
    """Say when an app's owner is told."""
    app_id = ask.path("app_id")
    percents, days = _numbers(ask.field("percents")), _numbers(ask.field("days"))
    if percents is None or days is None:
        return await _page(ask, wrong=("请填写用逗号隔开的整数。", "Whole numbers are wanted, separated by commas."))
    change = AppChange(notify_percents=percents, notify_days=days)
    try:
        app = await ask.change(lambda desk: apps.change_app(desk, app_id, change))
    except (ConflictError, InvalidRequestError) as error:
        return await _page(ask, wrong=spoken(str(error)))
    return ask.done(NOTICES, f"“{app.name}”的提醒已修改。", f"Notices of “{app.name}” were changed.")


async def _page(ask: Ask, *, wrong: tuple[str, str] | None = None, added: Target | None = None) -> Response:
    account_id = ask.guest.account_id

    def look(desk: Desk) -> tuple[list[App], list[Target], list[Delivery]]:
        return (
            account_apps(desk),
            [each for each in inbox.list_targets(desk, account_id) if not each.disabled],
            table.deliveries_page(desk.connection, Asked(_SHOWN_DELIVERIES), account_id).items,
        )

    apps_, targets, sent = await ask.read(look)
    refused = await asyncio.gather(*(_refusal(ask, target) for target in targets))
    again = {name: ask.field(name) for name in ("kind", "url", "name", "app")} if wrong else {}
    columns = _delivery_columns(ask, targets, {app.id: app.name for app in apps_})
    return ask.page(
        "console/notices.html",
        status=422 if wrong else 200,
        apps=apps_,
        targets=targets,
        warnings={target.id: words for target, words in zip(targets, refused, strict=True) if words},
        deliveries=Table.of(ask, columns, sent, name="sent"),
        names={app.id: app.name for app in apps_},
        added=added,
        wrong=wrong,
        again=again,
        takes_mail=ask.room.takes_mail,
    )


async def _refusal(ask: Ask, target: Target) -> str:
    """Why nothing can arrive at a target; empty where it can, or that takes too long to be found out."""
    if target.kind == "mail" and not ask.room.takes_mail:
        return ask.text("这台服务不发邮件", "No mail is sent here")
    if target.kind != "webhook":
        return ""
    with suppress(TimeoutError):
        refusal = await asyncio.wait_for(ask.room.fetcher.refusal(target.address.url), _LOOK_SECONDS)
        return ask.text(*why_not_sent(refusal))
    return ""


def _delivery_columns(ask: Ask, targets: list[Target], app_names: dict[str, str]) -> list[Column[Delivery]]:
    names = {target.id: target.name for target in targets}
    states = {
        "waiting": (("在路上", "On its way"), "waiting"),
        "again": (("没送到，会再试", "To be tried again"), "waiting"),
        "sent": (("已送到", "Arrived"), "good"),
        "failed": (("没送到", "Failed"), "bad"),
    }

    def word_of(row: Delivery) -> str:
        return "again" if row.state == "waiting" and row.attempts and row.error else row.state

    def state(row: Delivery) -> Markup:
        word = badge(ask, states, word_of(row))
        why = ask.text(*why_not_sent(row.error))
        return word + Markup(" <span class='small'>{}</span>").format(why) if row.error else word

    def what(row: Delivery) -> str:
        app = app_names.get(row.app_id or "")
        return ask.text(*KINDS[row.kind]) + (f" · {app}" if app else "")

    def retry(row: Delivery) -> Act | None:
        given_up = row.state == "failed" and row.target_id in names
        return again(f"{NOTICES}/deliveries/{row.id}/retry") if given_up else None

    return [
        Column("created", ("时间", "Made at"), lambda row: row.created_at, "moment"),
        Column("notice", ("通知", "Notice"), what),
        Column("target", ("去处", "Where"), lambda row: names.get(row.target_id, ask.text("已移除", "Removed"))),
        Column("state", ("状态", "State"), lambda row: ask.text(*states[word_of(row)][0]), show=state),
        Column("attempts", ("尝试", "Attempts"), lambda row: row.attempts, "number"),
        Column("next", ("下次尝试", "Next try"), lambda row: row.next_at, "moment"),
        Column("sent", ("送达时间", "Arrived at"), lambda row: row.sent_at, "moment"),
        Column("again", ("", ""), lambda _row: "", bare=True, act=retry),
    ]


def _numbers(text: str) -> tuple[int, ...] | None:
    """Whole numbers, separated by commas of either kind; None where something else was written."""
    parts = [part.strip().rstrip("%") for part in text.replace("，", ",").split(",") if part.strip()]
    if len(parts) > _MOST_NUMBERS or not all(part.isascii() and part.isdecimal() and len(part) < 4 for part in parts):
        return None
    return tuple(sorted({int(part) for part in parts}, reverse=True))
