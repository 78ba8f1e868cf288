"""Tax numbers of buyers in China (纳税人识别号)."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

#: GB 32100-2015: digits, and letters without I, O, S, V and Z.
_ALPHABET: Final = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_WEIGHTS: Final = (1, 3, 9, 27, 19, 26, 16, 17, 20, 29, 25, 13, 8, 24, 10, 30, 28)
_CREDIT_CODE: Final = re.compile(f"[{_ALPHABET}]{{2}}[0-9]{{6}}[{_ALPHABET}]{{10}}")
#: From before 2015: six digits of the place and nine characters of the organization; an old identity card's number and
#: two more; a new one's and two more.  Places begin with 1 to 8, so no company's credit code that was cut off is one.
_OLDER: Final = re.compile(r"[1-8](?:[0-9]{5}[0-9A-Z]{9}|[0-9]{14}[0-9A-Z]{2}|[0-9]{16}[0-9X][0-9A-Z]{2})")


def normalized(text: str) -> str:
    """A tax number in its one form: narrow upper-case characters without spaces."""
    return "".join(unicodedata.normalize("NFKC", text).split()).upper()


def is_tax_number(text: str) -> bool:
    """Whether a number, in its one form, is a credit code whose check character is right, or of an older form.

    Older ones have 15, 17 or 20 characters, and nothing in them tells a mistake.
    """
    if _CREDIT_CODE.fullmatch(text):
        return check_character(text[:17]) == text[17]
    return _OLDER.fullmatch(text) is not None


def check_character(first: str) -> str:
    """The eighteenth character of a unified social credit code (统一社会信用代码), from the first seventeen."""
    total = sum(_ALPHABET.index(char) * weight for char, weight in zip(first, _WEIGHTS, strict=True))
    return _ALPHABET[-total % len(_ALPHABET)]
