from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from ziyan.bench import views
from ziyan.bench.__main__ import GOOD, MISSED, main
from ziyan.cli import main as ziyan


def test_every_page_is_measured_and_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(views, "MOST_MS", math.inf)
    assert main(["views", "--events", "600", "--rounds", "2", "--out", str(tmp_path)]) == GOOD
    found = json.loads((tmp_path / "views.json").read_text("utf-8"))
    assert found["database"] == "sqlite"
    assert {"/admin", "/admin/health", "/admin/apps/…", "/admin/orders/…"} <= found["pages"].keys()
    assert all(len(times) == 2 and min(times) > 0 for times in found["pages"].values())
    assert [path.name for path in tmp_path.iterdir()] == ["views.json"]
    assert "/admin/usage" in capsys.readouterr().out


def test_a_folder_that_is_filled_is_measured_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ziyan(["demo", str(tmp_path / "demo"), "--events", "600"]) == 0
    monkeypatch.setattr(views, "MOST_MS", 0.0)
    for _ in range(2):  # the second time its operator is there already
        arguments = ["views", "--rounds", "1", "--data", str(tmp_path / "demo"), "--out", str(tmp_path)]
        assert main(arguments) == MISSED
