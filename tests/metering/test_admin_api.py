from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from tests.desk import operator
from tests.metering.asking import Asker, application, operator_token, problem_of
from ziyan.api import doors, management
from ziyan.api.doors import WRONG_AT_ONCE
from ziyan.errors import StoreError
from ziyan.metering import tokens
from ziyan.metering.catalogue import ensure_catalogue
from ziyan.metering.credentials import register_app
from ziyan.metering.store import Store
from ziyan.metering.store.usage import Event, add
from ziyan.metering.times import now_ms
from ziyan.metering.tokens import OPERATOR
from ziyan.settings import Settings


@pytest.fixture
def asker(settings: Settings, store: Store) -> Asker:
    """An operator who may do everything."""
    ensure_catalogue(store)
    return Asker(application(settings, store), operator_token(store))


async def test_calls_are_sold_from_the_first_account_to_the_refund_and_all_of_it_is_in_the_log(asker: Asker) -> None:
    account = await asker.post("/admin/accounts", {"name": " 甲公司 "})
    assert account["name"] == "甲公司"
    app = await asker.post("/admin/apps", {"name": "archive", "account_id": account["id"]})
    assert (app["account_id"], app["disabled"], app["rate"]) == (account["id"], False, None)
    order = await asker.post("/admin/orders", {"app_id": app["id"], "item_id": "calls-1k"})
    assert (order["state"], order["price_fen"], order["account_id"]) == ("pending", 5000, account["id"])
    for _ in range(2):
        paid = await asker.post(f"/admin/orders/{order['id']}/pay", {"reference": "bank 17"}, status=200)
        assert (paid["state"], paid["reference"]) == ("paid", "bank 17")
    packages = await asker.get("/admin/packages", app_id=app["id"])
    assert [(each["calls"], each["left"], each["order_id"]) for each in packages["items"]] == [
        (1000, 1000, order["id"])
    ]
    refunded = await asker.post(f"/admin/orders/{order['id']}/refund", {"fen": 100}, status=200)
    assert (refunded["state"], refunded["refunded_fen"]) == ("refunded", 100)
    assert await asker.refused("POST", f"/admin/orders/{order['id']}/pay") == (409, "conflict")
    assert await asker.get(f"/admin/orders/{order['id']}") == refunded

    entries = (await asker.get("/admin/audit"))["items"]
    assert [entry["action"] for entry in entries[:-1]] == [
        "order.refund", "package.create", "order.pay", "order.place", "app.create", "account.create",
    ]  # fmt: skip
    assert all(re.fullmatch(r"token [0-9a-f]{32} shop", entry["actor"]) for entry in entries[:-1])
    about = (await asker.get("/admin/audit", object_id=order["id"]))["items"]
    assert [(entry["before"] or {}).get("state") for entry in about] == ["paid", "pending", None]
    assert about[0]["after"] == refunded
    assert about[0]["object_kind"] == "order"


async def test_an_app_is_changed_and_only_what_is_named_changes(asker: Asker) -> None:
    app = await asker.post("/admin/apps", {"name": "app"})
    for change in (
        {"name": "other"},
        {"disabled": True},
        {"disabled": False},
        {"allowed_sources": ["192.0.2.0/24", "*.example.com"]},
        {"denied_sources": ["198.51.100.7"]},
        {"rate": 2.5},
        {"notify_percents": [50, 0], "notify_days": []},
    ):
        changed = await asker.ask("PATCH", f"/admin/apps/{app['id']}", change)
        app = {**app, **change}
        assert changed.json() == app
        assert await asker.get(f"/admin/apps/{app['id']}") == app
    assert (await asker.ask("PATCH", f"/admin/apps/{app['id']}", {"rate": 0})).json()["rate"] is None
    for wrong in ({"allowed_sources": ["http://x"]}, {"notify_percents": [101]}, {"notify_days": [0]}):
        assert await asker.refused("PATCH", f"/admin/apps/{app['id']}", wrong) == (409, "conflict")
    for wrong in ({"rate": -1}, {"rate": "x"}, {"unknown": 1}, {"name": ""}, {"name": "a\nb"}, [], "text"):
        assert await asker.refused("PATCH", f"/admin/apps/{app['id']}", wrong) == (422, "invalid_request")
    log = (await asker.get("/admin/audit", object_id=app["id"]))["items"]
    assert [entry["action"] for entry in log] == ["app.change"] * 8 + ["app.create"]
    assert (log[0]["before"]["rate"], log[0]["after"]["rate"]) == (2.5, None)


async def test_keys_are_made_shown_rotated_and_revoked_and_the_log_has_no_secret(asker: Asker, store: Store) -> None:
    app = await asker.post("/admin/apps", {"name": "app"})
    keys = f"/admin/apps/{app['id']}/keys"
    first = (await asker.get(keys))["items"]
    assert sorted(key["kind"] for key in first) == ["appcode", "appid", "appkey"]
    assert all("secret" not in key for key in first)
    made = [await asker.post(keys, {"kind": kind, "hmac": True}) for kind in ("appcode", "appkey", "appid")]
    assert [key["digest"] for key in made] == ["", "HmacSHA256 or HmacSHA1", "HMAC-SHA256"]
    appcode = made[0]
    assert appcode["name"] == f"{appcode['identifier'][:4]}…"
    assert await asker.post(f"{keys}/{appcode['id']}/reveal", status=200) == appcode
    rotated = await asker.post(f"{keys}/{appcode['id']}/rotate", {"grace_hours": 1})
    assert rotated["kind"] == "appcode"
    assert await asker.refused("POST", f"{keys}/{appcode['id']}/rotate") == (409, "conflict")
    for _ in range(2):
        revoked = await asker.post(f"{keys}/{rotated['id']}/revoke", status=200)
        assert revoked["revoked_at"]
    for action in ("reveal", "rotate"):
        assert await asker.refused("POST", f"{keys}/{rotated['id']}/{action}", {}) == (409, "conflict")
        assert await asker.refused("POST", f"{keys}/nothing/{action}", {}) == (404, "not_found")
    states = {key["id"]: (key["expires_at"], key["revoked_at"]) for key in (await asker.get(keys))["items"]}
    assert len(states) == 7
    assert states[appcode["id"]][0] is not None
    log = str((await asker.get("/admin/audit", limit=200))["items"])
    assert log.count("'action': 'key.reveal'") == 1
    for key in (*made, rotated):
        assert key["kind"] != "appcode" or key["identifier"] not in log
        assert not key["secret"] or key["secret"] not in log


async def test_an_app_has_so_many_keys_and_no_more(asker: Asker, store: Store) -> None:
    app = register_app(store, "app").app
    for _ in range(47):
        await asker.post(f"/admin/apps/{app.id}/keys", {"kind": "appcode"})
    assert await asker.refused("POST", f"/admin/apps/{app.id}/keys", {"kind": "appcode"}) == (409, "conflict")


async def test_the_catalogue_is_changed_for_orders_to_come(asker: Asker, store: Store) -> None:
    app = register_app(store, "app").app
    before = await asker.post("/admin/orders", {"app_id": app.id, "item_id": "calls-1k"})
    said = {"name": "1,000", "calls": 1000, "months": 6, "price_fen": 4000}
    item = (await asker.ask("PUT", "/admin/catalogue/calls-1k", said)).json()
    assert {name: item[name] for name in said} == said
    new = (await asker.ask("PUT", "/admin/catalogue/my_own-2.0", said)).json()
    assert new["id"] == "my_own-2.0"
    after = await asker.post("/admin/orders", {"app_id": app.id, "item_id": "calls-1k"})
    assert (before["price_fen"], after["price_fen"]) == (5000, 4000)
    for _ in range(2):
        assert (await asker.post("/admin/catalogue/calls-1k/retire", status=200))["retired_at"]
    assert await asker.refused("POST", "/admin/catalogue/none/retire", {}) == (404, "not_found")
    shown = [item["id"] for item in (await asker.get("/admin/catalogue"))["items"]]
    assert "calls-1k" not in shown
    every = {item["id"] for item in (await asker.get("/admin/catalogue", retired=True))["items"]}
    assert every - set(shown) == {"calls-1k"}
    assert await asker.refused("POST", "/admin/orders", {"app_id": app.id, "item_id": "calls-1k"}) == (409, "conflict")
    cancelled = await asker.post(f"/admin/orders/{before['id']}/cancel", status=200)
    assert cancelled["state"] == "cancelled"
    for path in ("cancel", "refund", "pay"):
        body = {"fen": 1} if path == "refund" else {}
        assert await asker.refused("POST", f"/admin/orders/{before['id']}/{path}", body) == (409, "conflict")
        assert await asker.refused("POST", f"/admin/orders/nothing/{path}", body) == (404, "not_found")
    actions = [entry["action"] for entry in (await asker.get("/admin/audit", object_id="calls-1k"))["items"]]
    assert actions == ["item.retire", "item.put"]


async def test_packages_are_given_and_usage_is_summed_by_day_and_hour(asker: Asker, store: Store) -> None:
    app, other = register_app(store, "app").app, register_app(store, "other").app
    package = await asker.post(f"/admin/apps/{app.id}/packages", {"calls": 10, "months": 1})
    assert (package["left"], package["order_id"]) == (10, None)
    assert await asker.refused("POST", "/admin/apps/nobody/packages", {"calls": 1}) == (404, "not_found")
    at = now_ms()
    events = [Event(at + n, f"CALL-{n}", app.id, package["id"], 200, "ok", True, 20, 1000) for n in range(3)]
    events.append(Event(at, "CALL-X", other.id, "", 666, "img", False, 5, 10))
    store.transact(lambda connection: [add(connection, event, store.zone) for event in events], write=True)
    for span in ("day", "hour"):
        sums = (await asker.get("/admin/usage", span=span, app_id=app.id))["items"]
        assert [(each["calls"], each["billed"], each["ms"], each["bytes_in"]) for each in sums] == [(3, 3, 60, 3000)]
    assert len((await asker.get("/admin/usage", account_id=other.account_id))["items"]) == 1
    assert len((await asker.get("/admin/usage"))["items"]) == 2
    assert (await asker.get("/admin/usage", since="2000-01-01", until="2000-01-31"))["items"] == []
    page = await asker.get(f"/admin/apps/{app.id}/events", limit=2)
    rest = await asker.get(f"/admin/apps/{app.id}/events", limit=2, cursor=page["next"])
    assert [each["id"] for each in page["items"] + rest["items"]] == ["CALL-2", "CALL-1", "CALL-0"]
    assert (page["items"][0]["billed"], rest["next"]) == (True, None)
    for query in (
        {"since": "2026-02-02", "until": "2026-02-01"},
        {"since": "2024-01-01", "until": "2026-01-01"},
        {"since": "2026-01-01", "until": "2026-02-28", "span": "hour"},
        {"since": "0001-01-01"},
        {"until": "9999-12-31"},
        {"span": "week"},
    ):
        assert await asker.refused("GET", "/admin/usage", None, **query) == (422, "invalid_request")


async def test_a_long_list_comes_in_slices_that_hold_each_thing_once(asker: Asker) -> None:
    made = [(await asker.post("/admin/accounts", {"name": str(number)}))["id"] for number in range(5)]
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await asker.get("/admin/accounts", limit=2, **cursor)
        seen += [each["id"] for each in page["items"]]
        if page["next"] is None:
            break
        await asker.post("/admin/accounts", {"name": "came later"})
        cursor = {"cursor": page["next"]}
    assert sorted(seen) == sorted(made)
    for wrong in ("x", "字", "MS5hYg", "LTEuYQ==", "OTk5OTk5OTk5OTk5OTk5OTk5OTkuYQ==", "MS4A", "MQ=="):
        assert await asker.refused("GET", "/admin/accounts", None, cursor=wrong) == (422, "invalid_request")
    for limit in (0, 201, "x"):
        assert await asker.refused("GET", "/admin/accounts", None, limit=limit) == (422, "invalid_request")


async def test_every_list_is_cut_and_filtered(asker: Asker, store: Store) -> None:
    one, two = register_app(store, "one").app, register_app(store, "two").app
    for app in (one, one, two):
        order = await asker.post("/admin/orders", {"app_id": app.id, "item_id": "calls-1k"})
        await asker.post(f"/admin/orders/{order['id']}/pay", status=200)
        await asker.post("/admin/tokens", {"name": "t", "scopes": ["account:read"], "account_id": app.account_id})
    for path in ("orders", "packages", "tokens", "apps"):
        whole = (await asker.get(f"/admin/{path}"))["items"]
        mine = (await asker.get(f"/admin/{path}", account_id=one.account_id))["items"]
        assert 0 < len(mine) < len(whole)
        page = await asker.get(f"/admin/{path}", limit=1)
        assert page["items"] == whole[:1]
        assert (await asker.get(f"/admin/{path}", limit=1, cursor=page["next"]))["items"] == whole[1:2]
    assert len((await asker.get("/admin/orders", app_id=two.id, state="paid"))["items"]) == 1
    assert (await asker.get("/admin/orders", state="pending"))["items"] == []
    audit = await asker.get("/admin/audit", limit=1)
    following = await asker.get("/admin/audit", limit=1, cursor=audit["next"])
    assert following["items"][0]["id"] < audit["items"][0]["id"]


async def test_accounts_are_renamed(asker: Asker) -> None:
    account = await asker.post("/admin/accounts", {"name": "old"})
    renamed = (await asker.ask("PATCH", f"/admin/accounts/{account['id']}", {"name": "new"})).json()
    assert renamed == {**account, "name": "new"} == await asker.get(f"/admin/accounts/{account['id']}")
    assert await asker.refused("PATCH", "/admin/accounts/nobody", {"name": "new"}) == (404, "not_found")
    assert await asker.refused("GET", "/admin/accounts/no%00body") == (422, "invalid_request")
    assert await asker.refused("POST", "/admin/apps", {"name": "a", "account_id": "nobody"}) == (404, "not_found")


# --- tokens -------------------------------------------------------------------------------------------------------


async def test_a_token_is_made_used_rotated_and_revoked(asker: Asker) -> None:
    made = await asker.post("/admin/tokens", {"name": "reader", "scopes": ["orders:read", "apps:read"], "days": 1})
    assert made["scopes"] == ["apps:read", "orders:read"]
    reader = asker.other(f"Bearer {made['token']}")
    assert (await reader.get("/admin/orders"))["items"] == []
    listed = {each["id"]: each for each in (await asker.get("/admin/tokens"))["items"]}
    assert listed[made["id"]]["used_at"] is not None
    assert "token" not in listed[made["id"]]
    await reader.get("/admin/orders")  # within the minute: nothing is written

    rotated = await asker.post(f"/admin/tokens/{made['id']}/rotate", {"grace_hours": 1})
    assert (rotated["name"], rotated["scopes"], rotated["expires_at"]) == ("reader", made["scopes"], made["expires_at"])
    for secret in (made["token"], rotated["token"]):
        await asker.other(f"bearer {secret}").get("/admin/apps")
    await asker.post(f"/admin/tokens/{rotated['id']}/rotate", {"grace_hours": 0})
    assert await asker.other(f"Bearer {rotated['token']}").refused("GET", "/admin/apps") == (401, "sign_in_required")
    for _ in range(2):
        await asker.post(f"/admin/tokens/{made['id']}/revoke", status=200)
    assert await reader.refused("GET", "/admin/apps") == (401, "sign_in_required")
    assert await asker.refused("POST", f"/admin/tokens/{made['id']}/rotate") == (409, "conflict")
    for action in ("rotate", "revoke"):
        assert await asker.refused("POST", f"/admin/tokens/none/{action}", {}) == (404, "not_found")
    log = (await asker.get("/admin/audit", object_id=made["id"]))["items"]
    assert [entry["action"] for entry in log] == ["token.revoke", "token.rotate", "token.create"]
    assert made["token"] not in str(await asker.get("/admin/audit"))


async def test_a_token_gives_out_no_more_than_it_has(asker: Asker, store: Store) -> None:
    account = await asker.post("/admin/accounts", {"name": "buyer"})
    strong = await asker.post("/admin/tokens", {"name": "strong", "scopes": ["orders:write"]})
    weak = asker.other(operator_token(store, ["tokens:write", "accounts:read"]))
    for scopes, more in (
        (["orders:write"], {}),
        (["account:keys"], {"account_id": account["id"]}),
        (["account:orders"], {"account_id": account["id"]}),
    ):
        said = {"name": "more", "scopes": scopes, **more}
        assert await weak.refused("POST", "/admin/tokens", said) == (403, "missing_scope")
    assert await weak.refused("POST", f"/admin/tokens/{strong['id']}/rotate") == (403, "missing_scope")
    assert (await weak.post("/admin/tokens", {"name": "same", "scopes": ["accounts:read"]}))["scopes"]
    buyer = {"name": "look", "scopes": ["account:read"], "account_id": account["id"]}
    assert (await weak.post("/admin/tokens", buyer))["account_id"] == account["id"]
    for wrong in (
        {"name": "x", "scopes": []},
        {"name": "x", "scopes": ["account:read"]},
        {"name": "x", "scopes": ["orders:read"], "account_id": account["id"]},
    ):
        assert await asker.refused("POST", "/admin/tokens", wrong) == (409, "conflict")
    wrong = {"name": "x", "scopes": ["account:read"], "account_id": "nobody"}
    assert await asker.refused("POST", "/admin/tokens", wrong) == (404, "not_found")
    assert await asker.refused("POST", "/admin/tokens", {"name": "x", "scopes": ["all"]}) == (422, "invalid_request")


def operations(document: dict[str, Any]) -> list[tuple[str, str]]:
    """Method and path of everything that is served, with some identifier in it."""
    return [
        (method.upper(), re.sub(r"\{\w+\}", "some", path).removeprefix("/v1"))
        for path, methods in document["paths"].items()
        for method in methods
    ]


async def test_each_operation_needs_exactly_one_scope(sqlite_settings: Settings) -> None:
    store = Store.open(sqlite_settings)
    try:
        app = application(sqlite_settings, store)
        askers = {scope: Asker(app, operator_token(store, [scope])) for scope in OPERATOR}
        document = (await Asker(app).ask("GET", "/admin/openapi.json")).json()
        found = {}
        for method, path in operations(document):
            statuses = {scope: (await each.ask(method, path, {"x": 1})).status_code for scope, each in askers.items()}
            allowed = [scope for scope, status in statuses.items() if status != 403]
            assert len(allowed) == 1, (method, path, allowed)
            found[method, path] = allowed[0]
        assert set(found.values()) == set(OPERATOR)
        assert {scope.partition(":")[2] for (method, _), scope in found.items() if method == "GET"} == {"read"}
        assert {scope.partition(":")[2] for (method, _), scope in found.items() if method != "GET"} == {"write"}
    finally:
        store.close()


async def test_nothing_tells_why_a_token_does_not_work(asker: Asker, store: Store) -> None:
    person = operator(store)
    revoked, expired = [person.do(lambda desk: tokens.issue(desk, "t", ["apps:read"])) for _ in range(2)]
    person.do(lambda desk: tokens.revoke(desk, revoked.token.id))
    person.do(lambda desk: tokens.rotate(desk, expired.token.id, grace_hours=0))
    registered = register_app(store, "app")
    buyers = person.do(lambda desk: tokens.issue(desk, "t", ["account:read"], account_id=registered.app.account_id))
    answers = []
    for authorization in (
        "",
        "Bearer",
        "Bearer nothing",
        f"Bearer {tokens.PREFIX}nothing",
        f"Basic {revoked.secret}",
        f"Bearer {revoked.secret}",
        f"Bearer {expired.secret}",
        f"Bearer {buyers.secret}",
        f"APPCODE {registered.appcode}",
    ):
        answer = await asker.other(authorization).ask("GET", "/admin/apps")
        assert problem_of(answer) == (401, "sign_in_required")
        assert answer.headers["www-authenticate"].startswith("Bearer")
        answers.append({name: value for name, value in answer.json().items() if name != "request_id"})
    assert all(answer == answers[0] for answer in answers)


async def test_whoever_sends_wrong_tokens_is_made_to_wait_with_right_ones_too(asker: Asker) -> None:
    stranger = asker.other("Bearer zyt_wrong")
    for _ in range(WRONG_AT_ONCE):
        assert await stranger.refused("GET", "/admin/apps") == (401, "sign_in_required")
    for each in (stranger, asker):
        answer = await each.ask("GET", "/admin/apps")
        assert problem_of(answer) == (429, "too_many_tries")
        assert 1 <= int(answer.headers["retry-after"]) <= doors.WRONG_SECONDS
    assert await asker.refused("GET", "/account/apps") == (401, "sign_in_required"), "the other door counts for itself"


async def test_one_address_asks_only_so_often(settings: Settings, store: Store) -> None:
    limited = management.create_api(
        "/v1/admin",
        "t",
        (management.admin.router,),
        store,
        doors.Door(settings.model_copy(update={"rate_address": 1}), store, buyers=False),
    )
    asker = Asker(management.Guarded(limited), operator_token(store))
    await asker.get("/admin/apps")
    assert await asker.refused("GET", "/admin/apps") == (429, "too_many_tries")


# --- what goes wrong ----------------------------------------------------------------------------------------------


async def test_what_is_not_served_is_a_problem_too(asker: Asker) -> None:
    assert await asker.refused("GET", "/admin") == (404, "not_found")
    assert await asker.refused("GET", "/admin/nothing") == (404, "not_found")
    answer = await asker.ask("DELETE", "/admin/apps")
    assert problem_of(answer) == (405, "method_not_allowed")
    assert answer.headers["allow"] == "GET"
    said = (await asker.ask("POST", "/admin/accounts", {"name": 7, "more": "secret"})).json()
    assert [each["where"] for each in said["errors"]] == ["body.name", "body.more"]
    assert "secret" not in str(said["errors"])


async def test_answers_are_not_kept_by_caches_and_say_their_identifier(asker: Asker) -> None:
    answer = await asker.ask("GET", "/admin/apps")
    assert answer.headers["cache-control"] == "no-store"
    assert re.fullmatch(r"[0-9A-F-]{36}", answer.headers["x-request-id"])


async def test_a_database_that_is_away_is_told_and_a_fault_of_ours_too(
    asker: Asker, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object, **__: object) -> None:
        raise StoreError("The database is not available; try again shortly", internal="/a/path")

    async def fault(*_: object, **__: object) -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(store, "run", away)
    answer = await asker.ask("GET", "/admin/apps")
    assert problem_of(answer) == (503, "store_unavailable")
    assert (answer.headers["retry-after"], "/a/path" in answer.text) == ("1", False)
    monkeypatch.setattr(store, "run", fault)
    answer = await asker.ask("GET", "/admin/apps")
    assert problem_of(answer) == (500, "internal_error")
    assert "secret" not in answer.text


async def raw(app: Any, messages: list[dict[str, Any]], kind: str = "http") -> list[dict[str, Any]]:
    """What an application sends to a client that sends these messages and then nothing more."""
    scope = {"type": kind, "method": "POST", "path": "/v1/admin/accounts", "raw_path": b"", "query_string": b""}
    scope |= {"headers": [], "http_version": "1.1", "scheme": "http", "client": None, "server": ("x", 1)}
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if messages:
            return messages.pop(0)
        await asyncio.sleep(3600)
        raise AssertionError

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


async def test_bodies_are_small_whole_and_come_in_time(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(management, "_BODY_SECONDS", 0.01)
    guarded = management.Guarded(asker.app)
    large = [{"type": "http.request", "body": b"x" * 40_000, "more_body": True} for _ in range(2)]
    slow = [{"type": "http.request", "body": b"x", "more_body": True}]
    broken = [*slow, {"type": "http.disconnect"}]
    for messages in (large, slow, broken):
        assert (await raw(guarded, messages))[0]["status"] == 413
    whole = [{"type": "http.request", "body": b"", "more_body": True}, {"type": "http.request", "body": b"{}"}]
    assert (await raw(guarded, whole))[0]["status"] in {401, 422}


async def test_a_websocket_is_closed(asker: Asker) -> None:
    sent = await raw(management.Guarded(asker.app), [], "websocket")
    assert [message["type"] for message in sent] == ["websocket.close"]


async def test_the_document_names_every_operation_once_and_says_what_goes_wrong(asker: Asker) -> None:
    document = (await asker.ask("GET", "/admin/openapi.json")).json()
    named = [each["operationId"] for path in document["paths"].values() for each in path.values()]
    assert len(set(named)) == len(named) > 20
    for path in document["paths"].values():
        for operation in path.values():
            assert "application/problem+json" in operation["responses"]["default"]["content"]
            assert "422" not in operation["responses"]
            assert operation["security"]
