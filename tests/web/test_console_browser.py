"""The buyer's story in a real browser, before the real service and the engine that reads."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.api.conftest import Service as Shelf
from tests.api.conftest import start_service
from tests.desk import operator
from tests.people import buyer_login, fresh
from tests.test_serve import Service
from tests.web.conftest import DESK, PHONE, Window
from tests.web.shop import Shop, furnished
from ziyan.api.server import SAMPLE_PICTURE
from ziyan.metering import apps, papers, selling
from ziyan.metering.credentials import Kind, credentials
from ziyan.metering.ledger import check
from ziyan.metering.packages import list_packages
from ziyan.metering.store import Store
from ziyan.metering.store.sales import Item
from ziyan.settings import Settings
from ziyan.web import signing_in

Look = Callable[..., Window]
NAME = "li@example.com"
PAGES = ("/console", "/console/packages", "/console/usage", "/console/usage?by=hour", "/console/calls", "/console/keys",
         "/console/orders", "/console/inbox", "/console/notices", "/console/statements", "/console/invoices",
         "/password")  # fmt: skip


# --- what every page keeps to ---------------------------------------------------------------------------------


@dataclass
class Furnished:
    port: int
    shop: Shop


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Furnished]:
    """A service with an account that has a past; its engine answers at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signing_in.Rate, "wait", lambda *_: 0)
        service: Shelf = start_service(tmp_path_factory.mktemp("shop"), rate_app=0, rate_address=0)
        try:
            yield Furnished(service.port, furnished(service.store, NAME))
        finally:
            service.stop()


def sign_in(window: Window, name: str, password: str, query: str = "") -> Page:
    page = window.open(f"/signin{query}")
    page.fill("#name", name)
    page.fill("#password", password)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/console"))
    return page


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize(("width", "scheme"), [(DESK, "light"), (PHONE, "light"), (DESK, "dark")])
def test_every_page_fits_and_can_be_used_by_everybody(
    look: Look, shelf: Furnished, width: int, scheme: str, language: str
) -> None:
    window = look(width, shelf, color_scheme=scheme)
    page = window.open(f"/signin?lang={language}")
    assert serious(page) == []
    page.fill("#name", NAME)
    page.fill("#password", "wrong")
    page.keyboard.press("Enter")
    expect(page.locator(".wrong")).to_be_visible()
    assert max(window.icons()) < 30
    window.shoot(f"signin-{language}-{scheme}")
    sign_in(window, NAME, fresh().text, f"?lang={language}")
    for path in (*PAGES, f"/console/orders/{shelf.shop.orders[1].id}"):
        window.open(path)
        assert serious(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert max(window.icons()) < 30, path
        shown = path.replace(shelf.shop.orders[1].id, "one").removeprefix("/console")
        name = re.sub(r"\W+", "-", shown).strip("-") or "overview"
        window.shoot(f"console-{name}-{language}-{scheme}")
    for summary in page.locator("details > summary").all():
        summary.click()
    assert serious(page) == []


def serious(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [
        f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in found if each["impact"] in {"serious", "critical"}
    ]


def test_a_chart_says_what_is_pointed_at_and_shows_its_numbers(look: Look, shelf: Furnished) -> None:
    window = look(DESK, shelf)
    page = sign_in(window, NAME, fresh().text)
    chart = page.locator("#by-time")
    chart.locator("g[data-told] .room").nth(3).hover()
    told = chart.locator("g[data-told]").nth(3).get_attribute("data-told") or ""
    expect(chart.locator("[data-pointed]")).to_have_text(told)
    chart.locator("summary").click()
    cells = chart.locator("tbody tr").nth(3).locator("th, td").all_inner_texts()
    assert told == f"{cells[0]}: 计费 {cells[1]}, 未计费 {cells[2]}"


def test_all_of_it_works_by_the_keyboard(look: Look, shelf: Furnished) -> None:
    window = look(DESK, shelf)
    page = window.open("/signin")
    expect(page.locator("#name")).to_be_focused()
    page.keyboard.type(NAME)
    page.keyboard.press("Tab")
    page.keyboard.type(fresh().text)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile("/console"))
    page.keyboard.press("Tab")
    expect(page.locator(".skip")).to_be_focused()
    page.locator(".who summary").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_text("修改密码")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_text("修改密码")).to_be_hidden()
    expect(page.locator(".who summary")).to_be_focused()


# --- the story ------------------------------------------------------------------------------------------------


@contextmanager
def opened(folder: Path, url: str) -> Iterator[Store]:
    """The database of a service that runs, as the command line has it."""
    store = Store.open(Settings.load(data_dir=folder, database_url=url))
    try:
        yield store
    finally:
        store.close()


def call(service: Service, appcode: str) -> httpx.Response:
    with SAMPLE_PICTURE.open("rb") as picture:
        return httpx.post(
            f"http://127.0.0.1:{service.port}/ocr", files={"img": picture}, timeout=60,
            headers={"Authorization": f"APPCODE {appcode}"},
        )  # fmt: skip


def act(page: Page, within: str, button: str, yes: str) -> None:
    """Ask for a change, and say yes."""
    place = page.locator(within)
    place.locator("summary", has_text=button).first.click()
    place.locator("details[open] button", has_text=yes).click()


def left(page: Page, address: str) -> str:
    page.goto(f"{address}/console")
    return page.locator("[data-left]").inner_text()


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_buyer_orders_calls_runs_out_renews_and_gets_an_invoice(
    start_site: Callable[..., Service],
    look: Look,
    tmp_path_factory: pytest.TempPathFactory,
    postgresql_database: Callable[[], str],
    database: str,
) -> None:
    url = postgresql_database() if database == "postgresql" else ""
    before = set(tmp_path_factory.getbasetemp().glob("data*"))
    service = start_site(ZIYAN_DATABASE_URL=url)
    (folder,) = {each for each in tmp_path_factory.getbasetemp().glob("data*") if each.is_dir()} - before
    with opened(folder, url) as store:
        person = operator(store)
        account = person.do(lambda desk: apps.create_account(desk, "示例科技"))
        app = person.do(lambda desk: apps.create_app(desk, "门店小票", account_id=account.id))
        buyer_login(store, NAME, account.id)
        person.do(lambda desk: selling.put_item(desk, Item("three", "三次体验", 3, 12, 600)))
        page = sign_in(look(DESK, service), NAME, fresh().text)
        address = f"http://127.0.0.1:{service.port}"
        expect(page.get_by_text("没有可用次数")).to_be_visible()

        def buy() -> None:
            page.goto(f"{address}/console/orders")
            act(page, ".tile:has-text('三次体验')", "下单", "提交订单")
            expect(page.get_by_text("订单已提交")).to_be_visible()
            expect(page.get_by_text("待付款")).to_be_visible()
            order_id = page.url.partition("/orders/")[2]
            person.do(lambda desk: selling.pay_order(desk, order_id, reference="TT-1"))
            page.reload()
            expect(page.locator("h1 + .badge")).to_have_text("已付款")

        buy()
        assert left(page, address) == "3 次"
        old = next(key for key in credentials(store, app.id) if key.kind == Kind.APPCODE)
        assert call(service, old.identifier).status_code == 200
        page.goto(f"{address}/console/keys")
        act(page, f"#key-{old.id}", "轮换", "生成新的")
        new = page.locator("#fresh-identifier").inner_text()
        assert new != old.identifier
        assert call(service, new).headers["x-ziyan-remaining"] == "1"
        assert left(page, address) == "1 次"
        assert call(service, old.identifier).status_code == 200  # in its grace period
        assert left(page, address) == "0 次"
        refused = call(service, new)
        assert (refused.status_code, refused.headers["x-ca-error-code"]) == (403, "B403MQ")
        expect(page.get_by_text("调用会被拒绝")).to_be_visible()
        # What became of a call that held nothing is written down within a moment.
        for _ in range(50):
            page.goto(f"{address}/console/calls")
            if page.get_by_text("次数用完了").count():
                break
        expect(page.get_by_text("次数用完了")).to_be_visible()
        page.goto(f"{address}/console/inbox")
        expect(page.get_by_text("次数已用完").first).to_be_visible()
        buy()
        assert left(page, address) == "3 次"
        assert call(service, new).status_code == 200
        page.goto(f"{address}/console/invoices")
        expect(page.locator("[data-invoiceable]")).to_have_text("¥12.00")
        page.fill("#title", "示例科技有限公司")
        page.get_by_role("button", name="提交申请").click()
        expect(page.get_by_text("开票申请已提交")).to_be_visible()
        invoice_id = (page.locator("form[action*='/cancel']").get_attribute("action") or "").split("/")[3]
        person.do(lambda desk: papers.issue_invoice(desk, invoice_id, "24112000000012345678"))
        person.do(lambda desk: papers.attach_file(desk, invoice_id, "发票.pdf", b"%PDF-1.7\n%%EOF\n"))
        page.reload()
        expect(page.locator("td .badge").first).to_have_text("已开票")
        with page.expect_download() as download:
            page.get_by_role("link", name="PDF").click()
        assert download.value.suggested_filename == "发票.pdf"
        assert sum(package.consumed for package in list_packages(store, app.id)) == 4
        assert check(store).differences == ()
