"""A PostgreSQL server of the tests' own: its data in a temporary folder, reached through a socket in it alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

#: Where Debian and Ubuntu put programs that they keep off the PATH, a folder for each version.
DEBIAN = Path("/usr/lib/postgresql")
#: Whom the server runs as where the tests run as root, which it refuses; the packages make this user.
SYSTEM_USER = "postgres"


@contextmanager
def running() -> Iterator[Path]:
    """Yields the folder of the socket; the superuser is ``ziyan``, and nobody needs a password.

    Raises:
        FileNotFoundError: PostgreSQL is not installed.
    """
    initdb, pg_ctl = program("initdb"), program("pg_ctl")
    user = SYSTEM_USER if os.geteuid() == 0 else None
    # Not below pytest's folder: the path of a socket may have 107 characters, and its user must get there.
    folder = Path(tempfile.mkdtemp(prefix="ziyan-pg-", dir="/tmp"))
    data = folder / "data"

    def run(*command: str | Path) -> None:
        # pg_ctl hands its output on to the server, so a pipe would stay open as long as that runs.
        with (folder / "said").open("w+") as said:
            ran = subprocess.run(command, user=user, group=user, cwd=folder, stdout=said, stderr=subprocess.STDOUT)
            said.seek(0)
            assert ran.returncode == 0, f"{command}: {said.read()}"

    try:
        if user:
            shutil.chown(folder, user, user)
        run(initdb, "-D", data, "-U", "ziyan", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
        run(pg_ctl, "-D", data, "-w", "-o", f"-c listen_addresses='' -k {folder} -c fsync=off", "start")
        try:
            yield folder
        finally:
            run(pg_ctl, "-D", data, "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder)


def program(name: str) -> Path:
    """One of the server's programs, of the newest version that is installed."""
    versions = sorted(DEBIAN.glob("*/bin"), key=lambda path: float(path.parent.name))
    found = shutil.which(name, path=os.pathsep.join(map(str, reversed(versions)))) or shutil.which(name)
    if not found:
        raise FileNotFoundError(f"{name}: tests need PostgreSQL (Debian, Ubuntu: apt install postgresql)")
    return Path(found)
