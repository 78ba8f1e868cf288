from __future__ import annotations

import base64
import json
import math
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from ziyan.api.form import parse_pairs
from ziyan.bench import overhead
from ziyan.bench.__main__ import GOOD, MISSED, main
from ziyan.bench.errors import BenchError
from ziyan.bench.gateways import Clock
from ziyan.bench.overhead import PICTURE_BYTES, Overhead, form


@pytest.mark.parametrize(
    ("signin", "most", "status"),
    [
        ("appcode", math.inf, GOOD),
        ("appcode", -math.inf, MISSED),
        ("appkey", math.inf, GOOD),
        ("platform", math.inf, GOOD),
    ],
)
def test_both_are_measured_and_the_difference_is_judged(
    signin: str,
    most: float,
    status: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(overhead, "MOST_MS", most)
    assert main(["overhead", "--signin", signin, "--rounds", "2", "--calls", "3", "--out", str(tmp_path)]) == status
    found = json.loads((tmp_path / "overhead.json").read_text("utf-8"))
    assert (len(found["bare"]), len(found["ziyan"]), found["calls"]) == (2, 2, 3)
    assert found["difference"] == pytest.approx(sum(found["ziyan"]) / 2 - sum(found["bare"]) / 2)
    assert found["signin"] == signin
    assert found["form_bytes"] == len(form())
    printed = capsys.readouterr().out
    assert "bare handler" in printed
    assert f"{found['difference']:.2f}" in printed


def test_noise_in_one_round_changes_nothing() -> None:
    found = Overhead(bare=[1.0, 1.0, 90.0], ziyan=[3.0, 70.0, 3.0])
    assert (found.difference, found.good) == (2.0, True)
    assert not Overhead(bare=[1.0], ziyan=[6.1]).good


def test_the_form_holds_a_picture_of_1_mib() -> None:
    assert len(base64.b64decode(parse_pairs(form())["img"])) == PICTURE_BYTES


def test_a_form_may_be_of_another_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overhead, "MOST_MS", math.inf)
    asked = ["overhead", "--form", "1048576", "--rounds", "1", "--calls", "1", "--out", str(tmp_path)]
    assert main(asked) == GOOD
    found = json.loads((tmp_path / "overhead.json").read_text("utf-8"))
    assert found["form_bytes"] == pytest.approx(1 << 20, rel=0.001)


def dies(_control: Connection, _folder: Path, _clock: Clock) -> None:
    """A gateway that does not come up."""


def test_a_gateway_that_does_not_come_up_ends_the_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overhead, "serve_bare", dies)
    with pytest.raises(BenchError, match="come up"):
        overhead.measure(form(), 1, 1)


def test_a_gateway_that_says_nothing_ends_the_measurement(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(overhead, "_START_SECONDS", 0)
    with pytest.raises(BenchError, match="come up"):
        overhead.measure(form(), 1, 1)


def test_a_refused_call_ends_the_measurement() -> None:
    with pytest.raises(BenchError, match="666"):
        overhead.measure(b"ver=7", 1, 1)
