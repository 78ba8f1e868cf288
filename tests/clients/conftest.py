from __future__ import annotations

from pathlib import Path

import pytest

from tests.api.conftest import service, shared_service
from tests.clients.runtimes import Workshop

__all__ = ["service", "shared_service"]


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("workshop"))


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """As large as a picture may be, with every byte in it; its base64 has every letter and no padding to spare."""
    path = tmp_path / "picture.jpg"
    path.write_bytes(bytes(range(256)) * (1 << 12))
    return path
