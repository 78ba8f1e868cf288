"""Draws ``src/ziyan/resources/sample.png``, the picture that the curl line of ``ziyan serve`` sends.

A notice that nobody ever put up, as a phone would see it: a little askew, unevenly lit, with a remark in pen.  Needs
the packages fonts-noto-cjk and fonts-lxgw-wenkai of Debian 12 (both fonts under the SIL Open Font License 1.1), and
the Pillow and NumPy of ``constraints.txt``::

    .venv/bin/python scripts/draw_sample.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter, ImageFont

ROOT = Path(__file__).parent.parent
TARGET = ROOT / "src" / "ziyan" / "resources" / "sample.png"
FONTS = Path("/usr/share/fonts")
SANS = FONTS / "opentype/noto/NotoSansCJK-Regular.ttc"
SERIF_BOLD = FONTS / "opentype/noto/NotoSerifCJK-Bold.ttc"
PEN = FONTS / "truetype/lxgw-wenkai/LXGWWenKai-Regular.ttf"
SIMPLIFIED = 2  # index of the simplified Chinese face in Noto's collections

SIZE = 900, 600
FINER = 2  # drawn this much larger, so that turning it leaves smooth edges
PAPER, INK, BLUE = (250, 248, 242), (38, 36, 40), (20, 50, 170)
#: Corners of the paper in the picture, clockwise from its top-left.
CORNERS = (34, 26), (872, 14), (884, 580), (22, 590)
LINES = (
    ("枫桥社区图书馆", SERIF_BOLD, 44, INK, (450, 62), "mm"),
    ("Maple Bridge Community Library", SANS, 25, INK, (450, 114), "mm"),
    ("旧书换新书活动通知", SERIF_BOLD, 34, INK, (450, 182), "mm"),
    ("时间：2031年5月17日周六，9:30-11:30", SANS, 27, INK, (70, 254), "lm"),
    ("地点：Reading Room 206，阅览区二楼", SANS, 27, INK, (70, 304), "lm"),
    ("每人限换5本，请自带书袋。", SANS, 27, INK, (70, 354), "lm"),
    ("Please bring your own bag and your library card.", SANS, 25, INK, (70, 404), "lm"),
    ("改到下午三点，在门口等我", PEN, 37, BLUE, (404, 482), "lm"),
    ("编号：FQ-0382", SANS, 24, INK, (70, 548), "lm"),
)


def main() -> None:
    """Write the picture."""
    notice = draw_notice()
    picture = lay_on_table(notice)
    few = picture.quantize(32, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)  # keeps the blue
    few.save(TARGET, optimize=True)


def draw_notice() -> Image.Image:
    """The sheet, ``FINER`` times the picture's size, as if it had been scanned."""
    sheet = Image.new("RGB", (SIZE[0] * FINER, SIZE[1] * FINER), PAPER)
    canvas = ImageDraw.Draw(sheet)
    for text, file, size, colour, (x, y), anchor in LINES:
        index = SIMPLIFIED if file.suffix == ".ttc" else 0
        font = ImageFont.truetype(file, size * FINER, index=index)
        if file == PEN:
            write_by_hand(sheet, text, font, colour, (x * FINER, y * FINER))
        else:
            canvas.text((x * FINER, y * FINER), text, font=font, fill=colour, anchor=anchor)
    canvas.line([(70 * FINER, 146 * FINER), (830 * FINER, 146 * FINER)], fill=INK, width=FINER * 2)
    return sheet


def write_by_hand(
    sheet: Image.Image, text: str, font: ImageFont.FreeTypeFont, colour: tuple[int, int, int], start: tuple[int, int]
) -> None:
    """Characters one by one, each a little higher or lower and turned than the one before, the line rising."""
    random = np.random.default_rng(7)
    x, y = float(start[0]), float(start[1])
    for character in text:
        side = round(font.size * 1.6)
        stamp = Image.new("L", (side, side))
        ImageDraw.Draw(stamp).text((side / 2, side / 2), character, font=font, fill=255, anchor="mm")
        stamp = stamp.rotate(float(random.normal(2, 2.5)), Image.Resampling.BICUBIC)
        at = round(x - side / 2 + font.size / 2), round(y - side / 2 + random.normal(0, 2))
        sheet.paste(colour, (at[0], at[1], at[0] + side, at[1] + side), stamp)
        x, y = x + font.getlength(character) * 0.97, y - 2


def lay_on_table(sheet: Image.Image) -> Image.Image:
    """The sheet on a table, seen from a little aside, in light that comes from the left."""
    where = homography(CORNERS, ((0, 0), (sheet.width, 0), sheet.size, (0, sheet.height)))
    seen = sheet.filter(ImageFilter.GaussianBlur(1.1)).transform(
        SIZE, Image.Transform.PERSPECTIVE, where, Image.Resampling.BICUBIC
    )
    shape = Image.new("L", sheet.size, 255).transform(SIZE, Image.Transform.PERSPECTIVE, where)
    shape = shape.filter(ImageFilter.GaussianBlur(0.7))
    table = Image.new("RGB", SIZE, (112, 92, 74))
    shadow = shape.filter(ImageFilter.GaussianBlur(9)).transform(SIZE, Image.Transform.AFFINE, (1, 0, -7, 0, 1, -7))
    table = Image.composite(Image.new("RGB", SIZE, (58, 46, 36)), table, shadow)
    picture = np.asarray(Image.composite(seen, table, shape), np.float32)
    lit = np.clip(picture * light(SIZE)[..., None], 0, 255)
    return Image.fromarray(lit.astype(np.uint8))


def light(size: tuple[int, int]) -> npt.NDArray[np.float32]:
    """``[H, W]`` brightness: falling to the right and below, uneven as paper is, and the grain of a sensor."""
    random = np.random.default_rng(11)
    width, height = size
    y, x = np.mgrid[0:height, 0:width]
    slope: npt.NDArray[np.float32] = (1.02 - 0.16 * x / width - 0.07 * y / height).astype(np.float32)
    waves = Image.fromarray(random.normal(0, 1, (9, 13)).astype(np.float32)).resize(size, Image.Resampling.BICUBIC)
    grain = random.normal(0, 0.006, (height, width)).astype(np.float32)
    return slope + np.float32(0.012) * np.asarray(waves, np.float32) + grain


def homography(corners: tuple[tuple[int, int], ...], targets: tuple[tuple[int, int], ...]) -> tuple[float, ...]:
    """Pillow's eight coefficients of the perspective that takes ``corners`` to ``targets``."""
    rows, wanted = [], []
    for (x, y), (u, v) in zip(corners, targets, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        wanted += [u, v]
    return tuple(float(value) for value in np.linalg.solve(np.array(rows, float), np.array(wanted, float)))


if __name__ == "__main__":
    main()
