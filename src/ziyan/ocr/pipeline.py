"""The reading flow: image bytes → decode → detect → crop → orient → recognize → compose → Page."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from ziyan.ocr.compose import compose
from ziyan.ocr.crop import LINE_HEIGHT
from ziyan.ocr.db_postprocess import DBOptions
from ziyan.ocr.decode import decode
from ziyan.ocr.detect import QUICK_SCALES, Detector, Scales, detect, detect_turned, usual_windows
from ziyan.ocr.join import join_strips
from ziyan.ocr.lines import read_lines
from ziyan.ocr.memory import give_back_memory
from ziyan.ocr.models import locate
from ziyan.ocr.orient import Pose, find_pose, place
from ziyan.ocr.recognize import Alphabet, Recognizer, bucket_widths
from ziyan.ocr.session import choose_precision, choose_runtime, open_session
from ziyan.ocr.text import join_lines
from ziyan.ocr.types import ModelName, Page, ReadOptions


@dataclass(frozen=True, slots=True)
class ReaderConfig:
    """What a reader is loaded with.

    Attributes:
        models_dir: Folder the weights are installed in.
        model: Which of them.
        runtime: ``auto`` takes OpenVINO where the CPU has AVX-512 or AMX, else ONNX Runtime.
        precision: Arithmetic of OpenVINO; ``auto`` takes bfloat16 where the CPU has it built in.
        threads: Exactly as many threads compute.
        eager: Prepare for every width of line before the first call, where the runtime would do so at its first use.
        also: Other weights that a call may name.
    """

    models_dir: Path
    model: ModelName = "small"
    runtime: Literal["auto", "openvino", "onnxruntime"] = "auto"
    precision: Literal["auto", "f32", "bf16"] = "auto"
    threads: int = 2
    eager: bool = False
    also: tuple[ModelName, ...] = ()


#: Resident bytes that a reader is content with: for itself and for each thread.
_PLENTY, _PLENTY_EACH = 450 << 20, 200 << 20


def _never() -> bool:
    return False


class Reader:
    """Loaded weights.  Holds nothing of any call, so threads may share one.

    Attributes:
        models: What a call may name as ``ReadOptions.model``, the usual one first.
    """

    def __init__(self, config: ReaderConfig) -> None:
        """Load and warm the weights.

        Raises:
            ModelError: Weights are missing or damaged.
        """
        files, *others = (locate(config.models_dir, name) for name in dict.fromkeys((config.model, *config.also)))
        runtime = choose_runtime(config.runtime)
        precision = choose_precision(config.precision, runtime)
        cv2.setNumThreads(1)

        load = partial(open_session, runtime=runtime, precision=precision, threads=1, callers=config.threads)

        quick = files.draft or files
        pool = ThreadPoolExecutor(config.threads, thread_name_prefix="reading")
        self._detector = Detector(load(files.detector, many_shapes=True), pool)
        deciding, fast, *further = (
            Alphabet(each.name, each.charset, load(each.recognizer))
            for each in (files, quick, *(other for other in others if other.name != quick.name))
        )
        self._recognizer = Recognizer(deciding=deciding, quick=fast, further=tuple(further), pool=pool)
        self.models = self._recognizer.models
        self._db_options = DBOptions()
        self._plenty = _PLENTY + _PLENTY_EACH * config.threads
        if config.eager and runtime == "openvino":
            self._warm(usual_windows(Scales()), bucket_widths(), config.threads)
        else:
            self._warm([(Scales().window, Scales().window)], [320], config.threads)
        give_back_memory(0)  # or what preparing took and let go of, some 150 MiB, would count as the reader's own

    def _warm(self, windows: Sequence[tuple[int, int]], widths: Sequence[int], threads: int) -> None:
        """Run everything once on each thread: the first call pays for what is set up late."""
        detector = self._detector
        for height, width in windows:
            list(detector.pool.map(detector.session.run, [np.zeros((1, 3, height, width), np.float32)] * threads))
        for alphabet in self._recognizer.alphabets:
            for width in widths:
                self._recognizer.map(alphabet.read, [np.full((LINE_HEIGHT, width, 3), 255, np.uint8)] * threads)

    def read(self, image_bytes: bytes, options: ReadOptions, cancelled: Callable[[], bool] = _never) -> Page:
        """Read one picture.

        Args:
            image_bytes: The file's bytes.
            options: How to read it.
            cancelled: Asked between stages and batches; once it says True the work stops with CancelledError.

        Raises:
            ImageError: The picture is at fault.
            ModelNotInstalledError: The options name other weights than it has.
        """
        recognizer = self._recognizer.with_model(options.model)
        scales = QUICK_SCALES if recognizer.deciding.name == recognizer.quick.name else Scales()

        def stop() -> None:
            if cancelled():
                raise CancelledError

        watch = _Watch()
        image = decode(image_bytes, options.limits)
        watch.lap("decode")
        look = scales, self._db_options, stop
        regions = detect(self._detector, image.pixels, *look)
        watch.lap("detect")
        pose = find_pose(image.pixels, regions, recognizer.glance) if options.page_orientation else Pose()
        if pose.orientation:
            regions = detect_turned(self._detector, image.pixels, pose.orientation // 90, *look)
        strips = join_strips(place(regions, pose))
        watch.lap("orient")
        lines = read_lines(image.pixels, strips, recognizer, options, stop)
        watch.lap("recognize")
        lines, skew = compose(lines, pose, options.order)
        watch.lap("compose")
        give_back_memory(self._plenty)
        return Page(
            lines=tuple(lines),
            text=join_lines(line.text for line in lines),
            width=image.width,
            height=image.height,
            orientation=pose.orientation,
            skew=skew,
            model=recognizer.deciding.name,
            timings=watch.laps,
        )


class _Watch:
    """Milliseconds from lap to lap."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """Write down what ``stage`` took."""
        now = time.perf_counter()
        self.laps[stage] = round((now - self._last) * 1000, 2)
        self._last = now
