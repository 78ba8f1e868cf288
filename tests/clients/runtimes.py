"""The programs that clients are written for, and how a source file becomes a command.

A program that is missing is an error, and the error says what to install.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

#: The packages of Debian and Ubuntu that bring each program.
PACKAGES = {
    "bash": "bash",
    "curl": "curl",
    "jq": "jq",
    "php": "php-cli php-curl",
    "java": "default-jdk-headless libhttpclient-java libgoogle-gson-java",
    "javac": "default-jdk-headless libhttpclient-java libgoogle-gson-java",
    "mcs": "mono-devel",
    "mono": "mono-devel",
    "node": "nodejs",
    "npm": "npm",
    "go": "golang-go",
}
#: Where Debian and Ubuntu put Java's libraries.
JARS = Path("/usr/share/java")
#: Of HttpClient 4, in the order in which each needs the next, and of Gson.
JAVA_LIBRARIES = ("httpclient", "httpcore", "commons-logging", "commons-codec", "gson")
#: Far more than any of them ever takes, the minute included that Mono may want for its end.
SECONDS = 120


@dataclass(frozen=True)
class Ran:
    """A program that has ended."""

    status: int
    output: str
    errors: str


def run(command: Sequence[str | Path], folder: Path, **environment: str) -> Ran:
    """Run a client as somebody else would: nothing of this process's environment but where programs are."""
    known = {name: os.environ[name] for name in ("PATH", "JAVA_HOME", "GOROOT") if name in os.environ}
    ran = subprocess.run(
        command,
        cwd=folder,
        env={**known, "HOME": str(folder), "LANG": "C.UTF-8", **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=SECONDS,
    )
    return Ran(ran.returncode, ran.stdout.decode(), ran.stderr.decode())


def program(name: str) -> str:
    """Where a program is.

    Raises:
        FileNotFoundError: It is not installed.
    """
    found = shutil.which(name)
    if not found:
        raise FileNotFoundError(f"{name}: tests need it (Debian, Ubuntu: apt install {PACKAGES[name]})")
    return found


class Workshop:
    """Makes commands of sources; what has to be compiled is compiled once."""

    def __init__(self, folder: Path) -> None:
        """Compile into ``folder``."""
        self._folder = folder
        self.command = functools.cache(self._command)

    def _command(self, source: Path) -> list[str]:
        """What runs this source; its arguments come behind.

        Raises:
            FileNotFoundError: The language is not installed.
        """
        return MAKERS[source.suffix](source, self._folder)


def _script(*interpreters: str) -> Callable[[Path, Path], list[str]]:
    """The first of these runs the source; the others are what that calls."""

    def make(source: Path, _folder: Path) -> list[str]:
        first, *_ = [program(name) for name in interpreters]
        return [first, str(source)]

    return make


def _python(source: Path, _folder: Path) -> list[str]:
    return [sys.executable, str(source)]


def _php(source: Path, folder: Path) -> list[str]:
    php = program("php")
    if "curl" not in run([php, "-m"], folder).output.split():
        raise FileNotFoundError(f"PHP's curl extension: tests need it (Debian, Ubuntu: apt install {PACKAGES['php']})")
    return [php, str(source)]


def _java(source: Path, folder: Path) -> list[str]:
    libraries = [JARS / f"{name}.jar" for name in JAVA_LIBRARIES]
    if missing := [str(jar) for jar in libraries if not jar.exists()]:
        raise FileNotFoundError(f"{missing}: tests need them (Debian, Ubuntu: apt install {PACKAGES['java']})")
    classes = folder / source.stem
    path = os.pathsep.join(map(str, [classes, *libraries]))
    _compile(
        [program("javac"), "-encoding", "UTF-8", "-cp", path, "-sourcepath", source.parent, "-d", classes, source],
        folder,
    )
    return [program("java"), "-cp", path, source.stem]


def _csharp(source: Path, folder: Path) -> list[str]:
    built = folder / f"{source.stem}.exe"
    references = ["-r:System.Net.Http", "-r:System.Runtime.Serialization"]
    _compile([program("mcs"), *references, f"-out:{built}", source], folder)
    return [program("mono"), str(built)]


def _go(source: Path, folder: Path) -> list[str]:
    built = folder / source.stem
    # The cache of whoever runs the tests: newer releases come without a compiled standard library.
    _compile([program("go"), "build", "-o", built, source], folder, HOME=str(Path.home()), GOTOOLCHAIN="local")
    return [str(built)]


def _compile(command: Sequence[str | Path], folder: Path, **environment: str) -> None:
    ran = run(command, folder, **environment)
    assert ran.status == 0, ran.output + ran.errors


MAKERS: dict[str, Callable[[Path, Path], list[str]]] = {
    ".sh": _script("bash", "curl", "jq"),
    ".mjs": _script("node"),
    ".py": _python,
    ".php": _php,
    ".java": _java,
    ".cs": _csharp,
    ".go": _go,
}
