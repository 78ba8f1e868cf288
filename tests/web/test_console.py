"""The buyers' console over HTTP: its numbers are the ledger's, and nobody sees what is another's."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from urllib.parse import quote

import pytest
from sqlalchemy import select, update

from tests.api.conftest import Service, service, service_with
from tests.desk import operator
from tests.people import Client, Page, buyer_login, fresh
from tests.web.shop import COMPANY, Shop, furnished
from ziyan.fetch import Fetcher
from ziyan.metering import apps, inbox, invoices, papers, selling
from ziyan.metering.catalogue import TRIAL_ITEM
from ziyan.metering.credentials import credentials
from ziyan.metering.desk import Desk
from ziyan.metering.invoices import Wanted
from ziyan.metering.ledger import check
from ziyan.metering.notices import send_test_in
from ziyan.metering.packages import grant, list_packages
from ziyan.metering.store import audit, schema
from ziyan.metering.store.notices import Delivery, deliveries_page
from ziyan.metering.store.slices import Asked
from ziyan.metering.usage import totals
from ziyan.web import signing_in
from ziyan.web.console.routes import console_routes
from ziyan.web.rooms import Room

__all__ = ["service", "service_with"]

NAMES = iter(f"company{number}@example.com" for number in range(1000))
#: The first day of 2100.
FAR = 4_102_444_800_000
EVIL = "<script>alert(1)</script>"


@pytest.fixture(scope="module", autouse=True)
def patient() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signing_in.Rate, "wait", lambda *_: 0)
        yield


@pytest.fixture(scope="module")
def shared_service(both_services: Service) -> Service:
    return both_services


@pytest.fixture(scope="module")
def shop(shared_service: Service) -> Shop:
    return furnished(shared_service.store, next(NAMES))


def signed_in(service: Service, name: str) -> Client:
    client = Client(service.port)
    assert client.sign_in(name, fresh().text).status == 303
    return client


@pytest.fixture(scope="module")
def buyer(shared_service: Service, shop: Shop, patient: None) -> Client:
    return signed_in(shared_service, shop.login.name)


# --- the numbers ----------------------------------------------------------------------------------------------


def test_what_is_left_and_used_is_what_the_ledger_has(service: Service, shop: Shop, buyer: Client) -> None:
    page = buyer.ask("/console")
    assert COMPANY in page.plain
    for app in shop.apps:
        left = sum(package.left for package in list_packages(service.store, app.id))
        assert re.search(rf'data-left="{app.id}">([\d,]+) ', page.text)[1] == f"{left:,}"
    sums = totals(service.store, span="day", since=0, until=1 << 50, account_id=shop.login.account_id)
    billed = sum(total.billed for total in sums)
    for path in ("/console", "/console/usage", "/console/usage?by=hour&from=2000-01-01"):
        shown = int(re.search(r"data-billed>([\d,]+)<", buyer.ask(path).text)[1].replace(",", ""))
        assert (shown == billed) if "hour" not in path else 0 < shown < billed
    assert check(service.store).differences == ()


def test_each_bar_has_its_number_in_the_table_behind_it(service: Service, shop: Shop, buyer: Client) -> None:
    page = buyer.ask("/console/usage")
    sums = totals(service.store, span="day", since=0, until=1 << 50, account_id=shop.login.account_id)
    assert f"<b>{sum(t.billed for t in sums):,}</b>" in page.text
    told = re.findall(r'data-told="([\d-]+): 计费 (\d+), 未计费 (\d+)"', page.text)
    assert len(told) == 30
    for label, billed, free in told:
        assert re.search(
            rf'<th scope="row">{label}</th><td class="right">{billed}</td><td class="right">{free}</td>', page.text
        )
    assert sum(int(billed) for _, billed, _ in told) == sum(t.billed for t in sums)
    failed = buyer.ask(f"/console/usage?app={shop.apps[1].id}&lang=en")
    assert "In all 53 calls, 48 of them billed." in failed.plain


def rows(page: Page) -> list[list[str]]:
    assert page.headers["content-type"].startswith("text/csv")
    return list(csv.reader(io.StringIO(page.text.removeprefix("\ufeff"))))


def test_a_table_sorts_filters_pages_and_exports_what_is_shown(shop: Shop, buyer: Client) -> None:
    everything = rows(buyer.ask("/console/usage?csv=1"))[1:]
    assert len(everything) > 25
    assert "第 2 页" in buyer.ask("/console/usage?page=2").plain
    assert "第 2 页" in buyer.ask("/console/usage?page=99").plain
    for odd in ("page=-1", "page=x", "page=²", "sort=nothing", "q=", "after=nonsense"):
        assert buyer.ask(f"/console/usage?{odd}".replace("²", quote("²"))).status == 200
    few = rows(buyer.ask(f"/console/usage?csv=1&q={quote('手机端')}&sort=-calls"))[1:]
    assert {row[1] for row in few} == {"手机端"}
    calls = [int(row[3]) for row in few]
    assert calls == sorted(calls, reverse=True)
    assert [row[1] for row in rows(buyer.ask("/console/usage?csv=1&sort=app"))[1:]] == sorted(
        row[1] for row in everything
    )
    up = [int(row[3]) for row in rows(buyer.ask("/console/usage?csv=1&sort=calls"))[1:]]
    assert up == sorted(up)
    page = buyer.ask(f"/console/usage?sort=-calls&q={quote(EVIL)}&lang=en")
    assert "Nothing contains" in page.plain
    assert EVIL not in page.text
    assert 'aria-sort="descending"' in buyer.ask("/console/usage?sort=-calls").text
    assert "sort=calls" in buyer.ask("/console/usage?sort=-calls").text


def test_calls_that_failed_are_explained(buyer: Client, shop: Shop) -> None:
    page = buyer.ask("/console/calls")
    for words in ("这个网址的图片下载不下来", "次数用完了", "调用太快了", "回答送到之前，调用方就断开了"):
        assert words in page.plain
    found = rows(buyer.ask("/console/calls?csv=1"))
    assert len(found) == 11
    assert found[1][2] == "这个网址的图片下载不下来"
    assert {row[1] for row in rows(buyer.ask(f"/console/calls?csv=1&app={shop.apps[1].id}"))[1:]} == {"手机端"}


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize(
    "path",
    ["", "/packages", "/usage", "/usage?by=hour", "/calls", "/keys", "/orders", "/inbox", "/inbox?unread=1", "/notices",
     "/statements", "/invoices"],
)  # fmt: skip
def test_a_page_holds_nothing_inline_and_speaks_one_language(buyer: Client, path: str, language: str) -> None:
    page = buyer.ask(f"/console{path}{'&' if '?' in path else '?'}lang={language}")
    assert page.status == 200
    assert not re.search(r'\sstyle="|\son[a-z]+="|<style|javascript:', page.text)
    assert "http" not in page.text.replace("https:// 或 http://", "").replace(f"http://127.0.0.1:{buyer.port}", "")
    if language == "en":
        inside = re.findall(r'(?:href|action)="(/console[^"]*)"', page.text)
        assert inside
        assert all("lang=en" in each or "lang=zh" in each for each in inside)


# --- keys -----------------------------------------------------------------------------------------------------


def key_of(service: Service, shop: Shop, kind: str) -> tuple[str, str, str]:
    key = next(each for each in credentials(service.store, shop.apps[0].id) if each.kind == kind)
    return key.id, key.identifier, key.secret


def test_a_key_is_masked_until_the_password_is_given_and_that_is_logged(
    service: Service, shop: Shop, buyer: Client
) -> None:
    app_id = shop.apps[0].id
    for kind in ("appcode", "appkey", "appid"):
        key_id, identifier, secret = key_of(service, shop, kind)
        page = buyer.ask("/console/keys")
        assert (identifier in page.text) == (kind != "appcode")
        assert not secret or secret not in page.text
        path = f"/console/keys/{app_id}/{key_id}/reveal"
        wrong = buyer.send("/console/keys", path, password="wrong")
        assert (wrong.status, "密码不对" in wrong.plain) == (422, True)
        assert not secret or secret not in wrong.text
        page = buyer.send("/console/keys", path, password=fresh().text)
        assert identifier in page.text
        assert secret in page.text
        assert page.headers["cache-control"] == "no-store"
        logged = service.store.transact(lambda c, key_id=key_id: audit.page(c, Asked(), object_id=key_id)).items
        assert [(each.action, each.actor) for each in logged] == [
            ("key.reveal", f"login {shop.login.id} {shop.login.name}")
        ]


def test_keys_are_made_rotated_and_revoked(service: Service, shop: Shop, buyer: Client) -> None:
    base = f"/console/keys/{shop.apps[1].id}"
    for kind, digest in (("appcode", ""), ("appkey", "HmacSHA256"), ("appid", "md5"), ("appid-hmac", "HMAC-SHA256")):
        page = buyer.send("/console/keys", base, kind=kind)
        identifier = re.search(r'id="fresh-identifier">(\w+)<', page.text)[1]
        assert digest in page.text
        key = next(each for each in credentials(service.store, shop.apps[1].id) if each.identifier == identifier)
        for grace in ("24", "0", "nonsense"):
            page = buyer.send("/console/keys", f"{base}/{key.id}/rotate", grace=grace)
            assert page.status == 200
            new = re.search(r'id="fresh-identifier">(\w+)<', page.text)[1]
            works = {each.identifier for each in credentials(service.store, shop.apps[1].id)}
            assert (key.identifier in works) == (grace != "0")
            again = buyer.send("/console/keys", f"{base}/{key.id}/rotate", grace=grace)
            assert again.status == 409
            key = next(each for each in credentials(service.store, shop.apps[1].id) if each.identifier == new)
        assert buyer.send("/console/keys", f"{base}/{key.id}/revoke").status == 303
        assert "已吊销" in buyer.ask("/console/keys").plain
        assert key.identifier not in {each.identifier for each in credentials(service.store, shop.apps[1].id)}


# --- buying ---------------------------------------------------------------------------------------------------


def test_an_order_is_placed_and_cancelled(service: Service, shop: Shop, buyer: Client) -> None:
    item = shop.orders[0].item_id
    placed = buyer.send("/console/orders", "/console/orders", app=shop.apps[1].id, item=item)
    path = placed.headers["location"]
    page = buyer.ask(path)
    assert "订单已提交" in page.plain
    assert "怎么付款" in page.plain
    assert buyer.send(path, f"{path}/cancel").headers["location"] == "/console/orders"
    assert "已取消" in buyer.ask(path).plain
    again = buyer.send("/console/orders", f"{path}/cancel")
    assert (again.status, "不能取消" in again.plain) == (409, True)
    assert buyer.send("/console/orders", "/console/orders", app=shop.apps[1].id, item="nothing").status == 404
    assert "申请发票" in buyer.ask(f"/console/orders/{shop.orders[0].id}").plain
    assert rows(buyer.ask("/console/orders?csv=1"))[0][4] == "金额（分）"
    assert len(rows(buyer.ask("/console/packages?csv=1"))) == 3


def test_what_is_free_is_not_to_be_paid_and_had_once(service: Service) -> None:
    shop = furnished(service.store, next(NAMES))
    buyer = signed_in(service, shop.login.name)
    assert "免费，不用付款；每个账户只能领一次" in buyer.ask("/console/orders").plain
    wanted = {"app": shop.apps[1].id, "item": TRIAL_ITEM.id}
    path = buyer.send("/console/orders", "/console/orders", **wanted).headers["location"]
    page = buyer.ask(path).plain
    assert "不用付款，由运营人员确认" in page
    assert "这个套餐免费，不用付款" in page
    assert "怎么付款" not in page
    refused = buyer.send("/console/orders", "/console/orders", **wanted)
    assert (refused.status, "免费套餐每个账户只能领一次" in refused.plain) == (409, True)
    assert refused.text.count('<details class="ask-once" open>') == 1
    order_id = path.partition("?")[0].rpartition("/")[2]
    operator(service.store).do(lambda desk: selling.pay_order(desk, order_id))
    assert "申请发票" not in buyer.ask(path).plain
    page = buyer.ask("/console/invoices").text
    assert order_id not in page
    assert shop.orders[0].id in page


# --- notices --------------------------------------------------------------------------------------------------


def test_notices_are_read_and_sent_elsewhere(service: Service, shop: Shop, buyer: Client) -> None:
    assert "剩余次数不超过 5%" in buyer.ask("/console/inbox").plain
    assert "5 % or less" in buyer.ask("/console/inbox?lang=en").plain
    one = re.search(r'name="id" value="(\w+)"', buyer.ask("/console/inbox").text)[1]
    assert buyer.send("/console/inbox", "/console/inbox/read", id=one).status == 303
    assert one not in buyer.ask("/console/inbox").text
    buyer.send("/console/inbox", "/console/inbox/read")
    assert "没有未读" in buyer.ask("/console/inbox?unread=1").plain
    add = "/console/notices/targets"
    for kind, url, words in (("mail", "li@x.cn", "不发邮件"), ("webhook", "ftp:", "https://"), ("robot", "x", "钉钉"),
                             ("pigeon", "x", "通知方式")):  # fmt: skip
        page = buyer.send("/console/notices", add, kind=kind, url=url, name=EVIL)
        assert (page.status, words in page.plain) == (422, True)
        assert EVIL not in page.text
    page = buyer.send(
        "/console/notices", add, kind="webhook", url="https://hooks.example/x", name="告警", app=shop.apps[0].id
    )
    assert "whsec_" in page.text
    assert "whsec_" not in buyer.ask("/console/notices").text
    assert "hooks.example" not in buyer.ask("/console/notices").text
    account_id = shop.login.account_id or ""
    target = operator(service.store).do(lambda desk: inbox.list_targets(desk, account_id))[0]
    assert buyer.send("/console/notices", f"{add}/{target.id}/test").status == 303
    assert "测试通知已发出" in buyer.ask("/console/notices").plain
    assert buyer.send("/console/notices", f"{add}/{target.id}/remove").status == 303
    assert "还没有发出过" not in buyer.ask("/console/notices").plain


def test_a_target_that_nothing_can_arrive_at_is_warned_of(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    login = buyer_login(service.store, next(NAMES))
    buyer, account_id = signed_in(service, login.name), login.account_id or ""
    add = "/console/notices/targets"
    page = buyer.send("/console/notices", add, kind="webhook", url="http://10.0.0.1/hook", name="inside")
    assert page.status == 200
    assert "现在发不到这里：这个地址是内部网络，不允许访问。" in page.plain
    robot = "https://open.feishu.cn/open-apis/bot/v2/hook/0123456789abcdef"
    buyer.send("/console/notices", add, kind="robot", url=robot, name="group")
    buyer.send("/console/notices", add, kind="webhook", url="http://93.184.216.34/hook", name="outside")
    page = buyer.ask("/console/notices?lang=en")
    assert page.plain.count("Nothing arrives there as things are") == 1
    assert "The address leads into a private network." in page.plain

    async def never(_: Fetcher, __: str) -> str:
        raise TimeoutError

    monkeypatch.setattr(Fetcher, "refusal", never)
    assert "现在发不到这里" not in buyer.ask("/console/notices").plain
    person = operator(service.store)
    person.do(lambda desk: inbox.add_target(desk, account_id, "mail", "li@example.com", name="mail"))
    assert "现在发不到这里：这台服务不发邮件。" in buyer.ask("/console/notices").plain


def deliveries_of(service: Service, account_id: str) -> list[Delivery]:
    return service.store.transact(lambda connection: deliveries_page(connection, Asked(), account_id)).items


def test_how_a_notice_fares_is_shown_and_what_was_given_up_is_sent_again(service: Service) -> None:
    shop = furnished(service.store, next(NAMES))
    buyer, account_id, store = signed_in(service, shop.login.name), shop.login.account_id or "", service.store
    about = {"url": "https://hooks.example/x", "name": "告警", "app_id": shop.apps[1].id}
    target = operator(store).do(lambda desk: inbox.add_target(desk, account_id, "webhook", **about))

    def send(desk: Desk) -> None:
        """Have it wait for long: the service sends what is due."""
        send_test_in(desk.connection, account_id, target.id)
        mine = schema.outbox.c.target_id == target.id
        desk.connection.execute(update(schema.outbox).where(mine).values(next_at=FAR))

    operator(store).do(send)
    sent = deliveries_of(service, account_id)[0]
    page = buyer.ask("/console/notices").plain
    assert "在路上" in page
    assert "测试 · 手机端 告警" in page
    assert "这是发往“告警”的一条测试" in buyer.ask("/console/inbox").plain

    def fares(**changed: object) -> None:
        outbox = schema.outbox
        change = update(outbox).where(outbox.c.id == sent.id).values(**changed)
        store.transact(lambda connection: connection.execute(change), write=True)

    fares(attempts=2, error="status 503", next_at=FAR)
    page = buyer.ask("/console/notices").plain
    assert "没送到，会再试 对方回答的状态码是 503 2 2100-01-01 08:00" in page
    path = f"/console/notices/deliveries/{sent.id}/retry"
    assert path not in buyer.ask("/console/notices").text
    early = buyer.send("/console/notices", path)
    assert (early.status, "只有已放弃的通知才能重发" in early.plain) == (409, True)
    fares(attempts=12, state="failed")
    assert f'action="{path}"' in buyer.ask("/console/notices").text
    assert buyer.send("/console/notices", path).status == 303
    assert "已重新发往“告警”" in buyer.ask("/console/notices").plain
    assert (deliveries_of(service, account_id)[0].state, deliveries_of(service, account_id)[0].attempts) == (
        "waiting",
        0,
    )
    fares(attempts=12, state="failed")
    operator(store).do(lambda desk: inbox.remove_target(desk, account_id, target.id))
    assert path not in buyer.ask("/console/notices").text


def test_thresholds_are_the_apps_own(service: Service, shop: Shop, buyer: Client) -> None:
    path = f"/console/notices/apps/{shop.apps[0].id}"
    assert buyer.send("/console/notices", path, percents="30，10%, 0", days="14,3").status == 303
    app = operator(service.store).do(lambda desk: desk.app(shop.apps[0].id))
    assert (app.notify_percents, app.notify_days) == ((30, 10, 0), (14, 3))
    for percents, days in (("x", ""), ("101", ""), ("", "0"), (",".join(map(str, range(11))), "")):
        assert buyer.send("/console/notices", path, percents=percents, days=days).status == 422


# --- papers ---------------------------------------------------------------------------------------------------


def test_statements_are_files(shop: Shop, buyer: Client) -> None:
    page = buyer.ask("/console/statements")
    links = re.findall(r'href="(/console/statements/[^"]+)"', page.text)
    assert len(links) == 6
    for link in links:
        file = buyer.ask(link)
        assert (file.status, file.headers["cache-control"]) == (200, "no-store")
        assert "attachment" in file.headers["content-disposition"]
    for path in ("months/2026-13/pdf", "months/2026-01/exe", f"orders/{shop.orders[0].id}/exe", "months/x/pdf"):
        assert buyer.ask(f"/console/statements/{path}").status == 404


def test_an_invoice_is_asked_for_over_what_was_paid(shop: Shop, buyer: Client) -> None:
    assert "¥10.00" in buyer.ask("/console/invoices").plain
    assert "收票邮箱（由服务方发送，可不填）" in buyer.ask("/console/invoices").plain
    wanted = {"kind": "normal", "title": COMPANY, "order": shop.orders[0].id}
    for changed, words in (
        ({"amount": "x"}, "两位小数"), ({"amount": "1.001"}, "两位小数"), ({"amount": "NaN"}, "两位小数"),
        ({"amount": "9e999999"}, "两位小数"),
        ({"amount": "10.01"}, "可开票金额不足"), ({"amount": "1", "title": ""}, "抬头"),
        ({"amount": "1", "kind": "special"}, "税号"), ({"amount": "1", "tax_number": "1"}, "税号不对"),
    ):  # fmt: skip
        page = buyer.send("/console/invoices", "/console/invoices", **{**wanted, **changed})
        assert (page.status, words in page.plain) == (422, True)
    assert buyer.send("/console/invoices", "/console/invoices", **wanted, amount="¥1.50").status == 303
    page = buyer.ask("/console/invoices")
    assert "¥8.50" in page.plain
    path = re.search(r'action="(/console/invoices/\w+/cancel)"', page.text)[1]
    assert buyer.send("/console/invoices", path).status == 303
    assert "¥10.00" in buyer.ask("/console/invoices").plain
    file = buyer.ask(f"/console/invoices/{shop.invoices[0].id}/file")
    assert file.text.startswith("%PDF-1.7")
    assert buyer.ask(f"/console/invoices/{shop.invoices[1].id}/file").status == 404
    assert len(rows(buyer.ask("/console/invoices?csv=1"))) == 4


# --- others ---------------------------------------------------------------------------------------------------


def ids_of(service: Service, shop: Shop) -> dict[str, str]:
    """Something of an account's for each place of an address."""
    account_id, store = shop.login.account_id or "", service.store
    target = operator(store).do(
        lambda desk: inbox.add_target(desk, account_id, "webhook", "https://hooks.example/other", name="theirs")
    )
    operator(store).do(lambda desk: send_test_in(desk.connection, account_id, target.id))
    key = credentials(store, shop.apps[0].id)[0]
    return {
        "delivery_id": deliveries_of(service, account_id)[0].id,
        "app_id": shop.apps[0].id,
        "key_id": key.id,
        "order_id": shop.orders[1].id,
        "invoice_id": shop.invoices[0].id,
        "target_id": target.id,
        "month": "2026-11",
        "kind": "csv",
    }


def everything_of(service: Service, shop: Shop) -> list[tuple[object, ...]]:
    """All that could be changed of an account."""
    tables = (schema.apps, schema.credentials, schema.orders, schema.invoice_requests, schema.targets, schema.notices)
    return service.store.transact(
        lambda c: [tuple(row) for table in tables for row in c.execute(select(table)) if row[0] != ""]
    )


def test_no_route_shows_or_changes_what_is_anothers(service: Service, shop: Shop) -> None:
    theirs = ids_of(service, shop)
    stranger_login = buyer_login(service.store, next(NAMES))
    operator(service.store).do(lambda desk: apps.create_app(desk, "fremd", account_id=stranger_login.account_id))
    stranger = signed_in(service, stranger_login.name)
    secrets = [COMPANY, shop.login.name, "手机端", "TT-20261101", "24112000000012345678", "theirs", *theirs.values()]
    secrets = [each for each in secrets if each not in {"csv", "2026-11"}]
    before = everything_of(service, shop)
    csrf = stranger.ask("/console").csrf
    form = {"csrf": csrf, "app": theirs["app_id"], "item": shop.orders[0].item_id, "id": "x", "kind": "webhook"}
    form |= {
        "order": theirs["order_id"],
        "password": fresh().text,
        "amount": "1",
        "title": "x",
        "url": "https://x.example",
    }
    asked = 0
    for route in console_routes(Room.__new__(Room)):
        path = route.path.format(**theirs)  # type: ignore[attr-defined]
        for page in (stranger.ask(path), stranger.ask(f"{path}?app={theirs['app_id']}"), stranger.ask(path, form)):
            asked += 1
            named = "{" in route.path and "month" not in route.path  # type: ignore[attr-defined]
            assert page.status in ({404, 405} if named else {200, 303, 404, 405, 409, 422}), path
            shown = page.text.replace(quote(path), "")
            said = {theirs["app_id"]} if "?" in page.path else set()  # what the stranger asked for is repeated to them
            assert [secret for secret in secrets if secret not in said and secret in shown] == [], path
    assert asked > 70
    # The stranger's own notices were marked read, and nothing of the other's was touched.
    assert everything_of(service, shop) == before


def test_what_is_asked_for_by_nobody_leads_to_the_sign_in(service: Service, shop: Shop) -> None:
    theirs = {**ids_of(service, shop)}
    nobody = Client(service.port)
    for route in console_routes(Room.__new__(Room)):
        path = route.path.format(**theirs)  # type: ignore[attr-defined]
        for page in (nobody.ask(path), nobody.ask(path, {"csrf": ""})):
            assert page.status in {303, 405}
            assert page.status == 405 or page.headers["location"].startswith("/signin")


def test_names_that_people_chose_stay_text(service: Service) -> None:
    login = buyer_login(service.store, next(NAMES))
    app = operator(service.store).do(lambda desk: apps.create_app(desk, EVIL, account_id=login.account_id))
    operator(service.store).do(lambda desk: apps.rename_account(desk, login.account_id or "", EVIL))
    client = signed_in(service, login.name)
    for path in ("", "/packages", "/usage", "/calls", "/keys", "/orders", "/notices", "/statements", "/invoices"):
        page = client.ask(f"/console{path}")
        assert page.status == 200
        assert EVIL not in page.text
    assert app.name == EVIL


def test_an_account_without_anything_is_told_what_to_do(service: Service) -> None:
    client = signed_in(service, buyer_login(service.store, next(NAMES)).name)
    assert "还没有应用" in client.ask("/console").plain
    assert "还没有应用" in client.ask("/console/keys").plain
    assert "还没有订单" in client.ask("/console/orders").plain
    assert "还没有申请过发票" in client.ask("/console/invoices").plain
    assert "没有失败的调用" in client.ask("/console/calls").plain


def test_an_account_that_may_call_and_never_did_is_told_how(service: Service) -> None:
    login = buyer_login(service.store, next(NAMES))
    app = operator(service.store).do(lambda desk: apps.create_app(desk, "new", account_id=login.account_id))
    client = signed_in(service, login.name)
    assert "快速开始" not in client.ask("/console").plain
    grant(service.store, app.id, 5)
    page = client.ask("/console")
    assert "还没有调用过" in page.plain
    assert client.ask(re.findall(r'href="(/docs/[^"]+)">快速开始', page.text)[0]).status == 200


def test_the_amount_of_an_invoice_is_that_of_the_order_it_is_for(service: Service, buyer: Client, shop: Shop) -> None:
    offered = re.compile(r'name="amount" value="([\d.]+)"')
    left = offered.findall(buyer.ask("/console/invoices").text)
    of_order = offered.findall(buyer.ask(f"/console/invoices?order={shop.orders[0].id}").text)
    assert left == offered.findall(buyer.ask("/console/invoices?order=nothing").text)
    assert float(of_order[0]) <= float(left[0])


def test_nothing_left_to_be_invoiced_is_explained(service: Service) -> None:
    shop = furnished(service.store, next(NAMES))
    person, account_id = operator(service.store), shop.login.account_id or ""
    buyer = signed_in(service, shop.login.name)
    left = invoices.invoiceable_fen(service.store, account_id)
    person.do(lambda desk: papers.request_invoice(desk, account_id, Wanted("normal", "某人", left)))
    assert "都已开票、在申请中" in buyer.ask("/console/invoices").plain
    person.do(lambda desk: selling.refund_order(desk, shop.orders[0].id, fen=shop.orders[0].price_fen))
    page = buyer.ask("/console/invoices").plain
    assert "可开票金额： ¥0.00 退款之后，已开票和申请中的金额比实付多 ¥50.00" in page
    assert "over more than was paid, by ¥50.00" in buyer.ask("/console/invoices?lang=en").plain
