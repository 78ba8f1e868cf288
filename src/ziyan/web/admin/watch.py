"""What an operator looks at first, and what goes on: waiting work, notices that failed, the audit log, health."""

from __future__ import annotations

import asyncio
import json
import re
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import pairwise
from typing import Any, Final

from markupsafe import Markup
from starlette.responses import Response

from ziyan.engine.base import Engine, EngineStatus
from ziyan.metering import inbox
from ziyan.metering.desk import Desk
from ziyan.metering.store import Store, audit, overview, searches
from ziyan.metering.store.audit import Entry
from ziyan.metering.store.listings import failures_listing
from ziyan.metering.store.notices import Delivery
from ziyan.metering.store.overview import Pace, Sum
from ziyan.metering.times import DAY_MS, HOUR_MS, day_start, hour_start, now_ms
from ziyan.metering.tokens import Scope
from ziyan.web.admin.deeds import deed
from ziyan.web.admin.doors import may
from ziyan.web.admin.parts import Names, Time, link
from ziyan.web.admin.usage import chart_of_days, local, outcome
from ziyan.web.charts import Chart, Point
from ziyan.web.deliveries import KINDS, again
from ziyan.web.rooms import Ask
from ziyan.web.spoken import why_not_sent
from ziyan.web.tables import Act, Column, Table, asked_search, asked_slice

_DAYS: Final = 30
#: The queue is looked at so often, and so many looks are kept: an hour.
LOOK_SECONDS: Final = 15.0
LOOKS: Final = 240
_NEWEST: Final = 5_000
#: In the name of who did something; the file has it.
_IDENTIFIER: Final = re.compile(r"\b(?:login )?[0-9a-f]{32} ")
_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_WAYS: Final = {"mail": ("邮件", "mail"), "webhook": ("Webhook", "webhook"), "robot": ("群机器人", "robot")}


@dataclass(frozen=True, slots=True)
class Look:
    """How the engine did at a moment."""

    at: int
    queued: int
    busy: int


class Pulse:
    """Remembers how the engine did during the last hour."""

    def __init__(self, engine: Engine) -> None:
        """Look at ``engine``."""
        self.engine = engine
        self.looks: deque[Look] = deque(maxlen=LOOKS)

    def look(self) -> EngineStatus:
        """How it does now, which is remembered."""
        status = self.engine.status()
        self.looks.append(Look(now_ms(), status.queued, status.busy))
        return status

    async def run(self, pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Look again and again, until cancelled."""
        while True:
            self.look()
            await pause(LOOK_SECONDS)


async def show_first(ask: Ask) -> Response:
    """What waits, and how the last days were."""
    time, now = Time.of(ask, _DAYS), now_ms()
    today = day_start(now, ask.store.zone)

    def look(desk: Desk) -> tuple[overview.Waiting, overview.Size, list[Sum], tuple[int, int]]:
        connection = desk.connection
        sums = overview.sums(connection, ("start", "code"), span="day", since=time.since, until=time.until)
        income = overview.income(connection, now - _DAYS * DAY_MS, now + 1)
        return overview.waiting(connection), overview.size(connection), sums, income

    waiting, size, sums, income = await ask.read(look)
    by_day = {start: sum(each.billed for each in sums if each.key[0] == start) for start in {s.key[0] for s in sums}}
    return ask.page(
        "admin/first.html",
        waiting=waiting if may(ask, Scope.ORDERS_READ) else None,
        size=size,
        chart=chart_of_days(ask, time, sums) if may(ask, Scope.USAGE_READ) else None,
        today=by_day.get(today, 0),
        billed=sum(by_day.values()),
        income=income if may(ask, Scope.ORDERS_READ) else None,
    )


async def show_notices(ask: Ask) -> Response:
    """Notices that did not arrive."""
    names = await ask.read(Names.of)
    columns: list[Column[Delivery]] = [
        Column("created", ("时间", "Time"), lambda each: each.created_at, "moment"),
        Column(
            "account", ("账户", "Account"), lambda each: names.accounts[each.account_id],
            show=lambda each: names.account(ask, each.account_id),
        ),
        Column(
            "app", ("应用", "App"), lambda each: names.apps[each.app_id].name if each.app_id else "",
            show=lambda each: names.app(ask, each.app_id) if each.app_id else "—",
        ),
        Column("kind", ("通知", "Notice"), lambda each: ask.text(*KINDS[each.kind]), words=KINDS),
        Column("target", ("去处", "Target"), lambda each: f"{each.target_name} · {ask.text(*_WAYS[each.target_kind])}"),
        Column("attempts", ("尝试次数", "Attempts"), lambda each: each.attempts, "number"),
        Column("error", ("原因", "Reason"), lambda each: ask.text(*why_not_sent(each.error))),
    ]  # fmt: skip
    if may(ask, Scope.APPS_WRITE):
        columns.append(Column("again", ("", ""), lambda each: "", bare=True, act=_again))
    listing, wanted = failures_listing(), asked_search(ask, columns)
    table = Table.searched(ask, columns, await ask.read(lambda desk: searches.page(desk.connection, listing, wanted)))
    if table.wants_csv:
        return await table.file("notices", lambda connection: searches.rows(connection, listing, wanted))
    return ask.page("admin/notices.html", table=table)


def _again(delivery: Delivery) -> Act:
    return again(f"/admin/notices/{delivery.id}/retry")


async def retry_notice(ask: Ask) -> Response:
    """Send a notice again that was given up."""
    delivery_id = ask.path("delivery_id")
    sent = await ask.change(lambda desk: inbox.retry_delivery(desk, delivery_id))
    return ask.done(
        "/admin/notices",
        f"已重新发往“{sent.target_name}”。如果还是送不到，会再出现在这里。",
        f"It is on its way to “{sent.target_name}” again. If it does not arrive, it will be here once more.",
    )


async def show_audit(ask: Ask) -> Response:
    """Who changed what, newest first; about one thing, where the address names it."""
    about = ask.query("object")[:36]
    asked = asked_slice(ask)
    page = partial(audit.page, object_id=about or None)
    found = await ask.read(lambda desk: page(desk.connection, asked))
    columns: list[Column[Entry]] = [
        Column("at", ("时间", "Time"), lambda entry: entry.at, "moment"),
        Column("actor", ("谁", "Who"), lambda entry: entry.actor, show=lambda entry: _IDENTIFIER.sub("", entry.actor)),
        Column(
            "action", ("做了什么", "What"), lambda entry: entry.action, "code",
            show=lambda entry: Markup("{} <code>{}</code>").format(ask.text(*deed(entry.action)), entry.action),
        ),
        Column(
            "object", ("对象", "On"), lambda entry: entry.object_id,
            show=lambda entry: link(ask, f"/admin/audit?object={entry.object_id}", entry.object_id[:12]),
        ),
        Column("change", ("改动", "Change"), partial(_change, ask), show=lambda entry: _changes(ask, entry)),
    ]  # fmt: skip
    table = Table.sliced(ask, columns, found)
    if table.wants_csv:
        return await table.stream("audit", page)
    return ask.page("admin/audit.html", table=table, about=about)


async def show_health(ask: Ask, pulse: Pulse, store: Store) -> Response:
    """Whether pictures can be read and calls be counted, and how fast."""
    status, now = pulse.look(), now_ms()
    last = hour_start(now) + HOUR_MS

    def look(desk: Desk) -> tuple[list[Sum], list[Pace]]:
        return (
            overview.sums(desk.connection, ("start",), span="hour", since=last - 2 * DAY_MS, until=last, code="ok"),
            overview.paces(desk.connection, since=now - DAY_MS, limit=_NEWEST),
        )

    sums, paces = await ask.read(look)
    read = sorted(pace.ms for pace in paces if pace.code == "ok")  # kept answers took no reading
    return ask.page(
        "admin/health.html",
        engine=status,
        database=store.dialect,
        queue=_queue_chart(ask, pulse.looks),
        charts=[_time_chart(ask, sums), _spread_chart(ask, read)],
        calls=len(paces),
        good=sum(outcome(pace.code) == "ok" for pace in paces),
        most=_NEWEST,
        quantiles=[(share, quantile(read, share)) for share in (50, 95, 99)],
    )


def quantile(ordered: Sequence[int], percent: int) -> int:
    """The number that so many percent of some numbers, in rising order, do not exceed; 0 of none."""
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] if ordered else 0


def _queue_chart(ask: Ask, looks: Iterable[Look]) -> Chart:
    points = [Point(f"{local(ask, x.at):%H:%M:%S}", [x.queued, x.busy]) for x in looks]
    series = [ask.text("排队的图片", "pictures waiting"), ask.text("正在识别", "being read")]
    title = ask.text("队列，最近一小时", "The queue, last hour")
    return Chart("queue", title, ask.text("时间", "Time"), series, points, lines=True)


def _time_chart(ask: Ask, sums: Sequence[Sum]) -> Chart:
    points = [Point(f"{local(ask, each.key[0]):%m-%d %H:%M}", [round(each.ms / each.calls)]) for each in sums]
    title = ask.text("成功调用的平均耗时，最近两天", "Mean time of answered calls, two days")
    return Chart("means", title, ask.text("小时", "Hour"), ["ms"], points, lines=True, unit=" ms")


_EDGES: Final = (50, 100, 200, 300, 500, 1000, 2000, 5000, 10_000)


def _spread_chart(ask: Ask, answered: Sequence[int]) -> Chart:
    edges = (0, *_EDGES, 1 << 60)
    points = []
    for low, high in pairwise(edges):
        label = f"{low:,}–{high:,}" if high in _EDGES else f"≥ {low:,}"
        points.append(Point(label, [sum(low <= ms < high for ms in answered)]))
    title = ask.text("最近的成功调用，按耗时（毫秒）", "Newest answered calls by time, ms")
    return Chart("spread", title, ask.text("毫秒", "ms"), [ask.text("调用", "calls")], points)


def _change(ask: Ask, entry: Entry) -> str:
    """What differs, as text: for the file."""
    return "; ".join(f"{name}: {old} → {new}" for name, old, new in _differences(ask, entry))


def _changes(ask: Ask, entry: Entry) -> Markup:
    found = _differences(ask, entry)
    if not found:
        return Markup("—")
    pairs = [
        Markup("<dt>{}</dt><dd>{}</dd>").format(name, new if entry.before is None else f"{old} → {new}")
        for name, old, new in found
    ]
    count = ask.text(f"{len(pairs)} 项", f"{len(pairs)} fields")
    body = Markup("").join(pairs)
    if len(pairs) <= _FEW:
        return Markup('<dl class="facts small">{}</dl>').format(body)
    return Markup('<details><summary>{}</summary><dl class="facts small">{}</dl></details>').format(count, body)


_FEW: Final = 3


def _differences(ask: Ask, entry: Entry) -> list[tuple[str, str, str]]:
    before, after = entry.before or {}, entry.after or {}
    return [
        (name, _plain(ask, before.get(name)), _plain(ask, after.get(name)))
        for name in {**before, **after}
        if before.get(name) != after.get(name)
    ]


def _plain(ask: Ask, value: Any) -> str:
    """As people read it; moments, which the log has in UTC, in the store's zone."""
    if value is None or value == "":
        return "—"
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if _MOMENT.fullmatch(value):
        return f"{datetime.fromisoformat(value).astimezone(ask.store.zone):%Y-%m-%d %H:%M:%S}"
    return value


__all__ = ["LOOKS", "LOOK_SECONDS", "Pulse", "quantile", "show_audit", "show_first", "show_health"]
