"""The rival: its own throw-away environment, its set-ups, and which of its two runtimes is the faster here."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ziyan.bench.contestant import HERE, Contestant
from ziyan.bench.dataset import Label
from ziyan.bench.errors import BenchError
from ziyan.bench.race import race

Setup = Literal["tuned", "default"]
Runtime = Literal["onnxruntime", "openvino"]

REQUIREMENTS = ("rapidocr==3.10.0", "onnxruntime", "openvino")
RUNTIMES: tuple[Runtime, ...] = ("onnxruntime", "openvino")
READER = HERE / "reader_rapidocr.py"
#: Pictures, each of another category, that decide between the runtimes.
CALIBRATION_PICTURES = 6


def install(folder: Path, say: Callable[[str], None]) -> Path:
    """Make the rival's environment inside ``folder``, unless an earlier run has.

    Args:
        folder: Keeps the environment between runs.
        say: Told what takes its time.

    Returns:
        The environment's interpreter.

    Raises:
        BenchError: pip could not install it.
    """
    environment = folder.expanduser().resolve() / REQUIREMENTS[0].replace("==", "-")
    python, done = environment / "bin" / "python", environment / "installed.txt"
    wanted = "\n".join(REQUIREMENTS)
    # written last, so an interrupted installation is made anew
    if done.is_file() and done.read_text("utf-8") == wanted:
        return python
    say(f"installing {', '.join(REQUIREMENTS)} into {environment}")
    for command in (
        [sys.executable, "-m", "venv", "--clear", str(environment)],
        [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--quiet", *REQUIREMENTS],
    ):
        outcome = subprocess.run(  # noqa: S603 - our own argument lists, no shell
            command, capture_output=True, text=True, check=False
        )
        if outcome.returncode:
            said = (outcome.stderr or outcome.stdout).strip()
            raise BenchError(f"the rival could not be installed:\n{said[-2000:]}")
    done.write_text(wanted, "utf-8")
    return python


@dataclass(frozen=True, slots=True)
class Calibration:
    """Which runtime one set-up of the rival races with, and why.

    Attributes:
        setup: The set-up.
        runtime: The chosen one.
        seconds: Runtime → seconds of wall time over the calibration pictures; empty where the caller chose.
    """

    setup: Setup
    runtime: Runtime
    seconds: dict[Runtime, float] = field(default_factory=dict)

    def __str__(self) -> str:
        """One line for people."""
        taken = ", ".join(f"{runtime} {seconds:.2f} s" for runtime, seconds in self.seconds.items())
        return f"rapidocr {self.setup}: {self.runtime} ({taken or 'as asked'})"


def calibrate(setup: Setup, entrants: Sequence[Contestant], labels: Sequence[Label]) -> Calibration:
    """Race the rival against itself over a few pictures.

    Args:
        setup: The set-up the entrants have.
        entrants: One for each of ``RUNTIMES``, named so; not started.
        labels: What the race itself will read.
    """
    seconds: dict[Runtime, float] = {}
    one, other = entrants
    with one, other:
        outcomes = race((one, other), calibration_pictures(labels))
    for runtime in RUNTIMES:
        seconds[runtime] = sum(outcome.readings[runtime].wall for outcome in outcomes)
    return Calibration(setup, min(RUNTIMES, key=lambda runtime: seconds[runtime]), seconds)


def calibration_pictures(labels: Sequence[Label], most: int = CALIBRATION_PICTURES) -> list[Label]:
    """The last pictures of up to ``most`` categories, spread evenly over all of them."""
    last = list({label.category: label for label in labels}.values())
    return [last[index * len(last) // most] for index in range(most)] if len(last) > most else last


def contestant(
    python: Path, setup: Setup, runtime: Runtime, threads: int, cores: Sequence[int], name: str
) -> Contestant:
    """The rival, ready to be started."""
    config = {"setup": setup, "runtime": runtime, "threads": threads, "cores": list(cores)}
    return Contestant(name, READER, config, python=python)
