from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import update

from tests.metering.sinks import http_sink
from ziyan import cli
from ziyan.metering.credentials import register_app
from ziyan.metering.notices import add_target, send_test
from ziyan.metering.packages import grant
from ziyan.metering.store import Store
from ziyan.metering.store.schema import outbox
from ziyan.settings import Settings


def test_what_is_due_is_sent_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ZIYAN_DATA_DIR", str(tmp_path))
    store = Store.open(Settings.load())
    with http_sink() as sink:
        app = register_app(store, "app").app
        add_target(store, app.account_id, "webhook", sink.url)
        add_target(store, app.account_id, "mail", "me@example.com")
        grant(store, app.id, 10, months=1)
        store.transact(lambda connection: connection.exec_driver_sql("UPDATE packages SET consumed = 10"), write=True)
        store.close()
        monkeypatch.setenv("ZIYAN_FETCH_ALLOW", "127.0.0.1")
        monkeypatch.setenv("ZIYAN_FETCH_PORTS", str(sink.port))
        for printed in ("new: 1  sent: 1  failed: 1  waiting: 1", "new: 0  sent: 0  failed: 0  waiting: 1"):
            assert cli.main(["notices", "send"]) == 0
            said = capsys.readouterr()
            assert said.out.strip() == printed
            assert ("no mail server is set: ZIYAN_MAIL_SERVER" in said.err) == ("failed: 1" in printed)
        assert cli.main(["notices", "list", app.account_id]) == 0
        head, *rows = capsys.readouterr().out.splitlines()
        assert head.split() == ["id", "kind", "target_name", "state", "attempts", "next_at", "sent_at", "error"]
        assert sorted(row.split()[3] for row in rows) == ["sent", "waiting"]
        assert any(row.endswith("no mail server is set: ZIYAN_MAIL_SERVER") for row in rows)
        assert cli.main(["notices", "list", "nobody"]) == 66
        assert "There is no account nobody" in capsys.readouterr().err
        assert len(sink.received) == 1


def test_what_was_given_up_is_sent_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ZIYAN_DATA_DIR", str(tmp_path))
    store = Store.open(Settings.load())
    account_id = register_app(store, "app").app.account_id
    target = add_target(store, account_id, "webhook", "https://hooks.example.com/")
    send_test(store, account_id, target.id)
    statement = update(outbox).values(state="failed", attempts=12, error="status 500").returning(outbox.c.id)
    delivery_id = store.transact(lambda connection: connection.execute(statement).scalar_one(), write=True)
    store.close()
    assert cli.main(["notices", "retry", delivery_id]) == 0
    assert {"state:       waiting", "attempts:    0"} <= set(capsys.readouterr().out.splitlines())
    assert cli.main(["notices", "retry", delivery_id]) == 65
    assert "Only what was given up is sent again" in capsys.readouterr().err
    assert cli.main(["notices", "retry", "none"]) == 66
    assert cli.main(["audit", "--object", delivery_id]) == 0
    assert "delivery.retry" in capsys.readouterr().out
