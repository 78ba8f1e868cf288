"""Labelled pictures: ``DATA/CATEGORY/labels.jsonl`` with the pictures beside it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ziyan.bench.errors import BenchError

LABELS = "labels.jsonl"


@dataclass(frozen=True, slots=True)
class Label:
    """What one picture truly says.

    Attributes:
        category: Name of its folder.
        path: The picture.
        lines: Its visible lines in reading order; empty where there is nothing to read.
        language: ``zh``, ``zh-Hant``, ``ja``, ``en`` or ``mixed``.
        ignored_text: Texts (seals, watermarks) that count neither for nor against.
        order_free: The lines may come in any order.
    """

    category: str
    path: Path
    lines: tuple[str, ...]
    language: str = ""
    ignored_text: tuple[str, ...] = ()
    order_free: bool = False

    @property
    def key(self) -> str:
        """``category/file``: the picture's name in every table and file."""
        return f"{self.category}/{self.path.name}"


def load(data: Path, categories: Sequence[str] = (), limit: int | None = None) -> list[Label]:
    """Every label under ``data``, category by category in the order of their names.

    Args:
        data: Folder of category folders.
        categories: Only these; empty for all.
        limit: At most this many pictures of each category.

    Raises:
        BenchError: A folder, its labels or a picture is missing or unusable: what is not there is never skipped.
    """
    if not data.is_dir():
        raise BenchError(f"no data: {data} is not a folder")
    if (data / LABELS).is_file():
        raise BenchError(f"{data} is a single category: give the folder above it and --categories {data.name}")
    folders = {path.name: path for path in sorted(data.iterdir()) if path.is_dir() and not path.name.startswith(".")}
    if not folders:
        raise BenchError(f"no data: {data} holds no category folders")
    unknown = sorted(set(categories) - set(folders))
    if unknown:
        raise BenchError(f"no category {', '.join(unknown)} in {data}; there are {', '.join(folders)}")
    chosen = [folder for name, folder in folders.items() if not categories or name in categories]
    return [label for folder in chosen for label in _load_category(folder)[:limit]]


def _load_category(folder: Path) -> list[Label]:
    file = folder / LABELS
    if not file.is_file():
        raise BenchError(f"no labels: {file} is missing")
    rows = enumerate(file.read_text("utf-8").splitlines(), 1)
    labels = [_parse(folder, f"{file}:{number}", row) for number, row in rows if row.strip()]
    if not labels:
        raise BenchError(f"no labels: {file} is empty")
    twice = [key for key, count in Counter(label.key for label in labels).items() if count > 1]
    if twice:
        raise BenchError(f"{file} labels a picture twice: {_some(twice)}")
    missing = [label.path.name for label in labels if not label.path.is_file()]
    if missing:
        raise BenchError(f"{len(missing)} pictures named in {file} are missing: {_some(missing)}")
    return labels


def _parse(folder: Path, where: str, row: str) -> Label:
    try:
        fields: dict[str, Any] = json.loads(row)
        ignored = fields.get("ignored_text", [])
        return Label(
            category=folder.name,
            path=folder / fields["image"],
            lines=_strings(fields["lines"]),
            language=str(fields.get("lang", "")),
            ignored_text=_strings([ignored] if isinstance(ignored, str) else ignored),
            order_free=bool(fields.get("order_free", False)),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BenchError(f"{where}: not a label ({type(error).__name__}: {error})") from None


def _strings(values: Iterable[object]) -> tuple[str, ...]:
    if isinstance(values, str) or not all(isinstance(value, str) for value in values):
        raise TypeError("lines are a list of strings")
    return tuple(str(value) for value in values)


def _some(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (", …" if len(names) > most else "")
