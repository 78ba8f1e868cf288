"""Charts as they are computed, and words that nobody else tries."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

import ziyan
from ziyan.metering.store.usage import Total
from ziyan.metering.times import HOUR_MS
from ziyan.web.admin.deeds import DEEDS, deed
from ziyan.web.charts import HEIGHT, MOST_SERIES, WIDTH, Chart, Point, nice
from ziyan.web.console.figures import Time, by_app, by_hour_of_day, by_outcome
from ziyan.web.keys import lasting
from ziyan.web.plain_words import NATIVE, of_outcome, outcome_name
from ziyan.web.rendering import Visit
from ziyan.web.spoken import spoken, why_not_sent

HERE = Visit("en", "http://127.0.0.1", "/console/usage")
ZONE = ZoneInfo("Asia/Shanghai")


@pytest.mark.parametrize(
    ("most", "top"),
    [(0, 2), (1, 2), (2, 2), (3, 4), (5, 6), (5.5, 6), (7, 8), (9, 10), (10, 10), (11, 20), (41, 50), (999, 1000)],
)
def test_the_scale_is_round_and_no_lower_than_what_is_shown(most: float, top: float) -> None:
    assert nice(most) == top


def chart(*values: tuple[float, ...], lines: bool = False, unit: str = "") -> Chart:
    points = [Point(f"p{number}", each) for number, each in enumerate(values)]
    return Chart("id", "title", "head", tuple("abcdef"[: len(values[0])]), points, lines=lines, unit=unit)


def test_bars_are_stacked_and_as_high_as_their_numbers() -> None:
    (_, x, room, bars), (_, _, _, none) = chart((3, 1), (0, 0)).bars()
    assert (x, room, none) == (0, WIDTH / 2, [])
    assert [bar.height for bar in bars] == [HEIGHT * 3 / 4, HEIGHT / 4]
    assert [bar.y for bar in bars] == [HEIGHT / 4, 0]
    assert bars[0].x > 0
    assert bars[0].x + bars[0].width < room


def test_lines_share_one_scale() -> None:
    drawn = chart((1, 4), (2, 2), lines=True, unit=" ms")
    assert drawn.top == 4
    assert drawn.paths() == ["M250.0 150.0 L750.0 100.0", "M250.0 0.0 L750.0 100.0"]
    assert drawn.scale() == ["4 ms", "2 ms", "0"]
    assert drawn.told(drawn.points[0]) == "p0: a 1 ms, b 4 ms"


def test_a_chart_of_one_series_says_its_number_alone() -> None:
    single = chart((1234.5,), (0.0,))
    assert single.told(single.points[0]) == "p0: 1,234.5"
    assert single.shares() == [(single.points[0], WIDTH), (single.points[1], 0)]
    assert chart((0,)).empty
    assert chart((0,)).shares() == [(Point("p0", (0,)), 0)]
    assert Chart("id", "", "", ("a",), []).empty


def test_labels_below_are_few() -> None:
    assert chart(*[(1,)] * 5).ticks() == ["p0", "p1", "p2", "p3", "p4"]
    assert chart(*[(1,)] * 31).ticks() == ["p0", "p8", "p15", "p22", "p30"]


def test_more_series_than_can_be_told_apart_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 6 series"):
        Chart("id", "", "", tuple("abcdefg"), [])


def total(app_id: str, start: int, calls: int, code: str = "ok") -> Total:
    return Total(app_id, start, "", code, calls, 0, calls, 0)


def test_of_many_apps_the_smallest_are_put_together() -> None:
    time = Time(date(2026, 11, 24), date(2026, 11, 25), ZONE)
    totals = [total(f"app{number}", time.since, 10 - number) for number in range(8)]
    drawn = by_app(HERE, time, totals, {"app0": "First"})
    assert drawn.series == ("First", "app1", "app2", "app3", "app4", "Others")
    assert len(drawn.series) == MOST_SERIES
    assert [point.label for point in drawn.points] == ["2026-11-24", "2026-11-25"]
    assert drawn.points[0].values == (10, 9, 8, 7, 6, 5 + 4 + 3)
    assert drawn.points[1].values == (0,) * 6
    assert sum(drawn.totals) == sum(each.calls for each in totals)
    assert len(by_app(HERE, time, totals[:6], {}).series) == 6


def test_hours_are_those_of_the_zone() -> None:
    time = Time(date(2026, 11, 24), date(2026, 11, 24), ZONE, hourly=True)
    assert len(time.starts()) == 24
    assert (time.label(time.since), time.span) == ("11-24 00:00", "hour")
    drawn = by_hour_of_day(HERE, time, [total("a", time.since + 9 * HOUR_MS, 3)])
    assert [point.label for point in drawn.points if any(point.values)] == ["09:00"]


def test_outcomes_are_ranked_and_in_plain_words() -> None:
    drawn = by_outcome(HERE, [total("a", 0, 1, "img"), total("a", 0, 5), total("a", 0, 2, "B403MQ")])
    assert [point.label for point in drawn.points] == [
        "Read", of_outcome("B403MQ").what[1], "The picture cannot be processed",
    ]  # fmt: skip
    assert of_outcome("sign_wrong").what[0]
    assert of_outcome("never heard of").what == ("never heard of", "never heard of")


def test_what_the_desk_refuses_is_said_in_chinese() -> None:
    assert spoken("A password has 10 to 200 characters") == (
        "密码需要 10 到 200 个字符。", "A password has 10 to 200 characters.",
    )  # fmt: skip
    assert spoken("Something new") == ("Something new", "Something new")


def test_why_a_notice_did_not_arrive_is_said_in_chinese() -> None:
    assert why_not_sent("status 502") == ("对方回答的状态码是 502", "status 502")
    assert why_not_sent("something new") == ("something new", "something new")


def test_every_deed_of_the_audit_log_has_words() -> None:
    code = "\n".join(path.read_text("utf-8") for path in (Path(ziyan.__file__).parent / "metering").glob("*.py"))
    kinds = "account|app|key|order|item|package|invoice|target|login|token|delivery"
    assert set(re.findall(rf'"((?:{kinds})\.(?!pdf)[a-z]+)"', code)) == set(DEEDS)
    assert deed("order.pay") == ("确认付款", "Marked an order paid")
    assert deed("never heard of") == ("never heard of", "never heard of")


def test_code_in_words_is_marked_where_it_can_be() -> None:
    assert outcome_name("not_base64") == tuple(text.replace("`", "") for text in of_outcome("not_base64").what)
    assert not any("`" in name for code in NATIVE for name in outcome_name(code))


def test_a_grace_is_said_as_it_was_chosen() -> None:
    assert [lasting(hours) for hours in (1, 24, 168)] == [
        ("1 小时", "1 hour"), ("24 小时", "24 hours"), ("7 天", "7 days"),
    ]  # fmt: skip


def test_the_same_cause_has_one_name_on_both_ways() -> None:
    pairs = {"quota_exhausted": "B403MQ", "subscription_expired": "B403ME", "rate_limited": "T429SR",
             "app_disabled": "I403AA", "fetch_failed": "url_download", "engine_timeout": "D504TO",
             "nonce_used": "S403NU"}  # fmt: skip
    for native, gateway in pairs.items():
        assert outcome_name(native) == outcome_name(gateway)
    assert outcome_name("quota_exhausted")[0] == "次数用完了"
    drawn = by_outcome(HERE, [total("a", 0, 2, "quota_exhausted"), total("a", 0, 5), total("a", 0, 4, "B403MQ")])
    assert [(point.label, point.values) for point in drawn.points] == [("No calls are left", (6,)), ("Read", (5,))]


def test_every_sentence_of_the_list_is_still_said_somewhere() -> None:
    """By its words before the first thing that changes."""
    from ziyan.web.spoken import _NOT_SENT, _SENTENCES

    modules = [path for path in Path(ziyan.__file__).parent.rglob("*.py") if path.name != "spoken.py"]
    code = re.sub(r'"\s*\n\s*f?"', "", "\n".join(path.read_text("utf-8") for path in modules))
    for pattern, chinese in (*_SENTENCES, *_NOT_SENT):
        words = re.split(r"\\S|\(|\\\.|\.\*|[0-9]", pattern)[0].strip("' ")
        assert len(words) < 4 or words in code, pattern
        assert re.search("[\u4e00-\u9fff]", chinese)
