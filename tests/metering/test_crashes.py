"""Gateways that are killed at random moments sell what there is, exactly."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

from sqlalchemy import update

from ziyan.metering import ledger, packages
from ziyan.metering.credentials import register_app
from ziyan.metering.packages import grant, list_packages
from ziyan.metering.store import Store, schema
from ziyan.settings import PREFIX, Settings

ROOT = Path(__file__).parent.parent.parent
PROCESSES = 2
KILLS = 8


def start(settings: Settings, app_id: str) -> subprocess.Popen[str]:
    environment = {
        **os.environ,
        f"{PREFIX}DATA_DIR": str(settings.data_dir),
        f"{PREFIX}DATABASE_URL": settings.database_url,
    }
    command = [sys.executable, "-m", "tests.metering.gateway", app_id, "4"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process


def ended(process: subprocess.Popen[str]) -> str:
    said, _ = process.communicate(timeout=60)
    return said


def test_gateways_that_are_killed_sell_exactly_what_there_is(settings: Settings) -> None:
    dice = random.Random(6)
    store = Store.open(settings)
    app_id = register_app(store, "app").app.id
    for calls in (900, 600, 300):
        grant(store, app_id, calls)
    running = [start(settings, app_id) for _ in range(PROCESSES)]
    for _ in range(KILLS):
        time.sleep(dice.random() * 0.2)
        victim = dice.randrange(PROCESSES)
        running[victim].kill()
        ended(running[victim])
        assert ledger.check(store).differences == ()
        running[victim] = start(settings, app_id)
    assert [ended(process) for process in running] == ["done\n"] * PROCESSES

    # What the killed ones held lapses; here nobody waits for that.
    lapse = update(schema.reservations).values(expires_at=1)
    held = store.transact(lambda connection: connection.execute(lapse).rowcount, write=True)
    assert packages.sweep(store) == held
    assert ended(start(settings, app_id)) == "done\n"
    assert [(each.reserved, each.consumed == each.calls) for each in list_packages(store, app_id)] == [(0, True)] * 3
    report = ledger.check(store)
    assert (report.consumed, report.events, report.differences) == (1800, 1800, ())
    store.close()
