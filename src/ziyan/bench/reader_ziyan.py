"""Our own reader for ``child.py``.

The reader is the one an engine's worker process loads, measured bare, by the same loop as every other contestant.  An
engine around it would add a process boundary that the rival does not have, and its queue and restarts would hide what
one reader costs and how much memory it keeps.  This is the one module of the bench that knows more of ``ziyan.ocr``
than its records.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from ziyan.bench.callers import OPTIONS
from ziyan.engine.worker import load_reader
from ziyan.ocr.models import MODELS, sha256_of
from ziyan.ocr.pipeline import ReaderConfig
from ziyan.ocr.session import choose_precision, choose_runtime
from ziyan.ocr.types import ModelName

_PACKAGES = ("ziyan", "onnxruntime", "openvino", "opencv-python-headless", "pillow", "numpy")


def load(config: dict[str, Any]) -> tuple[dict[str, Any], Callable[[bytes], list[str]]]:
    """A Ziyan reader.

    Args:
        config: ``models_dir``, ``model``, ``runtime``, ``precision``, ``threads`` as in ``ReaderConfig``.

    Raises:
        ModelError: The weights are missing or damaged.
    """
    model: ModelName = config["model"]
    models_dir, runtime = Path(config["models_dir"]), choose_runtime(config["runtime"])
    precision, threads = config["precision"], config["threads"]
    reader = load_reader(ReaderConfig(models_dir, model, runtime, precision, threads, eager=True))

    def read(file_bytes: bytes) -> list[str]:
        return [line.text for line in reader.read(file_bytes, OPTIONS, _never).lines]

    about = {
        "reader": "ziyan",
        "setup": model,
        "model": f"PP-OCRv6 {model}",
        "runtime": runtime,
        "precision": choose_precision(precision, runtime),
        "threads": threads,
        "versions": {name: version(name) for name in _PACKAGES},
        "weights": {weight.file: sha256_of(models_dir / weight.file) for weight in MODELS[model].weights},
    }
    return about, read


def _never() -> bool:
    return False
