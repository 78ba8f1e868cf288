"""A PostgreSQL server of the tests' own: its data in a temporary folder, reached through a socket in it alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

#: Where Debian and Ubuntu put programs that they keep off the PATH, a folder for each version.
DEBIAN = Path("/usr/lib/postgresql")
#: Whom the server runs as where the tests run as root, which it refuses; the packages make this user.
SYSTEM_USER = "postgres"


class Server:
    """A server that can be stopped, started, halted and told that the disk is full.

    Attributes:
        folder: Of its socket; the superuser is ``ziyan``, and nobody needs a password.
    """

    def __init__(self, folder: Path) -> None:
        """Make an empty cluster in ``folder``; nothing runs yet.

        Raises:
            FileNotFoundError: PostgreSQL is not installed.
        """
        self.folder = folder
        self._data = folder / "data"
        self._initdb, self._pg_ctl = program("initdb"), program("pg_ctl")
        self._user = SYSTEM_USER if os.geteuid() == 0 else None
        if self._user:
            shutil.chown(folder, self._user, self._user)
        self._run(
            self._initdb, "-D", self._data, "-U", "ziyan", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"
        )

    def start(self) -> None:
        """Serve."""
        options = f"-c listen_addresses='' -k {self.folder} -c fsync=off"
        self._run(self._pg_ctl, "-D", self._data, "-w", "-o", options, "start")

    def stop(self) -> None:
        """End as if it had crashed."""
        self._run(self._pg_ctl, "-D", self._data, "-w", "-m", "immediate", "stop")

    def processes(self) -> list[psutil.Process]:
        """The server, and those that serve its connections."""
        pid = int((self._data / "postmaster.pid").read_text("utf-8").split()[0])
        server = psutil.Process(pid)
        return [server, *server.children(recursive=True)]

    @contextmanager
    def halted(self) -> Iterator[None]:
        """All of it stands still meanwhile, as on a machine that hangs: connections are open, and nothing answers."""
        stopped = self.processes()
        for process in stopped:
            process.suspend()
        try:
            yield
        finally:
            for process in stopped:
                process.resume()

    def fill_disk(self) -> None:
        """Nothing is written any more by the processes that run now; those that take their place may write."""
        for process in self.processes()[1:]:
            self._run("prlimit", "--pid", str(process.pid), "--fsize=8192:")

    def _run(self, *command: str | Path) -> None:
        # pg_ctl hands its output on to the server, so a pipe would stay open as long as that runs.
        with (self.folder / "said").open("w+") as said:
            user = self._user
            ran = subprocess.run(command, user=user, group=user, cwd=self.folder, stdout=said, stderr=subprocess.STDOUT)
            said.seek(0)
            assert ran.returncode == 0, f"{command}: {said.read()}"


@contextmanager
def running() -> Iterator[Server]:
    """A server that runs.

    Raises:
        FileNotFoundError: PostgreSQL is not installed.
    """
    # Not below pytest's folder: the path of a socket may have 107 characters, and its user must get there.
    folder = Path(tempfile.mkdtemp(prefix="ziyan-pg-", dir="/tmp"))
    try:
        server = Server(folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def program(name: str) -> Path:
    """One of the server's programs, of the newest version that is installed."""
    versions = sorted(DEBIAN.glob("*/bin"), key=lambda path: float(path.parent.name))
    found = shutil.which(name, path=os.pathsep.join(map(str, reversed(versions)))) or shutil.which(name)
    if not found:
        raise FileNotFoundError(f"{name}: tests need PostgreSQL (Debian, Ubuntu: apt install postgresql)")
    return Path(found)
