from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.clients.runtimes import MAKERS, PACKAGES, Workshop, program


@pytest.mark.parametrize("name", PACKAGES)
def test_a_missing_program_is_an_error_that_says_what_to_install(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FileNotFoundError, match=rf"^{name}: .*apt install {PACKAGES[name]}\)$"):
        program(name)


@pytest.mark.parametrize("suffix", sorted(MAKERS.keys() - {".py"}))
def test_no_language_that_is_missing_is_passed_over(
    suffix: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(FileNotFoundError, match="apt install"):
        Workshop(tmp_path).command(tmp_path / f"client{suffix}")


def test_a_missing_library_is_an_error_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tests.clients.runtimes.JARS", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"apt install .*libhttpclient-java libgoogle-gson-java"):
        Workshop(tmp_path).command(tmp_path / "Client.java")
    monkeypatch.setenv("PATH", str(stand_in_for_php(tmp_path)))
    with pytest.raises(FileNotFoundError, match="apt install php-cli php-curl"):
        Workshop(tmp_path).command(tmp_path / "client.php")


def stand_in_for_php(folder: Path) -> Path:
    """One that has no extensions."""
    php = folder / "php"
    php.write_text("#!/bin/sh\necho '[PHP Modules]'\n")
    php.chmod(0o755)
    return folder


def test_the_pages_name_every_package() -> None:
    packages = {package for line in PACKAGES.values() for package in line.split()} - {"bash"}
    root = Path(__file__).parent.parent.parent
    for page in ("CONTRIBUTING.md", ".ci/run"):
        words = set(re.findall(r"[\w-]+", (root / page).read_text("utf-8")))
        assert packages <= words, (page, packages - words)
