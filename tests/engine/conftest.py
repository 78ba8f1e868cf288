"""An engine over fake readers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from readers import FakeConfig
from running import Starter, new_engine

from ziyan.engine.local import LocalEngine


@pytest.fixture
def config(tmp_path: Path) -> FakeConfig:
    return FakeConfig(tmp_path)


@pytest.fixture
async def started(config: FakeConfig) -> AsyncIterator[Starter]:
    """Starts engines and closes them after the test; none may leave a process behind."""
    engines: list[LocalEngine] = []
    before = set(psutil.Process().children())

    async def start(**choices: Any) -> LocalEngine:
        engine = new_engine(config, **choices)
        engines.append(engine)
        await engine.start()
        return engine

    yield start
    for engine in engines:
        await engine.close()
    left = [
        child for child in set(psutil.Process().children()) - before if "resource_tracker" not in str(child.cmdline())
    ]
    assert left == []
