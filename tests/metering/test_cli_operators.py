from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.desk import operator
from ziyan import cli
from ziyan.cli import arguments
from ziyan.metering import selling
from ziyan.metering.catalogue import ensure_catalogue
from ziyan.metering.credentials import app_of_appcode, find_credential, list_apps
from ziyan.metering.store import Store
from ziyan.metering.store.usage import Event, add
from ziyan.metering.times import now_ms
from ziyan.metering.tokens import BUYER, OPERATOR, find_token
from ziyan.settings import Settings


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
def run(capsys: pytest.CaptureFixture[str], store: Store) -> Any:
    """Runs a command that must succeed; gives what it printed."""

    def ran(*words: str) -> str:
        status = cli.main(list(words))
        out, err = capsys.readouterr()
        assert (status, err) == (0, ""), err
        return out

    return ran


@pytest.fixture
def told(run: Any) -> Any:
    """Runs a command for machines; gives what its JSON says."""
    return lambda *words: json.loads(run(*words, "--json"))


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], store: Store) -> Any:
    """Runs a command that must fail; gives its status and what it said."""

    def ran(*words: str) -> tuple[int, str]:
        try:
            status = cli.main(list(words))
        except SystemExit as stop:
            status = int(stop.code or 0)
        return status, capsys.readouterr().err

    return ran


def lines(text: str) -> dict[str, str]:
    return dict(re.findall(r"^(\w+): +(.*)$", text, re.MULTILINE))


def test_calls_are_sold_and_all_of_it_is_in_the_log(run: Any, told: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "alice")
    account = lines(run("accounts", "create", "甲公司"))
    assert account["name"] == "甲公司"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d", account["created_at"])
    app = told("apps", "create", "--account", account["id"], "archive")
    assert app["account_id"] == account["id"]
    assert sorted(key["kind"] for key in app["keys"]) == ["appcode", "appid", "appkey"]
    order = lines(run("orders", "place", app["id"], "calls-10k"))
    assert (order["state"], order["price"], order["paid_at"]) == ("pending", "¥400.00", "-")
    paid = told("orders", "pay", order["id"], "--reference", "bank 17")
    assert (paid["state"], paid["reference"]) == ("paid", "bank 17")
    assert [each["left"] for each in told("packages", "list", "--app", app["id"])] == [10_000]
    assert re.search(rf"{app['id']} +10000 +10000 ", run("packages", "list", "--account", account["id"]))
    assert told("orders", "show", order["id"]) == paid
    assert told("orders", "list", "--state", "paid", "--account", account["id"], "--app", app["id"]) == [paid]
    assert told("orders", "refund", order["id"], "40000")["refunded_fen"] == 40_000
    second = told("orders", "place", app["id"], "calls-1k")
    assert told("orders", "cancel", second["id"])["state"] == "cancelled"
    assert told("accounts", "rename", account["id"], "乙公司")["name"] == "乙公司"
    assert told("accounts", "show", account["id"]) == told("accounts", "list")[0]
    log = told("audit")
    assert {entry["actor"] for entry in log} == {"user alice"}
    assert [entry["action"] for entry in log] == [
        "account.rename", "order.cancel", "order.place", "order.refund", "package.create", "order.pay", "order.place",
        "app.create", "account.create",
    ]  # fmt: skip
    assert [entry["action"] for entry in told("audit", "--object", order["id"], "--limit", "2")] == [
        "order.refund",
        "order.pay",
    ]
    printed = run("audit")
    assert "account.rename" in printed
    assert "{" not in printed
    assert max(map(len, printed.splitlines())) < 200


def test_the_catalogue_is_changed(run: Any, told: Any, refused: Any) -> None:
    words = ("my.item", "Mine", "--calls", "5", "--months", "1", "--price", "0")
    assert told("catalogue", "put", *words)["price_fen"] == 0
    assert "¥0.00" in run("catalogue", "list")
    assert told("catalogue", "retire", "my.item")["retired_at"]
    assert "my.item" not in run("catalogue", "list")
    assert "my.item" in run("catalogue", "list", "--retired")
    assert refused("catalogue", "retire", "none")[0] == 66
    for wrong in (
        ("a b", "x", "--calls", "5", "--months", "1", "--price", "0"),
        ("a", "x", "--calls", "0", "--months", "1", "--price", "0"),
        ("a", "x", "--calls", "5", "--months", "1", "--price", "-1"),
        ("a", "x", "--calls", "5", "--months", "1", "--price", ""),
        ("a", "x", "--calls", "5"),
    ):
        assert refused("catalogue", "put", *wrong)[0] == 2
    status, err = refused("catalogue", "put", "a", "x", "--calls", "5", "--months", "9999", "--price", "1")
    assert (status, "months" in err) == (65, True)


def test_usage_is_printed(run: Any, told: Any, refused: Any, store: Store, tmp_path: Path) -> None:
    app = told("apps", "create", "app")["id"]
    package = told("packages", "grant", app, "10", "--months", "3")
    assert (package["left"], package["order_id"]) == (10, None)
    event = Event(now_ms(), "CALL-1", app, package["id"], 200, "ok", True, 20, 1000)
    store.transact(lambda connection: add(connection, event, store.zone), write=True)
    for by in ("day", "hour"):
        assert [each["calls"] for each in told("usage", "sums", "--by", by, "--app", app)] == [1]
    assert run("usage", "sums", "--since", "2020-01-01", "--until", "2020-01-31") == ""
    by_day = run("usage", "sums", "--app", app)
    assert by_day.splitlines()[0].split()[0] == "day"
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", by_day.splitlines()[1].split()[0])
    for command in (("usage", "sums"), ("packages", "list")):
        assert refused(*command, "--app", "nosuch")[0] == 66
        assert refused(*command, "--account", "nosuch")[0] == 66
    events = told("usage", "events", app)
    for kind, begins in (("csv", "\ufeff".encode()), ("xlsx", b"PK")):
        file = tmp_path / f"calls.{kind}"
        assert run("usage", "export", str(file), "--app", app) == f"{file}\n"
        assert file.read_bytes().startswith(begins)
    assert refused("usage", "export", "calls.pdf")[0] == 2
    assert refused("usage", "export", str(tmp_path / "none" / "calls.csv"))[0] == 66
    assert [(each["id"], each["billed"]) for each in events] == [("CALL-1", True)]
    assert re.search(r"CALL-1 .* 200 +ok +yes +20 +1000$", run("usage", "events", app, "--limit", "1"), re.MULTILINE)
    for wrong in ("yesterday", "1999-12-31", "3000-01-01"):
        assert refused("usage", "sums", "--since", wrong)[0] == 2
    assert refused("packages", "grant", "nobody", "10")[0] == 66


async def test_tokens_are_made_rotated_and_revoked(run: Any, told: Any, refused: Any, store: Store) -> None:
    made = {
        "look": told("tokens", "create", "look"),
        "shop": told("tokens", "create", "shop", "--scopes", "orders:write, orders:read", "--days", "2"),
        "root": told("tokens", "create", "root", "--scopes", "all"),
        "buyer": told("tokens", "create", "buyer", "--account", told("accounts", "create", "b")["id"]),
    }
    assert made["look"]["scopes"] == [scope for scope in OPERATOR if scope.endswith(":read")]
    assert made["shop"]["scopes"] == ["orders:read", "orders:write"]
    assert made["root"]["scopes"] == list(OPERATOR)
    assert made["buyer"]["scopes"] == list(BUYER)
    assert (made["shop"]["expires_at"] is None, made["root"]["expires_at"]) == (False, None)
    for each in made.values():
        found = await find_token(store, each["token"])
        assert found is not None
        assert found.id == each["id"]
    assert made["root"]["token"] not in run("tokens", "list")
    assert len(told("tokens", "list", "--account", made["buyer"]["account_id"])) == 1
    new = told("tokens", "rotate", made["root"]["id"], "--grace", "0")
    assert await find_token(store, made["root"]["token"]) is None
    assert await find_token(store, new["token"]) is not None
    assert told("tokens", "revoke", new["id"])["revoked_at"]
    assert await find_token(store, new["token"]) is None
    for wrong, status in (
        (("create", "x", "--scopes", "nothing"), 65),
        (("create", "x", "--scopes", ""), 65),
        (("create", "x", "--scopes", "account:read"), 65),
        (("create", "x", "--days", "99999"), 65),
        (("create", "x", "--account", "nobody"), 66),
        (("rotate", made["look"]["id"], "--grace", "-1"), 65),
        (("rotate", new["id"]), 65),
        (("revoke", "nobody"), 66),
    ):
        assert refused("tokens", *wrong)[0] == status, wrong


async def test_credentials_are_rotated_and_limits_set(run: Any, told: Any, refused: Any, store: Store) -> None:
    app = told("apps", "create", "--hmac", "app")
    old = {key["kind"]: key["identifier"] for key in app["keys"]}
    new = re.search(r"AppCode: +(\w+)", run("apps", "rotate", app["id"], old["appcode"]))[1]
    assert await app_of_appcode(store, old["appcode"]) is not None
    assert await app_of_appcode(store, new) is not None
    appid = told("apps", "rotate", "--grace", "0", app["id"], old["appid"])
    assert appid["digest"] == "HMAC-SHA256"
    assert await find_credential(store, appid["kind"], old["appid"]) is None
    assert refused("apps", "rotate", app["id"], old["appcode"])[0] == 65
    assert refused("apps", "rotate", app["id"], new, "--grace", "99999")[0] == 65
    assert told("apps", "add", app["id"], "appkey")["secret"]
    assert told("apps", "revoke", app["id"], new)["revoked_at"]

    assert run("apps", "limit", app["id"], "2.5") == f"{app['id']}: 2.5 calls a second\n"
    assert "rate:       2.5 calls a second" in run("apps", "show", app["id"])
    assert run("apps", "limit", app["id"], "0") == f"{app['id']}: as ZIYAN_RATE_APP says\n"
    assert refused("apps", "limit", app["id"], "nan")[0] == 65
    assert run("apps", "notify", app["id"], "--percents", "50,0") == "percents:   50, 0\ndays:       7\n"
    assert run("apps", "notify", app["id"], "--days", "") == "percents:   50, 0\ndays:       never\n"
    assert refused("apps", "notify", app["id"], "--days", "1.5")[0] == 2
    assert refused("apps", "notify", app["id"], "--days", ",".join(map(str, range(1, 12))))[0] == 65
    assert run("apps", "notify", app["id"], "--percents", "0,5,50,5") == "percents:   50, 5, 0\ndays:       never\n"
    assert told("apps", "disable", app["id"])["disabled"] is True
    assert told("apps", "restrict", app["id"], "--allow", "192.0.2.1")["allowed_sources"] == ["192.0.2.1"]
    assert told("apps", "limit", app["id"], "7")["rate"] == 7
    assert told("apps", "notify", app["id"], "--days", "3")["notify_days"] == [3]
    listed = told("apps", "list")
    assert [(each["id"], each["disabled"]) for each in listed] == [(app["id"], True)]
    assert [each.id for each in list_apps(store)] == [app["id"]]
    shown = told("apps", "show", app["id"])
    assert len(shown["keys"]) == 4
    reveals = [entry for entry in told("audit", "--limit", "200") if entry["action"] == "key.reveal"]
    assert len(reveals) == 8, "shown twice, four credentials each time"
    assert refused("apps", "show", "nobody") == (
        66,
        "ziyan: There is no app nobody; `ziyan apps list` shows them all\n",
    )


def test_an_amount_is_shown_in_yuan_and_nothing_where_there_is_nothing(run: Any, store: Store) -> None:
    assert run("orders", "list") == run("packages", "list") == run("tokens", "list") == ""
    app = lines(run("apps", "create", "app"))["id"]
    operator(store).do(lambda desk: selling.place_order(desk, app, "calls-1m"))
    assert "¥20000.00" in run("orders", "list")


def test_who_has_no_name_is_told_by_number(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> None:
    def nameless() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr("getpass.getuser", nameless)
    with arguments.operator(settings) as person:
        assert re.fullmatch(r"user \d+", person.actor)
