from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ziyan.bench import kills
from ziyan.bench.__main__ import GOOD, MISSED, UNMEASURED, main
from ziyan.bench.kills import Outcome, Trial
from ziyan.metering import packages
from ziyan.metering.credentials import register_app
from ziyan.metering.packages import Settlement
from ziyan.metering.store import Store
from ziyan.metering.times import now_ms
from ziyan.metering.usage import Event
from ziyan.settings import Settings

RIGHT = Outcome(
    calls=600, early=3, unclean=0, held=2, refused=5_400, sold=600, events=600, left=0, clean=True
)  # fmt: skip


@pytest.mark.parametrize(
    ("found", "status"),
    [
        (RIGHT, GOOD),
        (replace(RIGHT, early=2), MISSED),
        (replace(RIGHT, unclean=1), MISSED),
        (replace(RIGHT, sold=601), MISSED),
        (replace(RIGHT, events=599), MISSED),
        (replace(RIGHT, left=1), MISSED),
        (replace(RIGHT, clean=False), MISSED),
    ],
)
def test_what_was_found_is_judged(
    found: Outcome, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tried: list[Trial] = []

    def attempt(_settings: Settings, trial: Trial) -> Outcome:
        tried.append(trial)
        return found

    monkeypatch.setattr(kills, "attempt", attempt)
    assert main(["kills", "--count", "3", "--out", str(tmp_path)]) == status
    assert [(trial.kills, trial.calls, trial.tries) for trial in tried] == [(3, 600, 10)]
    saved = json.loads((tmp_path / "kills.json").read_text("utf-8"))
    assert (saved["database"], saved["sold"], saved["kills"]) == ("sqlite", found.sold, 3)
    assert "5,400" in capsys.readouterr().out


def test_only_an_empty_database_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ZIYAN_DATA_DIR", str(tmp_path))
    store = Store.open(Settings.load())
    app_id = register_app(store, "app").app.id
    package = packages.grant(store, app_id, 1).id
    held = Event(now_ms(), "call", app_id, package, 200, "ok", True, 1, 1)

    def sell(connection: object) -> None:
        packages.table.reserve(connection, app_id, "call", now=now_ms(), until=now_ms() + 1000)
        packages.settle_in(connection, store, Settlement(held, holds=True))

    store.transact(sell, write=True)
    store.close()
    url = f"sqlite:///{tmp_path / 'ziyan.db'}"
    assert main(["kills", "--count", "1", "--database-url", url, "--out", str(tmp_path / "out")]) == UNMEASURED
    assert "name an empty one" in capsys.readouterr().err
