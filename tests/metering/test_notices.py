from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import Connection, event, select

from tests.desk import set_app_disabled
from tests.metering.calls import change
from tests.metering.conftest import Clock, moment
from tests.metering.test_statements import buy, call
from ziyan.errors import ConflictError, InvalidRequestError, NotFoundError
from ziyan.metering import notices, orders, packages
from ziyan.metering.channels import Address
from ziyan.metering.credentials import App, register_app
from ziyan.metering.notice_texts import message
from ziyan.metering.notices import (
    Notice,
    add_target,
    inbox,
    list_targets,
    mark_read,
    remove_target,
    send_test,
    set_thresholds,
)
from ziyan.metering.store import Store, schema
from ziyan.metering.store import notices as table
from ziyan.metering.store.notices import Delivery
from ziyan.metering.store.slices import Asked
from ziyan.metering.times import DAY_MS

ROBOT = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=693a91f6-7xxx-4bc4-97a0-0ec2sifa5aaa"


@pytest.fixture
def app(store: Store, clock: Clock) -> App:
    return register_app(store, "发票归档").app


def told(store: Store, app: App) -> list[tuple[str, dict[str, Any]]]:
    """Kind and details of each notice, oldest first."""
    found = [(notice.kind, json.loads(notice.details)) for notice in inbox(store, app.account_id)[::-1]]
    for _, details in found:
        assert details.pop("app_name") == app.name
    return found


def look(store: Store, clock: Clock) -> int:
    return store.transact(lambda connection: notices.look(connection, clock.moment), write=True)


def use(store: Store, app: App, clock: Clock, calls: int) -> None:
    for _ in range(calls):
        clock.moment += 1
        assert call(store, app.id, clock)


# --- thresholds -----------------------------------------------------------------------------------------------


def test_each_threshold_is_told_once_with_the_call_that_reaches_it(store: Store, app: App, clock: Clock) -> None:
    packages.grant(store, app.id, 50)
    use(store, app, clock, 39)
    assert told(store, app) == []
    use(store, app, clock, 1)
    low = ("calls_low", {"percent": 20, "left": 10, "of": 50})
    assert told(store, app) == [low]
    use(store, app, clock, 10)
    assert told(store, app) == [
        low,
        ("calls_low", {"percent": 5, "left": 2, "of": 50}),
        ("calls_gone", {"percent": 0, "left": 0, "of": 50}),
    ]
    assert look(store, clock) == 0


def test_a_renewal_arms_thresholds_again_and_counts_what_was_left(store: Store, app: App, clock: Clock) -> None:
    packages.grant(store, app.id, 10, months=1)
    use(store, app, clock, 8)
    buy(store, app.id, 13, 2, 100)
    use(store, app, clock, 12)
    assert told(store, app) == [
        ("calls_low", {"percent": 20, "left": 2, "of": 10}),
        ("calls_low", {"percent": 20, "left": 3, "of": 15}),
    ]


def test_of_thresholds_that_fall_together_the_lowest_is_told(store: Store, app: App, clock: Clock) -> None:
    packages.grant(store, app.id, 3)
    use(store, app, clock, 3)
    assert told(store, app) == [("calls_gone", {"percent": 0, "left": 0, "of": 3})]


def test_thresholds_are_each_apps_own(store: Store, app: App, clock: Clock) -> None:
    silent = register_app(store, "silent").app
    set_thresholds(store, app.id, percents=[90, 50, 50], days=[3, 30])
    set_thresholds(store, silent.id, percents=[], days=[])
    for each in (app, silent):
        packages.grant(store, each.id, 10, months=1)
        use(store, each, clock, 5)
    assert [details["percent"] for _, details in told(store, app)] == [90, 50]
    assert look(store, clock) == 0
    clock.moment += DAY_MS
    assert look(store, clock) == 1
    clock.moment += 28 * DAY_MS
    assert look(store, clock) == 1
    assert [details.get("days") for _, details in told(store, app)[2:]] == [30, 3]
    assert told(store, silent) == []


@pytest.mark.parametrize(
    ("percents", "days"), [([101], []), ([-1], []), ([], [0]), ([], [367]), (range(11), []), ([], range(1, 12))]
)
def test_thresholds_that_are_none_are_refused(store: Store, app: App, percents: Any, days: Any) -> None:
    with pytest.raises(ConflictError):
        set_thresholds(store, app.id, percents=percents, days=days)
    with pytest.raises(NotFoundError):
        set_thresholds(store, "nobody", percents=[], days=[])


def test_an_ordinary_commit_only_reads_once(store: Store, app: App, clock: Clock) -> None:
    packages.grant(store, app.id, 50)
    statements: list[str] = []

    def work(connection: Connection) -> None:
        event.listen(connection, "before_cursor_execute", lambda *given: statements.append(given[2]))
        notices.after_commit(connection, app.id, clock.moment)
        notices.after_commit(connection, "nobody", clock.moment)

    store.transact(work, write=True)
    assert [statement.split()[0] for statement in statements] == ["SELECT", "SELECT"]


def test_a_commit_that_is_rolled_back_tells_nothing(store: Store, app: App, clock: Clock) -> None:
    package = packages.grant(store, app.id, 50)
    change(store, package, consumed=40)

    def work(connection: Connection) -> None:
        notices.after_commit(connection, app.id, clock.moment)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        store.transact(work, write=True)
    assert told(store, app) == []


def test_of_several_commits_that_reach_a_threshold_one_tells(store: Store, app: App, clock: Clock) -> None:
    change(store, packages.grant(store, app.id, 50), consumed=40)
    for _ in range(3):
        store.transact(lambda connection: notices.after_commit(connection, app.id, clock.moment), write=True)
    assert [details["left"] for _, details in told(store, app)] == [10]


# --- looking --------------------------------------------------------------------------------------------------


def test_expiry_is_told_once_a_week_before(store: Store, app: App, clock: Clock) -> None:
    package = packages.grant(store, app.id, 50, months=1)
    used = packages.grant(store, app.id, 5, months=1)
    change(store, used, consumed=5)
    clock.moment = package.valid_to - 7 * DAY_MS - 1
    assert look(store, clock) == 0
    clock.moment += 1
    assert (look(store, clock), look(store, clock)) == (1, 0)
    details = {"days": 7, "left": 50, "expires_at": package.valid_to, "package_id": package.id}
    assert told(store, app) == [("expiring", details)]
    clock.moment = package.valid_to
    assert look(store, clock) == 1
    assert told(store, app)[1] == ("calls_gone", {"percent": 0, "left": 0, "of": 55})


def test_what_commits_could_not_see_is_found(store: Store, app: App, clock: Clock) -> None:
    package = packages.grant(store, app.id, 50)
    change(store, package, consumed=49)  # as if two packages had been used at one moment
    assert look(store, clock) == 1
    assert told(store, app) == [("calls_low", {"percent": 5, "left": 1, "of": 50})]


def test_a_refund_is_found_and_falls_back_to_the_package_before(store: Store, app: App, clock: Clock) -> None:
    kept = packages.grant(store, app.id, 10)
    change(store, kept, consumed=9)
    clock.moment += 1
    order = buy(store, app.id, 100, 1, 100)
    assert look(store, clock) == 0
    orders.refund_order(store, order.id, fen=100)
    assert look(store, clock) == 1
    assert told(store, app) == [("calls_low", {"percent": 20, "left": 1, "of": 10})]


def test_old_stories_and_disabled_apps_are_left_alone(store: Store, app: App, clock: Clock) -> None:
    package = packages.grant(store, app.id, 10, months=1)
    disabled = register_app(store, "disabled").app
    packages.grant(store, disabled.id, 10, months=1)
    set_app_disabled(store, disabled.id, disabled=True)
    clock.moment = package.valid_to + 8 * DAY_MS
    assert look(store, clock) == 0


def test_many_notices_are_found_in_pieces(store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ziyan.metering.store.notices._CHUNK", 2)
    apps = [register_app(store, str(number)).app for number in range(5)]
    for each in apps:
        change(store, packages.grant(store, each.id, 10), consumed=10)
    assert (look(store, clock), look(store, clock)) == (5, 0)


# --- the inbox ------------------------------------------------------------------------------------------------


def test_the_inbox_is_read(store: Store, app: App, clock: Clock) -> None:
    packages.grant(store, app.id, 50)
    use(store, app, clock, 50)
    last, *_ = found = inbox(store, app.account_id)
    assert [notice.created_at for notice in found] == sorted((notice.created_at for notice in found), reverse=True)
    assert mark_read(store, "another", [last.id]) == 0
    assert (mark_read(store, app.account_id, [last.id]), mark_read(store, app.account_id, [last.id])) == (1, 0)
    assert inbox(store, app.account_id, unread=True) == found[1:]
    assert inbox(store, app.account_id, limit=1)[0].read_at == clock.moment
    assert (mark_read(store, app.account_id), inbox(store, app.account_id, unread=True)) == (2, [])


def test_every_kind_has_a_text_in_both_languages(store: Store) -> None:
    details = {
        "calls_low": {"app_name": "甲{0}\n乙", "percent": 20, "left": 10_000, "of": 50_000},
        "calls_gone": {"app_name": "甲{0}\n乙", "percent": 0, "left": 0, "of": 50_000},
        "expiring": {"app_name": "甲{0}\n乙", "days": 7, "left": 10_000, "expires_at": moment(2026, 12, 1)},
        "test": {"target": "甲{0}\n乙"},
    }
    shown = {
        kind: message(Notice("id", "account", None, "", kind, json.dumps(facts), 0), store.zone)
        for kind, facts in details.items()
    }
    assert all("甲{0}" in each.text and "\n" not in each.title and "Ziyan" in each.text for each in shown.values())
    assert shown["calls_low"].title == "【字眼】应用“甲{0} 乙”剩余次数不超过 20%"
    assert "2026-12-01 00:00" in shown["expiring"].text
    assert "10,000" in shown["expiring"].title


# --- targets --------------------------------------------------------------------------------------------------


def deliveries(store: Store, account_id: str) -> list[Delivery]:
    return store.transact(lambda connection: table.deliveries_page(connection, Asked(), account_id)).items


def waiting(store: Store) -> list[str]:
    """The targets that something is on its way to."""
    statement = select(schema.outbox.c.target_id).where(schema.outbox.c.state == "waiting")
    return store.transact(lambda connection: sorted(connection.execute(statement).scalars()))


def test_a_notice_is_on_its_way_to_every_target_it_concerns(store: Store, app: App, clock: Clock) -> None:
    other = register_app(store, "other").app
    store.transact(
        lambda connection: connection.execute(schema.apps.update().values(account_id=app.account_id)), write=True
    )
    of_all = add_target(store, app.account_id, "mail", "all@example.com")
    of_app = add_target(store, app.account_id, "webhook", "https://example.com/hook", app_id=app.id)
    add_target(store, app.account_id, "robot", ROBOT, app_id=other.id)
    add_target(store, other.id, "mail", "other@example.com")
    gone = add_target(store, app.account_id, "mail", "gone@example.com")
    remove_target(store, app.account_id, gone.id)
    packages.grant(store, app.id, 1)
    use(store, app, clock, 1)
    assert waiting(store) == sorted([of_all.id, of_app.id])
    remove_target(store, app.account_id, of_all.id)
    assert waiting(store) == [of_app.id]
    found = deliveries(store, app.account_id)
    assert {(each.target_id, each.state, each.attempts, each.error) for each in found} == {
        (of_all.id, "failed", 0, "the target was disabled"),
        (of_app.id, "waiting", 0, ""),
    }
    assert deliveries(store, other.account_id) == []


def test_targets_are_shown_again_and_lie_encrypted(store: Store, app: App) -> None:
    added = [
        add_target(store, app.account_id, "mail", " me@example.com ", name="财务"),
        add_target(store, app.account_id, "webhook", "http://example.com:8080/a?b=c"),
        add_target(store, app.account_id, "robot", ROBOT),
    ]
    assert sorted(list_targets(store, app.account_id), key=lambda each: each.id) == sorted(
        added, key=lambda each: each.id
    )
    assert [(each.name, each.address.url) for each in added[:2]] == [
        ("财务", "me@example.com"),
        ("webhook", "http://example.com:8080/a?b=c"),
    ]
    assert added[1].address.secret.startswith("whsec_")
    stored = store.transact(lambda connection: connection.execute(select(schema.targets.c.sealed)).scalars().all())
    assert not any(b"example.com" in each for each in stored)
    remove_target(store, app.account_id, added[0].id)
    assert [each.disabled for each in list_targets(store, app.account_id) if each.id == added[0].id] == [True]


@pytest.mark.parametrize(
    ("kind", "url", "secret"),
    [
        ("mail", "nobody", ""),
        ("mail", "a@example.com,b@example.com", ""),
        ("mail", "a@example.com\r\nBcc: b@example.com", ""),
        ("mail", "我@example.com", ""),
        ("webhook", "ftp://example.com", ""),
        ("webhook", "https://example.com/a b", ""),
        ("webhook", "https://example.com/" + "a" * 1000, ""),
        ("robot", "https://example.com/robot/send?access_token=0123456789abcdef", ""),
        ("robot", ROBOT + "/../x", ""),
        ("robot", ROBOT, "SEC0123"),
        ("robot", "https://oapi.dingtalk.com/robot/send?access_token=0123456789abcdef", "a/b"),
        ("pigeon", "coo", ""),
    ],
)
def test_an_address_of_the_wrong_kind_is_refused(store: Store, app: App, kind: Any, url: str, secret: str) -> None:
    with pytest.raises(InvalidRequestError):
        add_target(store, app.account_id, kind, url, secret=secret)
    assert list_targets(store, app.account_id) == []


def test_targets_are_an_accounts_own_and_few(store: Store, app: App) -> None:
    other = register_app(store, "other").app
    mine = add_target(store, app.account_id, "mail", "me@example.com")
    for refused in (
        lambda: add_target(store, "nobody", "mail", "me@example.com"),
        lambda: add_target(store, app.account_id, "mail", "me@example.com", app_id=other.id),
        lambda: add_target(store, app.account_id, "mail", "me@example.com", app_id="nobody"),
        lambda: remove_target(store, other.account_id, mine.id),
        lambda: send_test(store, other.account_id, mine.id),
    ):
        with pytest.raises(NotFoundError):
            refused()
    with pytest.raises(InvalidRequestError, match="name"):
        add_target(store, app.account_id, "mail", "me@example.com", name="a\x00")
    remove_target(store, app.account_id, mine.id)
    for refused in (
        lambda: remove_target(store, app.account_id, mine.id),
        lambda: send_test(store, app.account_id, mine.id),
    ):
        with pytest.raises(NotFoundError):
            refused()
    for _ in range(20):
        add_target(store, app.account_id, "mail", "me@example.com")
    with pytest.raises(ConflictError, match="at most 20"):
        add_target(store, app.account_id, "mail", "me@example.com")


def test_no_secret_is_shown_by_accident() -> None:
    assert repr(Address("https://example.com/token", "secret")) == "Address()"
