"""The measuring loop: one reader in a process of its own, driven over a pipe.

Every side of a race runs this very file, each with the Python of its own environment, so all are timed by the same
code.  It therefore imports nothing but the standard library and is run by path, never imported by the bench:

    python -P child.py READER.py '{"cores": [0, 1], …}'

READER.py defines ``load(config) -> (about, read)``: ``about`` says what was loaded, ``read(file_bytes) -> lines`` reads
one picture, decoding included.  One JSON object a line: first ``about``; then for each ``{"path": …}`` on standard
input ``{"lines", "wall", "cpu", "error"}``, wall time and this process's CPU time, both in seconds, around the one call
of ``read``.  Ends with its input.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Read = Callable[[bytes], list[str]]


def measure(read: Read, file_bytes: bytes) -> dict[str, Any]:
    """Read one picture; a reader's failure on it is a result, not the end of the race."""
    lines: list[str] = []
    error = ""
    wall, cpu = time.perf_counter(), time.process_time()
    try:
        lines = read(file_bytes)
    except Exception as failure:  # noqa: BLE001 - whatever a reader raises, it has not read the picture
        error = f"{type(failure).__name__}: {failure}"
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    return {"lines": lines, "wall": wall, "cpu": cpu, "error": error}


def main() -> None:
    """Load the reader, then answer every request until the input ends."""
    reader, config = sys.argv[1], json.loads(sys.argv[2])
    # what libraries print must not mix with the answers: standard output becomes standard error for all but us
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    if config.get("cores") and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, config["cores"])
    about, read = runpy.run_path(reader)["load"](config)
    _say(answers, about)
    for request in sys.stdin:
        _say(answers, measure(read, Path(json.loads(request)["path"]).read_bytes()))


def _say(answers: Any, answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
