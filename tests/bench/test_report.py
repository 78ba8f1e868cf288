from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

from tests.bench.samples import label, outcome, write_picture
from ziyan.bench import display, page, tables
from ziyan.bench.dataset import Label
from ziyan.bench.diff import MOST, marked
from ziyan.bench.memory import MemoryCurve
from ziyan.bench.results import Results
from ziyan.bench.targets import Verdict


class Checker(HTMLParser):
    """Collects what a page would load, and whether its tags are closed."""

    VOID = frozenset({"meta", "img", "line", "polyline"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.tags: Counter[str] = Counter()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "data")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def check(text: str) -> Checker:
    checker = Checker()
    checker.feed(text)
    assert checker.open == []
    return checker


def results(folder: Path) -> Results:
    path = folder / "<b>.png"
    write_picture(path, ["x"], (2000, 50))
    truth = Label("c", path, ("第一行 <script>", "第二行"), "zh")
    return Results.of(
        [
            outcome(truth, ziyan_small=["第一行 <script>", "第三行"], rapidocr_tuned=[]),
            outcome(label("fine", category="d", language="en"), ziyan_small=["fine"], rapidocr_tuned=["fine"]),
        ]
    )


def test_the_page_is_one_file_that_loads_nothing(tmp_path: Path) -> None:
    found = results(tmp_path)
    curves = {"ziyan small": MemoryCurve([1 << 20] * 3000, 0, 0), "rapidocr": MemoryCurve([1 << 21] * 3000, 0, 0)}
    text = page.page(
        "Ziyan <bench>",
        [
            page.paragraphs(["a < b"]),
            page.verdicts([Verdict("a < b", "1 > 2", False), Verdict("c", "d", True)]),
            page.table("Text", tables.TEXT_HEAD, tables.text_rows(found, "ziyan small")),
            page.worst(found, "ziyan small"),
            page.memory_chart(curves),
            page.facts("machine", {"cpu": "<fast>"}),
        ],
    )
    checker = check(text)
    assert checker.tags["script"] == checker.tags["link"] == 0
    assert "url(" not in text and "@import" not in text
    assert len(checker.addresses) == 1
    assert all(address.startswith("data:image/jpeg;base64,") for address in checker.addresses)
    assert checker.tags["polyline"] == 2


def test_the_page_shows_what_was_read_wrong_and_by_whom(tmp_path: Path) -> None:
    text = page.worst(results(tmp_path), "ziyan small")
    assert "第<del>二</del><ins>三</ins>行" in text
    assert "<b>ziyan small</b> 1 edits of 14 characters" in text
    assert "<b>rapidocr tuned</b> 14 edits" in text
    assert "c/&lt;b&gt;.png" in text
    assert "fine" not in text


def test_a_difference_marks_lines_too_and_escapes() -> None:
    assert marked(["甲", "乙"], ["甲乙"]) == "甲<del>↵\n</del>乙"
    assert marked(["<a>"], ["<b>"]) == "&lt;<del>a</del><ins>b</ins>&gt;"
    assert marked(["x" * (MOST + 5)], []).count("x") == MOST


def test_the_table_has_each_reader_s_figures_and_our_ratio_to_it(tmp_path: Path) -> None:
    rows = list(tables.text_rows(results(tmp_path), "ziyan small"))
    assert rows[0] == ("c", "1", "ziyan small", "7.14", "83.33", "0.00", "", "1.000", "1.000", "", "")
    assert rows[1][2:] == ("rapidocr tuned", "100.00", "0.00", "0.00", "", "1.000", "1.000", "1.00", "1.00")
    assert rows[2][6] == "0.00"  # WER, where there is Latin script
    assert rows[4] == (tables.MEAN, "", "ziyan small", "3.57", "91.67", "50.00", "", "1.000", "1.000", "", "")
    times = list(tables.time_rows(results(tmp_path), "ziyan small"))
    assert times[-1] == (tables.ALL, "2", "rapidocr tuned", *["1.000"] * 4, "1.00", "1.00")


def test_ratios_are_said_with_their_worst_category(tmp_path: Path) -> None:
    lines = list(tables.ratio_lines(results(tmp_path), "ziyan small"))
    assert lines[0] == "wall ziyan small ÷ rapidocr tuned: 1.000 (geometric mean), worst 1.000 in c"
    assert len(lines) == 2


def test_files_are_written(tmp_path: Path) -> None:
    display.save(tmp_path / "out", "accuracy", {"字": 1}, "<p>")
    assert re.search("字", (tmp_path / "out" / "accuracy.json").read_text("utf-8"))
    assert (tmp_path / "out" / "accuracy.html").read_text("utf-8") == "<p>"


def test_hostile_outcomes_are_counted_by_kind() -> None:
    table = tables.outcome_table(
        Counter({("bomb", "image_too_large"): 3, ("flip", "page"): 1, ("flip", "bad_image"): 2})
    )
    assert [column.header for column in table.columns] == ["kind", "n", "bad_image", "image_too_large", "page"]
    assert [list(column.cells) for column in table.columns] == [
        ["bomb", "flip"],
        ["3", "3"],
        ["", "2"],
        ["3", ""],
        ["", "1"],
    ]


def test_our_own_models_are_compared_the_other_way_round() -> None:
    found = Results.of([outcome(label("x"), ziyan_small=["x"], ziyan_tiny=["x"])])
    assert next(tables.ratio_lines(found, "ziyan small")).startswith("wall ziyan tiny ÷ ziyan small: 1.000")
