from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.bench.samples import FAKE_READER, label, write_data
from ziyan.bench import dataset, rival
from ziyan.bench.contestant import Contestant
from ziyan.bench.errors import BenchError


class Commands:
    """Stands in for ``subprocess.run``: notes what was run, makes the interpreter that venv would."""

    def __init__(self, failing: str = "") -> None:
        self.failing = failing
        self.run: list[list[str]] = []

    def __call__(self, command: Sequence[str], **more: Any) -> subprocess.CompletedProcess[str]:
        self.run.append(list(command))
        if "venv" in command:
            python = Path(command[-1]) / "bin" / "python"
            python.parent.mkdir(parents=True)
            python.touch()
        failed = bool(self.failing) and self.failing in command
        return subprocess.CompletedProcess(command, int(failed), "", "no network" if failed else "")


def test_the_rival_gets_an_environment_of_its_own_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands, said = Commands(), list[str]()
    monkeypatch.setattr(subprocess, "run", commands)
    python = rival.install(tmp_path, said.append)
    assert python == tmp_path / "rapidocr-3.10.0" / "bin" / "python"
    venv, pip = commands.run
    assert "venv" in venv
    assert pip[0] == str(python)
    assert pip[-3:] == ["rapidocr==3.10.0", "onnxruntime", "openvino"]
    assert rival.install(tmp_path, said.append) == python
    assert len(commands.run) == 2
    assert len(said) == 1


def test_a_rival_that_cannot_be_installed_is_said_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "run", Commands(failing="pip"))
    with pytest.raises(BenchError, match=r"(?s)could not be installed.*no network"):
        rival.install(tmp_path, lambda text: None)
    (tmp_path / "rapidocr-3.10.0" / "bin" / "python").unlink()
    (tmp_path / "rapidocr-3.10.0" / "bin").rmdir()
    again = Commands()
    monkeypatch.setattr(subprocess, "run", again)
    rival.install(tmp_path, lambda text: None)
    assert len(again.run) == 2


@pytest.mark.parametrize(
    ("categories", "chosen"),
    [("ab", "ab"), ("abcdef", "abcdef"), ("abcdefghijkl", "acegik"), ("abcdefgh", "abcefg")],
)
def test_calibration_pictures_are_spread_over_the_categories(categories: str, chosen: str) -> None:
    labels = [label(category=name, name=f"{number}.png") for name in categories for number in range(3)]
    assert [it.category for it in rival.calibration_pictures(labels)] == list(chosen)


def test_the_faster_runtime_is_chosen_by_a_race(tmp_path: Path) -> None:
    labels = dataset.load(write_data(tmp_path, {"a": [{"lines": ["甲"]}], "b": [{"lines": ["乙"]}]}))
    entrants = [
        Contestant("onnxruntime", FAKE_READER, {"sleep": 0.5}),
        Contestant("openvino", FAKE_READER, {}),
    ]
    choice = rival.calibrate("tuned", entrants, labels)
    assert choice.runtime == "openvino"
    assert choice.seconds["onnxruntime"] > choice.seconds["openvino"]
    assert str(choice).startswith("rapidocr tuned: openvino (onnxruntime 1.")


def test_a_runtime_that_was_asked_for_is_said_to_be() -> None:
    assert str(rival.Calibration("default", "openvino")) == "rapidocr default: openvino (as asked)"
