"""The figures of ``docs/benchmarks.md``, taken from the page itself so that they cannot differ."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Final

from ziyan.web.plain_words import Text
from ziyan.web.samples import document

CATEGORIES: Final[dict[str, Text]] = {
    "cards_composed": ("证件卡片（合成）", "cards, composed"),
    "cards_real": ("证件卡片（实拍）", "cards, photographed"),
    "codes": ("验证码、编号", "codes"),
    "degraded": ("模糊、压缩过的图", "degraded pictures"),
    "en_pages_composed": ("英文页面", "English pages"),
    "ja_doc": ("日文文档", "Japanese documents"),
    "long_screenshots": ("长截图", "long screenshots"),
    "mixed_zh_en": ("中英混排", "mixed Chinese and English"),
    "no_text": ("没有文字的图", "pictures without text"),
    "rotated": ("旋转的页面", "turned pages"),
    "vertical_composed": ("竖排（合成）", "vertical writing, composed"),
    "vertical_real": ("竖排（真实）", "vertical writing, real"),
    "zh_doc_composed": ("中文文档（合成）", "Chinese documents, composed"),
    "zh_doc_pages_real": ("中文文档（真实）", "Chinese documents, real"),
    "zh_hand_lines_composed": ("手写单行（合成）", "handwritten lines, composed"),
    "zh_hand_lines_real": ("手写单行（真实）", "handwritten lines, real"),
    "zh_hand_pages_composed": ("手写整页（合成）", "handwritten pages, composed"),
    "zh_hand_pages_real": ("手写整页（真实）", "handwritten pages, real"),
    "zh_hant_composed": ("繁体（合成）", "traditional Chinese, composed"),
    "zh_hant_print_lines": ("繁体印刷单行", "traditional Chinese, printed lines"),
    "zh_photo_real": ("街景、实拍照片", "photographs"),
    "zh_screen_composed": ("屏幕截图（合成）", "screenshots, composed"),
    "zh_screen_real": ("屏幕截图（真实）", "screenshots, real"),
    "zh_video_subtitles": ("视频字幕", "video subtitles"),
}
_CATEGORY: Final = re.compile(r"^\| `(\w+)` \|(.+)\|$", re.MULTILINE)
_MEAN: Final = re.compile(r"^\| mean [^|]*\|(.+)\|$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured.

    Attributes:
        rows: Category in Chinese and English, and its cells as on the page.
        mean: The cells of the last row.
        about: The paragraph that says when, where and with which command.
        missed: What was wanted and not reached, a point each.
    """

    rows: tuple[tuple[Text, tuple[str, ...]], ...]
    mean: tuple[str, ...]
    about: str
    missed: tuple[str, ...]


@cache
def figures() -> Figures:
    """Read them from the page."""
    text = document("benchmarks.md").split("\n## Figures\n")[1]
    about = " ".join(text.strip().split("\n\n")[0].split())
    rows = tuple((CATEGORIES.get(name, (name, name)), _cells(line)) for name, line in _CATEGORY.findall(text))
    means = _MEAN.findall(text)
    points = text.split("Targets that were missed:")[1].strip().split("\n\n")[0] if "missed:" in text else ""
    missed = tuple(" ".join(point.split()) for point in re.split(r"^- ", points, flags=re.MULTILINE) if point.strip())
    return Figures(rows, _cells(means[0]) if means else (), about, missed)


def _cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in line.split("|"))
