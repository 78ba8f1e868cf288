"""A reader for `child.py` that reads the text out of a picture's own metadata, and misbehaves on demand."""

from __future__ import annotations

import io
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from PIL import Image


def load(config: dict[str, Any]) -> tuple[dict[str, Any], Callable[[bytes], list[str]]]:
    """``config`` may name a ``swap`` (two characters), and texts to ``raise_on``, ``die_on`` or ``hang_on``."""
    if config.get("broken"):
        raise RuntimeError("the weights are missing")
    print("libraries say things", flush=True)

    def read(file_bytes: bytes) -> list[str]:
        with Image.open(io.BytesIO(file_bytes)) as image:
            lines: list[str] = json.loads(image.info["truth"])
        text = "\n".join(lines)
        print("and say them here", flush=True)
        if text == config.get("raise_on"):
            raise ValueError("cannot read this")
        if text == config.get("die_on"):
            print("out of memory", file=sys.stderr, flush=True)
            os._exit(9)
        time.sleep(config.get("sleep", 0))
        if text == config.get("hang_on"):
            time.sleep(600)
        return [line.replace(*config["swap"]) for line in lines] if "swap" in config else lines

    about = {
        "reader": "fake",
        "setup": config.get("setup", "plain"),
        "model": "none",
        "runtime": "python",
        "precision": "exact",
        "threads": 1,
        "versions": {},
        "weights": {},
        "cores": sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [],
    }
    return about, read
