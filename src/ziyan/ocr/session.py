"""The Session port: one loaded model, behind OpenVINO or ONNX Runtime.

Which runtime, which precision and how many threads are chosen on purpose here and nowhere else:

* OpenVINO where the CPU has AVX-512 or AMX (2-3 times faster there), else ONNX Runtime (equal once warm, and much
  cheaper in each new input shape).
* bfloat16 where OpenVINO computes and the CPU multiplies it by itself (AVX-512 BF16, AMX): 1.6 times as fast there, and
  on labelled pictures as right as float32, some last digits and a rare character aside.  Elsewhere float32.
* A session computes on as many threads as it is given and no more; no thread spins while it waits, so that the CPU
  seconds of a call are seconds of work.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt

Tensor = npt.NDArray[np.float32]
RuntimeName = Literal["openvino", "onnxruntime"]
Precision = Literal["f32", "bf16"]

_AVX512 = ("avx512f", "amx_tile")
_BF16 = ("avx512_bf16", "amx_bf16")
#: Layers that OpenVINO stays prepared for in shapes other than the present one: by default 5,000, at some 4 MiB for
#: each shape of a detector.  These are some 24 shapes, about as many as pictures are seen in; preparing for one that
#: was not kept takes as long as computing a small window twice.
_LAYERS_KEPT = 1500
#: A side that every network takes, small.
_SMALL = 64


class Session(Protocol):
    """One loaded model.  Safe to call from several threads at once."""

    def run(self, batch: Tensor) -> Tensor:
        """Compute the model's first output.

        Args:
            batch: ``[N, 3, H, W]`` float32, contiguous.

        Returns:
            ``[N, …]`` float32, owned by the caller.
        """


class OnnxRuntimeSession:
    """ONNX Runtime on the CPU."""

    def __init__(self, weights: Path, threads: int) -> None:
        """Load ``weights`` to compute on ``threads`` threads."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # A memory plan for every shape ever seen is what grows; the arena itself is reused by all shapes, and without
        # it every run pays for fresh pages (measured: 1.7 times the CPU seconds in detection).
        options.enable_mem_pattern = False
        _share_arena()
        options.add_session_config_entry("session.use_env_allocators", "1")
        self._session = onnxruntime.InferenceSession(str(weights), options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name

    def run(self, batch: Tensor) -> Tensor:
        """See ``Session.run``."""
        output: Tensor = self._session.run(None, {self._input: batch})[0]
        return output


@cache
def _share_arena() -> None:
    """One arena for all sessions of the process, growing by what is asked for instead of by doubling."""
    import onnxruntime

    where = onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    )
    same_as_requested = 1
    onnxruntime.create_and_register_allocator(where, onnxruntime.OrtArenaCfg(0, same_as_requested, -1, -1))


class OpenVinoSession:
    """OpenVINO on the CPU; one infer request for each calling thread."""

    def __init__(self, weights: Path, threads: int, callers: int, precision: Precision, many_shapes: bool) -> None:
        """See ``open_session``."""
        import openvino

        core = openvino.Core()
        kept = {"CPU_RUNTIME_CACHE_CAPACITY": _LAYERS_KEPT} if many_shapes else {}
        self._compiled: Any = core.compile_model(
            str(weights),
            "CPU",
            {
                "INFERENCE_NUM_THREADS": threads * callers,
                "NUM_STREAMS": callers,
                "INFERENCE_PRECISION_HINT": precision,
                "ENABLE_CPU_PINNING": False,
                **kept,
            },
        )
        self._requests = threading.local()
        # The first conversions of arrays in a process fill tables of OpenVINO's binding, under a lock that is
        # held while waiting for the interpreter: two threads at once would wait for each other for ever.
        _, *sizes = self._compiled.input(0).get_partial_shape()
        self.run(np.zeros([1, *(_SMALL if size.is_dynamic else size.get_length() for size in sizes)], np.float32))

    def run(self, batch: Tensor) -> Tensor:
        """See ``Session.run``."""
        request = getattr(self._requests, "request", None)
        if request is None:
            request = self._requests.request = self._compiled.create_infer_request()
        request.infer({0: batch}, share_inputs=True)
        # The request's own buffer is written again by the next call.
        output: Tensor = request.get_output_tensor(0).data.copy()
        return output


@dataclass(frozen=True, slots=True)
class StoppableSession:
    """A session for the length of one call: asks before every run whether to go on.

    Attributes:
        session: What computes.
        stop: Raises to stop.
    """

    session: Session
    stop: Callable[[], None]

    def run(self, batch: Tensor) -> Tensor:
        """See ``Session.run``."""
        self.stop()
        return self.session.run(batch)


def choose_runtime(wanted: Literal["auto", "openvino", "onnxruntime"]) -> RuntimeName:
    """The runtime to use on this CPU."""
    if wanted != "auto":
        return wanted
    return "openvino" if _has_any(_AVX512) else "onnxruntime"


def choose_precision(wanted: Literal["auto", "f32", "bf16"], runtime: RuntimeName) -> Precision:
    """The arithmetic to compute in with ``runtime`` on this CPU."""
    if runtime == "onnxruntime":
        return "f32"
    if wanted != "auto":
        return wanted
    return "bf16" if _has_any(_BF16) else "f32"


def _has_any(flags: Iterable[str]) -> bool:
    try:
        cpuinfo = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return not set(flags).isdisjoint(cpuinfo.split())


def open_session(
    weights: Path,
    runtime: RuntimeName,
    precision: Precision,
    threads: int,
    callers: int = 1,
    *,
    many_shapes: bool = False,
) -> Session:
    """Load ``weights``.

    Args:
        weights: An ONNX file.
        runtime: Which of the two computes.
        precision: OpenVINO's arithmetic; ONNX Runtime always computes in float32.
        threads: How many threads one ``run`` computes on.
        callers: How many threads will call ``run`` at the same time.
        many_shapes: Inputs come in more shapes than there is memory to stay prepared for.
    """
    if runtime == "openvino":
        return OpenVinoSession(weights, threads, callers, precision, many_shapes)
    return OnnxRuntimeSession(weights, threads)
