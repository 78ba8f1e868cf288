from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.ocr.drawing import text_page, text_strip
from ziyan.ocr import session as module
from ziyan.ocr.models import locate
from ziyan.ocr.recognize import to_tensor
from ziyan.ocr.session import Precision, RuntimeName, Session, Tensor, choose_precision, choose_runtime, open_session

RUNTIMES: tuple[RuntimeName, ...] = ("onnxruntime", "openvino")
PRECISIONS: tuple[Precision, ...] = ("f32", "bf16")


def pretend_cpu(cpuinfo: str | None, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ``/proc/cpuinfo`` say this; None takes it away."""
    file = folder / "cpuinfo"
    if cpuinfo is not None:
        file.write_text(cpuinfo, "utf-8")
    real: Callable[[str], Path] = Path
    monkeypatch.setattr(module, "Path", lambda path: file if path == "/proc/cpuinfo" else real(path))


def line_input() -> Tensor:
    """A recogniser's input."""
    return to_tensor(text_strip("Reading Room 206")[0])


def page_input() -> Tensor:
    """A detector's input: the normalisation does not matter for comparing runtimes."""
    page = np.asarray(text_page(["The quick brown fox", "jumps over it"], 320).convert("RGB"), np.float32)
    padded = np.full((192, 320, 3), 255, np.float32)
    padded[: len(page[:192])] = page[:192]
    return np.ascontiguousarray((padded / 255 - 0.5).transpose(2, 0, 1)[None] * 4)


@pytest.fixture(scope="module", params=["detector", "recognizer"])
def model(request: pytest.FixtureRequest, models_dir: Path) -> tuple[Path, Tensor]:
    """Weights and an input for them."""
    files = locate(models_dir, "tiny")
    return (files.detector, page_input()) if request.param == "detector" else (files.recognizer, line_input())


def test_both_runtimes_compute_the_same_probabilities(model: tuple[Path, Tensor]) -> None:
    weights, batch = model
    first, second = (open_session(weights, runtime, "f32", threads=1).run(batch) for runtime in RUNTIMES)
    assert (first.dtype, first.shape) == (second.dtype, second.shape)
    assert first.max() > 0.9
    np.testing.assert_allclose(first, second, atol=1e-3)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_an_answer_is_its_callers_own(model: tuple[Path, Tensor], runtime: RuntimeName) -> None:
    """The next call, of the same thread too, does not write over it."""
    weights, batch = model
    session = open_session(weights, runtime, "f32", threads=1)
    answer = session.run(batch)
    kept = answer.copy()
    session.run(np.zeros_like(batch))
    np.testing.assert_array_equal(answer, kept)


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_threads_may_share_a_session(models_dir: Path, runtime: RuntimeName) -> None:
    session = open_session(locate(models_dir, "tiny").recognizer, runtime, "f32", threads=1, callers=2)
    inputs = [to_tensor(text_strip(text)[0]) for text in ("Reading Room 206", "one", "two three four five")]
    alone = [session.run(batch) for batch in inputs]
    wrong: list[int] = []

    def call(session: Session, number: int) -> None:
        for _ in range(5):
            if not np.array_equal(session.run(inputs[number]), alone[number]):
                wrong.append(number)

    callers = [threading.Thread(target=call, args=(session, number)) for number in (0, 1, 2, 0)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert wrong == []


#: Runs in a process of its own, where nothing else computes: how many threads did the work of many calls.
COUNT_WORKING_THREADS = """
import sys
from pathlib import Path
import numpy as np, psutil
from ziyan.ocr.session import open_session

weights, runtime, threads = sys.argv[1:]
session = open_session(Path(weights), runtime, "f32", int(threads))
batch = np.zeros((1, 3, 48, 320), np.float32)
session.run(batch)
before = {thread.id: thread.user_time for thread in psutil.Process().threads()}
worked, calls = {}, 0
while sum(worked.values()) < 0.6 and calls < 3000:
    session.run(batch)
    calls += 1
    if calls % 20 == 0:
        worked = {t.id: t.user_time - before.get(t.id, 0.0) for t in psutil.Process().threads()}
print(sum(seconds > 0.08 * sum(worked.values()) for seconds in worked.values()))
"""


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("runtime", RUNTIMES)
def test_no_more_threads_compute_than_are_set(models_dir: Path, runtime: RuntimeName, threads: int) -> None:
    weights = locate(models_dir, "tiny").recognizer
    counted = subprocess.run(
        [sys.executable, "-c", COUNT_WORKING_THREADS, str(weights), runtime, str(threads)],
        capture_output=True,
        text=True,
    )
    assert counted.returncode == 0, counted.stderr
    assert 1 <= int(counted.stdout) <= threads


@pytest.mark.parametrize(
    ("cpuinfo", "runtime"),
    [
        ("flags\t\t: fpu avx2 avx512f avx512vl\n", "openvino"),
        ("flags\t\t: fpu avx2 avx512f\n", "openvino"),
        ("flags\t\t: fpu avx2 amx_tile amx_int8\n", "openvino"),
        ("flags\t\t: fpu avx avx2 fma\n", "onnxruntime"),
        ("model name\t: avx512foo\n", "onnxruntime"),
        (None, "onnxruntime"),
    ],
)
def test_the_runtime_follows_from_the_cpu(
    cpuinfo: str | None, runtime: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_cpu(cpuinfo, tmp_path, monkeypatch)
    assert choose_runtime("auto") == runtime


@pytest.mark.parametrize(
    ("flags", "runtime", "precision"),
    [
        ("avx2 avx512f avx512_bf16", "openvino", "bf16"),
        ("avx2 avx512f amx_bf16 amx_tile", "openvino", "bf16"),
        ("avx2 avx512f avx512_vnni", "openvino", "f32"),
        ("avx2 avx512f avx512_bf16", "onnxruntime", "f32"),
        ("avx2", "openvino", "f32"),
    ],
)
def test_bfloat16_is_taken_where_the_cpu_has_it_built_in(
    flags: str, runtime: RuntimeName, precision: Precision, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_cpu(f"flags\t\t: fpu {flags}\n", tmp_path, monkeypatch)
    assert choose_precision("auto", runtime) == precision


def test_a_precision_that_is_asked_for_is_taken_where_there_is_a_choice() -> None:
    assert [choose_precision(wanted, "openvino") for wanted in PRECISIONS] == list(PRECISIONS)
    assert [choose_precision(wanted, "onnxruntime") for wanted in PRECISIONS] == ["f32", "f32"]


@pytest.mark.parametrize("wanted", RUNTIMES)
def test_a_runtime_that_is_asked_for_is_taken(wanted: RuntimeName) -> None:
    assert choose_runtime(wanted) == wanted
