"""Readers that do what the picture says: ``echo hello``, ``exit 3``, ``stuck``, …  They load no weights."""

from __future__ import annotations

import atexit
import concurrent.futures
import ctypes
import gc
import hashlib
import os
import signal
import stat
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ziyan.engine.worker import ANSWER, Kind, SupportsRead, load_reader
from ziyan.errors import EngineError, ImageError, ModelNotInstalledError
from ziyan.ocr.models import MODELS
from ziyan.ocr.types import Line, Page, ReadOptions

if TYPE_CHECKING:
    from ziyan.ocr.pipeline import ReaderConfig

Cancelled = Callable[[], bool]


@dataclass(frozen=True)
class FakeConfig:
    """Stands in for ReaderConfig.

    Attributes:
        folder: Where readers note what they did, and look for signs of what to do.
        start: What loading does; ``ok`` unless told otherwise.
    """

    folder: Path
    start: str = "ok"
    model: str = "small"
    also: tuple[str, ...] = ()
    threads: int = 1

    def note(self, name: str, text: str) -> None:
        with (self.folder / name).open("a", encoding="utf-8") as file:
            file.write(text + "\n")

    def notes(self, name: str) -> list[str]:
        path = self.folder / name
        return path.read_text("utf-8").splitlines() if path.exists() else []


def load_with_a_medium(config: ReaderConfig) -> SupportsRead:
    """The real reader, in a process where the files of ``small`` are listed as ``medium`` too."""
    MODELS["medium"] = replace(MODELS["small"], name="medium")
    return load_reader(config)


def page(text: object) -> Page:
    polygon = np.array([[0, 0], [9, 0], [9, 5], [0, 5]], np.float32)
    return Page((Line(str(text), 0.5, polygon, 0.75),), str(text), 10, 6)


class ForeignError(EngineError):
    """An error of our tree that the gateway does not know."""


class HostileError(Exception):
    """Neither prints nor pickles."""

    def __init__(self) -> None:
        super().__init__(threading.Lock())

    def __str__(self) -> str:
        raise ValueError("no text either")


class Puppet:
    """Obeys its pictures."""

    def __init__(self, config: FakeConfig) -> None:
        self.config = config
        self.models = (config.model,)
        self.kept: list[bytearray] = []
        config.note("loads", config.model)
        self.start(config.start)

    def start(self, how: str) -> None:
        if how == "crash":
            os._exit(9)
        elif how == "fail":
            raise RuntimeError("cannot load")
        elif how == "hang":
            time.sleep(600)
        elif how == "missing" or (self.config.folder / "missing").exists() or self.config.model == "medium":
            raise ModelNotInstalledError("Not there.", internal="inside")
        elif how == "stay":
            atexit.register(time.sleep, 600)

    def read(self, image_bytes: bytes, options: ReadOptions, cancelled: Cancelled) -> Page:
        command, _, rest = image_bytes.partition(b" ")
        if len(image_bytes) < 100:
            self.config.note("reads", image_bytes.decode())
        if command == b"digest":
            return page(hashlib.sha256(image_bytes).hexdigest())
        act = getattr(self, f"do_{command.decode()}")
        return act(rest.decode(), cancelled)  # type: ignore[no-any-return]  # nonsense is among the answers on purpose

    # --- good behaviour ---

    def do_echo(self, text: str, cancelled: Cancelled) -> Page:
        return page(text)

    def do_pid(self, text: str, cancelled: Cancelled) -> Page:
        return page(os.getpid())

    def do_model(self, text: str, cancelled: Cancelled) -> Page:
        return page(self.config.model)

    def do_frozen(self, text: str, cancelled: Cancelled) -> Page:
        """Whether the garbage collector passes over what was there before the first picture."""
        return page(gc.get_freeze_count() > 0)

    def do_environment(self, name: str, cancelled: Cancelled) -> Page:
        return page(os.environ.get(name))

    def do_wait(self, seconds: str, cancelled: Cancelled) -> Page:
        """Works for that long, asking whether to stop as the real reader does."""
        end = time.monotonic() + float(seconds)
        while time.monotonic() < end:
            if cancelled():
                raise concurrent.futures.CancelledError
            time.sleep(0.005)
        return page(f"waited {seconds}")

    def do_meet(self, count: str, cancelled: Cancelled) -> Page:
        """Waits for as many readers as that, so that each is another process."""
        self.config.note("met", str(os.getpid()))
        while len(self.config.notes("met")) < int(count):
            time.sleep(0.005)
        return page(os.getpid())

    def do_until(self, name: str, cancelled: Cancelled) -> Page:
        """Works until a file of that name appears."""
        while not (self.config.folder / name).exists():
            if cancelled():
                raise concurrent.futures.CancelledError
            time.sleep(0.005)
        return page(name)

    # --- hangs ---

    def do_deaf(self, seconds: str, cancelled: Cancelled) -> Page:
        time.sleep(float(seconds))
        return page("deaf")

    def do_stuck(self, mib: str, cancelled: Cancelled) -> Page:
        """Never comes back from native code and holds the interpreter's lock; no signal handler could run."""
        self.kept.append(touched(int(mib or 0)))
        libc, mutex = ctypes.PyDLL(None), ctypes.create_string_buffer(128)
        libc.pthread_mutex_lock(mutex)
        libc.pthread_mutex_lock(mutex)
        raise AssertionError("a mutex was locked twice")

    # --- deaths ---

    def do_exit(self, status: str, cancelled: Cancelled) -> Page:
        os._exit(int(status))

    def do_segfault(self, text: str, cancelled: Cancelled) -> Page:
        return page(ctypes.string_at(0))

    def do_kill(self, text: str, cancelled: Cancelled) -> Page:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("killed")

    def do_leave(self, text: str, cancelled: Cancelled) -> Page:
        raise SystemExit(4)

    def do_starve(self, text: str, cancelled: Cancelled) -> Page:
        raise MemoryError

    # --- memory ---

    def do_leak(self, mib: str, cancelled: Cancelled) -> Page:
        self.kept.append(touched(int(mib)))
        return page(os.getpid())

    def do_balloon(self, mib: str, cancelled: Cancelled) -> Page:
        self.kept.append(touched(int(mib)))
        return self.do_wait("60", lambda: False)

    # --- nonsense ---

    def do_refuse(self, text: str, cancelled: Cancelled) -> Page:
        raise ImageError("Not a picture.", internal="byte 3")

    def do_fail(self, text: str, cancelled: Cancelled) -> Page:
        raise RuntimeError("native fault")

    def do_foreign(self, text: str, cancelled: Cancelled) -> Page:
        raise ForeignError("unknown to the gateway")

    def do_hostile(self, text: str, cancelled: Cancelled) -> Page:
        raise HostileError

    def do_nothing(self, text: str, cancelled: Cancelled) -> None:
        return None

    def do_lambda(self, text: str, cancelled: Cancelled) -> Page:
        return Page((), lambda: text, 1, 1)  # type: ignore[arg-type]

    def do_code(self, text: str, cancelled: Cancelled) -> Page:
        return Page((), Bomb(), 1, 1)  # type: ignore[arg-type]

    def do_giveup(self, text: str, cancelled: Cancelled) -> Page:
        raise concurrent.futures.CancelledError

    def do_interrupt(self, text: str, cancelled: Cancelled) -> Page:
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(os.getpid(), number)
        return page(os.getpid())

    def do_print(self, text: str, cancelled: Cancelled) -> Page:
        os.write(1, text.encode())
        return page("printed")

    def do_garble(self, what: str, cancelled: Cancelled) -> Page:
        """Writes on the line to the gateway, as a stray pointer or an intruder might."""
        frame = {
            "other": ANSWER.pack(Kind.PAGE, 1 << 40, 0),
            "kind": ANSWER.pack(99, 0, 0),
            "huge": ANSWER.pack(Kind.PAGE, 0, 1 << 60),
            "begun": ANSWER.pack(Kind.BEGUN, int(what.partition(" ")[2] or 0), 0),
            "page": ANSWER.pack(Kind.PAGE, int(what.partition(" ")[2] or 0), 4) + b"....",
            "error": ANSWER.pack(Kind.ERROR, int(what.partition(" ")[2] or 0), 2) + b"N.",
            "none": ANSWER.pack(Kind.PAGE, int(what.partition(" ")[2] or 0), 2) + b"N.",
        }[what.partition(" ")[0]]
        for number in range(3, 256):
            try:
                if stat.S_ISSOCK(os.fstat(number).st_mode):
                    os.write(number, frame)
            except OSError:
                continue
        return page("garbled")


class Bomb:
    """Unpickled, it would run something."""

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("exit 1",)


def touched(mib: int) -> bytearray:
    """Memory that is really resident."""
    return bytearray(b"\1") * (mib << 20)
