from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import update

from tests.metering.asking import Asker, application, buyer_token, operator_token
from ziyan.metering.credentials import register_app
from ziyan.metering.notices import CALLS_GONE, Notice
from ziyan.metering.store import Store, notices
from ziyan.metering.store.schema import outbox
from ziyan.metering.tokens import Scope
from ziyan.settings import Settings


@pytest.fixture
def app(store: Store, settings: Settings) -> Any:
    return application(settings, store)


def told(store: Store, account: str, number: int) -> str:
    """A notice of an account."""
    details = json.dumps({"app": "archive", "app_name": "archive", "calls": 10, "left": 0, "percent": 0})
    notice = Notice(f"{account[:24]}{number:08}", account, None, f"{account}:{number}", CALLS_GONE, details, number)
    store.transact(lambda connection: notices.add(connection, notice), write=True)
    return notice.id


async def test_the_inbox_is_read_slice_by_slice_and_is_nobody_elses(app: Any, store: Store) -> None:
    account, foreign = (register_app(store, name).app.account_id for name in ("mine", "foreign"))
    ids = [told(store, account, number) for number in range(3)]
    theirs = told(store, foreign, 1)
    buyer, other = Asker(app, buyer_token(store, account)), Asker(app, buyer_token(store, foreign))
    page = await buyer.get("/account/inbox", limit=2)
    rest = await buyer.get("/account/inbox", limit=2, cursor=page["next"])
    found = page["items"] + rest["items"]
    assert [each["id"] for each in found] == ids[::-1]
    assert all(each["title"] and each["text"] and each["kind"] == CALLS_GONE for each in found)
    assert await buyer.post("/account/inbox/read", {"ids": [ids[0], theirs]}, status=200) == {"marked": 1}
    assert [each["id"] for each in (await buyer.get("/account/inbox", unread=True))["items"]] == [ids[2], ids[1]]
    assert await buyer.post("/account/inbox/read", status=200) == {"marked": 2}
    assert (await buyer.get("/account/inbox", unread=True))["items"] == []
    assert [each["read_at"] for each in (await other.get("/account/inbox"))["items"]] == [None]


async def test_targets_are_added_tried_and_removed_and_their_addresses_are_not_shown(app: Any, store: Store) -> None:
    mine, foreign = register_app(store, "mine").app, register_app(store, "foreign").app
    buyer, other = (Asker(app, buyer_token(store, each.account_id)) for each in (mine, foreign))
    said = {"kind": "webhook", "url": "https://hooks.example.com/very-secret", "name": "shop", "app_id": mine.id}
    added = await buyer.post("/account/targets", said)
    assert added["secret"].startswith("whsec_")
    listed = await buyer.ask("GET", "/account/targets")
    assert [(each["name"], each["disabled"]) for each in listed.json()["items"]] == [("shop", False)]
    assert "very-secret" not in listed.text
    assert added["secret"] not in listed.text
    assert (await buyer.post(f"/account/targets/{added['id']}/test", status=200))["target_id"] == added["id"]
    assert [each["kind"] for each in (await buyer.get("/account/inbox"))["items"]] == ["test"]
    for action in ("test", "remove"):
        assert await other.refused("POST", f"/account/targets/{added['id']}/{action}") == (404, "not_found")
    assert await buyer.refused("POST", "/account/targets", {**said, "app_id": foreign.id}) == (404, "not_found")
    assert await buyer.refused("POST", "/account/targets", {**said, "url": "nowhere"}) == (422, "invalid_request")
    mail = {"kind": "mail", "url": "me@example.com"}
    assert await buyer.refused("POST", "/account/targets", mail) == (409, "conflict"), "it would never arrive"
    assert (await other.get("/account/targets"))["items"] == (await other.get("/account/inbox"))["items"] == []
    assert (await buyer.post(f"/account/targets/{added['id']}/remove", status=200))["disabled"] is True
    assert await buyer.refused("POST", f"/account/targets/{added['id']}/remove") == (404, "not_found")
    log = await Asker(app, operator_token(store)).get("/admin/audit", object_id=added["id"])
    assert [entry["action"] for entry in log["items"]] == ["target.remove", "target.add"]
    assert "very-secret" not in str(log)
    assert added["secret"] not in str(log)


async def test_how_notices_fare_is_seen_and_what_was_given_up_is_sent_again(app: Any, store: Store) -> None:
    mine, foreign = register_app(store, "mine").app, register_app(store, "foreign").app
    buyer, other = (Asker(app, buyer_token(store, each.account_id)) for each in (mine, foreign))
    reader = Asker(app, buyer_token(store, mine.account_id, [Scope.ACCOUNT_READ]))
    operator = Asker(app, operator_token(store))
    said = {"kind": "webhook", "url": "https://hooks.example.com/very-secret", "name": "shop"}
    target = (await buyer.post("/account/targets", said))["id"]
    await buyer.post(f"/account/targets/{target}/test", status=200)
    (waits,) = (await buyer.get("/account/deliveries"))["items"]
    assert (waits["state"], waits["attempts"], waits["kind"], waits["target_name"]) == ("waiting", 0, "test", "shop")
    assert waits["next_at"] == waits["created_at"]
    again = f"/account/deliveries/{waits['id']}/retry"
    assert await buyer.refused("POST", again) == (409, "conflict"), "it is on its way"

    given_up(store)
    (failed,) = (await buyer.get("/account/deliveries", state="failed"))["items"]
    assert (failed["attempts"], failed["error"], failed["next_at"]) == (12, "status 500", None)
    assert await operator.get("/admin/deliveries", state="failed") == {"items": [failed], "next": None}
    assert (await operator.get("/admin/deliveries", account_id=foreign.account_id))["items"] == []
    assert (await other.get("/account/deliveries"))["items"] == []
    assert await other.refused("POST", again) == (404, "not_found")
    assert await reader.refused("POST", again) == (403, "missing_scope")
    assert await buyer.refused("GET", "/account/deliveries", state="lost") == (422, "invalid_request")
    anew = await buyer.post(again, status=200)
    assert (anew["state"], anew["attempts"], anew["error"]) == ("waiting", 0, "status 500")
    assert (await buyer.get("/account/deliveries"))["items"] == [anew]
    given_up(store)
    assert (await operator.post(f"/admin/deliveries/{waits['id']}/retry", status=200))["state"] == "waiting"
    log = await operator.get("/admin/audit", object_id=waits["id"])
    assert [entry["action"] for entry in log["items"]] == ["delivery.retry"] * 2
    await buyer.post(f"/account/targets/{target}/remove", status=200)
    assert await buyer.refused("POST", again) == (409, "conflict"), "nothing is sent there any more"


def given_up(store: Store) -> None:
    """Have everything in the outbox fail for good."""
    failed = update(outbox).values(state="failed", attempts=12, error="status 500")
    store.transact(lambda connection: connection.execute(failed), write=True)
