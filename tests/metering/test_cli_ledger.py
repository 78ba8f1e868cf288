from __future__ import annotations

import re

import pytest

from tests.metering.calls import change, make
from ziyan import cli
from ziyan.metering.credentials import register_app
from ziyan.metering.packages import grant
from ziyan.metering.store import Store
from ziyan.metering.times import HOUR_MS, now_ms
from ziyan.metering.usage import drop_events
from ziyan.settings import Settings


def checked(capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    status = cli.main(["ledger", "check"])
    return status, capsys.readouterr().out


async def test_a_check_tells_what_it_compared_and_what_differs(capsys: pytest.CaptureFixture[str]) -> None:
    assert checked(capsys) == (0, "packages:   0\nconsumed:   0\nevents:     0 billed\nledger:     clean\n")
    store = Store.open(Settings.load())
    app_id = register_app(store, "app").app.id
    package = grant(store, app_id, 5)
    await make(store, app_id)
    assert checked(capsys) == (0, "packages:   1\nconsumed:   1\nevents:     1 billed\nledger:     clean\n")

    drop_events(store, now_ms() + HOUR_MS)
    status, out = checked(capsys)
    assert (status, bool(re.search(r"^events: +0 billed since [-0-9]{10} [:0-9]{5} UTC$", out, re.MULTILINE))) == (
        0,
        True,
    )

    change(store, package, consumed=2)
    store.close()
    status, out = checked(capsys)
    assert status == 1
    assert f"DIFFERENT:  package {package.id}: billed by the sums of days, and consumed: 1, 2\n" in out
    assert out.endswith("ledger:     wrong\n")
