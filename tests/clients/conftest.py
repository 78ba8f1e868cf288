from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.conftest import Service, running_service
from tests.clients.runtimes import Workshop


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("workshop"))


@pytest.fixture(scope="session")
def shared_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A server over an engine that answers at once."""
    with running_service(tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture
def service(shared_service: Service) -> Iterator[Service]:
    yield shared_service
    shared_service.engine.outcome = None


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    """As large as a picture may be, with every byte in it; its base64 has every letter and no padding to spare."""
    path = tmp_path / "picture.jpg"
    path.write_bytes(bytes(range(256)) * (1 << 12))
    return path
