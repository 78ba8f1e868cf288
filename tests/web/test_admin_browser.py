"""The operator's pages in a real browser, before a real service: one day of an operator, and how all of it looks."""

from __future__ import annotations

import http.client
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.desk import operator
from tests.test_serve import Service
from tests.web.conftest import DESK, PHONE, Window
from ziyan.metering import demo, ledger, papers
from ziyan.metering.credentials import appcodes
from ziyan.metering.invoices import Wanted
from ziyan.metering.store import Store
from ziyan.settings import Settings

PDF = b"%PDF-1.7\n1 0 obj\n%%EOF\n"
#: Of each kind of page one; the last part of a list's page is replaced by what it links to first.
PAGES = (
    *("/admin", "/admin/accounts", "/admin/apps", "/admin/orders", "/admin/invoices", "/admin/catalogue"),
    *("/admin/usage", "/admin/notices", "/admin/audit", "/admin/health"),
)
DETAILS = ("/admin/accounts", "/admin/apps", "/admin/orders", "/admin/invoices", "/admin/catalogue")


@dataclass
class Shop:
    """A service with a year behind it."""

    service: Service
    folder: Path
    password: str

    def store(self) -> Store:
        return Store.open(Settings.load(data_dir=self.folder))


@pytest.fixture(scope="module")
def shop(
    start_site: Callable[..., Service], tmp_path_factory: pytest.TempPathFactory, models_dir: Path
) -> Iterator[Shop]:
    folder = tmp_path_factory.mktemp("shop")
    (folder / "models").symlink_to(models_dir)
    store = Store.open(Settings.load(data_dir=folder))
    demo.fill(store, calls=20_000)
    store.close()
    service = start_site(ZIYAN_DATA_DIR=str(folder))
    found = re.search(r"name operator, password (\S+)", service.printed)
    assert found, service.printed
    yield Shop(service, folder, found[1])


@pytest.fixture
def desk(look: Callable[..., Window], shop: Shop) -> Callable[..., Window]:
    """Opens windows of an operator who has signed in."""

    def open_desk(width: int = DESK, **more: object) -> Window:
        window = look(width, shop.service, **more)
        page = window.open("/admin/orders")  # which leads to the door, and from there back
        page.get_by_label("登录名或邮箱").fill("operator")
        page.get_by_label("密码").fill(shop.password)
        page.get_by_role("button", name="登录").click()
        expect(page).to_have_url(re.compile("/admin/orders$"))
        return window

    return open_desk


def confirm(page: Page, button: str, yes: str, **fields: str) -> None:
    """Ask for a change, fill its form in, and say yes."""
    asked = page.locator("details.ask-once").filter(has=page.locator("summary", has_text=re.compile(f"^{button}$")))
    expect(asked.get_by_role("button", name=yes)).to_be_hidden()
    asked.locator("summary").click()
    for name, value in fields.items():
        asked.locator(f"[name={name}]").fill(value)
    asked.get_by_role("button", name=yes).click()


def section(page: Page, name: str) -> None:
    page.get_by_role("navigation", name="栏目").get_by_role("link", name=name, exact=True).click()


def set_open(page: Page, which: str, value: str) -> None:
    page.evaluate(f"document.querySelectorAll('{which}').forEach(element => {{ element.open = {value} }})")


def call(shop: Shop, appcode: str) -> tuple[int, str]:
    """Status and error code of a call, as the caller's own program gets them."""
    connection = http.client.HTTPConnection("127.0.0.1", shop.service.port, timeout=60)
    connection.request("POST", "/ocr", b"img=x", {"Authorization": f"APPCODE {appcode}"})
    answer = connection.getresponse()
    connection.close()
    return answer.status, answer.headers.get("X-Ca-Error-Code", "")


def test_a_day_of_an_operator(desk: Callable[..., Window], shop: Shop, tmp_path: Path) -> None:
    window = desk()
    page = window.page
    # A new customer, with an app and a login.
    section(page, "账户")
    confirm(page, "开通账户", "确认开通", name="云间印刷")
    expect(page.locator(".done")).to_contain_text("账户“云间印刷”已开通")
    confirm(page, "添加登录", "确认添加", name="yun@example.com")
    expect(page.locator("#password")).to_be_visible()
    assert max(window.icons()) < 30
    window.shoot("admin-password-zh-light")
    page.get_by_role("link", name="回到账户").click()
    confirm(page, "登记应用", "确认登记", name="校对")
    expect(page.locator(".done")).to_contain_text("应用“校对”已登记")
    app_address = page.url
    app_id = app_address.rpartition("/")[2]
    store = shop.store()
    (appcode,) = appcodes(store, app_id)
    assert call(shop, appcode) == (403, "B403MQ")
    # An order, which is paid; a present besides.
    confirm(page, "代为下单", "确认下单")
    expect(page.locator(".done")).to_contain_text("待付款")
    confirm(page, "记为已付款", "确认：款已收到", reference="网银 0131")
    expect(page.locator(".done")).to_contain_text("次已到账")
    expect(page.locator("h1 .badge")).to_have_text("已付款")
    page.get_by_role("link", name="校对").click()
    confirm(page, "充次数", "确认充入", calls="500", months="6")
    expect(page.locator(".done")).to_contain_text("已充入 500 次")
    expect(page.locator(".tile .big").first).to_have_text("1,000,500")
    # Its calls are read, refused while it is disabled, and read again.
    assert call(shop, appcode) == (666, "")
    confirm(page, "停用应用", "确认停用")
    expect(page.locator("h1 .badge")).to_have_text("已停用")
    assert call(shop, appcode) == (403, "I403AA")
    confirm(page, "启用应用", "确认启用")
    assert call(shop, appcode) == (666, "")
    # Its buyer asks for an invoice, which is issued by uploading it.
    account_id = page.locator("main > p a").get_attribute("href").rpartition("/")[2]  # type: ignore[union-attr]
    operator(store).do(lambda at: papers.request_invoice(at, account_id, Wanted("normal", "云间印刷厂", 2_000_000)))
    file = tmp_path / "invoice.pdf"
    file.write_bytes(PDF)
    section(page, "发票")
    page.get_by_role("row", name="云间印刷厂").get_by_role("link").first.click()
    page.locator("summary", has_text="开票").click()
    page.get_by_label("发票号码").fill("26310000000000000017")
    page.get_by_label("PDF").set_input_files(file)
    page.get_by_role("button", name="确认：已开具").click()
    expect(page.locator(".done")).to_contain_text("发票 26310000000000000017 已开具")
    with page.expect_download() as download:
        page.get_by_role("link", name="26310000000000000017.pdf").click()
    assert Path(download.value.path()).read_bytes() == PDF
    # A key of the app is looked at, and a notice that was given up is sent again.
    page.goto(app_address)
    page.get_by_role("link", name="凭证", exact=True).click()
    key = page.locator(".keys li", has_text="AppCode")
    expect(key).not_to_contain_text(appcode)
    key.locator("summary", has_text="查看").click()
    key.locator("[name=password]").fill(shop.password)
    key.get_by_role("button", name="查看").click()
    expect(page.locator("#fresh-identifier")).to_have_text(appcode)
    window.shoot("admin-keys-zh-light")
    section(page, "未送达的通知")
    again = page.locator("details.ask-once").first
    again.locator("summary").click()
    again.get_by_role("button", name="确认重发").click()
    expect(page.locator(".done")).to_contain_text("已重新发往")
    # All of it is in the audit log, done by the operator.
    section(page, "审计日志")
    expect(page.locator("h1")).to_have_text("审计日志")
    told = page.locator("tbody tr").filter(has_text="operator").locator("td:nth-child(3)").all_inner_texts()
    told = [each.split()[-1] for each in told]
    for action in ("account.create", "app.create", "order.place", "order.pay", "package.create", "package.grant",
                   "app.change", "invoice.issue", "invoice.attach", "key.reveal", "delivery.retry"):  # fmt: skip
        assert action in told
    assert ledger.check(store).differences == ()
    store.close()


def test_a_change_is_asked_for_once_without_scripts_too(desk: Callable[..., Window], shop: Shop) -> None:
    window = desk(java_script_enabled=False)
    page = window.page
    page.goto(f"{window.address}/admin/catalogue/calls-10k")
    confirm(page, "修改", "确认修改", price="399.00")
    expect(page.locator(".done")).to_contain_text("已上架")
    expect(page.get_by_role("row", name="calls-10k")).to_contain_text("¥399.00")


def test_keys_alone_lead_through_a_change(desk: Callable[..., Window]) -> None:
    page = desk().page
    page.goto(page.url.replace("/orders", "/catalogue/calls-1k"))
    page.locator("summary", has_text="下架").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    focused = page.evaluate("document.activeElement.textContent")
    assert "确认下架" in focused
    page.keyboard.press("Enter")
    expect(page.locator(".done")).to_contain_text("已下架")


@pytest.mark.parametrize(("scheme", "language"), [("light", "zh"), ("dark", "en")])
@pytest.mark.parametrize("width", [DESK, PHONE])
def test_every_page_fits_and_is_accessible(desk: Callable[..., Window], width: int, scheme: str, language: str) -> None:
    window = desk(width, color_scheme=scheme)
    page, axe = window.page, Axe()
    paths = list(PAGES)
    for path in DETAILS:
        page.goto(window.address + path)
        link = page.locator(f"td a[href^='{path}/']").first.get_attribute("href")
        assert link
        paths.append(link)
    for path in paths:
        page.goto(f"{window.address}{path.partition('?')[0]}?lang={language}")
        set_open(page, "details.ask-once, .numbers-of", "true")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert max(window.icons()) < 30, path
        found = [each for each in axe.run(page).response["violations"] if each["impact"] in {"serious", "critical"}]
        assert [(each["id"], [node["html"] for node in each["nodes"]][:3]) for each in found] == [], path
        set_open(page, "details", "false")
        name = re.sub(r"[0-9a-f]{32}|calls-\w+", "one", path).strip("/").replace("/", "-")
        window.shoot(f"{name}-{language}-{scheme}")
