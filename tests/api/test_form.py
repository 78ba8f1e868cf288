from __future__ import annotations

from urllib.parse import quote_from_bytes, unquote_to_bytes

from hypothesis import example, given
from hypothesis import strategies as st

from ziyan.api.form import decode_percent, parse_pairs

#: Few bytes, so that whole, broken and nested escapes and line ends come together often.
TRICKY = st.lists(st.sampled_from([b"%", b"=", b"+", b"a", b"F", b"0", b"3D", b"g", b"\r", b"\n", b"_", b" ", b"\xff"]))


@given(TRICKY.map(b"".join))
@example(b"%\r\nabc\n")
@example(b"%3D%3d==%%%25%2525")
def test_percent_decoding_is_the_standard_librarys(raw: bytes) -> None:
    assert decode_percent(raw) == unquote_to_bytes(raw.replace(b"+", b" "))


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.binary()))
def test_what_was_encoded_comes_back(pairs: dict[str, bytes]) -> None:
    encoded = "&".join(
        f"{quote_from_bytes(name.encode(), safe='')}={quote_from_bytes(value)}" for name, value in pairs.items()
    )
    assert parse_pairs(encoded.encode()) == pairs


def test_a_form_is_split_on_ampersands_alone() -> None:
    assert parse_pairs(b"img=data:image/png;base64,AA=;b=2&img=second&b") == {
        "img": b"data:image/png;base64,AA=;b=2",
        "b": b"",
    }
