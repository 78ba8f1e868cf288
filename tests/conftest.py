"""Fixtures that every part may use."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ziyan.errors import ModelError
from ziyan.install import install
from ziyan.ocr.models import locate
from ziyan.settings import PREFIX, Settings

#: Read before any test sets its own data folder: 45 MB are not fetched for every test.
MODELS_DIR = Settings.load().models_dir


@pytest.fixture(scope="session")
def models_dir() -> Path:
    """The weights of ``small`` and ``tiny``, shared with the service and between runs; installed if missing."""
    try:
        locate(MODELS_DIR, "small")
    except ModelError:
        install(MODELS_DIR, "small")
    return MODELS_DIR


@pytest.fixture(autouse=True)
def _own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the settings of whoever runs it, nor leaves anything in their data folder."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.setenv(f"{PREFIX}DATA_DIR", str(tmp_path / "data"))


@pytest.fixture(autouse=True)
def _own_logging() -> Iterator[None]:
    """No test's records go to the standard error of one before it, which has been closed."""
    loggers = logging.getLogger(), logging.getLogger("ziyan")
    before = [(logger.handlers[:], logger.level) for logger in loggers]
    yield
    for logger, (handlers, level) in zip(loggers, before, strict=True):
        logger.handlers[:] = handlers
        logger.setLevel(level)
