"""What is installed: the pages need files that lie elsewhere in the repository."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import ziyan
from ziyan.web import samples
from ziyan.web.samples import APPCODE_MARK, URL_MARK

ROOT = Path(ziyan.__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_every_file_of_the_pages(wheel: Path) -> None:
    packed = set(zipfile.ZipFile(wheel).namelist())
    wanted = [
        path for path in (ROOT / "src/ziyan/web").rglob("*") if path.is_file() and "__pycache__" not in path.parts
    ]
    assert {str(path.relative_to(ROOT / "src")) for path in wanted} <= packed
    assert "ziyan/web/docs/benchmarks.md" in packed
    for sample in samples.samples():
        assert f"ziyan/web/docs/samples/{sample.file}" in packed


def test_the_installed_pages_are_those_of_the_checkout(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from ziyan.web import samples, figures\n"
        "assert samples.__file__.startswith(sys.argv[1])\n"
        "print(len(samples.samples()), figures.figures().mean[0])"
    )
    ran = subprocess.run(
        [sys.executable, "-P", "-c", code, str(tmp_path)], capture_output=True, text=True, cwd=tmp_path
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith(f"{len(samples.samples())} ")


def test_every_sample_is_shown_and_asks_the_environment_for_nothing() -> None:
    files = {path.name for path in (ROOT / "docs/samples").iterdir()} - {"README.md"}
    assert {sample.file for sample in samples.samples()} == files
    for sample in samples.samples():
        assert sample.code.count(URL_MARK) == 1
        assert sample.code.count(APPCODE_MARK) == 1
        assert "ZIYAN_" not in sample.code
