"""The two readers of a race, with what they load replaced by stand-ins: what is asked of it is what is tested."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import pytest

from tests.pictures import corners, encode
from ziyan.bench import child, reader_rapidocr, reader_ziyan
from ziyan.ocr.pipeline import ReaderConfig
from ziyan.ocr.types import ALL_FORMATS, Line, Page, ReadOptions

HELLO_SHA256 = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"


@pytest.fixture
def rapidocr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A stand-in for the rival; the list gets its parameters, then each picture it is given."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "det.onnx").write_bytes(b"hello")
    seen: list[Any] = []

    class RapidOCR:
        def __init__(self, params: dict[str, Any]) -> None:
            seen.append(params)

        def __call__(self, picture: Any) -> SimpleNamespace:
            seen.append(picture)
            return SimpleNamespace(txts=("甲", "乙") if len(seen) == 2 else None)

    module = SimpleNamespace(__file__=str(tmp_path / "main.py"), RapidOCR=RapidOCR, EngineType=lambda name: f"<{name}>")
    core = SimpleNamespace(get_property=lambda device, name: SimpleNamespace(to_string=lambda: f"{name} of {device}"))
    monkeypatch.setitem(sys.modules, "rapidocr", module)
    monkeypatch.setitem(sys.modules, "openvino", SimpleNamespace(Core=lambda: core))
    monkeypatch.setattr(reader_rapidocr, "version", lambda name: f"{name} 1")
    return seen


@pytest.mark.parametrize("setup", ["default", "tuned"])
def test_the_rival_is_set_up_as_promised(rapidocr: list[Any], setup: str) -> None:
    about, _ = reader_rapidocr.load({"setup": setup, "runtime": "onnxruntime", "threads": 3})
    usual = {
        "Global.log_level": "error",
        "Det.engine_type": "<onnxruntime>",
        "Cls.engine_type": "<onnxruntime>",
        "Rec.engine_type": "<onnxruntime>",
        "EngineConfig.onnxruntime.intra_op_num_threads": 3,
        "EngineConfig.openvino.inference_num_threads": 3,
    }
    tuned = {"Global.max_side_len": 16000, "Det.limit_type": "max", "Det.limit_side_len": 1536}
    assert rapidocr == [{**usual, **tuned} if setup == "tuned" else usual]
    assert (about["setup"], about["runtime"], about["precision"], about["threads"]) == (setup, "onnxruntime", "f32", 3)
    assert about["versions"]["rapidocr"] == "rapidocr 1"
    assert about["weights"] == {"det.onnx": HELLO_SHA256}


def test_the_rival_decodes_by_itself_unless_it_is_tuned(rapidocr: list[Any]) -> None:
    file = encode(corners(), "PNG")
    _, read = reader_rapidocr.load({"setup": "default", "runtime": "onnxruntime", "threads": 1})
    assert read(file) == ["甲", "乙"]
    assert rapidocr[1] == file
    assert read(file) == []  # it answers None where it finds nothing
    rapidocr.clear()
    _, read = reader_rapidocr.load({"setup": "tuned", "runtime": "onnxruntime", "threads": 1})
    read(file)
    assert np.array_equal(rapidocr[1], corners()[..., ::-1])  # OpenCV's pixels, blue first


def test_the_rival_says_what_openvino_computes_in(rapidocr: list[Any]) -> None:
    about, _ = reader_rapidocr.load({"setup": "tuned", "runtime": "openvino", "threads": 1})
    assert about["precision"] == "INFERENCE_PRECISION_HINT of CPU"


class Reader:
    def __init__(self) -> None:
        self.options: list[ReadOptions] = []

    def read(self, image_bytes: bytes, options: ReadOptions, cancelled: Any) -> Page:
        self.options.append(options)
        assert not cancelled()
        polygon = np.zeros((4, 2), np.float32)
        lines = tuple(Line(text, 1.0, polygon, 1.0) for text in image_bytes.decode().split())
        return Page(lines, "", 1, 1)


@pytest.mark.parametrize(("runtime", "precision"), [("openvino", "bf16"), ("onnxruntime", "f32")])
def test_our_reader_is_the_one_of_a_worker_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runtime: Literal["openvino", "onnxruntime"], precision: str
) -> None:
    configs, reader = list[Any](), Reader()
    monkeypatch.setattr(reader_ziyan, "load_reader", lambda config: configs.append(config) or reader)
    monkeypatch.setattr(reader_ziyan, "sha256_of", lambda path: f"hash of {path.name}")
    config = {"models_dir": str(tmp_path), "model": "tiny", "runtime": runtime, "precision": "bf16", "threads": 2}
    about, read = reader_ziyan.load(config)
    assert configs == [ReaderConfig(tmp_path, "tiny", runtime, "bf16", 2, eager=True)]
    assert read("甲 乙".encode()) == ["甲", "乙"]
    assert reader.options[0].limits.formats == ALL_FORMATS
    assert (about["runtime"], about["precision"], about["model"]) == (runtime, precision, "PP-OCRv6 tiny")
    assert all(digest == f"hash of {file}" for file, digest in about["weights"].items())
    assert about["weights"]


def test_a_reading_is_measured_and_a_failure_is_one_too() -> None:
    def fail(file_bytes: bytes) -> list[str]:
        raise ValueError("no picture")

    assert child.measure(lambda file_bytes: [file_bytes.decode()], b"text")["lines"] == ["text"]
    failed = child.measure(fail, b"")
    assert (failed["lines"], failed["error"]) == ([], "ValueError: no picture")
    assert failed["wall"] >= 0
    assert failed["cpu"] >= 0
