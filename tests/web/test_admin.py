"""The operator's pages over HTTP: who gets in, what each form does, and that every number is the ledger's."""

from __future__ import annotations

import asyncio
import csv
import http.client
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from html import unescape
from urllib.parse import urlencode

import pytest
from sqlalchemy import func, select

from tests.api.conftest import Service, running_service
from tests.api.wire import FakeEngine
from tests.desk import operator
from tests.people import Client, Page, buyer_login, fresh, operator_login
from ziyan.api.app import create_app
from ziyan.metering import apps, demo, invoices, ledger, logins, orders, papers, selling, usage
from ziyan.metering.credentials import credentials, list_apps
from ziyan.metering.invoices import Wanted
from ziyan.metering.logins import Role
from ziyan.metering.store import Store, audit, schema
from ziyan.metering.store import logins as login_table
from ziyan.metering.store.slices import Asked
from ziyan.metering.times import DAY_MS, day_of, now_ms
from ziyan.metering.tokens import OPERATOR, Scope
from ziyan.settings import Settings
from ziyan.web.admin.routes import CHANGED, SHOWN
from ziyan.web.admin.usage import outcome
from ziyan.web.navigation import NAVIGATION

CALLS = 3_000
#: What is shown as a page, and not as a file.
PAGES = tuple(path for path, _, _ in SHOWN if not path.endswith(("/file", "/{kind}")))
HOSTILE = "<script>alert(1)</script>\"'&{{7*7}}"
PDF = b"%PDF-1.7\n1 0 obj\n%%EOF\n"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, database_url: Callable[[], str]) -> Iterator[Service]:
    """A shop with a year behind it, on each database."""
    folder, url = tmp_path_factory.mktemp("shop"), database_url()
    store = Store.open(Settings.load(data_dir=folder, database_url=url))
    demo.fill(store, calls=CALLS)
    store.close()
    with running_service(folder, database_url=url) as service:
        operator_login(service.store, "wang")
        buyer_login(service.store, "zhao")
        yield service


@dataclass
class Things:
    """One of each that pages are about."""

    account_id: str
    app_id: str
    order_id: str
    invoice_id: str
    login_id: str
    item_id: str = "calls-1k"
    key_id: str = "none"
    delivery_id: str = "none"
    month: str = "2026-11"
    kind: str = "csv"

    def path(self, template: str) -> str:
        return template.format(**self.__dict__)


@pytest.fixture
def things(service: Service) -> Things:
    store, desk = service.store, operator(service.store)
    app = desk.do(lambda at: apps.create_app(at, "app"))
    paid = desk.do(lambda at: selling.place_order(at, app.id, "calls-1k"))
    desk.do(lambda at: selling.pay_order(at, paid.id))
    asked = desk.do(lambda at: papers.request_invoice(at, app.account_id, Wanted("normal", "某人", 100)))
    order = desk.do(lambda at: selling.place_order(at, app.id, "calls-1k"))
    login = buyer_login(store, f"b{app.id}", app.account_id)
    key = credentials(store, app.id)[0]
    return Things(app.account_id, app.id, order.id, asked.id, login.id, key_id=key.id)


@pytest.fixture
def wang(service: Service) -> Client:
    return signed_in(service, "wang")


def signed_in(service: Service, name: str) -> Client:
    """Somebody in a session of their own; signing in itself would have so many wait."""
    login = service.store.transact(lambda connection: login_table.by_name(connection, name))
    assert login
    with ThreadPoolExecutor(1) as thread:  # a browser of another test may keep a loop in this one
        secret = thread.submit(asyncio.run, logins.start_session(service.store, login)).result()
    return Client(service.port, {"ziyan_session": secret})


def admin_paths(service: Service) -> list[str]:
    """Of the service itself, so that none is forgotten."""
    app = create_app(service.settings, FakeEngine(), service.store)
    return [path for route in app.router.routes if (path := getattr(route, "path", "")).startswith("/admin")]


def entries(store: Store) -> int:
    return store.transact(lambda connection: connection.execute(select(func.count(schema.audit_log.c.id))).scalar_one())


def log(store: Store, object_id: str) -> list[tuple[str, str]]:
    found = store.transact(lambda connection: audit.page(connection, Asked(), object_id=object_id)).items
    return [(entry.action, entry.actor) for entry in found]


# --- who gets in ----------------------------------------------------------------------------------------------


def test_every_route_turns_strangers_and_buyers_away(service: Service, things: Things) -> None:
    stranger, zhao = Client(service.port), signed_in(service, "zhao")
    csrf = zhao.ask("/password").csrf
    before = entries(service.store)
    paths = admin_paths(service)
    assert len(paths) == len(SHOWN) + len(CHANGED) + 1
    for template in paths:
        path = things.path(template)
        for form in (None, {"csrf": csrf, "name": "x", "disabled": "1", "calls": "5", "months": "1"}):
            refused = stranger.ask(path, form)
            assert refused.status in {303, 405}, path
            if refused.status == 303:
                assert refused.headers["location"].partition("?")[0] == "/signin"
            page = zhao.ask(path, form)
            assert page.status in {404, 405}, path
            assert "档案扫描流水线" not in page.text
    assert entries(service.store) == before
    assert orders.get_order(service.store, things.order_id).state == "pending"  # type: ignore[union-attr]


def test_a_form_that_no_page_of_this_session_made_is_refused(service: Service, things: Things, wang: Client) -> None:
    other = signed_in(service, "wang").ask("/password").csrf
    own = wang.ask("/password").csrf
    before = entries(service.store)
    for template, _, _ in CHANGED:
        path = things.path(template)
        for csrf in ({}, {"csrf": ""}, {"csrf": other}):
            assert wang.ask(path, {**csrf, "name": "x", "calls": "5"}).status == 403, path
        assert wang.ask(path, {"csrf": own, "name": "x"}, Origin="https://evil.example").status == 403, path
        assert wang.ask(path, {"csrf": own, "name": "x"}, Sec_Fetch_Site="cross-site").status == 403, path
        assert wang.ask(path).status in {404, 405}, path
    assert entries(service.store) == before


def test_a_login_may_see_and_do_what_its_scopes_say(service: Service, things: Things) -> None:
    desk = operator(service.store)
    for scope in OPERATOR:
        name = f"all-but-{scope}".replace(":", "-")
        others = [each for each in OPERATOR if each != scope]
        desk.do(lambda at, n=name, s=others: logins.create_login(at, n, Role.OPERATOR, fresh(), scopes=s))  # type: ignore[misc]
        client = signed_in(service, name)
        csrf = client.ask("/password").csrf
        for template, scopes, _ in SHOWN:
            page = client.ask(things.path(template))
            if scope in scopes:
                assert page.status == 403
                assert scope in page.plain
        before = entries(service.store)
        for template, needed, _ in CHANGED:
            if needed == scope:
                page = client.ask(things.path(template), {"csrf": csrf, "name": "x", "calls": "1", "months": "1"})
                assert page.status == 403
                assert scope in page.plain
        assert entries(service.store) == before


def test_a_page_offers_what_somebody_may_do_and_no_more(service: Service, things: Things, wang: Client) -> None:
    reads = [scope for scope in OPERATOR if scope.endswith(":read")]
    operator(service.store).do(lambda at: logins.create_login(at, "looks-only", Role.OPERATOR, fresh(), scopes=reads))
    looks = signed_in(service, "looks-only")
    for template in PAGES:
        path = things.path(template)
        actions = re.findall(r'action="(/admin[^"]*)"', looks.ask(path).text)
        assert actions == [], path
    offered = {action for template in PAGES for action in actions_of(wang.ask(things.path(template)))}
    assert {things.path("/admin/apps/{app_id}/packages"), things.path("/admin/orders/{order_id}/pay")} <= offered
    assert things.path("/admin/apps/{app_id}/keys/{key_id}/rotate") in offered
    (again,) = [
        action for action in actions_of(wang.ask("/admin/notices?sort=created"))[:1] if action.endswith("/retry")
    ]
    assert again


def test_what_a_login_may_not_see_is_in_no_file_and_no_sum_either(service: Service, things: Things) -> None:
    reads = ("accounts:read", "apps:read", "packages:read", "catalogue:read")
    operator(service.store).do(lambda at: logins.create_login(at, "narrow", Role.OPERATOR, fresh(), scopes=reads))
    narrow = signed_in(service, "narrow")
    account, app = things.path("/admin/accounts/{account_id}"), things.path("/admin/apps/{app_id}")
    for path, own, foreign in ((account, "app", "order"), (app, "package", "call")):
        assert narrow.ask(f"{path}?{own}csv=1").headers["content-type"].startswith("text/csv")
        assert narrow.ask(f"{path}?{foreign}csv=1").headers["content-type"].startswith("text/html")
    assert "计费次数" not in narrow.ask("/admin").plain


def actions_of(page: Page) -> list[str]:
    return re.findall(r'action="(/admin[^"]*)"', page.text)


# --- what is shown --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_page_is_there_in_both_languages(service: Service, things: Things, wang: Client, language: str) -> None:
    for template in (*PAGES, "/admin/health"):
        page = wang.ask(f"{things.path(template)}?lang={language}")
        assert page.status == 200, template
        assert f'lang="{"zh-CN" if language == "zh" else "en"}"' in page.text
        assert page.headers["cache-control"] == "no-store"
        body = re.sub(r"<script.*?</script>|English|中文", "", page.text)
        assert "None" not in page.plain
        if language == "en" and template in {"/admin/health", "/admin/catalogue/{item_id}"}:
            names = "字眼|次"
            assert re.findall(rf"(?!{names})[\u4e00-\u9fff]", re.sub(names, "", body)) == []


def test_the_navigation_names_pages_that_are_there(wang: Client) -> None:
    for path, (chinese, english) in NAVIGATION["operator"]:
        page = wang.ask(f"{path}?lang=zh")
        assert page.status == 200
        assert chinese in page.plain
        assert english in wang.ask(f"{path}?lang=en").plain


def test_what_is_not_there_is_said_to_be_so(wang: Client, things: Things) -> None:
    nothing = Things("nobody", "none", "none", "none", "none", "none")
    for template, _, _ in SHOWN:
        if "{" in template:
            assert wang.ask(nothing.path(template)).status == 404, template
    csrf = wang.ask("/password").csrf
    form = {"csrf": csrf, "name": "x", "calls": "1", "months": "1", "price": "1", "amount": "0", "number": "12345678"}
    for template, _, _ in CHANGED:
        if "{" in template and not template.endswith(("/put", "/issue", "/attach")):
            page = wang.ask(nothing.path(template), {**form, "reason": "x", "item": "none", "disabled": "1"})
            assert page.status == 404, template


def rows_of(page: Page) -> list[dict[str, str]]:
    assert page.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(page.text.removeprefix("\ufeff"))))


def test_every_list_can_be_had_as_a_file(wang: Client, things: Things) -> None:
    for path in ("accounts", "apps", "orders", "invoices", "catalogue", "notices", "audit", "usage"):
        assert rows_of(wang.ask(f"/admin/{path}?csv=1")), path
    for path, names in (("/admin/accounts/{account_id}", "app order"), ("/admin/apps/{app_id}", "package")):
        for name in names.split():
            assert rows_of(wang.ask(f"{things.path(path)}?{name}csv=1")), name
    assert rows_of(wang.ask(f"{things.path('/admin/apps/{app_id}')}?callcsv=1")) == []


def test_numbers_are_those_of_the_ledger(service: Service, wang: Client) -> None:
    store = service.store
    report = ledger.check(store)
    assert report.differences == ()
    totals = usage.totals(store, span="day", since=0, until=now_ms() + DAY_MS)
    last = max(total.start for total in totals)
    since = last - 399 * DAY_MS + 1
    days = f"since={_day(store, since)}&until={_day(store, now_ms())}"
    rows = rows_of(wang.ask(f"/admin/usage?{days}&lang=en&csv=1"))
    assert sum(int(row["Calls"]) for row in rows) == sum(total.calls for total in totals) >= CALLS
    assert sum(int(row["Billed"]) for row in rows) == report.consumed
    by_app = Counter[str]()
    for total in totals:
        by_app[total.app_id] += total.billed
    found = {app.name: by_app[app.id] for app in list_apps(store) if by_app[app.id]}
    assert {row["App"]: int(row["Billed"]) for row in rows if int(row["Billed"])} == found
    page = wang.ask(f"/admin/usage?{days}&lang=en")
    answered = sum(total.calls for total in totals if total.code == "ok")
    assert f"answered {answered:,}" in page.plain


def test_a_repeated_call_is_one_that_was_answered() -> None:
    assert [outcome(code) for code in ("ok", "replayed", "gone", "img")] == ["ok", "ok", "gone", "asked"]


def _day(store: Store, moment: int) -> str:
    return day_of(moment, store.zone).isoformat()


def test_usage_is_shown_of_an_account_an_app_and_few_days(service: Service, wang: Client) -> None:
    app = next(app for app in list_apps(service.store) if app.name == "拍照搜题")
    today = _day(service.store, now_ms())
    for query in (f"app={app.id}", f"account={app.account_id}", "app=none&account=none&since=x&until=2026-13-01"):
        page = wang.ask(f"/admin/usage?{query}")
        assert page.status == 200
        assert "拍照搜题" in page.plain
    assert wang.ask(f"/admin/usage?since={today}&until={today}").plain.count("每小时的调用") == 1
    assert "每天的调用" in wang.ask("/admin/usage?since=2026-01-31&until=2026-01-01").plain


def test_orders_and_invoices_are_shown_by_their_state(wang: Client) -> None:
    assert "已付款" in wang.ask("/admin/orders").text
    pending = rows_of(wang.ask("/admin/orders?state=pending&csv=1&lang=en"))
    assert {row["State"] for row in pending} == {"to be paid"}
    assert len(rows_of(wang.ask("/admin/orders?state=nonsense&csv=1"))) > len(pending)
    assert rows_of(wang.ask("/admin/invoices?state=issued&csv=1"))


# --- what is changed ------------------------------------------------------------------------------------------


def test_each_change_is_said_and_logged(service: Service, things: Things, wang: Client) -> None:
    store, t = service.store, things
    actor = next(f"login {each.id} wang" for each in people(store) if each.name == "wang")

    def do(action: str, said: str, about: str, change: str, **fields: str) -> None:
        answer = wang.send("/password", t.path(action), **fields)
        assert answer.status == 303, answer.plain
        assert said in wang.follow(answer.headers["location"]).plain
        assert (change, actor) in log(store, about)

    do("/admin/accounts/{account_id}/rename", "新名字", t.account_id, "account.rename", name="新名字")
    do("/admin/apps/{app_id}/limit", "每秒 2.5 次", t.app_id, "app.change", rate="2.5")
    do("/admin/apps/{app_id}/limit", "默认值", t.app_id, "app.change", rate="0")
    do("/admin/apps/{app_id}/switch", "已停用", t.app_id, "app.change", disabled="1")
    do("/admin/apps/{app_id}/switch", "已启用", t.app_id, "app.change", disabled="0")
    do("/admin/orders/{order_id}/pay", "1,000 次已到账", t.order_id, "order.pay", reference="网银 17")
    do("/admin/orders/{order_id}/refund", "¥49.50", t.order_id, "order.refund", amount="49.5")
    do("/admin/invoices/{invoice_id}/reject", "已驳回", t.invoice_id, "invoice.reject", reason="抬头不对")
    small = {"name": "小", "calls": "5", "months": "1", "price": "1"}
    do("/admin/catalogue/create", "已上架", "small-5", "item.put", id="small-5", **small)
    large = {"name": "一千", "calls": "1,000", "months": "12", "price": "¥50"}
    do("/admin/catalogue/{item_id}/put", "已上架", "calls-1k", "item.put", **large)
    do("/admin/logins/{login_id}/switch", "已停用", t.login_id, "login.disable", disabled="1")
    do("/admin/logins/{login_id}/switch", "已启用", t.login_id, "login.enable", disabled="0")
    package = wang.send("/password", t.path("/admin/apps/{app_id}/packages"), calls="1234", months="6")
    assert "已充入 1,234 次" in wang.follow(package.headers["location"]).plain
    opened = wang.send("/password", "/admin/accounts/create", name="新户")
    assert "已开通" in wang.follow(opened.headers["location"]).plain
    made = wang.send("/password", f"{opened.headers['location']}/apps", name="新应用")
    assert "已登记" in wang.follow(made.headers["location"]).plain
    placed = wang.send("/password", f"{made.headers['location']}/orders", item="calls-1k")
    assert "待付款" in wang.follow(placed.headers["location"]).plain
    gone = wang.send("/password", f"{placed.headers['location']}/cancel")
    assert "已取消" in wang.follow(gone.headers["location"]).plain
    do("/admin/catalogue/small-5/retire", "已下架", "small-5", "item.retire")
    actions = {
        entry.action for entry in store.transact(lambda c: audit.page(c, Asked(100))).items if entry.actor == actor
    }
    assert {"package.grant", "account.create", "app.create", "order.place", "order.cancel"} <= actions
    assert ledger.check(store).differences == ()


def people(store: Store) -> list[logins.Login]:
    return store.transact(lambda connection: login_table.page(connection, Asked(100))).items


def test_a_login_is_made_and_reset_and_its_password_is_shown_once(
    service: Service, things: Things, wang: Client
) -> None:
    page = wang.send("/password", things.path("/admin/accounts/{account_id}/logins"), name="Sun@Example.com")
    first = password_on(page)
    assert Client(service.port).sign_in("sun@example.com", first).status == 303
    login = next(each for each in people(service.store) if each.name == "sun@example.com")
    page = wang.send("/password", f"/admin/logins/{login.id}/reset")
    second = password_on(page)
    assert Client(service.port).sign_in("sun@example.com", first).status == 422
    assert Client(service.port).sign_in("sun@example.com", second).status == 303
    own = next(each for each in people(service.store) if each.name == "wang")
    assert wang.send("/password", f"/admin/logins/{own.id}/reset").status == 404
    assert first not in wang.ask(things.path("/admin/accounts/{account_id}")).text


def password_on(page: Page) -> str:
    assert page.status == 200
    found = re.search(r'<code id="password">(.+?)</code>', page.text)
    assert found
    return unescape(found[1])


def multipart(fields: dict[str, str], file: bytes) -> tuple[str, bytes]:
    parts = [f'--b\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n'.encode() for n, v in fields.items()]
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="x.pdf"\r\n\r\n'
    return "multipart/form-data; boundary=b", b"".join(parts) + head + file + b"\r\n--b--\r\n"


def upload(wang: Client, action: str, number: str, file: bytes) -> int:
    kind, body = multipart({"csrf": wang.ask("/password").csrf, "number": number}, file)
    connection = http.client.HTTPConnection("127.0.0.1", wang.port, timeout=30)
    cookie = "; ".join(f"{name}={value}" for name, value in wang.cookies.items())
    connection.request("POST", action, body, {"Content-Type": kind, "Cookie": cookie})
    status = connection.getresponse().status
    connection.close()
    return status


def test_a_notice_that_was_given_up_is_sent_again_once(service: Service, wang: Client) -> None:
    failed = rows_of(wang.ask("/admin/notices?csv=1&lang=en"))
    page = wang.ask("/admin/notices")
    assert "找不到这个主机名" in page.plain
    again = next(action for action in actions_of(page) if action.endswith("/retry"))
    # The sender itself takes it up at once, and gives it up after twelve attempts more.
    answer = wang.send("/admin/notices", again)
    assert "已重新发往" in wang.follow(answer.headers["location"]).plain
    assert [action for action, _ in log(service.store, again.split("/")[3])] == ["delivery.retry"]
    assert len(rows_of(wang.ask("/admin/notices?csv=1&lang=en"))) == len(failed) - 1
    twice = wang.send("/admin/notices", again)
    assert (twice.status, "才能重发" in twice.plain) == (409, True)


def test_an_apps_keys_are_masked_shown_after_the_password_rotated_and_revoked(
    service: Service, things: Things, wang: Client
) -> None:
    place, store = things.path("/admin/apps/{app_id}/keys"), service.store
    page = wang.ask(place)
    for key in credentials(store, things.app_id):
        assert not key.secret or key.secret not in page.text
        wrong = wang.send(place, f"{place}/{key.id}/reveal", password="wrong")
        assert (wrong.status, "密码不对" in wrong.plain) == (422, True)
        assert not key.secret or key.secret not in wrong.text
        shown = wang.send(place, f"{place}/{key.id}/reveal", password=fresh().text)
        assert key.identifier in shown.text
        assert key.secret in shown.text
        assert [action for action, actor in log(store, key.id) if actor.endswith(" wang")] == ["key.reveal"]
    made = wang.send(place, f"{place}/create", kind="appid-hmac")
    identifier = re.findall(r'id="fresh-identifier">(\w+)<', made.text)[0]
    new = next(key for key in credentials(store, things.app_id) if key.identifier == identifier)
    rotated = wang.send(place, f"{place}/{new.id}/rotate", grace="0")
    assert "旧的立即失效" in rotated.plain
    assert identifier not in {key.identifier for key in credentials(store, things.app_id)}
    last = re.findall(r'id="fresh-identifier">(\w+)<', rotated.text)[0]
    key = next(key for key in credentials(store, things.app_id) if key.identifier == last)
    answer = wang.send(place, f"{place}/{key.id}/revoke")
    assert answer.headers["location"] == place
    assert "已吊销" in wang.follow(place).plain
    assert {"key.revoke", "key.create"} == {action for action, actor in log(store, key.id)}
    other = operator(store).do(lambda at: apps.create_app(at, "other"))
    assert wang.send(place, f"/admin/apps/{other.id}/keys/{things.key_id}/revoke").status == 404


def test_statements_of_an_account_are_those_that_its_buyer_gets(service: Service, things: Things, wang: Client) -> None:
    login = next(each for each in people(service.store) if each.id == things.login_id)
    buyer = signed_in(service, login.name)
    page = wang.ask(things.path("/admin/accounts/{account_id}"))
    (month,) = {
        link.split("/")[5] for link in re.findall(r'href="(/admin/accounts/[^"]+/statements/[^"]+)"', page.text)
    }
    for kind in ("csv", "xlsx", "pdf"):
        file = wang.ask(f"/admin/accounts/{things.account_id}/statements/{month}/{kind}")
        assert (file.status, file.headers["cache-control"]) == (200, "no-store")
        if kind == "csv":
            assert file.text == buyer.ask(f"/console/statements/months/{month}/csv").text
    paid = next(order for order in orders.list_orders(service.store, things.account_id) if order.state == "paid")
    theirs = wang.ask(f"/admin/orders/{paid.id}/statement/csv")
    assert theirs.text == buyer.ask(f"/console/statements/orders/{paid.id}/csv").text
    assert f"/admin/orders/{paid.id}/statement/pdf" in wang.ask(f"/admin/orders/{paid.id}").text
    assert f"{things.order_id}/statement" not in wang.ask(f"/admin/orders/{things.order_id}").text
    assert wang.ask(f"/admin/accounts/nobody/statements/{month}/csv").status == 404
    assert wang.ask(f"/admin/accounts/{things.account_id}/statements/{month}/exe").status == 404


def test_a_page_that_answers_a_form_leads_to_the_page_that_sent_it(
    service: Service, things: Things, wang: Client
) -> None:
    place = things.path("/admin/apps/{app_id}/keys")
    form = {"csrf": wang.ask(place).csrf, "password": "wrong"}
    action, here = f"{place}/{things.key_id}/reveal", f"http://127.0.0.1:{service.port}"
    inside = ((f"{place}?x=1&lang=en", f"{place}?x=1&amp;lang=en"), ("/admin", "/admin?lang=en"))
    pages = [(f"{here}{page}", leads) for page, leads in inside]
    others = ("", "http://[", "http://evil.example/admin/x", f"{here}/administer", f"{here}/console")
    for page, leads in (*pages, *((other, f"{action}?lang=en") for other in others)):
        answer = wang.ask(action, form, Referer=page)
        assert re.findall(r'href="([^"]*)" lang="en"', answer.text) == [leads]


def test_who_issues_an_invoice_is_told_to_mail_it(service: Service, things: Things, wang: Client) -> None:
    desk, path = operator(service.store), "/admin/invoices/"
    wanted = Wanted("normal", "某人", 100, email="li@example.com")
    asked = desk.do(lambda at: papers.request_invoice(at, things.account_id, wanted))
    assert "发到邮箱 li@example.com ：字眼不会发送，请自己发一份。" in wang.ask(f"{path}{asked.id}").plain
    assert "Ziyan does not send it" in wang.ask(f"{path}{asked.id}?lang=en").plain
    assert "字眼不会发送" not in wang.ask(f"{path}{things.invoice_id}").plain


def test_an_invoice_is_issued_with_its_pdf_or_not_at_all(service: Service, things: Things, wang: Client) -> None:
    path, store = things.path("/admin/invoices/{invoice_id}"), service.store
    found = lambda: next(each for each in invoices.list_invoices(store) if each.id == things.invoice_id)  # noqa: E731
    for number, file in (("26000001", b"no pdf"), ("26000001", b""), ("!", PDF)):
        assert upload(wang, f"{path}/issue", number, file) == 409
        assert found().state == "requested"
    assert wang.ask(f"{path}/file").status == 404
    large = PDF[:-7] + b"x" * (invoices.MAX_PDF_BYTES + (65 << 10)) + PDF[-7:]
    assert upload(wang, f"{path}/issue", "26000001", large) == 413
    assert upload(wang, f"{path}/issue", "26000001", PDF) == 303
    assert (found().state, found().invoice_number) == ("issued", "26000001")
    assert invoices.invoice_file(store, things.invoice_id).content == PDF
    shown = wang.ask(f"{path}/file")
    assert (shown.status, shown.headers["content-type"]) == (200, "application/pdf")
    assert shown.headers["cache-control"] == "no-store"
    other = PDF + b"\n%%EOF"
    assert upload(wang, f"{path}/attach", "", other) == 303
    assert invoices.invoice_file(store, things.invoice_id).content == other
    assert [action for action, _ in log(store, things.invoice_id)] == [
        "invoice.attach", "invoice.attach", "invoice.issue", "invoice.request",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("action", "fields"),
    [
        ("/admin/accounts/create", {"name": ""}),
        ("/admin/accounts/create", {"name": "x" * 201}),
        ("/admin/accounts/create", {"name": "a\x07b"}),
        ("/admin/apps/{app_id}/packages", {"calls": "many", "months": "1"}),
        ("/admin/apps/{app_id}/packages", {"calls": "1", "months": "0"}),
        ("/admin/apps/{app_id}/packages", {"calls": "-5", "months": "1"}),
        ("/admin/apps/{app_id}/packages", {"calls": "١٢", "months": "1"}),
        ("/admin/apps/{app_id}/limit", {"rate": "fast"}),
        ("/admin/apps/{app_id}/limit", {"rate": "nan"}),
        ("/admin/orders/{order_id}/refund", {"amount": "1.234"}),
        ("/admin/orders/{order_id}/refund", {"amount": "1"}),
        ("/admin/catalogue/create", {"id": "a b", "name": "x", "calls": "1", "months": "1", "price": "1"}),
        ("/admin/catalogue/create", {"id": "", "name": "x", "calls": "1", "months": "1", "price": "1"}),
        ("/admin/catalogue/create", {"id": "a", "name": "x", "calls": "1", "months": "1", "price": "-1"}),
        ("/admin/invoices/{invoice_id}/reject", {"reason": ""}),
    ],
)
def test_what_makes_no_sense_changes_nothing_and_is_explained(
    service: Service, things: Things, wang: Client, action: str, fields: dict[str, str]
) -> None:
    csrf = wang.ask("/password").csrf
    before = entries(service.store)
    page = wang.ask(things.path(action), {"csrf": csrf, **fields})
    assert page.status in {409, 422}
    assert re.search(r'role="alert">.*?[\u4e00-\u9fff0]。</span>', page.text, re.DOTALL), page.plain
    open_forms = re.findall(r'<details class="ask-once" open>.*?</form>', page.text, re.DOTALL)
    assert len(open_forms) == ("refund" not in action)  # nobody paid: there is no such form any more
    for form in open_forms:
        assert f'action="{things.path(action)}"' in form
        assert all(f'name="{name}" value="{value}"' in form for name, value in fields.items())
    assert entries(service.store) == before


@pytest.mark.parametrize(
    ("action", "fields", "told"),
    [
        ("/admin/apps/{app_id}/packages", {"calls": "-5", "months": "1"},
         "次数：请填写 1 到 1,000,000,000,000 的整数。"),
        ("/admin/apps/{app_id}/packages", {"calls": "5", "months": "0"}, "有效月数：请填写 1 到 1,200 的整数。"),
        ("/admin/catalogue/{item_id}/put?lang=en", {"name": "x", "calls": "abc", "months": "1", "price": "1"},
         "Calls: a whole number from 1 to 1,000,000,000,000 is wanted."),
        ("/admin/orders/{order_id}/pay", {"reference": "x" * 201}, "付款凭据：请填写 1 到 200 个字符。"),
        ("/admin/accounts/{account_id}/logins", {"name": "wang"}, "登录名 wang 已经有人用了。"),
    ],
)  # fmt: skip
def test_a_wrong_entry_is_named_on_the_page_of_its_form(
    service: Service, things: Things, wang: Client, action: str, fields: dict[str, str], told: str
) -> None:
    csrf = wang.ask("/password").csrf
    page = wang.ask(things.path(action), {"csrf": csrf, **fields})
    assert told in page.plain
    assert all(f'value="{value}"' in page.text for value in fields.values())


def test_what_has_no_page_of_its_own_leads_back_to_where_it_was_asked_for(
    service: Service, things: Things, wang: Client
) -> None:
    person, page = operator(service.store), things.path("/admin/accounts/{account_id}")
    person.do(lambda desk: selling.cancel_order(desk, things.order_id))
    over = wang.send("/admin", things.path("/admin/orders/{order_id}/pay"))
    assert (over.status, "这个订单已不是待付款状态" in over.plain) == (409, True)
    csrf, host = wang.ask("/password").csrf, f"127.0.0.1:{service.port}"
    sent = {"csrf": csrf, "disabled": "1"}
    lost = wang.ask("/admin/logins/none/switch", sent, Referer=f"http://{host}{page}?callafter=x")
    assert lost.status == 404
    assert f'<a class="button primary" href="{page}?callafter=x">' in lost.text
    assert "回到刚才的页面" not in wang.ask("/admin/logins/none/switch", sent).plain


def test_a_free_order_is_confirmed_and_not_paid(service: Service, wang: Client) -> None:
    app = operator(service.store).do(lambda at: apps.create_app(at, "free"))
    page = f"/admin/apps/{app.id}"
    path = wang.send(page, f"{page}/orders", item="trial-50").headers["location"]
    told = wang.ask(path).plain
    assert "免费，确认后到账" in told
    assert "没有款要收" in told
    again = wang.send(page, f"{page}/orders", item="trial-50")
    assert (again.status, "免费套餐每个账户只能领一次" in again.plain) == (409, True)
    assert 'value="trial-50" selected' in again.text
    assert wang.send(path, f"{path}/pay").status == 303
    assert "50 次已到账" in wang.ask(path).plain


def test_a_refund_says_which_invoices_have_its_money(service: Service, wang: Client) -> None:
    person = operator(service.store)
    app = person.do(lambda at: apps.create_app(at, "refunded"))
    first, second = (person.do(lambda at: selling.place_order(at, app.id, "calls-1k")) for _ in range(2))
    for order in (first, second):
        person.do(lambda at, order=order: selling.pay_order(at, order.id))
    page, price = f"/admin/orders/{first.id}", first.price_fen
    assert "红冲" not in wang.ask(page).plain
    ask_for = lambda fen, order_id=None: person.do(  # noqa: E731
        lambda at: papers.request_invoice(at, app.account_id, Wanted("normal", "某人", fen, order_id=order_id))
    )
    named, loose = ask_for(100, first.id), ask_for(price - 100)
    person.do(lambda at: papers.issue_invoice(at, named.id, "26000042"))
    told = wang.ask(page)
    assert "26000042 · ¥1.00 · 已开票" in told.plain
    assert f"/admin/invoices/{loose.id}" not in told.text, "what the other order paid is enough for it"
    more = ask_for(price)
    assert more.id[:8] in wang.ask(page).plain
    assert wang.send(page, f"{page}/refund", amount=f"{price / 100:.2f}").status == 303
    told = wang.ask(f"{page}?lang=en")
    assert "26000042 · ¥1.00 · issued" in told.plain
    assert "red-letter" in told.plain
    assert f'href="/admin/invoices/{named.id}?lang=en"' in told.text
    person.do(lambda at: papers.reject_invoice(at, more.id, "退款了"))
    assert loose.id[:8] not in wang.ask(page).plain
    there = f"/admin/invoices/{named.id}"
    voided = wang.send(there, f"{there}/void", reason="款已退回")
    assert "已标为作废" in wang.follow(voided.headers["location"]).plain
    shown = wang.ask(there).plain
    assert all(words in shown for words in ("已作废", "作废时间", "款已退回", "26000042"))
    assert "26000042" not in wang.ask(page).plain
    assert "已作废" in wang.ask("/admin/invoices?state=voided").plain
    operator_login_of_orders(service, "qian")
    assert f"/admin/invoices/{named.id}" not in signed_in(service, "qian").ask(page).text


def operator_login_of_orders(service: Service, name: str) -> None:
    scopes = [Scope.ACCOUNTS_READ, Scope.APPS_READ, Scope.ORDERS_READ, Scope.PACKAGES_READ]
    operator(service.store).do(lambda at: logins.create_login(at, name, Role.OPERATOR, fresh(), scopes=scopes))


def test_a_disabled_apps_calls_are_refused_and_an_enabled_ones_are_not(service: Service, wang: Client) -> None:
    switch = f"/admin/apps/{service.caller.app.id}/switch"
    assert service.post(b"img=x").status == 666
    assert wang.send("/password", switch, disabled="1").status == 303
    refused = service.post(b"img=x")
    assert (refused.status, refused.get("X-Ca-Error-Code")) == (403, "I403AA")
    assert wang.send("/password", switch, disabled="0").status == 303
    assert service.post(b"img=x").status == 666


def test_hostile_names_stay_text(service: Service, wang: Client) -> None:
    desk = operator(service.store)
    account = desk.do(lambda at: apps.create_account(at, HOSTILE))
    app = desk.do(lambda at: apps.create_app(at, HOSTILE, account_id=account.id))
    order = desk.do(lambda at: selling.place_order(at, app.id, "calls-1k"))
    desk.do(lambda at: selling.pay_order(at, order.id, reference=HOSTILE))
    asked = desk.do(lambda at: papers.request_invoice(at, account.id, replace(Wanted("normal", HOSTILE, 1))))
    desk.do(lambda at: papers.reject_invoice(at, asked.id, HOSTILE))
    things = Things(account.id, app.id, order.id, asked.id, "")
    for template in (*PAGES, "/admin/health"):
        hostile = urlencode(dict.fromkeys(("q", "object", "since", "account", "state", "sort", "after"), HOSTILE))
        for query in ("", f"?{hostile}"):
            page = wang.ask(things.path(template) + query)
            assert page.status == 200
            assert "<script>alert" not in page.text
            assert "49" not in re.findall(r"alert\(1\).{0,40}", page.plain)
    assert HOSTILE in wang.ask(things.path("/admin/accounts/{account_id}")).plain
    said = wang.send("/password", "/admin/accounts/create", name=HOSTILE)
    after = wang.follow(said.headers["location"])
    assert "<script>alert" not in after.text
    assert HOSTILE in after.plain
