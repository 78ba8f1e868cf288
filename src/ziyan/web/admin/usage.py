"""Charts of calls, from the sums of hours and days, and what became of single calls."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from starlette.responses import Response

from ziyan.api import problems, refusals
from ziyan.api.problems import PROBLEMS
from ziyan.api.refusals import GatewayError
from ziyan.metering.desk import Desk
from ziyan.metering.store import overview
from ziyan.metering.store.overview import Sum
from ziyan.metering.store.usage import Event
from ziyan.metering.times import HOUR_MS, day_of, now_ms
from ziyan.web.admin.parts import Names, Time
from ziyan.web.charts import Chart, Point
from ziyan.web.plain_words import outcome_name
from ziyan.web.rooms import Ask
from ziyan.web.tables import Column, Table, badge


def _is_busy_or_failed(status: int) -> bool:
    return status == _TOO_MANY or 500 <= status < 600


_TOO_MANY: Final = 429
#: Kinds of outcomes, which are many: their names, and how they look.
OUTCOMES: Final = {
    "ok": (("成功", "answered"), "good"),
    "asked": (("请求有误", "wrong requests"), "waiting"),
    "spent": (("次数不足", "no calls left"), "bad"),
    "ours": (("服务繁忙或出错", "busy or failed"), "bad"),
    "gone": (("调用方断开", "caller gone"), "over"),
}
_SPENT: Final = {
    *(row.code for row in (refusals.QUOTA_EXHAUSTED, refusals.SUBSCRIPTION_EXPIRED)),
    *(problem.code for problem in (problems.QUOTA_EXHAUSTED, problems.SUBSCRIPTION_EXPIRED)),
}
#: What is not the caller's fault, or could be tried again.
_OURS: Final = {
    *(row.code for row in vars(refusals).values() if isinstance(row, GatewayError) and _is_busy_or_failed(row.status)),
    *(problem.code for problem in PROBLEMS if _is_busy_or_failed(problem.status)),
} - {problems.FETCH_FAILED.code}
_DAYS: Final = 30


def outcome(code: str) -> str:
    """Which kind of outcome a code stands for."""
    if code in {"ok", "replayed"}:  # with the answer, or with that of the call that it repeats
        return "ok"
    if code == "gone":
        return code
    if code in _SPENT:
        return "spent"
    return "ours" if code in _OURS else "asked"


def chart_of_days(ask: Ask, time: Time, sums: Sequence[Sum], *, name: str = "days") -> Chart:
    """Calls of each day, by their outcome; ``sums`` are by start and code."""
    found: dict[str, dict[str, int]] = defaultdict(lambda: dict.fromkeys(OUTCOMES, 0))
    for each in sums:
        start, code = each.key
        found[day_of(start, ask.store.zone).isoformat()][outcome(code)] += each.calls
    points = [Point(f"{day:%m-%d}", list(found[day.isoformat()].values())) for day in time.days]
    return _chart(ask, name, ask.text("每天的调用", "Calls by day"), ask.text("日期", "Day"), points)


def _chart(ask: Ask, name: str, title: str, head: str, points: Sequence[Point]) -> Chart:
    """A chart of the kinds of outcomes that there are."""
    there = [index for index in range(len(OUTCOMES)) if index == 0 or any(point.values[index] for point in points)]
    series = [ask.text(*list(OUTCOMES.values())[index][0]) for index in there]
    return Chart(name, title, head, series, [Point(p.label, [p.values[index] for index in there]) for p in points])


async def show_usage(ask: Ask) -> Response:
    """Calls of some days: by day or hour, outcome, app and account, and how long they took."""
    time = Time.of(ask, _DAYS)

    def look(desk: Desk) -> tuple[Names, list[Sum], list[Sum]]:
        names = Names.of(desk)
        account_id = ask.query("account") if ask.query("account") in names.accounts else None
        app_id = ask.query("app") if ask.query("app") in names.apps else None
        of = {"since": time.since, "until": time.until, "account_id": account_id, "app_id": app_id}
        span: Any = "hour" if time.is_short else "day"
        by_time = overview.sums(desk.connection, ("start", "code"), span=span, **of)  # type: ignore[arg-type]
        by_app = overview.sums(desk.connection, ("account_id", "app_id", "code"), span="day", **of)  # type: ignore[arg-type]
        return names, by_time, by_app

    names, by_time, by_app = await ask.read(look)
    table = Table.of(ask, _app_columns(ask, names), _lines(by_app))
    if table.wants_csv:
        return table.csv(f"usage {time.first} {time.last}")
    chart = chart_of_hours(ask, time, by_time) if time.is_short else chart_of_days(ask, time, by_time)
    charts = [
        chart,
        chart_of_clock(ask, by_time) if time.is_short else chart_of_billed(ask, time, by_time),
        chart_of_shares(ask, "apps", ask.text("按应用", "By app"), by_app, lambda key: names.apps[key[1]].name),
        chart_of_shares(ask, "accounts", ask.text("按账户", "By account"), by_app, lambda key: names.accounts[key[0]]),
        chart_of_shares(
            ask,
            "codes",
            ask.text("没有成功的，按原因", "Not answered, by reason"),
            _failed(by_app),
            lambda key: ask.text(*outcome_name(str(key[-1]))),
        ),
    ]
    asked = {name: ask.query(name) for name in ("account", "app")}
    return ask.page("admin/usage.html", time=time, charts=charts, table=table, names=names, asked=asked)


@dataclass(frozen=True, slots=True)
class Line:
    """The calls of an app."""

    account_id: str
    app_id: str
    calls: int
    billed: int
    failed: int
    ms: int
    bytes_in: int


def _lines(sums: Sequence[Sum]) -> list[Line]:
    found: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0] * 5)
    for each in sums:
        account_id, app_id, code = each.key
        failed = 0 if outcome(code) == "ok" else each.calls
        for index, number in enumerate((each.calls, each.billed, failed, each.ms, each.bytes_in)):
            found[account_id, app_id][index] += number
    return [Line(*key, *numbers) for key, numbers in sorted(found.items(), key=lambda item: -item[1][0])]


def _app_columns(ask: Ask, names: Names) -> list[Column[Line]]:
    return [
        Column(
            "account", ("账户", "Account"), lambda line: names.accounts[line.account_id],
            show=lambda line: names.account(ask, line.account_id),
        ),
        Column(
            "app", ("应用", "App"), lambda line: names.apps[line.app_id].name,
            show=lambda line: names.app(ask, line.app_id),
        ),
        Column("calls", ("调用", "Calls"), lambda line: line.calls, "number"),
        Column("billed", ("计费", "Billed"), lambda line: line.billed, "number"),
        Column("failed", ("未成功", "Not answered"), lambda line: line.failed, "number"),
        Column("ms", ("平均毫秒", "Mean ms"), lambda line: round(line.ms / line.calls), "number"),
        Column("size", ("收到的 MB", "MB received"), lambda line: round(line.bytes_in / 1e6), "number"),
    ]  # fmt: skip


def chart_of_hours(ask: Ask, time: Time, sums: Sequence[Sum]) -> Chart:
    """Calls of each hour, by their outcome; an hour is named in the store's zone."""
    found: dict[int, dict[str, int]] = defaultdict(lambda: dict.fromkeys(OUTCOMES, 0))
    for each in sums:
        start, code = each.key
        found[start][outcome(code)] += each.calls
    hours = range(time.since // HOUR_MS * HOUR_MS, min(time.until, now_ms()), HOUR_MS)
    points = [Point(f"{local(ask, hour):%m-%d %H:%M}", list(found[hour].values())) for hour in hours]
    return _chart(ask, "hours", ask.text("每小时的调用", "Calls by hour"), ask.text("小时", "Hour"), points)


def chart_of_clock(ask: Ask, sums: Sequence[Sum]) -> Chart:
    """Calls by the hour of the day."""
    found = [0] * 24
    for each in sums:
        found[local(ask, each.key[0]).hour] += each.calls
    points = [Point(f"{hour:02}:00", [calls]) for hour, calls in enumerate(found)]
    title = ask.text("一天里的时段", "By time of day")
    return Chart("clock", title, ask.text("时段", "Time"), [ask.text("调用", "calls")], points)


def chart_of_billed(ask: Ask, time: Time, sums: Sequence[Sum]) -> Chart:
    """How long calls that were answered took in the middle, day by day."""
    found: dict[str, tuple[int, int]] = {}
    for each in sums:
        start, code = each.key
        if code == "ok":
            found[day_of(start, ask.store.zone).isoformat()] = each.ms, each.calls
    points = []
    for day in time.days:
        ms, calls = found.get(day.isoformat(), (0, 0))
        points.append(Point(f"{day:%m-%d}", [round(ms / calls) if calls else 0]))
    title = ask.text("成功调用的平均耗时", "Mean time of answered calls")
    return Chart("means", title, ask.text("日期", "Day"), [ask.text("毫秒", "ms")], points, lines=True, unit=" ms")


def chart_of_shares(
    ask: Ask, name: str, title: str, sums: Sequence[Sum], label: Callable[[tuple[Any, ...]], str]
) -> Chart:
    """Calls by something there are few of; the smallest are put together."""
    found: dict[str, int] = defaultdict(int)
    for each in sums:
        found[label(each.key)] += each.calls
    ranked = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    most = 8
    if len(ranked) > most:
        rest = sum(calls for _, calls in ranked[most - 1 :])
        ranked = [*ranked[: most - 1], (ask.text("其余", "all others"), rest)]
    points = [Point(text, [calls]) for text, calls in ranked]
    return Chart(name, title, ask.text("名称", "Name"), [ask.text("调用", "calls")], points, ranked=True)


def event_columns(ask: Ask) -> list[Column[Event]]:
    """Columns of a table of calls."""
    return [
        Column("at", ("时间", "Time"), lambda event: event.at, "moment"),
        Column(
            "outcome", ("结果", "Outcome"), lambda event: outcome(event.code),
            show=lambda event: badge(ask, OUTCOMES, outcome(event.code)),
        ),
        Column("status", ("状态码", "Status"), lambda event: event.status, "number"),
        Column("code", ("代码", "Code"), lambda event: event.code, "code"),
        Column("billed", ("计费", "Billed"), lambda event: int(event.billed), "number"),
        Column("ms", ("毫秒", "ms"), lambda event: event.ms, "number"),
        Column("size", ("字节", "Bytes"), lambda event: event.bytes_in, "number"),
        Column("id", ("请求编号", "Request id"), lambda event: event.id, "code"),
    ]  # fmt: skip


def _failed(sums: Sequence[Sum]) -> list[Sum]:
    return [each for each in sums if outcome(str(each.key[-1])) != "ok"]


def local(ask: Ask, moment: int) -> datetime:
    """A moment in the store's zone."""
    return datetime.fromtimestamp(moment / 1000, ask.store.zone)
