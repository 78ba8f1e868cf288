"""Draws the Chinese pictures that ``tests/ocr/test_pipeline.py`` reads.

Needs the package fonts-noto-cjk of Debian 12 (Noto Sans CJK and Noto Serif CJK, SIL Open Font License 1.1) and the
Pillow of ``constraints.txt``.  What is drawn, and so what has to be read, is in ``readings.json`` beside this file::

    .venv/bin/python tests/resources/draw.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont

HERE = Path(__file__).parent
FONTS = Path("/usr/share/fonts/opentype/noto")
FACES = {"sans": "NotoSansCJK-Regular.ttc", "serif": "NotoSerifCJK-Bold.ttc"}
SIMPLIFIED = 2  # index of the simplified Chinese face in Noto's collections


def main() -> None:
    """Write every picture."""
    for name, picture in json.loads((HERE / "readings.json").read_text("utf-8"))["pictures"].items():
        page = Image.new("L", tuple(picture["size"]), 255)
        for block in picture["blocks"]:
            draw_block(ImageDraw.Draw(page), block)
        page.quantize(8).save(HERE / f"{name}.png", optimize=True)


def draw_block(canvas: ImageDraw.ImageDraw, block: dict[str, Any]) -> None:
    """Lines one under another from the block's top-left, or columns one left of another from its top-right."""
    font = ImageFont.truetype(FONTS / FACES[block["face"]], block["height"], index=SIMPLIFIED)
    x, y = block["at"]
    for line in block["lines"]:
        if block.get("vertical"):
            # Characters one by one: Pillow's own top-to-bottom layout needs a library that is not everywhere.
            for number, character in enumerate(line):
                draw_upright(canvas, character, font, (x - font.size, y + number * font.size * 1.1))
            x -= block["pitch"]
        else:
            canvas.text((x, y), line, font=font, fill=0, anchor="ls")
            y += block["pitch"]


def draw_upright(
    canvas: ImageDraw.ImageDraw, character: str, font: ImageFont.FreeTypeFont, at: tuple[float, float]
) -> None:
    """One character of a column; commas and full stops in the upper right of their cell."""
    x, y = at
    if character in "，。":
        x, y = x + 0.6 * font.size, y - 0.6 * font.size
    canvas.text((x, y + 0.88 * font.size), character, font=font, fill=0, anchor="ls")


if __name__ == "__main__":
    main()
