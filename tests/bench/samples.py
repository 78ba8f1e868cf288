"""Small labelled data for the bench's tests, and readers that know it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin

from ziyan.bench.contestant import Reading
from ziyan.bench.dataset import Label
from ziyan.bench.race import Outcome

FAKE_READER = Path(__file__).parent / "fake_reader.py"


def write_picture(path: Path, lines: Sequence[str], size: tuple[int, int] = (40, 20)) -> None:
    """A PNG that carries its own text, for ``fake_reader.py`` to find."""
    info = PngImagePlugin.PngInfo()
    info.add_itxt("truth", json.dumps(list(lines)))
    Image.new("RGB", size, "white").save(path, pnginfo=info)


def write_data(data: Path, categories: Mapping[str, Sequence[Mapping[str, Any]]]) -> Path:
    """Category folders with a labels.jsonl and its pictures; a label's ``image`` is made up where it has none."""
    for category, labels in categories.items():
        folder = data / category
        folder.mkdir(parents=True)
        rows = [{"image": f"{category}_{number}.png", **label} for number, label in enumerate(labels)]
        (folder / "labels.jsonl").write_text("\n".join(json.dumps(row) for row in rows), "utf-8")
        for row in rows:
            write_picture(folder / row["image"], row["lines"])
    return data


def label(*lines: str, category: str = "c", name: str = "p.png", **more: Any) -> Label:
    return Label(category, Path("data") / category / name, lines, **more)


def outcome(truth: Label, **readings: Sequence[str]) -> Outcome:
    """What contestants, by name, read, each in one second."""
    return Outcome(truth, {name.replace("_", " "): Reading(tuple(lines), 1.0, 1.0) for name, lines in readings.items()})
