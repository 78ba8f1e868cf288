from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from ziyan.bench import metering
from ziyan.bench.__main__ import GOOD, MISSED, main
from ziyan.bench.metering import Found


@pytest.mark.parametrize(("most", "status"), [(math.inf, GOOD), (-math.inf, MISSED)])
def test_both_together_are_measured_and_judged(
    most: float, status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("MOST_MEDIAN_MS", "MOST_P99_MS", "MOST_RATIO"):
        monkeypatch.setattr(metering, name, most)
    assert main(["metering", "--rate", "20", "--seconds", "1", "--out", str(tmp_path)]) == status
    found = json.loads((tmp_path / "metering.json").read_text("utf-8"))
    assert (found["database"], found["rate"], found["clean"]) == ("sqlite", 20, True)
    assert 0 < found["median_ms"] <= found["p99_ms"]
    assert found["ratio"] == pytest.approx(sum(found["bare"]) / 2 / found["peak"])
    assert [path.name for path in tmp_path.iterdir()] == ["metering.json"]
    assert f"{found['median_ms']:.2f}" in capsys.readouterr().out


def test_every_target_counts() -> None:
    assert Found(times=[2.9] * 100, peak=100, bare=(290, 310), clean=True).good
    assert not Found(times=[3.1] * 100, peak=100, bare=(290, 310), clean=True).good
    assert not Found(times=[2.0] * 98 + [20.1] * 2, peak=100, bare=(290, 310), clean=True).good
    assert not Found(times=[2.9] * 100, peak=100, bare=(300, 310), clean=True).good
    assert not Found(times=[2.9] * 100, peak=100, bare=(290, 310), clean=False).good
