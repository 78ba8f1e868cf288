"""The reading flow: image bytes → decode → detect → crop → orient → recognize → compose → Page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ziyan.ocr.types import ModelName, Page, ReadOptions


@dataclass(frozen=True, slots=True)
class ReaderConfig:
    """What a reader is loaded with.

    Attributes:
        models_dir: Folder the weights are installed in.
        model: Which of them.
        runtime: ``auto`` takes OpenVINO where the CPU has AVX-512 or AMX, else ONNX Runtime.
        precision: Arithmetic of OpenVINO.
        threads: Exactly as many threads compute.
    """

    models_dir: Path
    model: ModelName = "small"
    runtime: Literal["auto", "openvino", "onnxruntime"] = "auto"
    precision: Literal["f32", "bf16"] = "f32"
    threads: int = 2


def _never() -> bool:
    return False


class Reader:
    """Loaded weights.  Holds nothing of any call, so threads may share one."""

    def __init__(self, config: ReaderConfig) -> None:
        """Load and warm the weights.

        Raises:
            ModelError: Weights are missing or damaged.
        """

    def read(self, image_bytes: bytes, options: ReadOptions, cancelled: Callable[[], bool] = _never) -> Page:
        """Read one picture.

        Args:
            image_bytes: The file's bytes.
            options: How to read it.
            cancelled: Asked between stages and batches; once it says True the work stops with CancelledError.

        Raises:
            ImageError: The picture is at fault.
        """
        raise RuntimeError("being written")
