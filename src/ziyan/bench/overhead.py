"""``overhead``: CPU time of a call but for reading the picture, against a bare handler that reads the same form."""

from __future__ import annotations

import base64
import http.client
import os
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import quote_from_bytes

from rich.table import Table

from ziyan.bench import display, machine
from ziyan.bench.errors import BenchError
from ziyan.bench.gateways import serve_bare, serve_ziyan
from ziyan.bench.signing import CONTENT_TYPE, SIGN_IN, SignIn, by_appcode
from ziyan.metering.credentials import Registration

#: Milliseconds that a call may cost above the bare handler.
MOST_MS: Final = 5.0
PICTURE_BYTES: Final = 1 << 20
_START_SECONDS: Final = 60
_CALL_SECONDS: Final = 30


@dataclass(frozen=True, slots=True)
class Overhead:
    """Milliseconds of CPU time of the serving process for one call, by round.

    Attributes:
        bare: Of the bare handler.
        ziyan: Of the whole gateway.
    """

    bare: Sequence[float]
    ziyan: Sequence[float]

    @property
    def difference(self) -> float:
        """Of the medians; noise of a busy machine falls into few rounds."""
        return median(self.ziyan) - median(self.bare)

    @property
    def good(self) -> bool:
        """Whether it is little enough."""
        return self.difference <= MOST_MS


def run(*, signin: str, rounds: int, calls: int, out: Path, form_bytes: int | None = None) -> bool:
    """Measure, print and write ``overhead.json``.

    Args:
        signin: How the caller signs in, of ``SIGN_IN``.
        rounds: How often each of the two is measured; who is first changes with every round.
        calls: In each round.
        out: Folder of the file.
        form_bytes: Size of the form, to a thousandth; None for that of the largest picture that the contract takes.

    Returns:
        False if the difference is over ``MOST_MS``.

    Raises:
        BenchError: A gateway does not come up, or a call is not answered.
    """
    body = form(PICTURE_BYTES if form_bytes is None else picture_bytes(form_bytes))
    found = measure(body, rounds, calls, SIGN_IN[signin])
    title = f"CPU time of a call by {signin} with a form of {len(body):,} bytes, {rounds} rounds of {calls} calls"
    table = Table(title=title)
    for head in ("", "ms, median of the rounds", "least", "most"):
        table.add_column(head, justify="right" if head else "left")
    for name, times in (("bare handler", found.bare), ("Ziyan without reading", found.ziyan)):
        table.add_row(name, *(f"{figure:.2f}" for figure in (median(times), min(times), max(times))))
    table.add_row(f"difference, at most {MOST_MS:.1f}", f"{found.difference:.2f}", "", "")
    display.standard_output().print(table)
    figures = {
        "machine": machine.describe(),
        "signin": signin,
        "form_bytes": len(body),
        "calls": calls,
        **asdict(found),
    }
    display.save_figures(out, "overhead", {**figures, "difference": found.difference, "most": MOST_MS})
    return found.good


def picture_bytes(form_bytes: int) -> int:
    """Size of the picture whose form has about so many bytes: 4 characters for 3 bytes, 2 of 64 of them escaped."""
    return max(3, form_bytes * 12 // 17)


def form(size: int = PICTURE_BYTES) -> bytes:
    """What a client sends who does everything right: a random picture of so many bytes, base64, percent-encoded."""
    picture = b"\xff\xd8" + random.Random(1).randbytes(size - 2)  # noqa: S311 - it is to be the same each time
    return b"img=" + quote_from_bytes(base64.b64encode(picture), safe="").encode()


def measure(body: bytes, rounds: int, calls: int, sign_in: SignIn = by_appcode) -> Overhead:
    """Call both in turns, with the same client.

    Raises:
        BenchError: A gateway does not come up, or a call is not answered.
    """
    with _gateway(serve_bare, sign_in) as bare, _gateway(serve_ziyan, sign_in) as ziyan:
        both = (bare, ziyan)
        for gateway in both:
            gateway.spend(body, calls)  # warm
        times: dict[_Gateway, list[float]] = {gateway: [] for gateway in both}
        with display.progress("overhead", rounds) as advance:
            for number in range(rounds):
                for gateway in both if number % 2 else reversed(both):
                    times[gateway].append(gateway.spend(body, calls))
                advance("")
        return Overhead(times[bare], times[ziyan])


class _Gateway:
    """A serving process and its client, which keeps a connection for each round."""

    def __init__(self, control: Connection, sign_in: SignIn, port: int, caller: Registration | None) -> None:
        self._control = control
        self._sign_in = sign_in
        self._port = port
        self._caller = caller

    def spend(self, body: bytes, calls: int) -> float:
        """Milliseconds of the process's CPU time for each of ``calls`` calls."""
        before = self._cpu_seconds()
        # For each round one: a server closes a connection that stays idle while the other one has its turn.
        with closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=_CALL_SECONDS)) as client:
            for _ in range(calls):
                headers, more = self._sign_in(self._caller, body) if self._caller else ({}, b"")
                client.request("POST", "/ocr", body + more, {"Content-Type": CONTENT_TYPE, **headers})
                answer = client.getresponse()
                content = answer.read()
                if answer.status != 200 or b'"ok":1' not in content:
                    raise BenchError(f"a call was answered with {answer.status}: {content[:200]!r}")
        return (self._cpu_seconds() - before) * 1000 / calls

    def _cpu_seconds(self) -> float:
        self._control.send("cpu")
        seconds: float = self._control.recv()
        return seconds


@contextmanager
def _gateway(serve: Any, sign_in: SignIn) -> Iterator[_Gateway]:
    ours, theirs = get_context("spawn").Pipe()
    with TemporaryDirectory() as folder:
        process = get_context("spawn").Process(target=_in_child, args=(serve, theirs, Path(folder)))
        process.start()
        theirs.close()
        try:
            yield _Gateway(ours, sign_in, *_started(ours))
        finally:
            ours.close()
            process.join(_START_SECONDS)
            process.kill()
            process.join()


def _started(control: Connection) -> tuple[int, Registration | None]:
    try:
        if control.poll(_START_SECONDS):
            port, caller = control.recv()
            return int(port), caller
    except EOFError:
        pass
    raise BenchError("a gateway did not come up")


def _in_child(serve: Any, control: Connection, folder: Path) -> None:
    """Serve until the other side hangs up; the log goes where it costs what it costs, and is not kept."""
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    serve(control, folder, time.process_time)
