from __future__ import annotations

import json
import re
from typing import Any

import pytest

from ziyan import cli
from ziyan.metering import passwords
from ziyan.metering.desk import Person
from ziyan.metering.logins import login_by_name
from ziyan.metering.store import Store
from ziyan.settings import Settings


@pytest.fixture
def run(settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.setenv("ZIYAN_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("ZIYAN_DATABASE_URL", settings.database_url)

    def run_command(*argv: str, status: int = 0) -> Any:
        assert cli.main([*argv, "--json"]) == status
        printed = capsys.readouterr()
        return json.loads(printed.out) if status == 0 else printed.err

    return run_command


def test_logins_are_made_listed_reset_and_disabled(run: Any, settings: Settings) -> None:
    account = run("accounts", "create", "Example Ltd")["id"]
    buyer = run("logins", "create", "Li@Example.com", "--account", account)
    assert (buyer["name"], buyer["role"], buyer["account_id"]) == ("li@example.com", "buyer", account)
    assert run("logins", "create", "wang")["role"] == "operator"
    assert "already" in run("logins", "create", "wang", status=65)
    for nothing in ("", " , "):  # forgetting to say what somebody may do does not let them do everything
        assert "at least one scope" in run("logins", "create", "zhou", "--scopes", nothing, status=65)
    assert run("logins", "list")[0]["scopes"] == ""
    some = run("logins", "create", "cashier", "--scopes", " orders:write,orders:read, orders:read")
    assert (some["role"], some["scopes"]) == ("operator", "orders:read,orders:write")
    assert "account:keys" in run("logins", "create", "zhou", "--scopes", "account:keys", status=65)
    assert run("logins", "disable", "cashier")["scopes"] == "orders:read,orders:write"
    assert "no login" in run("logins", "reset", "nobody", status=66)
    assert [each["name"] for each in run("logins", "list")] == ["cashier", "wang", "li@example.com"]
    assert [each["name"] for each in run("logins", "list", "--account", account)] == ["li@example.com"]
    assert all("password" not in each for each in run("logins", "list"))
    new = run("logins", "reset", "li@example.com")["password"]
    assert new != buyer["password"]
    store = Store.open(settings)
    stored = Person(store, "test").do(lambda desk: login_by_name(desk, "li@example.com")).password
    store.close()
    assert passwords.matches(stored, new)
    assert run("logins", "disable", "li@example.com")["disabled_at"]
    assert run("logins", "enable", "li@example.com")["disabled_at"] is None


def test_lists_say_what_logins_and_tokens_may_do(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    account = run("accounts", "create", "Example Ltd")["id"]
    run("logins", "create", "li", "--account", account)
    run("logins", "create", "boss")
    run("logins", "create", "cashier", "--scopes", "orders:write,orders:read")
    run("tokens", "create", "shop", "--scopes", "orders:write,orders:read")
    assert cli.main(["logins", "list"]) == 0
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split()[-2:] == ["name", "scopes"]
    ends = [re.split(r"\s{2,}", line)[-2:] for line in lines]
    assert ends == [["cashier", "orders:read, orders:write"], ["boss", "all"], ["li", "-"]]
    assert cli.main(["tokens", "list"]) == 0
    assert capsys.readouterr().out.splitlines()[1].endswith("shop  orders:read, orders:write")
