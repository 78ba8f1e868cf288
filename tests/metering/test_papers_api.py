from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.desk import operator
from tests.metering import calls
from tests.metering.asking import Asker, application, buyer_token, operator_token, problem_of
from tests.metering.test_cli_operators import refused, run, told
from ziyan.api import management
from ziyan.errors import NotFoundError
from ziyan.metering import papers, selling
from ziyan.metering.catalogue import ensure_catalogue
from ziyan.metering.credentials import register_app
from ziyan.metering.invoices import MAX_PDF_BYTES, Wanted
from ziyan.metering.store import Store
from ziyan.metering.times import day_of, now_ms
from ziyan.settings import Settings

__all__ = ["refused", "run", "told"]
PDF = b"%PDF-1.7\n" + b"x" * 100_000 + b"\n%%EOF\n"
BEGINS = {"csv": "\ufeff".encode(), "xlsx": b"PK\x03\x04", "pdf": b"%PDF-"}


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Any:
    """The database that the commands work on too."""
    monkeypatch.setenv("ZIYAN_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("ZIYAN_DATABASE_URL", settings.database_url)
    store = Store.open(settings)
    ensure_catalogue(store)
    yield store
    store.close()


@pytest.fixture
def app(store: Store, settings: Settings) -> Any:
    return application(settings, store)


def paid(store: Store, name: str) -> tuple[str, str]:
    """An account that has paid 5,000 fen, and the order."""
    registered, person = register_app(store, name).app, operator(store)
    order = person.do(lambda desk: selling.place_order(desk, registered.id, "calls-1k"))
    person.do(lambda desk: selling.pay_order(desk, order.id))
    return registered.account_id, order.id


def month(store: Store) -> str:
    return f"{day_of(now_ms(), store.zone):%Y-%m}"


async def test_statements_are_files_of_three_kinds_and_of_nobody_else(app: Any, store: Store) -> None:
    account, order = paid(store, "mine")
    foreign, foreign_order = paid(store, "foreign")
    buyer, admin = Asker(app, buyer_token(store, account)), Asker(app, operator_token(store))
    for asker, paths in (
        (buyer, (f"/account/statements/{month(store)}", f"/account/orders/{order}/statement")),
        (admin, (f"/admin/accounts/{account}/statements/{month(store)}", f"/admin/orders/{order}/statement")),
    ):
        for path in paths:
            for kind, begins in BEGINS.items():
                answer = await asker.ask("GET", path, format=kind)
                assert answer.status_code == 200, answer.text
                assert answer.content.startswith(begins)
                assert f".{kind}" in answer.headers["content-disposition"]
            assert await asker.refused("GET", path, None, format="doc") == (422, "invalid_request")
    assert (await buyer.ask("GET", f"/account/statements/{month(store)}", format="csv", app_id=account)).is_success
    for path in (f"/account/orders/{foreign_order}/statement", f"/account/statements/{month(store)}"):
        assert await buyer.refused("GET", path, None, app_id=foreign) == (404, "not_found")
    assert await admin.refused("GET", f"/admin/accounts/nobody/statements/{month(store)}") == (404, "not_found")
    assert await buyer.refused("GET", "/account/statements/2026-13") == (422, "invalid_request")
    assert await buyer.refused("GET", "/account/statements/2999-01") == (409, "conflict")


async def test_an_invoice_is_asked_for_issued_and_fetched_and_all_of_it_is_in_the_log(app: Any, store: Store) -> None:
    account, order = paid(store, "mine")
    buyer, admin = Asker(app, buyer_token(store, account)), Asker(app, operator_token(store))
    said = {"kind": "normal", "title": "张三", "amount_fen": 3000, "order_id": order}
    asked = await buyer.post("/account/invoices", said)
    assert (asked["state"], asked["account_id"], asked["amount_fen"]) == ("requested", account, 3000)
    assert await buyer.refused("POST", "/account/invoices", said) == (409, "conflict"), "more than was paid"
    second = await buyer.post("/account/invoices", {**said, "amount_fen": 2000})
    third = await buyer.post(f"/account/invoices/{second['id']}/cancel", status=200)
    assert third["state"] == "cancelled"
    fourth = await buyer.post("/account/invoices", {**said, "amount_fen": 2000, "order_id": None})
    rejected = await admin.post(f"/admin/invoices/{fourth['id']}/reject", {"reason": "another title"}, status=200)
    assert rejected["reason"] == "another title"

    path = f"/admin/invoices/{asked['id']}"
    assert await buyer.refused("GET", f"/account/invoices/{asked['id']}/file") == (404, "not_found")
    issued = await admin.post(f"{path}/issue", {"number": "24312000000012345678"}, status=200)
    assert issued["invoice_number"] == "24312000000012345678"
    attached = await admin._client.put(f"{path}/file", content=PDF, params={"name": "发票.pdf"})
    assert attached.json() == issued
    for asker, where in ((buyer, f"/account/invoices/{asked['id']}/file"), (admin, f"{path}/file")):
        answer = await asker.ask("GET", where)
        assert hashlib.sha256(answer.content).digest() == hashlib.sha256(PDF).digest()
        assert answer.headers["content-type"] == "application/pdf"
        assert "%E5%8F%91%E7%A5%A8.pdf" in answer.headers["content-disposition"]
    assert problem_of(await admin._client.put(f"{path}/file", content=b"no PDF")) == (409, "conflict")
    assert problem_of(await admin._client.put(f"{path}/file", content=b"x" * (MAX_PDF_BYTES + 1)))[0] == 413
    assert (
        problem_of(await admin._client.post("/admin/accounts", content=b"x" * (management.MOST_BODY_BYTES + 1)))[0]
        == 413
    )
    listed = (await admin.get("/admin/invoices", account_id=account))["items"]
    assert {each["state"] for each in listed} == {"issued", "cancelled", "rejected"}
    assert len((await admin.get("/admin/invoices", state="issued"))["items"]) == 1
    assert len((await buyer.get("/account/invoices"))["items"]) == 3
    voided = await admin.post(f"{path}/void", {"reason": "paid back"}, status=200)
    assert (voided["state"], voided["reason"]) == ("voided", "paid back")
    assert await admin.refused("POST", f"{path}/void", {"reason": "again"}) == (409, "conflict")
    assert [each["id"] for each in (await admin.get("/admin/invoices", state="voided"))["items"]] == [asked["id"]]
    log = (await admin.get("/admin/audit", object_id=asked["id"]))["items"]
    actions = ["invoice.void", "invoice.attach", "invoice.issue", "invoice.request"]
    assert [entry["action"] for entry in log] == actions


async def test_events_are_given_as_files_and_to_nobody_else(app: Any, store: Store) -> None:
    registered = [register_app(store, name).app for name in ("mine", "foreign")]
    for each in registered:
        operator(store).do(partial(selling.grant_package, app_id=each.id, calls=1, months=1))
        await calls.make(store, each.id)
    (account, mine), theirs = (registered[0].account_id, registered[0].id), registered[1].id
    buyer, admin = Asker(app, buyer_token(store, account)), Asker(app, operator_token(store))
    csv = (await buyer.ask("GET", "/account/usage/events")).content.decode("utf-8-sig")
    assert mine in csv
    assert theirs not in csv
    assert theirs not in (await buyer.ask("GET", "/account/usage/events", app_id=theirs)).text
    table = await buyer.ask("GET", "/account/usage/events", format="xlsx")
    assert table.content.startswith(BEGINS["xlsx"])
    assert "events.xlsx" in table.headers["content-disposition"]
    assert {mine, theirs} <= set((await admin.ask("GET", "/admin/usage/events")).text.replace(",", " ").split())
    assert theirs not in (await admin.ask("GET", "/admin/usage/events", account_id=account)).text
    assert await buyer.refused("GET", "/account/usage/events", None, format="pdf") == (422, "invalid_request")


async def test_nobody_reaches_another_accounts_invoices(app: Any, store: Store) -> None:
    (account, _), (foreign, foreign_order) = paid(store, "mine"), paid(store, "foreign")
    buyer, other = Asker(app, buyer_token(store, account)), Asker(app, buyer_token(store, foreign))
    theirs = await other.post("/account/invoices", {"kind": "normal", "title": "李四", "amount_fen": 100})
    said = {"kind": "normal", "title": "张三", "amount_fen": 100, "order_id": foreign_order}
    assert await buyer.refused("POST", "/account/invoices", said) == (404, "not_found")
    assert await buyer.refused("POST", f"/account/invoices/{theirs['id']}/cancel") == (404, "not_found")
    assert await buyer.refused("GET", f"/account/invoices/{theirs['id']}/file") == (404, "not_found")
    assert (await buyer.get("/account/invoices"))["items"] == []
    assert [each["state"] for each in (await other.get("/account/invoices"))["items"]] == ["requested"]
    wanted = Wanted("normal", "张三", 100, order_id=foreign_order)
    with pytest.raises(NotFoundError):  # also for an operator, who sees both
        operator(store).do(lambda desk: papers.request_invoice(desk, account, wanted))


def test_the_commands_write_statements_and_decide_on_invoices(
    run: Any, told: Any, refused: Any, store: Store, tmp_path: Path
) -> None:
    account, order = paid(store, "mine")
    for kind, begins in BEGINS.items():
        for words in (("month", account, month(store)), ("order", order)):
            file = tmp_path / f"{words[0]}.{kind}"
            assert run("statements", *words, str(file)) == f"{file}\n"
            assert file.read_bytes().startswith(begins)
    assert refused("statements", "order", order, "x.doc")[0] == 2
    assert refused("statements", "month", account, "2026-1", "x.pdf")[0] == 2
    assert refused("statements", "order", order, str(tmp_path / "none" / "x.pdf"))[0] == 66

    wanted = Wanted("normal", "张三", 100)
    asked = [operator(store).do(lambda desk: papers.request_invoice(desk, account, wanted)) for _ in range(2)]
    assert told("invoices", "issue", asked[0].id, "24312000000012345678")["state"] == "issued"
    assert told("invoices", "reject", asked[1].id, "another title")["reason"] == "another title"
    file = tmp_path / "发票.pdf"
    file.write_bytes(PDF)
    assert told("invoices", "attach", asked[0].id, str(file))["id"] == asked[0].id
    assert refused("invoices", "attach", asked[0].id, str(tmp_path / "none.pdf"))[0] == 66
    assert told("invoices", "void", asked[0].id, "paid back")["state"] == "voided"
    assert "¥1.00" in run("invoices", "list", "--account", account)
    assert [each["id"] for each in told("invoices", "list", "--state", "rejected")] == [asked[1].id]
