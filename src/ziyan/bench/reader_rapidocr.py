"""The rival, RapidOCR, as a reader for ``child.py``; runs in the rival's own environment, knows nothing of Ziyan.

Two set-ups: ``default``, as its documentation shows it, and ``tuned``, as somebody sets it up who knows it.  Tuned,
OpenCV decodes the picture, because RapidOCR's own decoder garbles palette PNG, and text is looked for at the picture's
own size up to a longest side of 1536, because by default every picture is enlarged until its short side is 736.
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

_TUNED = {"Global.max_side_len": 16000, "Det.limit_type": "max", "Det.limit_side_len": 1536}
_PACKAGES = ("rapidocr", "onnxruntime", "openvino", "opencv-python-headless", "numpy")


def load(config: dict[str, Any]) -> tuple[dict[str, Any], Callable[[bytes], list[str]]]:
    """A RapidOCR reader.

    Args:
        config: ``setup`` (``tuned`` or ``default``), ``runtime`` (``onnxruntime`` or ``openvino``), ``threads``.
    """
    rapidocr: Any = importlib.import_module("rapidocr")  # by name: no dependency of Ziyan's
    tuned, threads = config["setup"] == "tuned", config["threads"]
    runtime = rapidocr.EngineType(config["runtime"])
    params = {
        "Global.log_level": "error",
        **{f"{stage}.engine_type": runtime for stage in ("Det", "Cls", "Rec")},
        "EngineConfig.onnxruntime.intra_op_num_threads": threads,
        "EngineConfig.openvino.inference_num_threads": threads,
        **(_TUNED if tuned else {}),
    }
    reader = rapidocr.RapidOCR(params=params)
    decode = _opencv_decoder() if tuned else bytes

    def read(file_bytes: bytes) -> list[str]:
        return list(reader(decode(file_bytes)).txts or ())

    about = {
        "reader": "rapidocr",
        "setup": config["setup"],
        "model": "PP-OCRv6 small",
        "runtime": config["runtime"],
        "precision": _precision(config["runtime"]),
        "threads": threads,
        "versions": {name: version(name) for name in _PACKAGES},
        "weights": _weights(Path(rapidocr.__file__).parent / "models"),
    }
    return about, read


def _opencv_decoder() -> Callable[[bytes], Any]:
    cv2, numpy = importlib.import_module("cv2"), importlib.import_module("numpy")
    return lambda file_bytes: cv2.imdecode(numpy.frombuffer(file_bytes, numpy.uint8), cv2.IMREAD_COLOR)


def _precision(runtime: str) -> str:
    """What it computes in: it leaves OpenVINO at the CPU's own choice; ONNX Runtime takes the weights' own, f32."""
    if runtime != "openvino":
        return "f32"
    return str(importlib.import_module("openvino").Core().get_property("CPU", "INFERENCE_PRECISION_HINT").to_string())


def _weights(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob("*.onnx"))}
