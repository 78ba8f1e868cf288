"""What runs inside a reading process, and the frames that travel between it and the gateway.

A call travels as ``CALL`` header, options, image bytes; the process answers ``BEGUN`` once it has all of it, then one
of ``PAGE``, ``ERROR``, ``STOPPED``.  Every frame carries the call's number.  The gateway never trusts this side with
more than records: ``unpack`` builds nothing but the classes of ``ziyan.ocr.types``, ``ziyan.errors`` and arrays.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import ctypes
import faulthandler
import io
import multiprocessing
import os
import pickle
import signal
import socket
import struct
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import replace
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, get_args

from ziyan import garbage
from ziyan.errors import EngineError, ModelNotInstalledError, ZiyanError
from ziyan.ocr.types import ModelName, Page, ReadOptions

if TYPE_CHECKING:
    from ziyan.ocr.pipeline import ReaderConfig

#: Call number, bytes of options, bytes of image.
CALL = struct.Struct("!QQQ")
#: Kind, call number, bytes of payload.
ANSWER = struct.Struct("!BQQ")
#: Signals that are the gateway's to act upon; a terminal or a service manager sends them to the whole group.
GATEWAY_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_PR_SET_PDEATHSIG = 1
_MAX_TRACEBACK = 8_000


class Kind(IntEnum):
    """What a frame from the reading process says."""

    READY = 1
    FAILED = 2
    BEGUN = 3
    PAGE = 4
    ERROR = 5
    STOPPED = 6


class SupportsRead(Protocol):
    """What a reading process asks of its reader.

    Attributes:
        models: What a call may name, without another reader being loaded for it.
    """

    models: tuple[str, ...]

    def read(self, image_bytes: bytes, options: ReadOptions, cancelled: Callable[[], bool]) -> Page:
        """Read one picture, as ``ziyan.ocr.pipeline.Reader.read`` does."""


ReaderFactory = Callable[["ReaderConfig"], SupportsRead]


def load_reader(config: ReaderConfig) -> SupportsRead:
    """Load the real reader; imported here so that the gateway's process never loads an inference runtime."""
    from ziyan.ocr.pipeline import Reader

    return Reader(config)


class _Records(pickle.Unpickler):
    """Builds records and arrays only: the process that parses hostile bytes must not choose what the gateway runs."""

    _ARRAYS = frozenset(
        {
            ("numpy", "dtype"),
            ("numpy", "ndarray"),
            ("numpy._core.multiarray", "_reconstruct"),
            ("numpy._core.multiarray", "scalar"),
            ("numpy._core.numeric", "_frombuffer"),
        }
    )
    _RECORDS = frozenset({"ziyan.ocr.types", "ziyan.errors"})

    def find_class(self, module: str, name: str) -> object:
        if (module, name) in self._ARRAYS:
            return super().find_class(module, name)
        if module in self._RECORDS and "." not in name:
            found = super().find_class(module, name)
            if getattr(found, "__module__", None) == module:  # defined there, not merely imported
                return found
        raise pickle.UnpicklingError(f"{module}.{name} is no record")


def pack(value: object) -> bytes:
    """Pickle a record."""
    return pickle.dumps(value, protocol=5)


def unpack(payload: bytes | bytearray) -> object:
    """The record that ``pack`` made ``payload`` from.

    Raises:
        pickle.UnpicklingError: It names anything but a record, an error of ours or an array.
    """
    return _Records(io.BytesIO(payload)).load()


def main(line: socket.socket, stop: ctypes.c_uint64, config: ReaderConfig, factory: ReaderFactory) -> None:
    """Load a reader, then answer calls one by one until the gateway closes the line.

    Args:
        line: This process's end of the socket pair.
        stop: Shared memory; holds the number of the call that is to stop.
        config: What the reader is loaded with.
        factory: Makes a reader; called once for each model that is asked for.
    """
    _settle_in()
    readers = _Readers(config, factory)
    with line, line.makefile("rb") as calls, contextlib.suppress(ConnectionError):
        try:
            for model in (config.model, *config.also):
                readers.get(model)
        except MemoryError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, start() has to hear of it
            _send(line, Kind.FAILED, 0, pack(_as_ours(error)))
            return
        garbage.freeze()
        _send(line, Kind.READY, 0)
        while (call := _receive(calls)) is not None:
            number, options, image_bytes = call
            _send(line, Kind.BEGUN, number)
            _send(line, *_answer(readers, number, options, image_bytes, stop))
            del call, image_bytes  # while this process waits it holds no picture


class _Readers:
    """The readers of one process: the configured ones, and others once a call names them."""

    def __init__(self, config: ReaderConfig, factory: ReaderFactory) -> None:
        self._config = config
        self._factory = factory
        self._loaded: dict[str, SupportsRead] = {}

    def get(self, model: ModelName | None) -> SupportsRead:
        """A reader that has ``model``, loaded at its first use: one may have several."""
        name = model or self._config.model
        if name not in (names := get_args(ModelName)):
            raise ModelNotInstalledError(f"There is no model of that name; take one of {', '.join(names)}.")
        if name not in self._loaded:
            config = self._config if name == self._config.model else replace(self._config, model=name, also=())
            reader = self._factory(config)
            self._loaded = {**dict.fromkeys(reader.models, reader), **self._loaded}
        return self._loaded[name]


def _answer(
    readers: _Readers, number: int, options: ReadOptions, image_bytes: bytes, stop: ctypes.c_uint64
) -> tuple[Kind, int, bytes]:
    """Read one picture; whatever the reader does short of dying becomes an answer.

    ``MemoryError`` and ``SystemExit`` are left to end the process: a fresh one is safer than one that lacks memory.
    """

    def cancelled() -> bool:
        return stop.value == number

    try:
        if cancelled():
            return Kind.STOPPED, number, b""
        page = readers.get(options.model).read(image_bytes, options, cancelled)
        if not isinstance(page, Page):
            raise TypeError(f"the reader gave a {type(page).__name__}, not a Page")
        payload = pack(page)
        unpack(payload)  # a page that holds anything but records is found out here, where it costs one call
    except concurrent.futures.CancelledError:
        return Kind.STOPPED, number, b""
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a reader raises costs its own call and nothing else
        return Kind.ERROR, number, pack(_as_ours(error))
    return Kind.PAGE, number, payload


def _as_ours(error: Exception) -> ZiyanError:
    """``error`` as one that the gateway knows and that can travel; call it while handling ``error``."""
    if isinstance(error, ZiyanError) and type(error).__module__ == ZiyanError.__module__:
        return type(error)(str(error), internal=str(error.internal))
    return EngineError(
        "The picture could not be read because of a fault in the service.",
        internal=traceback.format_exc()[-_MAX_TRACEBACK:],
    )


def _send(line: socket.socket, kind: Kind, number: int, payload: bytes = b"") -> None:
    line.sendall(ANSWER.pack(kind, number, len(payload)) + payload)


def _receive(calls: BinaryIO) -> tuple[int, ReadOptions, bytes] | None:
    """The next call; None once the gateway has closed the line."""
    header = calls.read(CALL.size)
    if len(header) < CALL.size:
        return None
    number, options_size, image_size = CALL.unpack(header)
    options, image_bytes = calls.read(options_size), calls.read(image_size)
    if len(options) < options_size or len(image_bytes) < image_size:
        return None
    record = unpack(options)
    if not isinstance(record, ReadOptions):
        raise TypeError(f"options are a {type(record).__name__}")
    return number, record, image_bytes


def _settle_in() -> None:
    """Be a good child: leave signals to the gateway, never outlive it, keep its standard output clean."""
    for number in GATEWAY_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, GATEWAY_SIGNALS)  # blocked since before this process began
    if sys.stderr is not None:
        os.dup2(sys.stderr.fileno(), 1)  # what native libraries print must not mix with `ziyan read`'s text
        faulthandler.enable()
    parent = multiprocessing.parent_process()
    if parent is None:
        raise RuntimeError("main() runs in a process of its own")
    threading.Thread(target=_leave_with, args=(parent.join,), name="ziyan-leave", daemon=True).start()
    if sys.platform == "linux":
        # The thread cannot run while native code holds the interpreter's lock; the kernel's own signal needs no one.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent.pid:
            os._exit(1)
        # If memory runs out all the same, the reader is the one to lose, not the gateway.
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")


def _leave_with(parent_has_gone: Callable[[], None]) -> None:
    parent_has_gone()
    os._exit(1)
