from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import pytest

from tests.desk import operator, set_app_disabled
from tests.metering.asking import Asker, application, buyer_token, operator_token, problem_of
from ziyan.metering import selling, tokens
from ziyan.metering.catalogue import ensure_catalogue
from ziyan.metering.credentials import Registration, app_of_appcode, register_app
from ziyan.metering.store import Store
from ziyan.metering.store.usage import Event, add
from ziyan.metering.times import now_ms
from ziyan.metering.tokens import BUYER
from ziyan.settings import Settings


@dataclass
class Buyer:
    """Somebody with an app that has a package, an order and a billed call."""

    registration: Registration
    package: str
    order: str
    keys: list[str]
    token: str
    asker: Asker

    @property
    def app(self) -> str:
        return self.registration.app.id

    @property
    def secrets_and_identifiers(self) -> set[str]:
        found = {self.app, self.package, self.order, *self.keys, self.token, self.registration.app.name}
        found |= {self.registration.appcode, self.registration.appkey.secret, self.registration.appkey.identifier}
        return found | {self.registration.appid.secret, self.registration.appid.identifier}


async def buyer(application_: Any, store: Store, name: str) -> Buyer:
    registration = register_app(store, name)
    person, app = operator(store), registration.app
    order = person.do(lambda desk: selling.place_order(desk, app.id, "calls-1k"))
    package = person.do(lambda desk: selling.grant_package(desk, app.id, 10))
    event = Event(now_ms(), f"CALL-{name}", app.id, package.id, 200, "ok", True, 20, 1000)
    store.transact(lambda connection: add(connection, event, store.zone), write=True)
    token = buyer_token(store, app.account_id)
    asker = Asker(application_, token)
    keys = [key["id"] for key in (await asker.get(f"/account/apps/{app.id}/keys"))["items"]]
    return Buyer(registration, package.id, order.id, keys, token, asker)


@pytest.fixture
async def buyers(settings: Settings, store: Store) -> tuple[Buyer, Buyer]:
    ensure_catalogue(store)
    app = application(settings, store)
    return await buyer(app, store, "mine-app"), await buyer(app, store, "foreign-app")


async def test_a_buyer_sees_what_is_left_and_what_was_used(buyers: tuple[Buyer, Buyer]) -> None:
    mine = buyers[0]
    account = await mine.asker.get("/account")
    assert (account["id"], account["name"]) == (mine.registration.app.account_id, "mine-app")
    assert [app["id"] for app in (await mine.asker.get("/account/apps"))["items"]] == [mine.app]
    packages = (await mine.asker.get("/account/packages"))["items"]
    assert [(each["id"], each["left"]) for each in packages] == [(mine.package, 10)]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", packages[0]["valid_to"])
    usage = (await mine.asker.get("/account/usage"))["items"]
    assert [(each["app_id"], each["calls"], each["billed"]) for each in usage] == [(mine.app, 1, 1)]
    assert (await mine.asker.get("/account/usage", app_id=mine.app))["items"] == usage
    assert "calls-1m" in [item["id"] for item in (await mine.asker.get("/account/catalogue"))["items"]]


async def test_a_buyer_orders_and_gives_the_order_up(buyers: tuple[Buyer, Buyer], store: Store) -> None:
    mine = buyers[0]
    order = await mine.asker.post("/account/orders", {"app_id": mine.app, "item_id": "trial-50"})
    assert await mine.asker.get(f"/account/orders/{order['id']}") == order
    assert len((await mine.asker.get("/account/orders", state="pending", app_id=mine.app))["items"]) == 2
    assert (await mine.asker.post(f"/account/orders/{order['id']}/cancel", status=200))["state"] == "cancelled"
    assert len((await mine.asker.get("/account/packages"))["items"]) == 1, "what nobody paid has no package"
    for path in ("pay", "refund"):
        assert await mine.asker.refused("POST", f"/account/orders/{order['id']}/{path}", {}) == (404, "not_found")
    log = (await mine.asker.other(operator_token(store)).get("/admin/audit", object_id=order["id"]))["items"]
    assert [entry["action"] for entry in log] == ["order.cancel", "order.place"]


async def test_a_rotated_key_works_beside_the_new_one_until_its_time_is_over(
    buyers: tuple[Buyer, Buyer], store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = buyers[0]
    keys = f"/account/apps/{mine.app}/keys"
    old = next(key for key in (await mine.asker.get(keys))["items"] if key["kind"] == "appcode")
    shown = await mine.asker.post(f"{keys}/{old['id']}/reveal", status=200)
    assert shown["identifier"] == mine.registration.appcode
    new = await mine.asker.post(f"{keys}/{old['id']}/rotate", {"grace_hours": 2})

    async def working() -> list[bool]:
        return [await app_of_appcode(store, each["identifier"]) is not None for each in (shown, new)]

    assert await working() == [True, True]
    later = now_ms() + 2 * 3_600_000
    monkeypatch.setattr("ziyan.metering.credentials.now_ms", lambda: later - 60_000)
    assert await working() == [True, True]
    monkeypatch.setattr("ziyan.metering.credentials.now_ms", lambda: later + 60_000)
    assert await working() == [False, True]
    added = await mine.asker.post(keys, {"kind": "appkey"})
    assert (await mine.asker.post(f"{keys}/{new['id']}/revoke", status=200))["revoked_at"]
    assert await working() == [False, False]
    assert added["secret"]
    log = (await mine.asker.other(operator_token(store)).get("/admin/audit", object_id=old["id"]))["items"]
    assert [entry["action"] for entry in log] == ["key.rotate", "key.reveal"]
    assert log[0]["actor"].startswith("token ")


async def test_a_buyers_token_is_rotated_by_itself(buyers: tuple[Buyer, Buyer]) -> None:
    mine = buyers[0]
    new = await mine.asker.post("/account/token/rotate", {"grace_hours": 0})
    assert await mine.asker.refused("GET", "/account") == (401, "sign_in_required")
    assert (await mine.asker.other(f"Bearer {new['token']}").get("/account"))["name"] == "mine-app"


# --- nobody sees what is not theirs -------------------------------------------------------------------------------


def walks(document: dict[str, Any], foreign: Buyer) -> list[tuple[str, str, dict[str, str], dict[str, Any]]]:
    """Every operation of the buyer API with every identifier that it takes being somebody else's."""
    bodies = {"NewKey": {"kind": "appkey"}, "NewOrder": {"app_id": foreign.app, "item_id": "calls-1k"}}
    found = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            filled = (
                path.removeprefix("/v1")
                .replace("{app_id}", foreign.app)
                .replace("{order_id}", foreign.order)
                .replace("{month}", "2026-01")
            )
            query = (
                {each["name"]: foreign.app for each in operation["parameters"] if each["name"] == "app_id"}
                if ("{" not in path and "parameters" in operation)
                else {}
            )
            body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            said = bodies.get(body.get("$ref", "").rpartition("/")[2], {})
            found += [(method.upper(), re.sub(r"{\w+}", key, filled), query, said) for key in foreign.keys]
    return found


#: Below these every path names something of somebody.
THINGS = ("/account/apps/", "/account/orders/", "/account/invoices/", "/account/targets/", "/account/deliveries/")


async def state_of(asker: Asker, store: Store, whose: Buyer) -> str:
    """All that an operator sees of somebody's, but when tokens were used."""
    admin = asker.other(operator_token(store))
    account = whose.registration.app.account_id
    paths = [f"/admin/apps/{whose.app}", f"/admin/apps/{whose.app}/keys", f"/admin/accounts/{account}"]
    found = [await admin.get(path) for path in paths]
    found += [await admin.get(f"/admin/{path}", account_id=account) for path in ("orders", "packages", "usage")]
    return json.dumps(found)


async def test_no_operation_shows_or_changes_anything_of_another_account(
    buyers: tuple[Buyer, Buyer], store: Store
) -> None:
    mine, foreign = buyers
    document = (await mine.asker.ask("GET", "/account/openapi.json")).json()
    assert {"get", "post"} <= {method for path in document["paths"].values() for method in path}
    before = await state_of(mine.asker, store, foreign)
    walked = walks(document, foreign)
    assert len(walked) >= 3 * 15
    for method, path, query, said in walked:
        if path.endswith("/token/rotate"):
            continue
        answer = await mine.asker.ask(method, path, said, **query)
        own = path.startswith(THINGS) or said.get("app_id")
        assert not own or problem_of(answer) == (404, "not_found"), (method, path)
        sent = {foreign.app, foreign.order, *foreign.keys}  # what a refusal repeats, the asker said
        told = foreign.secrets_and_identifiers - (sent if answer.status_code >= 400 else set())
        assert not [each for each in told if each in answer.text], (method, path)
    assert await state_of(mine.asker, store, foreign) == before


async def test_a_foreign_key_is_not_reached_through_an_own_app(buyers: tuple[Buyer, Buyer], store: Store) -> None:
    mine, foreign = buyers
    before = await state_of(mine.asker, store, foreign)
    for key in foreign.keys:
        for action in ("reveal", "rotate", "revoke"):
            path = f"/account/apps/{mine.app}/keys/{key}/{action}"
            assert await mine.asker.refused("POST", path, {}) == (404, "not_found")
    assert await state_of(mine.asker, store, foreign) == before


async def test_what_is_foreign_is_told_exactly_as_what_is_not_there(buyers: tuple[Buyer, Buyer]) -> None:
    mine, foreign = buyers
    for path, there in (
        ("/account/apps/{}/keys", foreign.app),
        ("/account/orders/{}", foreign.order),
    ):
        told = []
        for identifier in (there, "0" * 32):
            said = (await mine.asker.ask("GET", path.format(identifier))).json()
            del said["request_id"]
            told.append(json.dumps(said).replace(identifier, "ID"))
        assert told[0] == told[1]


async def test_tokens_open_their_own_door_only(buyers: tuple[Buyer, Buyer], store: Store) -> None:
    mine = buyers[0]
    document = (await mine.asker.ask("GET", "/admin/openapi.json")).json()
    assert await mine.asker.refused("GET", "/admin/apps") == (401, "sign_in_required")
    assert document["info"]["title"] == "Ziyan: operators"
    everything = mine.asker.other(operator_token(store))
    assert await everything.refused("GET", "/account") == (401, "sign_in_required")


async def test_a_buyers_token_does_what_its_scopes_say(buyers: tuple[Buyer, Buyer], store: Store) -> None:
    mine = buyers[0]
    document = (await mine.asker.ask("GET", "/account/openapi.json")).json()
    needed = set()
    for scope in BUYER:
        asker = mine.asker.other(buyer_token(store, mine.registration.app.account_id, [scope]))
        for method, path, query, said in walks(document, mine)[::3]:
            status = (await asker.ask(method, path, said, **query)).status_code
            if status != 403:
                needed.add((scope, method, path.rpartition("/")[2]))
    reading = {path for scope, method, path in needed if scope == "account:read" and method == "POST"}
    assert reading == {"rotate", "read"}, "its own token's, none of a key; notices"
    assert {path for scope, _, path in needed if scope == "account:keys"} >= {"keys", "reveal", "rotate", "revoke"}
    assert {path for scope, _, path in needed if scope == "account:orders"} == {"orders", "invoices", "cancel"}
    assert {path for scope, _, path in needed if scope == "account:notices"} == {"targets", "test", "remove", "retry"}


# --- AppCodes -----------------------------------------------------------------------------------------------------


async def test_an_appcode_shows_what_its_app_has_left_and_used_and_nothing_else(
    buyers: tuple[Buyer, Buyer], store: Store
) -> None:
    mine, foreign = buyers
    for authorization in (f"APPCODE {mine.registration.appcode}", f"Bearer {mine.registration.appcode}"):
        asker = mine.asker.other(authorization)
        document = (await asker.ask("GET", "/account/openapi.json")).json()
        for method, path, _, said in walks(document, mine)[::3]:
            answer = await asker.ask(method, path, said)
            if path in {"/account/packages", "/account/usage"}:
                assert answer.status_code == 200
                assert {each["app_id"] for each in answer.json()["items"]} == {mine.app}
                assert (await asker.get(path, app_id=mine.app)) == answer.json()
                assert await asker.refused("GET", path, None, app_id=foreign.app) == (404, "not_found")
            else:
                assert problem_of(answer) == (403, "missing_scope"), (method, path)


async def test_an_appcode_sees_nothing_of_another_app_of_its_account(buyers: tuple[Buyer, Buyer], store: Store) -> None:
    from ziyan.metering import apps

    mine = buyers[0]
    account = mine.registration.app.account_id
    second = operator(store).do(lambda desk: apps.create_app(desk, "second", account_id=account))
    operator(store).do(lambda desk: selling.grant_package(desk, second.id, 5))
    asker = mine.asker.other(f"APPCODE {mine.registration.appcode}")
    assert {each["app_id"] for each in (await asker.get("/account/packages"))["items"]} == {mine.app}
    assert await asker.refused("GET", "/account/packages", None, app_id=second.id) == (404, "not_found")
    assert len((await mine.asker.get("/account/packages"))["items"]) == 2


async def test_an_appcode_that_does_not_work_is_refused_as_any_other(buyers: tuple[Buyer, Buyer], store: Store) -> None:
    mine = buyers[0]
    set_app_disabled(store, mine.app, disabled=True)
    for authorization in (f"APPCODE {mine.registration.appcode}", "APPCODE nothing", "Basic nothing", "APPCODE"):
        assert await mine.asker.other(authorization).refused("GET", "/account/packages") == (401, "sign_in_required")


def test_a_buyers_scopes_are_no_operators() -> None:
    assert not set(BUYER) & set(tokens.OPERATOR)
    assert set(BUYER) | set(tokens.OPERATOR) == set(tokens.Scope)
