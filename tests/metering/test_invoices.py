from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from tests.metering.test_statements import buy
from ziyan.errors import ConflictError, InvalidRequestError, NotFoundError
from ziyan.metering import invoices, orders
from ziyan.metering.credentials import App, register_app
from ziyan.metering.invoices import (
    Wanted,
    attach_pdf,
    cancel_invoice,
    invoice_file,
    invoiceable_fen,
    issue_invoice,
    list_invoices,
    reject_invoice,
    request_invoice,
)
from ziyan.metering.store import Store

PDF = b"%PDF-1.7\n...\n%%EOF\n"
NUMBER = "26312000000123456789"
NORMAL = Wanted("normal", "上海某某信息技术有限公司", 1000, "91350100M000100Y43")
SPECIAL = replace(NORMAL, kind="special", registered="上海市某路 1 号 021-12345678", bank="某银行 6222 0000")


@pytest.fixture
def app(store: Store) -> App:
    """Its account has paid ¥30, by two orders."""
    found = register_app(store, "app").app
    for fen in (1000, 2000):
        buy(store, found.id, 10, 1, fen)
    return found


def order_of(store: Store, app: App, fen: int) -> str:
    return next(order.id for order in orders.list_orders(store, app.account_id) if order.price_fen == fen)


def void_invoice(store: Store, invoice_id: str, reason: str) -> invoices.Invoice:
    return store.transact(lambda connection: invoices.void_invoice_in(connection, invoice_id, reason), write=True)


def test_a_request_is_issued_with_its_pdf(store: Store, app: App) -> None:
    asked = request_invoice(store, app.account_id, replace(SPECIAL, title=" 某公司 ", email="a@example.com"))
    assert (asked.state, asked.title, asked.kind, asked.decided_at) == ("requested", "某公司", "special", None)
    assert list_invoices(store, account_id=app.account_id, state="requested") == [asked]
    issued = issue_invoice(store, asked.id, NUMBER, pdf=PDF, name="发票 1.pdf")
    assert (issued.state, issued.invoice_number) == ("issued", NUMBER)
    assert list_invoices(store) == [issued]
    assert list_invoices(store, account_id="nobody") == list_invoices(store, state="requested") == []
    file = invoice_file(store, asked.id, account_id=app.account_id)
    assert (file.name, file.content) == ("发票 1.pdf", PDF)
    for account in ("nobody", "trial"):
        with pytest.raises(NotFoundError):
            invoice_file(store, asked.id, account_id=account)


def test_the_pdf_can_come_later_and_be_replaced(store: Store, app: App) -> None:
    asked = request_invoice(store, app.account_id, NORMAL)
    with pytest.raises(ConflictError, match="requested, not issued"):
        attach_pdf(store, asked.id, "a.pdf", PDF)
    issue_invoice(store, asked.id, NUMBER)
    with pytest.raises(NotFoundError, match="no invoice's file"):
        invoice_file(store, asked.id)
    attach_pdf(store, asked.id, "a.pdf", PDF)
    attach_pdf(store, asked.id, "b.PDF", PDF + b"\n")
    assert (invoice_file(store, asked.id).name, len(invoice_file(store, asked.id).sha256)) == ("b.PDF", 64)


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("a.pdf", b"GIF89a", "no PDF"),
        ("a.pdf", b"%PDF-1.7 cut off", "not a whole one"),
        ("a.pdf", b"%PDF-9.9 %%EOF", "no PDF"),
        ("a.pdf", PDF + bytes(invoices.MAX_PDF_BYTES) + PDF, "5 MiB"),
        ("a.exe", PDF, "ends in .pdf"),
        ("../a.pdf", PDF, "slashes"),
        ("a\n.pdf", PDF, "ends in .pdf"),
    ],
)
def test_only_a_whole_pdf_is_attached_and_nothing_is_issued_without(
    store: Store, app: App, name: str, content: bytes, what: str
) -> None:
    asked = request_invoice(store, app.account_id, NORMAL)
    with pytest.raises(ConflictError, match=what):
        issue_invoice(store, asked.id, NUMBER, pdf=content, name=name)
    assert list_invoices(store) == [asked]


@pytest.mark.parametrize(
    ("wanted", "what"),
    [
        ({"kind": "other"}, "normal or special"),
        ({"amount_fen": 0}, "at least 1 fen"),
        ({"title": "  "}, "title"),
        ({"title": "a" * 201}, "title"),
        ({"title": "a\nb"}, "title"),
        ({"tax_number": "91350100M000100Y44"}, "no tax number"),
        ({"tax_number": ""}, "needs the tax number"),
        ({"registered": " "}, "registered address"),
        ({"bank": ""}, "bank"),
        ({"bank": "a\nb"}, "printable"),
        ({"email": "a@b@c"}, "mail address"),
        ({"email": "A <a@example.com>"}, "mail address"),
    ],
)
def test_what_is_malformed_is_refused(store: Store, app: App, wanted: dict[str, Any], what: str) -> None:
    with pytest.raises(InvalidRequestError, match=what):
        request_invoice(store, app.account_id, replace(SPECIAL, **wanted))
    assert list_invoices(store) == []


def test_a_persons_normal_invoice_needs_no_tax_number(store: Store, app: App) -> None:
    assert request_invoice(store, app.account_id, Wanted("normal", "张三", 1)).tax_number == ""


def test_no_account_no_invoice(store: Store) -> None:
    with pytest.raises(NotFoundError):
        request_invoice(store, "nobody", NORMAL)


def test_no_more_than_was_paid_and_not_invoiced(store: Store, app: App) -> None:
    assert invoiceable_fen(store, app.account_id) == 3000
    first = request_invoice(store, app.account_id, replace(NORMAL, amount_fen=2500))
    with pytest.raises(ConflictError, match="500 fen have no invoice yet, not 501"):
        request_invoice(store, app.account_id, replace(NORMAL, amount_fen=501))
    reject_invoice(store, first.id, " 抬头有误 ")
    assert list_invoices(store)[0].reason == "抬头有误"
    second = request_invoice(store, app.account_id, replace(NORMAL, amount_fen=3000))
    assert invoiceable_fen(store, app.account_id) == 0
    cancel_invoice(store, app.account_id, second.id)
    assert invoiceable_fen(store, app.account_id) == 3000


def test_of_an_order_no_more_than_it_cost(store: Store, app: App) -> None:
    wanted = replace(NORMAL, order_id=order_of(store, app, 1000), amount_fen=1001)
    with pytest.raises(ConflictError, match="1000 fen"):
        request_invoice(store, app.account_id, wanted)
    request_invoice(store, app.account_id, replace(wanted, amount_fen=600))
    with pytest.raises(ConflictError, match="400 fen"):
        request_invoice(store, app.account_id, replace(wanted, amount_fen=401))
    another = register_app(store, "another").app
    with pytest.raises(ConflictError, match=" 0 fen"):
        request_invoice(store, another.account_id, wanted)


def test_a_refund_takes_back_what_can_be_invoiced(store: Store, app: App) -> None:
    asked = request_invoice(store, app.account_id, replace(NORMAL, amount_fen=3000))
    orders.refund_order(store, order_of(store, app, 2000), fen=1500)
    assert invoiceable_fen(store, app.account_id) == 0
    with pytest.raises(ConflictError, match="paid back since"):
        issue_invoice(store, asked.id, NUMBER)
    reject_invoice(store, asked.id, "已退款")
    assert invoiceable_fen(store, app.account_id) == 1500


def test_another_orders_money_is_no_reason_to_issue(store: Store, app: App) -> None:
    order = order_of(store, app, 2000)
    asked = request_invoice(store, app.account_id, replace(NORMAL, amount_fen=2000, order_id=order))
    orders.refund_order(store, order, fen=2000)
    with pytest.raises(ConflictError, match="paid back since"):
        issue_invoice(store, asked.id, NUMBER)


def test_a_request_is_decided_once(store: Store, app: App) -> None:
    asked = request_invoice(store, app.account_id, NORMAL)
    with pytest.raises(ConflictError, match="number"):
        issue_invoice(store, asked.id, "no!")
    with pytest.raises(ConflictError, match="reason"):
        reject_invoice(store, asked.id, " ")
    with pytest.raises(NotFoundError):
        cancel_invoice(store, "another", asked.id)
    issue_invoice(store, asked.id, NUMBER)
    for decide in (
        lambda: issue_invoice(store, asked.id, NUMBER),
        lambda: reject_invoice(store, asked.id, "late"),
        lambda: cancel_invoice(store, app.account_id, asked.id),
    ):
        with pytest.raises(ConflictError, match="issued, not requested"):
            decide()
    with pytest.raises(NotFoundError):
        issue_invoice(store, "none", NUMBER)


def test_a_voided_invoice_frees_its_amount_and_keeps_its_number_and_file(store: Store, app: App) -> None:
    asked = request_invoice(store, app.account_id, replace(NORMAL, amount_fen=3000))
    with pytest.raises(ConflictError, match="requested, not issued"):
        void_invoice(store, asked.id, "early")
    issue_invoice(store, asked.id, NUMBER, pdf=PDF)
    orders.refund_order(store, order_of(store, app, 2000), fen=2000)
    with pytest.raises(ConflictError, match="reason"):
        void_invoice(store, asked.id, " ")
    voided = void_invoice(store, asked.id, " 已退款 ")
    assert (voided.state, voided.reason, voided.invoice_number) == ("voided", "已退款", NUMBER)
    assert voided.voided_at is not None
    assert list_invoices(store, state="voided") == list_invoices(store) == [voided]
    assert list_invoices(store, state="issued") == []
    assert invoice_file(store, asked.id).content == PDF
    for change in (
        lambda: void_invoice(store, asked.id, "again"),
        lambda: attach_pdf(store, asked.id, "a.pdf", PDF),
        lambda: issue_invoice(store, asked.id, NUMBER),
    ):
        with pytest.raises(ConflictError, match="is voided"):
            change()
    assert invoiceable_fen(store, app.account_id) == 1000
    assert issue_invoice(store, request_invoice(store, app.account_id, NORMAL).id, NUMBER).state == "issued"


def test_of_many_requests_at_once_no_more_than_was_paid_come_through(store: Store, app: App) -> None:
    def ask(_: int) -> bool:
        try:
            request_invoice(store, app.account_id, replace(NORMAL, amount_fen=400))
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(ask, range(24))) == 7
    assert invoiceable_fen(store, app.account_id) == 200
