from __future__ import annotations

import os
from pathlib import Path

import pytest

from ziyan.ocr import memory as module
from ziyan.ocr.memory import give_back_memory

PAGE = os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(
    ("statm", "given_back"),
    [("900 101 1 1", True), ("900 100 1 1", False), ("", False), (None, False)],
    ids=["plenty", "enough", "empty", "no such file"],
)
def test_memory_is_given_back_once_there_is_plenty(
    statm: str | None, given_back: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, asked = tmp_path / "statm", list[int]()
    if statm is not None:
        file.write_text(statm, "ascii")
    monkeypatch.setattr(module, "_STATM", file)
    monkeypatch.setattr(module, "_malloc_trim", lambda: asked.append)
    give_back_memory(100 * PAGE)
    assert asked == [0] * given_back


def test_where_the_c_library_cannot_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_malloc_trim", lambda: None)
    give_back_memory(0)


def test_free_memory_goes_back_to_the_system() -> None:
    give_back_memory(0)
