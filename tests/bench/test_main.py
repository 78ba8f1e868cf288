from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.bench.samples import FAKE_READER, write_data
from ziyan.bench import contests, rival, trials
from ziyan.bench.__main__ import GOOD, MISSED, UNMEASURED, main
from ziyan.bench.targets import Verdict
from ziyan.errors import ModelNotInstalledError
from ziyan.settings import Settings

DATA = {
    "lines": [{"lines": ["第一行", "第二行"], "lang": "zh"}, {"lines": ["three words here"], "lang": "en"}],
    "no_text": [{"lines": [], "lang": "zh"}],
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path / "data", DATA)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture(autouse=True)
def _fake_readers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real processes and the real race, with readers that need no weights; the rival's is not installed."""
    monkeypatch.setattr(contests, "READER", FAKE_READER)
    monkeypatch.setattr(rival, "READER", FAKE_READER)
    monkeypatch.setattr(rival, "install", lambda folder, say: Path(sys.executable))


def figures(out: Path, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / f"{name}.json").read_text("utf-8"))
    return found


def test_accuracy_without_a_rival(data: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["accuracy", "--data", str(data), "--out", str(out)]) == GOOD
    printed = capsys.readouterr()
    assert "mean over categories" in printed.out
    found = figures(out, "accuracy")
    assert found["mean"] == {"ziyan small": {"cer": 0, "f2": 1, "exact_share": 1}}
    assert list(found["categories"]) == ["lines", "no_text"]
    assert len(found["predictions"]) == 3
    assert found["machine"]["cores"] >= 1
    assert (out / "accuracy.html").read_text("utf-8").startswith("<!doctype html>")


def test_speed_races_every_model_against_both_set_ups_of_the_rival(
    data: Path, out: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["speed", "--data", str(data), "--model", "tiny,small", "--rival", "rapidocr", "--out", str(out)]
    assert main(command) == GOOD
    printed = capsys.readouterr()
    assert "p95" in printed.out
    assert "rapidocr tuned: " in printed.err
    found = figures(out, "speed")
    assert list(found["readers"]) == ["ziyan tiny", "ziyan small", "rapidocr tuned", "rapidocr default"]
    assert list(found["ratios"]) == ["ziyan small", "rapidocr tuned", "rapidocr default"]
    assert [choice["setup"] for choice in found["calibration"]] == ["tuned", "default"]
    assert {row["contestant"] for row in found["predictions"]} == set(found["readers"])


def test_what_the_caller_chooses_is_raced(data: Path, out: Path) -> None:
    command = ["accuracy", "--data", str(data), "--out", str(out), "--categories", "lines", "--limit", "1", "--rival"]
    assert main([*command, "rapidocr", "--rival-setup", "default", "--rival-runtime", "openvino"]) == GOOD
    found = figures(out, "accuracy")
    assert list(found["readers"]) == ["ziyan small", "rapidocr default"]
    assert found["readers"]["rapidocr default"]["setup"] == "default"
    assert found["calibration"] == [{"setup": "default", "runtime": "openvino", "seconds": {}}]
    assert len(found["predictions"]) == 2


@pytest.mark.parametrize(("met", "status"), [(True, GOOD), (False, MISSED)])
def test_a_missed_target_is_an_exit_status(
    data: Path, out: Path, monkeypatch: pytest.MonkeyPatch, met: bool, status: int
) -> None:
    monkeypatch.setattr(contests, "judge", lambda results: [Verdict("all is well", "is it", met)])
    assert main(["accuracy", "--data", str(data), "--targets", "--limit", "1", "--out", str(out)]) == status
    found = figures(out, "accuracy")
    assert found["targets"] == [{"target": "all is well", "figures": "is it", "met": met}]
    assert list(found["readers"]) == ["ziyan small", "ziyan tiny", "rapidocr tuned", "rapidocr default"]


def test_memory(data: Path, out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["memory", "--data", str(data), "--count", "8", "--out", str(out)]) == GOOD
    assert "after 8" in capsys.readouterr().out
    assert len(figures(out, "memory")["curves"]["ziyan small"]["samples"]) == 9
    assert "<svg" in (out / "memory.html").read_text("utf-8")


@pytest.mark.parametrize("command", ["accuracy", "speed", "memory", "consistency", "crash"])
def test_missing_data_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    assert main([command, "--data", str(tmp_path / "nowhere")]) == UNMEASURED
    assert "no data" in capsys.readouterr().err


def test_missing_weights_are_said(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def no_weights(engine: Any, labels: Any, callers: Any) -> bool:
        raise ModelNotInstalledError("run: ziyan models install small")

    monkeypatch.setattr(trials, "run_consistency", no_weights)
    assert main(["consistency", "--data", str(data)]) == UNMEASURED
    assert "bench: run: ziyan models install small" in capsys.readouterr().err


def test_a_bad_setting_is_said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("ZIYAN_RUNTIME", "abacus")
    assert main(["hostile", "--count", "1"]) == UNMEASURED
    assert "ZIYAN_RUNTIME" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["taste"],
        ["accuracy"],
        ["speed", "--data", ".", "--model", "huge"],
        ["memory", "--data", ".", "--count", "0"],
    ],
)
def test_a_command_that_is_none_is_explained(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(command)
    assert stopped.value.code == 2
    assert "usage: scripts/bench" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["accuracy", "speed", "memory", "consistency", "hostile", "crash", "fuzz"])
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    assert f"usage: scripts/bench {command}" in capsys.readouterr().out


def test_trials_run_on_the_engine_that_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    async def no_trial(engine: Any, **more: Any) -> bool:
        seen.append((engine, more))
        return False

    monkeypatch.setattr(trials, "run_hostile", no_trial)
    assert main(["hostile", "--count", "5", "--seed", "7", "--callers", "3", "--model", "tiny"]) == MISSED
    ((engine, more),) = seen
    assert engine.status().queue_limit == Settings.load().queue
    assert more == {"count": 5, "seed": 7, "callers": 3}
