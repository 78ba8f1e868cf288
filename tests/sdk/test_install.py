"""The Python client as pip installs it from its folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SDK = Path(__file__).parents[2] / "sdk" / "python"


def test_pip_installs_the_client_from_its_folder_with_its_types(tmp_path: Path) -> None:
    """Without a network: what builds it, and httpx, are there already."""
    pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-index", "--no-build-isolation"]
    ran = subprocess.run([*pip, "--no-deps", "--target", str(tmp_path), str(SDK)], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "ziyan_client" / "py.typed").is_file()
    metadata = next(tmp_path.glob("ziyan_client-*.dist-info")) / "METADATA"
    assert "Requires-Dist: httpx>=0.27\n" in metadata.read_text("utf-8")
    program = "import ziyan_client; print(ziyan_client.__file__, ziyan_client.__version__)"
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True
    )
    file, version = ran.stdout.split()
    assert Path(file).is_relative_to(tmp_path)
    assert f"ziyan_client-{version}.dist-info" == metadata.parent.name
