from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.bench.samples import FAKE_READER, write_picture
from ziyan.bench.contestant import Contestant
from ziyan.bench.errors import BenchError


def picture(folder: Path, *lines: str) -> Path:
    path = folder / f"{'-'.join(lines)}.png"
    write_picture(path, lines)
    return path


def contestant(patience: float = 60, **config: Any) -> Contestant:
    return Contestant("fake", FAKE_READER, config, patience=patience)


def test_a_picture_is_read_and_timed(tmp_path: Path) -> None:
    with contestant() as reader:
        assert reader.about["reader"] == "fake"
        reading = reader.read(picture(tmp_path, "第一行", "line 2"))
        assert reading.lines == ("第一行", "line 2")
        assert reading.wall > 0
        assert reading.cpu >= 0
        assert (reading.error, reading.died) == ("", False)
        assert reader.memory() > 1_000_000


def test_the_cores_are_those_asked_for(tmp_path: Path) -> None:
    core = min(os.sched_getaffinity(0))
    with contestant(cores=[core]) as reader:
        assert reader.about["cores"] == [core]


def test_an_error_on_one_picture_is_a_result(tmp_path: Path) -> None:
    with contestant(raise_on="bad") as reader:
        before = reader.pid
        reading = reader.read(picture(tmp_path, "bad"))
        assert (reading.lines, reading.error, reading.died) == ((), "ValueError: cannot read this", False)
        assert reader.read(picture(tmp_path, "good")).lines == ("good",)
        assert reader.pid == before


@pytest.mark.parametrize(("misdeed", "patience"), [("die_on", 60.0), ("hang_on", 2.0)])
def test_a_process_that_dies_or_hangs_is_replaced(tmp_path: Path, misdeed: str, patience: float) -> None:
    with contestant(patience, **{misdeed: "bad"}) as reader:
        before = reader.pid
        reading = reader.read(picture(tmp_path, "bad"))
        assert reading.died
        assert reading.lines == ()
        assert "ended with code" in reading.error
        assert reader.pid != before
        assert reader.read(picture(tmp_path, "good")).lines == ("good",)


def test_a_reader_that_does_not_load_says_why() -> None:
    said = r"(?s)fake did not start \(code 1\).*the weights are missing"
    with pytest.raises(BenchError, match=said), contestant(broken=True):
        pass


def test_the_process_ends_with_its_contestant(tmp_path: Path) -> None:
    with contestant() as reader:
        pid = reader.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(BenchError, match="is not running"):
        reader.read(picture(tmp_path, "late"))
