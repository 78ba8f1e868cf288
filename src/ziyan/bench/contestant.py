"""A reader under measurement, seen from the bench: a child process that answers one picture at a time."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import psutil

from ziyan.bench.errors import BenchError

HERE = Path(__file__).parent
#: Seconds after which a reader that gives no answer is ended; the slowest rival takes a minute for a long screenshot.
PATIENCE = 300.0
#: How much of what a reader printed is quoted when it dies.
_TAIL = 2_000


@dataclass(frozen=True, slots=True)
class Reading:
    """What one reader made of one picture.

    Attributes:
        lines: As read.
        wall: Seconds of wall time around the one call on the file's bytes, decoding included.
        cpu: Seconds of CPU time of the reading process in that call.
        error: Why there is no text; empty where reading went well.
        died: The process did not survive the picture, so its times mean nothing.
    """

    lines: tuple[str, ...]
    wall: float
    cpu: float
    error: str = ""
    died: bool = False


class Contestant:
    """One reader in a process of its own; a context manager, as long as which the process lives."""

    def __init__(
        self,
        name: str,
        reader: Path,
        config: Mapping[str, Any],
        *,
        python: Path = Path(sys.executable),
        patience: float = PATIENCE,
    ) -> None:
        """Say what to run; nothing runs yet.

        Args:
            name: In tables and files.
            reader: File whose ``load`` makes the reader; see ``child.py``.
            config: What ``load`` is given.
            python: Interpreter of the environment the reader lives in.
            patience: Seconds one answer may take.
        """
        self.name = name
        self.about: dict[str, Any] = {}
        self._command = [str(python), "-P", str(HERE / "child.py"), str(reader), json.dumps(dict(config))]
        self._patience = patience
        self._process: subprocess.Popen[str] | None = None
        self._log: IO[str] | None = None

    def __enter__(self) -> Self:
        """Start the process and wait until its reader is loaded.

        Raises:
            BenchError: It did not come up; the text quotes what it printed.
        """
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        try:
            self._start()
        except BaseException:
            self._log.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End the process."""
        self._stop()
        if self._log is not None:
            self._log.close()

    def read(self, path: Path) -> Reading:
        """Read one picture.  A process that dies or hangs under it is replaced, and the reading says so.

        Raises:
            BenchError: The replacement did not come up.
        """
        started = time.perf_counter()
        answer = self._ask({"path": str(path)})
        if answer is None:
            wall = time.perf_counter() - started
            error = f"the process ended with code {self._stop()} after {wall:.1f} s"
            self._start()
            return Reading((), wall, 0.0, error, died=True)
        return Reading(tuple(answer["lines"]), answer["wall"], answer["cpu"], answer["error"])

    @property
    def pid(self) -> int:
        """Of the process now reading."""
        return self._running().pid

    def memory(self) -> int:
        """Bytes of the process's memory that are resident now."""
        return int(psutil.Process(self.pid).memory_info().rss)

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None:
            raise BenchError(f"{self.name} is not running")
        return self._process

    def _start(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own argument list, no shell
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            encoding="utf-8",
        )
        about = self._ask(None)
        if about is None:
            raise BenchError(f"{self.name} did not start (code {self._stop()}):\n{self._tail()}")
        self.about = about

    def _ask(self, request: dict[str, Any] | None) -> dict[str, Any] | None:
        """The next answer, after ``request`` where there is one; None once the process is gone or past its time."""
        process = self._running()
        assert process.stdin is not None and process.stdout is not None  # noqa: S101 - for the type checker: both are pipes
        alarm = threading.Timer(self._patience, process.kill)
        alarm.start()
        try:
            if request is not None:
                process.stdin.write(json.dumps(request) + "\n")
                process.stdin.flush()
            line = process.stdout.readline()
            return dict(json.loads(line)) if line.endswith("\n") else None
        except BrokenPipeError:
            return None
        finally:
            alarm.cancel()
            alarm.join()

    def _stop(self) -> int | None:
        """End the process and say with which code it went."""
        process, self._process = self._process, None
        if process is None:
            return None
        try:
            # closes the pipes; a well-behaved child ends with its input
            process.communicate(timeout=5)
        except (subprocess.TimeoutExpired, BrokenPipeError):
            process.kill()
            process.communicate()
        return process.returncode

    def _tail(self) -> str:
        if self._log is None:
            return ""
        self._log.seek(0)
        return self._log.read()[-_TAIL:].strip()
