from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace

import pytest

from tests.desk import operator
from tests.metering.calls import event, reserve, settle
from ziyan.errors import ConflictError, NotFoundError, QuotaError
from ziyan.metering import apps, ledger
from ziyan.metering.catalogue import DEFAULT, TRIAL_ITEM, Item, ensure_catalogue, list_items, put_item, retire_item
from ziyan.metering.credentials import register_app
from ziyan.metering.orders import (
    Order,
    cancel_order,
    get_order,
    list_orders,
    mark_paid,
    place_order,
    refund_order,
)
from ziyan.metering.packages import list_packages
from ziyan.metering.store import Store
from ziyan.metering.store import apps as app_table
from ziyan.metering.store import packages as table
from ziyan.settings import Settings


@pytest.fixture
def app_id(store: Store) -> str:
    ensure_catalogue(store)
    return register_app(store, "app").app.id


def ordered(store: Store, app_id: str) -> Order:
    return place_order(store, app_id, "calls-1m")


def test_the_default_catalogue_sells_a_million_calls_at_2_fen_for_two_years_and_a_trial(store: Store) -> None:
    ensure_catalogue(store)
    items = list_items(store)
    assert (items[0].calls, items[0].months, items[0].price_fen) == (1_000_000, 24, 2_000_000)
    assert items[0].price_fen // items[0].calls == 2
    assert (items[-1].id, items[-1].calls, items[-1].price_fen) == (TRIAL_ITEM.id, 50, 0)
    assert [item.id for item in items] == [item.id for item in DEFAULT]
    dearness = [item.price_fen / item.calls for item in items[:-1]]
    assert dearness == sorted(dearness)


def test_what_an_operator_made_of_the_catalogue_stays(store: Store) -> None:
    ensure_catalogue(store)
    changed = put_item(store, replace(DEFAULT[0], price_fen=1))
    retired = retire_item(store, "calls-1k")
    assert retire_item(store, "calls-1k") == retired
    ensure_catalogue(store)
    assert changed in list_items(store)
    assert "calls-1k" not in [item.id for item in list_items(store)]
    assert retired in list_items(store, retired=True)
    assert put_item(store, retired).retired_at is None
    with pytest.raises(NotFoundError):
        retire_item(store, "nothing")


@pytest.mark.parametrize("wrong", [{"calls": 0}, {"months": 0}, {"price_fen": -1}])
def test_an_item_has_calls_months_and_a_price(store: Store, wrong: dict[str, int]) -> None:
    with pytest.raises(ConflictError):
        put_item(store, replace(Item("x", "x", 1, 1, 1), **wrong))


def test_a_paid_order_makes_its_package_exactly_once(store: Store, app_id: str) -> None:
    order = ordered(store, app_id)
    assert (order.state, order.price_fen, list_packages(store, app_id)) == ("pending", 2_000_000, [])
    with ThreadPoolExecutor(8) as pool:
        paid = list(pool.map(lambda _: mark_paid(store, order.id, reference="bank 7"), range(8)))
    assert {(each.state, each.reference) for each in paid} == {("paid", "bank 7")}
    (package,) = list_packages(store, app_id)
    assert (package.order_id, package.calls, package.valid_from) == (order.id, 1_000_000, paid[0].paid_at)
    assert get_order(store, order.id) == paid[0]
    assert store.transact(lambda connection: table.of_order(connection, order.id)) == package
    assert store.transact(lambda connection: table.of_order(connection, "none")) is None


def test_an_order_keeps_what_was_sold(store: Store, app_id: str) -> None:
    order = ordered(store, app_id)
    put_item(store, replace(DEFAULT[0], calls=5, price_fen=7))
    mark_paid(store, order.id)
    assert list_packages(store, app_id)[0].calls == 1_000_000


def test_an_order_that_was_cancelled_is_not_paid_any_more(store: Store, app_id: str) -> None:
    order = ordered(store, app_id)
    assert cancel_order(store, order.id).state == "cancelled"
    for act in (mark_paid, cancel_order, lambda *args: refund_order(*args, fen=0)):
        with pytest.raises(ConflictError, match="cancelled"):
            act(store, order.id)
    assert list_packages(store, app_id) == []


async def test_a_refund_closes_the_package_and_honours_calls_under_way(store: Store, app_id: str) -> None:
    order = ordered(store, app_id)
    with pytest.raises(ConflictError, match="pending"):
        refund_order(store, order.id, fen=0)
    mark_paid(store, order.id)
    package = await reserve(store, app_id, "under way")
    for fen in (-1, order.price_fen + 1):
        with pytest.raises(ConflictError, match="paid back"):
            refund_order(store, order.id, fen=fen)
    refunded = refund_order(store, order.id, fen=1_500_000)
    assert (refunded.state, refunded.refunded_fen) == ("refunded", 1_500_000)
    with pytest.raises(QuotaError):
        await reserve(store, app_id, "too late")
    assert await settle(store, event(app_id, package, call="under way")) == 0
    assert list_packages(store, app_id)[0].consumed == 1
    assert ledger.check(store).differences == ()


def test_what_is_not_there_cannot_be_ordered_or_paid(store: Store, app_id: str) -> None:
    for app, item in (("nobody", "calls-1m"), (app_id, "nothing")):
        with pytest.raises(NotFoundError):
            place_order(store, app, item)
    retire_item(store, "calls-1k")
    with pytest.raises(ConflictError):
        place_order(store, app_id, "calls-1k")
    with pytest.raises(NotFoundError):
        mark_paid(store, "nothing")
    assert get_order(store, "nothing") is None


def test_what_is_free_is_had_once_by_an_account(store: Store, app_id: str) -> None:
    account_id = store.transact(lambda connection: app_table.all_apps(connection))[0].account_id
    person = operator(store)
    second = person.do(lambda desk: apps.create_app(desk, "second", account_id=account_id)).id
    foreign = register_app(store, "foreign").app.id

    def try_it(app: str) -> Order | None:
        with suppress(ConflictError):
            return place_order(store, app, TRIAL_ITEM.id)
        return None

    with ThreadPoolExecutor(8) as pool:
        placed = [each for each in pool.map(try_it, [app_id, second] * 8) if each]
    assert len(placed) == 1
    with pytest.raises(ConflictError, match="free: an account has it once"):
        place_order(store, second, TRIAL_ITEM.id)
    assert try_it(foreign)
    cancel_order(store, placed[0].id)
    (again,) = [each for each in (try_it(second), try_it(app_id)) if each]
    mark_paid(store, again.id)
    refund_order(store, again.id, fen=0)
    assert try_it(app_id) is None
    put_item(store, replace(TRIAL_ITEM, price_fen=1))
    assert place_order(store, app_id, TRIAL_ITEM.id) != place_order(store, app_id, TRIAL_ITEM.id)


def test_orders_are_listed_newest_first_and_by_account(store: Store, app_id: str) -> None:
    another = register_app(store, "another").app
    orders = [ordered(store, app_id), place_order(store, another.id, "calls-1k")]
    assert {each.id for each in list_orders(store)} == {each.id for each in orders}
    assert [each.id for each in list_orders(store, another.account_id)] == [orders[1].id]


def test_the_zone_is_a_setting(settings: Settings) -> None:
    store = Store.open(settings.model_copy(update={"timezone": "UTC"}))
    assert str(store.zone) == "UTC"
    store.close()
